"""`make ablate [DATA=f] [MODEL=laplace]`: which features, interactions and settings earn their place.

On the simulator (seeds on which nothing else is chosen), and with DATA on the weeks of the Handbook's stream
on which choices are made: nothing later is read from it. docs/ablation.md says how to read the table.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.table import Row, write
from fraud_system.errors import FraudSystemError
from fraud_system.events import Arrivals
from fraud_system.models.model_settings import MODELS
from fraud_system.schema import Schema
from fraud_system.settings import Settings
from fraud_system.simulate import SCENARIOS, simulate
from pipelines.ablation.figures import Comparison, Scene, Worth
from pipelines.ablation.logged_stream import LoggedStream, fold_once
from pipelines.ablation.refit import answered
from pipelines.ablation.variants import EVERYTHING, Variant, variants_of
from pipelines.handbook.job import earlier
from pipelines.handbook.protocol import CHOICE, days_of, in_test_weeks
from pipelines.readers import arrivals, read_transactions
from pipelines.stream import Stream
from pipelines.system_settings import SCHEMAS, read_schema, settings_of

FIRST_SEED, SEEDS = 11, 3  # README and other benchmarks use lower seeds
COLD_DAYS = 14
PACKAGES = ("numpy", "numba", "river")
RANKING = {"roc_auc": "AUC", "average_precision": "AP", "card_precision_100": "CP@100"}


@dataclass(frozen=True)
class Part:
    """One data set: its streams, folded once, and what of them is scored."""

    name: str
    settings: Settings
    logged: list[LoggedStream]
    scenes: list[Scene]


def simulated(model: str, seeds: Sequence[int]) -> Part:
    """The demo's traffic, scored against the chance with which each fraud was drawn."""
    schema = read_schema(SCHEMAS / "simulated.toml")
    settings = settings_of(schema, model=model)
    logged, scenes = [], []
    for seed in seeds:
        traffic = simulate(SCENARIOS["demo"], seed)
        stream = arrivals(traffic.transactions, traffic.labels, settings.labels.maturity_s)
        folded = _folded(stream, settings, f"simulator, seed {seed}")
        # Both are in known-time order, but the engine may have refused some.
        place = _places(traffic.transactions.transaction_key, folded)
        truth = traffic.truth.rows(place)
        day = days_of(folded.transactions["known_time_us"])
        scenes.append(
            Scene(
                name=f"seed {seed}",
                card=_codes(folded, settings),
                is_fraud=truth.is_fraud,
                chance=truth.probability,
                counted=day >= day[0] + COLD_DAYS,
            )
        )
        logged.append(folded)
    return Part("simulator", settings, logged, scenes)


def handbook(data: Path, model: str) -> Part:
    """The Handbook's stream before the first test fold, scored on the weeks of the choice folds."""
    schema = read_schema(SCHEMAS / "handbook.toml")
    settings = settings_of(schema, model=model)
    stream, is_fraud_key = _early_handbook(data, schema, settings)
    folded = _folded(stream, settings, "Handbook, before the test folds")
    day = days_of(folded.transactions["event_time_us"])
    is_fraud = np.isin(folded.transactions["transaction_key"], is_fraud_key)
    scene = Scene(
        name="choice folds",
        card=_codes(folded, settings),
        is_fraud=is_fraud,
        chance=is_fraud.astype(np.float64),
        counted=in_test_weeks(CHOICE, day),
        day=day,
        folds=CHOICE,
    )
    return Part("handbook", settings, [folded], [scene])


def _early_handbook(
    data: Path, schema: Schema, settings: Settings
) -> tuple[Arrivals, NDArray[np.uint64]]:
    """The stream before the first test fold, and the keys of its frauds."""
    read = read_transactions(data, schema)
    whole = Stream(schema.name, arrivals(read.transactions, read.labels, 0), "", read.rows)
    found = earlier(whole, CHOICE.before, settings).arrivals
    return found, found.labels.transaction_key[found.labels.is_fraud]


def _folded(stream: Arrivals, settings: Settings, name: str) -> LoggedStream:
    with tqdm(total=len(stream), desc=name, unit=" events", unit_scale=True, disable=None) as bar:
        return fold_once(stream, settings, bar.update)


def _places(keys: NDArray[np.uint64], folded: LoggedStream) -> NDArray[np.int64]:
    order = np.argsort(keys, kind="stable")
    found: NDArray[np.int64] = order[
        np.searchsorted(keys[order], folded.transactions["transaction_key"])
    ]
    return found


def _codes(folded: LoggedStream, settings: Settings) -> NDArray[np.int64]:
    card = [entity.name for entity in settings.features.entities].index("card")
    keys = folded.transactions["entity_keys"][:, card]
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def measured(part: Part, variants: Sequence[Variant], show: Callable[[str], None]) -> list[Row]:
    """Learn every variant anew and hold it against the first."""
    with tqdm(total=len(variants) * len(part.logged), desc=part.name, disable=None) as bar:

        def answers(variant: Variant) -> list[NDArray[np.float64]]:
            found = []
            for logged in part.logged:
                found.append(answered(logged, variant.settings))
                bar.update()
            return found

        first = answers(variants[0])
        comparison, whole = Comparison(part.scenes, first), None
        rows, heading = [], ""
        for variant in variants:
            worth = comparison.worth(first if variant.name == EVERYTHING else answers(variant))
            whole = whole or worth
            if variant.part != heading:
                show(variant.part)
                heading = variant.part
            show(line_of(variant.name, worth, whole, len(part.scenes)))
            rows += rows_of(f"{part.name}: {variant.name}", worth, whole, part.name)
    return rows


def header(part: Part) -> str:
    """Above the lines of a data set."""
    worse = "  worse" if len(part.scenes) > 1 else ""
    ranking = "".join(f"{short:>8}" for name, short in RANKING.items() if _has(part, name))
    precision = f"  {'AP added [95 %]':27}" if part.scenes[0].folds else ""
    loss = f"{'log loss added, 1e-6 [95 %]':>30}{'share':>9}"
    return f"{'':54}{loss}{worse}{ranking}{precision}  expected / observed"


def _has(part: Part, name: str) -> bool:
    return part.scenes[0].folds is not None or name != "card_precision_100"


def line_of(name: str, worth: Worth, whole: Worth, scenes: int) -> str:
    """One line of the printed table."""
    added, ratio = worth.loss_added, worth.expected_over_observed
    loss = f"{1e6 * added.value:+9.1f} [{1e6 * added.low:+8.1f},{1e6 * added.high:+8.1f}]"
    worse = f"  {worth.worse_in:>3}/{scenes}" if scenes > 1 else ""
    ranking = "".join(f"{value:8.4f}" for value in worth.ranking.values())
    precision = ""
    if worth.precision_added is not None:
        more = worth.precision_added
        precision = f"  {more.value:+8.4f} [{more.low:+.4f}, {more.high:+.4f}]"
    return (
        f"  {name[:52]:52}{loss:>30}{added.value / whole.log_loss:+9.2%}{worse}{ranking}{precision}"
        f"  {ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]"
    )


def rows_of(name: str, worth: Worth, whole: Worth, part: str) -> list[Row]:
    """The same figures for `results/ablate.json`."""
    added, ratio = worth.loss_added, worth.expected_over_observed
    against = f"{part}: {EVERYTHING}: log loss"
    ratio_of = worth.log_loss / whole.log_loss
    found = [
        Row(f"{name}: log loss", worth.log_loss, "nats", against=against, ratio=ratio_of),
        Row(f"{name}: log loss added", added.value, "nats", added.low, added.high),
        Row(f"{name}: expected / observed", ratio.value, "ratio", ratio.low, ratio.high),
    ]
    found += [Row(f"{name}: {key}", value, "mean") for key, value in worth.ranking.items()]
    if worth.precision_added is not None:
        more = worth.precision_added
        label = f"{name}: average_precision added"
        found.append(Row(label, more.value, "mean", more.low, more.high))
    return found


def main() -> int:
    """Measure, print a table, write `results/ablate.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="the Handbook's transactions")
    parser.add_argument("--model", choices=sorted(MODELS), default="laplace")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of the simulator")
    parser.add_argument("--each", action="store_true", help="every feature on its own, too")
    given = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + given.seeds)
    rows: list[Row] = []
    try:
        for name in ("simulator", "handbook"):
            # One after the other: neither's features are held while the other's are learned.
            if name == "simulator" and given.seeds:
                part = simulated(given.model, seeds)
            elif name == "handbook" and given.data:
                part = handbook(given.data, given.model)
            else:
                continue
            variants = variants_of(part.settings, given.each)
            tqdm.write(f"\n{part.name}, {given.model}, {len(part.scenes)} stream(s)")
            tqdm.write(header(part))
            rows += measured(part, variants, tqdm.write)
            write("ablate", rows, PACKAGES, {"model": given.model})
    except FraudSystemError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("figures results/ablate.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
