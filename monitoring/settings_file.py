"""Settings of the monitors from a TOML file: a section for each monitor, and in it only what shall differ.

    [calibration]
    mean_time_between_false_alarms = 1e8

    [label_feed.detector]
    tolerance = 0.4

Sections and keys are the parts of `MonitorSettings` and their fields, and have their types: nothing is
guessed, and what is misspelt is refused. `python -m monitoring.settings_file` prints all with their defaults.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from fraud_system.errors import ConfigError
from fraud_system.toml_section import suggestion
from monitoring.settings import MonitorSettings

MAX_BYTES = 64 * 1024
Part = TypeVar("Part")
Sections = dict[str, Any]  # as TOML or JSON gives them


def read_sections(path: Path, field: str) -> Sections:
    """The sections of a file, checked.

    Raises:
        ConfigError: it cannot be read, is no TOML, or says what `monitor_settings` refuses.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_BYTES} bytes", field=field)
        sections = tomllib.loads(text.decode())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}", field=field) from error
    monitor_settings(sections, f"{field}: ")
    return sections


def monitor_settings(sections: Mapping[str, Any], where: str = "") -> MonitorSettings:
    """The defaults, but for what the sections say.

    Args:
        sections: by monitor.
        where: for errors, before section and key.

    Raises:
        ConfigError: naming section and key.

    >>> monitor_settings({"latency": {"budget_us": 50_000}}).latency.budget_us
    50000.0
    >>> monitor_settings({"latency": {"budget": 50_000}})
    Traceback (most recent call last):
    fraud_system.errors.ConfigError: latency.budget: no such setting (fix: did you mean 'budget_us'?)
    >>> monitor_settings({"label_feed": {"detector": {"tolerance": 1.5}}})
    Traceback (most recent call last):
    fraud_system.errors.ConfigError: label_feed.detector.tolerance: is a share below 1
    """
    return _changed(MonitorSettings(), sections, where)


def as_toml(settings: MonitorSettings) -> str:
    """All settings, as a file would have them.

    >>> as_toml(MonitorSettings()).splitlines()[:4]
    ['cohorts_held = 128', '', '[cohorts]', 'cohort_s = 21600']
    """
    return "\n".join(_section(settings.described(), ""))


def _section(described: Mapping[str, Any], name: str) -> list[str]:
    own = {key: value for key, value in described.items() if not isinstance(value, dict)}
    lines = ["", f"[{name}]"] if name and own else []
    for key, value in own.items():
        lines.append(f"{key} = {list(value) if isinstance(value, tuple) else value!r}")
    for key, value in described.items():
        if isinstance(value, dict):
            lines += _section(value, f"{name}.{key}" if name else key)
    return lines


def _changed(part: Part, given: Mapping[str, Any], where: str) -> Part:
    """A part with what is given in the place of its own."""
    known = [each.name for each in fields(part)]  # type: ignore[arg-type]
    changes: dict[str, Any] = {}
    for name, value in given.items():
        field = f"{where}{name}"
        if name not in known:
            raise ConfigError("no such setting", field=field, fix=suggestion(name, known))
        own = getattr(part, name)
        if not is_dataclass(own):
            changes[name] = _typed(value, own, field)
        elif isinstance(value, dict):
            changes[name] = _changed(own, value, f"{field}.")
        else:
            raise ConfigError("is a section", field=field, fix=f"write [{name}], and keys below it")
    try:
        return replace(part, **changes)  # type: ignore[type-var]
    except ConfigError as error:
        key = error.field.rpartition(".")[2]
        # Some checks are made of parts together, and name them.
        field = f"{where}{key}" if key in known else f"{where}{error.field}"
        raise ConfigError(error.problem, field=field, fix=error.fix) from None


def _typed(value: Any, own: Any, field: str) -> Any:
    """As the default is."""
    if isinstance(own, tuple):
        if not isinstance(value, list) or not all(map(_is_number, value)):
            raise ConfigError(f"must be a list of numbers, not {value!r:.100}", field=field)
        return tuple(float(each) for each in value)
    if isinstance(own, int):
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError(f"must be a whole number, not {value!r:.100}", field=field)
        return value
    if not _is_number(value):
        raise ConfigError(f"must be a number, not {value!r:.100}", field=field)
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


if __name__ == "__main__":
    print(as_toml(MonitorSettings()))
