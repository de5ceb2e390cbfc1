"""Every error that this system raises on purpose, on one screen.

Each says what is wrong, which field it concerns and how to mend it, so that the same object serves a
terminal message, a log line and (later) an HTTP problem document.

    FraudSystemError
    ├── ConfigError          a TOML file (schema, features, settings) is not usable
    ├── DataError            a row or a file of transactions or labels is not usable
    │   └── TooManyBadRows   more rows were set aside than the schema allows
    ├── LedgerError          the ledger cannot do what was asked
    │   ├── StaleWriter      somebody else has appended in the meantime
    │   └── CorruptFrame     stored bytes do not match their checksum or format
    ├── ArtefactError        a saved model or snapshot is not usable
    └── ReplayMismatch       a replay did not give the recorded bytes
"""


class FraudSystemError(Exception):
    """The root of the tree.

    Args:
        problem: what is wrong, in one sentence.
        field: the column, key or argument that it concerns.
        fix: what the reader can do about it.

    >>> str(ConfigError("must be positive", field="labels.maturity_s", fix="give seconds, e.g. 2592000"))
    'labels.maturity_s: must be positive (fix: give seconds, e.g. 2592000)'
    """

    def __init__(self, problem: str, *, field: str = "", fix: str = "") -> None:
        self.problem = problem
        self.field = field
        self.fix = fix
        text = f"{field}: {problem}" if field else problem
        super().__init__(f"{text} (fix: {fix})" if fix else text)


class ConfigError(FraudSystemError):
    """A TOML file (schema, features, settings) is not usable."""


class DataError(FraudSystemError):
    """A row or a file of transactions or labels is not usable."""


class TooManyBadRows(DataError):
    """More rows were set aside than the schema allows."""


class LedgerError(FraudSystemError):
    """The ledger cannot do what was asked."""


class StaleWriter(LedgerError):
    """Somebody else has appended in the meantime."""


class CorruptFrame(LedgerError):
    """Stored bytes do not match their checksum or format."""


class ArtefactError(FraudSystemError):
    """A saved model or snapshot is not usable."""


class ReplayMismatch(FraudSystemError):
    """A replay did not give the recorded bytes."""
