"""`make drill`: all drills, a table, `results/drill.json`."""

import argparse
import sys

from tqdm import tqdm

from benchmarks.drill.exercise import standard
from benchmarks.drill.faults import CONTROL, DRILLS
from benchmarks.drill.outcome import Outcome, rows_of, table_of
from benchmarks.table import write


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the simulator")
    parser.add_argument("--days", type=int, default=78, help="of the stream; broken on day 45")
    parser.add_argument("--only", default="", help="drills whose names hold this")
    given = parser.parse_args()
    exercise = standard(given.days, seed=given.seed)
    chosen = [each for each in (CONTROL, *DRILLS) if given.only in each.name]
    payments = exercise.payments()
    share = 1.0 - exercise.broken_day / given.days
    total = round(len(payments.transactions) * (1.0 + share * (len(chosen) - 1)))
    outcomes: list[Outcome] = []
    with tqdm(total=total, unit=" events", unit_scale=True, disable=None) as progress:
        state = exercise.before(payments, progress.update)
        for drill in chosen:
            progress.set_description(drill.name)
            outcomes.append(exercise.run(drill, payments, state, progress.update)[0])
    print(table_of(outcomes))
    about = {"seed": given.seed, "drills": [each.as_json() for each in outcomes]}
    path = write("drill", rows_of(outcomes), ("numpy", "numba", "scipy"), about)
    missed = [each.name for each in outcomes if not each.as_expected]
    print("not as it should: " + "; ".join(missed) if missed else "all as they should be")
    print(f"figures and all findings: {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
