"""docs/monitoring.md says of the monitors what they say of themselves."""

import re
import tomllib
from pathlib import Path

import pytest
from streams import simulated_settings

from fraud_system.errors import ConfigError
from monitoring import label_delay, performance
from monitoring.described import MODULES, findings, table_of_monitors, undescribed
from monitoring.health import SWITCHING
from monitoring.monitor import Monitor
from monitoring.settings import MonitorSettings
from monitoring.settings_file import as_toml, monitor_settings, read_sections
from monitoring.shift import SERVED
from monitoring.switching_patterns import SUBJECTS, patterns_of
from monitoring.watch import SIDES

DOCUMENT = Path(__file__).parents[2] / "docs" / "monitoring.md"


def test_the_table_is_that_of_the_modules() -> None:
    _, _, rest = DOCUMENT.read_text(encoding="utf-8").partition("<!-- monitors -->\n")
    table = rest.partition("\n<!-- end -->")[0]
    assert table == table_of_monitors(), "put the output of `python -m monitoring.described` there"


def test_every_monitor_and_everything_that_may_switch_is_in_it() -> None:
    assert undescribed() == []
    table = table_of_monitors()
    assert [pattern for pattern in SWITCHING if f"`{pattern}`" not in table] == []


def test_every_finding_belongs_to_one_row_of_it() -> None:
    told = [each for module in MODULES for each in findings(module)]
    assert len(told) == len(set(told))
    known = [f"{monitor}/{each}" for monitor, names in SUBJECTS.items() for each in names]
    assert sorted(each for each in told if "<feature>" not in each) == sorted(known)


def test_the_subjects_are_those_that_the_monitors_have() -> None:
    monitor = Monitor(MonitorSettings(), simulated_settings())
    limited = (monitor.sanity, monitor.staleness, monitor.latency)
    watches = (
        *monitor.calibration.watches.values(),
        monitor.fraud_rate.watch,
        monitor.label_feed.silent,
        monitor.label_feed.flooded,
    )
    found = {(each.limits.monitor, subject) for each in limited for subject in each.limits.levels}
    found |= {
        (each.monitor, f"{each.subject}: {SIDES[side]}") for each in watches for side in each.sides
    }
    found |= {("score_shift", f"{each}{end}") for each in SERVED for end in ("", ": missing")}
    found |= {("expectation", each) for each in monitor.expectation.levels}
    found |= {("performance", "recall"), (label_delay.MONITOR, label_delay.SUBJECT)}
    found |= {("performance", f"log loss against the {each}") for each in performance.OTHERS}
    listed = {(monitor, each) for monitor, names in SUBJECTS.items() for each in names}
    assert found == listed


def blocks(language: str) -> list[str]:
    text = DOCUMENT.read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    assert found
    return found


def test_the_pattern_and_the_file_of_settings_in_it_are_taken(tmp_path: Path) -> None:
    (pattern,) = re.findall('FRAUD_SWITCHING="(.*)"', "".join(blocks("")))
    assert "calibration/*: more" in patterns_of(pattern)
    (example,) = blocks("toml")
    (tmp_path / "monitors.toml").write_text(example)
    made = monitor_settings(read_sections(tmp_path / "monitors.toml", "FRAUD_MONITORS_FILE"))
    assert made.calibration.mean_time_between_false_alarms == 1e8
    assert made.label_feed.detector.tolerance == 0.4
    assert made.label_feed.detector.alternatives == (3.0, 20.0), "the rest stays"
    assert made.cohorts.warm_up_s == 14 * 86_400
    differs = [name for name, each in vars(made).items() if each != vars(MonitorSettings())[name]]
    assert sorted(differs) == sorted(each.partition(".")[0] for each in tomllib.loads(example))


def test_all_settings_as_a_file_are_the_defaults() -> None:
    assert monitor_settings(tomllib.loads(as_toml(MonitorSettings()))) == MonitorSettings()


@pytest.mark.parametrize(
    ("text", "field", "problem"),
    [
        ("[calibraton]\n", "calibraton", "did you mean 'calibration'"),
        ("[shift]\npsi = 1.0\n", "shift.psi", "no such setting"),
        ("[shift]\nweeks = 2.5\n", "shift.weeks", "a whole number"),
        ("[shift]\nweeks = true\n", "shift.weeks", "a whole number"),
        ("[latency]\nbudget_us = '1'\n", "latency.budget_us", "must be a number"),
        ("[latency]\nbudget_us = -1\n", "latency.budget_us", "must be positive"),
        ("latency = 3\n", "latency", "is a section"),
        ("[label_delay]\nfactors = 2.0\n", "label_delay.factors", "a list of numbers"),
        ("[label_delay]\nfactors = [inf]\n", "label_delay.factors", "must be positive"),
        ("[cohorts]\ncohort_s = 50_000\n", "cohorts.cohort_s", "must divide a week"),
        ("[calibration]\ntolerance = 2.0\n", "calibration.tolerance", "a share below 1"),
        ("cohorts_held = 0\n", "cohorts_held", "above 0"),
    ],
)
def test_a_wrong_setting_is_named_with_its_section(
    tmp_path: Path, text: str, field: str, problem: str
) -> None:
    (tmp_path / "monitors.toml").write_text(text)
    with pytest.raises(ConfigError, match=problem) as error:
        read_sections(tmp_path / "monitors.toml", "FRAUD_MONITORS_FILE")
    assert error.value.field == f"FRAUD_MONITORS_FILE: {field}"


@pytest.mark.parametrize("content", [b"[a\n", b"\xff", b"#" * 70_000, None])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "monitors.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"monitors\.toml"):
        read_sections(path, "FRAUD_MONITORS_FILE")
