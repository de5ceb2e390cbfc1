"""One table of a TOML file, read key by key, with errors that name the key and the fix."""

import difflib
from collections.abc import Collection
from typing import Any

from fraud_system.errors import ConfigError


def nearest(name: str, among: Collection[str]) -> str | None:
    """The most similar of some names, whatever their case; None when nothing is similar.

    >>> nearest("tx_ammount", ["TX_DATETIME", "TX_AMOUNT"])
    'TX_AMOUNT'
    """
    by_lower = {each.lower(): each for each in sorted(among)}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def suggestion(name: str, among: Collection[str]) -> str:
    """The fix for a name that is none of these.

    >>> suggestion("charge_back", ["chargeback", "review"])
    "did you mean 'chargeback'?"
    >>> suggestion("bank", ["chargeback", "review"])
    'one of chargeback, review'
    """
    similar = nearest(name, among)
    return f"did you mean {similar!r}?" if similar else f"one of {', '.join(among)}"


class Section:
    """One table; every reader of a key raises `ConfigError` when its value is not usable.

    Args:
        given: what TOML has under this name.
        where: the name of the file.
        name: of the table; "" for the top.
        known: the keys that it may have; None where they are the user's own names.

    >>> Section({"fee": 15}, "mine.toml", "policy", ["fee"]).number("fee", 0.0, 0.0, 100.0)
    15.0
    >>> Section({"fe": 15}, "mine.toml", "policy", ["fee"])
    Traceback (most recent call last):
    fraud_system.errors.ConfigError: mine.toml: policy.fe: unknown key (fix: did you mean 'fee'?)
    """

    def __init__(self, given: Any, where: str, name: str, known: Collection[str] | None) -> None:
        self.where, self.name = where, name
        if not isinstance(given, dict):
            raise ConfigError("must be a table", field=f"{where}: {name}", fix=f"write [{name}]")
        self.given: dict[str, Any] = given
        if known is not None:
            for key in given:
                if key not in known:
                    raise self.error(key, "unknown key", suggestion(key, known))

    def error(self, key: str, problem: str, fix: str) -> ConfigError:
        """An error about one key of this table, for the caller to raise."""
        path = f"{self.name}.{key}" if self.name else key
        return ConfigError(problem, field=f"{self.where}: {path}", fix=fix)

    def text(self, key: str) -> str:
        """A text that must be there and not be blank."""
        if key not in self.given:
            raise self.error(key, "missing", f'add {key} = "..."')
        value = self.given[key]
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, f"must be text, not {value!r}", f'write {key} = "..."')
        return value

    def optional_text(self, key: str) -> str | None:
        """The same, None where it is left out."""
        return self.text(key) if key in self.given else None

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; empty where it is left out."""
        value = self.given.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) and v.strip() for v in value):
            problem = f"must be a list of texts, not {value!r}"
            raise self.error(key, problem, f'write {key} = ["..."]')
        return tuple(value)

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self.given.get(key, default)
        if not isinstance(value, bool):
            raise self.error(key, f"must be true or false, not {value!r}", f"{key} = true")
        return value

    def whole(self, key: str, default: int, least: int = 1, most: int = 2**31 - 1) -> int:
        """A whole number from `least` to `most` (as seconds: 68 years), both allowed."""
        value = self.given.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(key, f"must be a whole number, not {value!r}", f"e.g. {default}")
        if not least <= value <= most:
            raise self.error(key, f"must be from {least} to {most}, not {value}", f"e.g. {default}")
        return value

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """A number from `low` to `high`, both allowed."""
        value = self.given.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, f"must be a number, not {value!r}", f"e.g. {default:g}")
        if not low <= value <= high:
            problem = f"must be from {low:g} to {high:g}, not {value}"
            raise self.error(key, problem, f"e.g. {default:g}")
        return float(value)
