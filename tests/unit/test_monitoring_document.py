"""docs/monitoring.md says of the monitors what they say of themselves."""

from pathlib import Path

from monitoring.described import table_of_monitors, undescribed
from monitoring.health import SWITCHING

DOCUMENT = Path(__file__).parents[2] / "docs" / "monitoring.md"


def test_the_table_is_that_of_the_modules() -> None:
    _, _, rest = DOCUMENT.read_text(encoding="utf-8").partition("<!-- monitors -->\n")
    table = rest.partition("\n<!-- end -->")[0]
    assert table == table_of_monitors(), "put the output of `python -m monitoring.described` there"


def test_every_monitor_and_everything_that_may_switch_is_in_it() -> None:
    assert undescribed() == []
    table = table_of_monitors()
    assert [pattern for pattern in SWITCHING if f"`{pattern}`" not in table] == []
