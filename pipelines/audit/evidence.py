"""What a finished run knows about each transaction: its answer, its logged features, its label.

Features and published weights are read from the ledger, so the contributions are those of the answer that
was given, not of a model that came later.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fraud_system.errors import ArtefactError
from fraud_system.ledger import Ledger, SqliteLedger
from fraud_system.publication import Publication
from fraud_system.settings import Settings

LEDGER = "ledger.sqlite"
NEEDED = ("transaction_id", "event_time", "amount", "probability", "scorer", "weights_version")
NEEDED_LABEL = ("is_fraud", "label_time", "label_source")


class Evidence(NamedTuple):
    """n transactions in ledger order; d features, k pairs.

    Args:
        predictions: n rows, as in predictions.parquet.
        features: (n, d) float32, as logged with the decision; nan where missing.
        publications: by weights version.
        settings: of the run.
    """

    predictions: pd.DataFrame
    features: NDArray[np.float32]
    publications: dict[int, Publication]
    settings: Settings

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(n,) whether anything is known: a report, a reversal, or maturity."""
        return self.predictions["is_fraud"].notna().to_numpy()

    @property
    def is_fraud(self) -> NDArray[np.bool_]:
        """(n,) as labelled now; False where unknown."""
        return self.predictions["is_fraud"].fillna(False).to_numpy(bool)


def read_evidence(run_dir: Path) -> Evidence:
    """Read a run directory.

    Raises:
        ArtefactError: a file is missing or not usable, or they do not belong together.
    """
    paths = [run_dir / name for name in ("predictions.parquet", "model/model.json", LEDGER)]
    for path in paths:
        if not path.is_file():
            raise ArtefactError(f"{path} is missing", field="run", fix="make run, or name a run")
    try:
        predictions = pd.read_parquet(paths[0])
        described = json.loads(paths[1].read_text(encoding="utf-8"))["settings"]
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ArtefactError("is damaged", field=str(run_dir), fix="make the run again") from error
    for name in (*NEEDED, *NEEDED_LABEL):
        if name not in predictions:
            raise ArtefactError("is missing", field=f"predictions.parquet: {name}")
    with SqliteLedger(paths[2], read_only=True) as ledger:
        return evidence_of(ledger, Settings.from_described(described), predictions)


def evidence_of(ledger: Ledger, settings: Settings, predictions: pd.DataFrame) -> Evidence:
    """The same from a ledger and its table of predictions."""
    features, publications = [], {}
    for frame in ledger.frames():
        if "decision" in frame.tables:
            features.append(frame.tables["decision"]["features"])
        if "published" in frame.tables:
            publication = Publication.from_table(frame.tables["published"])
            publications[publication.version] = publication
    rows = np.concatenate(features) if features else np.zeros((0, len(settings.features.names)))
    if len(rows) != len(predictions):
        raise ArtefactError(
            f"{len(predictions)} rows, but the ledger has {len(rows)} transactions",
            field="predictions.parquet",
            fix="make the run again",
        )
    return Evidence(predictions, rows.astype(np.float32), publications, settings)


def terms(
    publication: Publication, settings: Settings, features: NDArray[np.float32]
) -> NDArray[np.float64]:
    """(n, d + k) standardised and squashed features and their products: what the weights multiply.

    A missing feature adds nothing, so its terms are 0. See `models.scoring.logit_of`, which serves.
    """
    limit = settings.model.squash_limit
    moved = np.asarray(features, np.float64) - publication.mean
    constant = publication.deviation == 0.0
    z = np.where(constant, 0.0 * moved, moved / np.where(constant, 1.0, publication.deviation))
    squashed = limit * np.tanh(z / limit)
    place = {name: index for index, name in enumerate(settings.features.names)}
    left = [place[a] for a, _ in settings.features.pairs]
    right = [place[b] for _, b in settings.features.pairs]
    everything = np.hstack([squashed, squashed[:, left] * squashed[:, right]])
    return np.nan_to_num(everything, nan=0.0)
