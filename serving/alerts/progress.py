"""How far alerts have come, in `<ledger>-alerts.json`, so that a restart neither repeats nor loses any.

It also holds the scorer's id, drawn when the file is made. Where the file is missing or damaged, alerts begin
with what happens from then on.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from serving.alerts.sources import Mark

LOGGER = logging.getLogger(__name__)


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    scorer: str
    through_seq: int
    alarms: list[str]


class Progress:
    """The file.

    Args:
        ledger_file: beside which it lies.
        last_seq: of the ledger, where a new file begins.
        new_id: draws an id.
    """

    def __init__(self, ledger_file: Path, last_seq: int, new_id: Callable[[], str]) -> None:
        self._path = Path(f"{ledger_file}-alerts.json")
        stored = self._read()
        if stored is None or stored.through_seq > last_seq:
            stored = _Stored(new_id() if stored is None else stored.scorer, last_seq, [])
        self.scorer = stored.scorer
        self.mark = Mark(stored.through_seq, frozenset(stored.alarms))

    def keep(self, mark: Mark) -> None:
        """Write it down.

        Raises:
            OSError: the disk refuses.
        """
        self.mark = mark
        aside = self._path.with_name(f".{self._path.name}.new")
        stored = _Stored(self.scorer, mark.through_seq, sorted(mark.alarms))
        aside.write_bytes(msgspec.json.encode(stored))
        aside.replace(self._path)

    def _read(self) -> _Stored | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Stored)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            LOGGER.error("%s cannot be read, alerts begin anew: %s", self._path, error)  # noqa: TRY400
            return None
