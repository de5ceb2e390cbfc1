"""What the learner proposes and the engine adopts: everything learned that is needed to answer.

It is recorded in the ledger whole, so that an answer can be traced to its weights, and so that a replay
can learn them again and compare bytes.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fraud_system.errors import ArtefactError
from fraud_system.events import Table
from fraud_system.settings import Settings

Floats = NDArray[np.float64]
ARRAYS = ("mean", "deviation", "weight", "intercept", "recalibration", "rates")


@dataclass(frozen=True)
class Publication:
    """Weights of one version; d features, k pairs, r rules.

    Args:
        version: 0, 1, 2, ...
        learned_through_seq: the last resolved label that they have learned from; 0 for none.
        settings: fingerprint of the settings that they belong to.
        mean, deviation: (d,) of the scaler.
        weight: (d + k,).
        intercept: (1,).
        recalibration: (2,) offset and slope.
        rates: (r + 2,) of the heuristic's buckets.
    """

    version: int
    learned_through_seq: int
    settings: str
    mean: Floats
    deviation: Floats
    weight: Floats
    intercept: Floats
    recalibration: Floats
    rates: Floats

    def check_fits(self, settings: Settings) -> None:
        """Raise `ArtefactError` unless these weights belong to `settings`."""
        size, pairs = len(settings.features.names), len(settings.features.pairs)
        shapes = {
            "mean": size,
            "deviation": size,
            "weight": size + pairs,
            "intercept": 1,
            "recalibration": 2,
            "rates": len(settings.rules) + 2,
        }
        for name, length in shapes.items():
            if getattr(self, name).shape != (length,):
                raise ArtefactError(
                    f"shape {getattr(self, name).shape}, not ({length},)", field=name
                )
        if self.settings != settings.fingerprint:
            raise ArtefactError("learned under other settings", field="settings")
        if not np.isfinite(self.rates).all():
            raise ArtefactError("not finite, and plan B needs them", field="rates")

    def table(self, seq: int) -> Table:
        """As a table of one row."""
        return {
            "seq": np.array([seq]),
            "version": np.array([self.version]),
            "learned_through_seq": np.array([self.learned_through_seq]),
            "settings": np.array([self.settings], "S64"),
        } | {name: np.array([getattr(self, name)]) for name in ARRAYS}

    @classmethod
    def from_table(cls, table: Table) -> Self:
        """Back from a table of one row."""
        return cls(
            version=int(table["version"][0]),
            learned_through_seq=int(table["learned_through_seq"][0]),
            settings=table["settings"][0].decode(),
            **{name: table[name][0] for name in ARRAYS},
        )
