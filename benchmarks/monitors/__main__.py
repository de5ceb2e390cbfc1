"""`python -m benchmarks.monitors [--seeds n] [--runs n]`: see `job`."""

from benchmarks.rounds import stay_on_one_core


def main() -> None:
    """One core first: libraries read their number of threads when they are imported."""
    stay_on_one_core()
    from benchmarks.monitors.job import run

    run()


if __name__ == "__main__":
    main()
