"""A run directory is swapped in whole, whatever moment a crash comes at."""

from pathlib import Path

import pytest

from pipelines.run_directory import check_out, written_aside


def a_run(directory: Path, content: str) -> Path:
    directory.mkdir(parents=True)
    (directory / "run.json").write_text(content)
    return directory


def test_a_new_run_takes_the_place_of_an_earlier_one_and_leaves_nothing_beside(
    tmp_path: Path,
) -> None:
    out = a_run(tmp_path / "demo", "earlier")
    with written_aside(out) as aside:
        (aside / "run.json").write_text("new")
        assert (out / "run.json").read_text() == "earlier", "until the new one is whole"
    assert (out / "run.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_failed_job_leaves_the_earlier_run(tmp_path: Path) -> None:
    out = a_run(tmp_path / "demo", "earlier")

    def job() -> None:
        with written_aside(out) as aside:
            (aside / "run.json").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job()
    assert (out / "run.json").read_text() == "earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_crash_between_the_two_renames_is_recovered(tmp_path: Path) -> None:
    a_run(tmp_path / ".demo.replaced", "earlier")
    a_run(tmp_path / ".demo.unfinished", "new, whole or not: nobody knows")
    check_out(tmp_path / "demo")
    assert (tmp_path / "demo" / "run.json").read_text() == "earlier"


def test_a_crash_after_the_second_rename_keeps_the_new_run(tmp_path: Path) -> None:
    a_run(tmp_path / ".demo.replaced", "earlier")
    out = a_run(tmp_path / "demo", "new")
    check_out(out)
    assert (out / "run.json").read_text() == "new"
    assert not (tmp_path / ".demo.replaced").exists()
