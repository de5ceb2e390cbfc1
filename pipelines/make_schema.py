"""The job behind `make schema`: look at a file, guess a schema, check it, write it.

file -> table_sample -> column_profile -> schema_guess, feature_guess -> schema_text -> TOML
"""

import shlex
from pathlib import Path

from fraud_system.errors import ConfigError
from fraud_system.schema import Schema, load_schema
from pipelines.schema_text import schema_text
from pipelines.system_settings import settings_of
from pipelines.table_files import SUFFIXES
from pipelines.table_sample import sample_table


def make_schema(data: Path, out: Path | None) -> tuple[Path, Schema]:
    """Write a schema for a file or folder of transactions.

    Args:
        data: as `table_files.read_table` takes it.
        out: where to; by default a file in the current directory, called like the data.

    Returns:
        The path that was written, and the schema as it reads.

    Raises:
        ConfigError: there is such a file already: it may have been corrected by hand.
        DataError: the data cannot be read, or no column can be the event time or the amount.
    """
    name = _stem(data)
    path = out or Path(f"{name}.toml")
    if path.exists():
        fix = "name another with OUT=, or remove it"
        raise ConfigError("is there already and may hold corrections", field=str(path), fix=fix)
    text = schema_text(sample_table(data), name, shlex.quote(str(data)), shlex.quote(str(path)))
    schema = load_schema(text, str(path))
    settings_of(schema)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path, schema


def _stem(data: Path) -> str:
    """The name without its suffix.

    >>> _stem(Path("a/payments.csv.gz")), _stem(Path("days"))
    ('payments', 'days')
    """
    name = data.resolve().name
    suffix = next((each for each in SUFFIXES if name.lower().endswith(each)), "")
    return name[: len(name) - len(suffix)] or "data"
