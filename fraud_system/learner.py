"""The learner: a fold over the ledger that proposes new weights.

It reads what the engine recorded (logged features and resolved labels), never the engine itself, so it
can run in another process. After every `publish_every_labels` resolved labels, counted along the
ledger and never along frames, it has a publication ready.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import compose

from fraud_system.errors import ArtefactError
from fraud_system.events import SECOND_US, Frame, Table
from fraud_system.guards import ABSURD, BURST, RUNAWAY, BurstGuard, sound_weights, usable_rows
from fraud_system.logged import LoggedFeatures
from fraud_system.models.fast_forward import fast_forward_terms
from fraud_system.models.heuristic import (
    Buckets,
    empty_buckets,
    learn_rates,
    rates_of,
    rules_only,
)
from fraud_system.models.laplace import LaplaceRegression
from fraud_system.models.learned import BUCKETS, check_learned
from fraud_system.models.online import model_arrays, new_model, restore_model, weights_of
from fraud_system.models.pipeline import parts
from fraud_system.models.recalibration import Recalibration
from fraud_system.publication import Publication
from fraud_system.settings import Settings
from fraud_system.strategies import (
    Strategy,
    corrected_for_noise,
    logit_shift,
    sampled,
    strategy_of,
    weighted,
)

INPUTS = ("transaction", "label", "tick")


class Learner:
    """River's pipeline, the heuristic's buckets, and the logged features that still wait for labels.

    Args:
        settings: see `Settings`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.names = settings.features.names
        self.model = _new_model(settings)
        self.recalibration = Recalibration(settings.recalibration)
        self.refused = dict.fromkeys((BURST, ABSURD, RUNAWAY), 0)
        self._burst = BurstGuard(settings.guards, settings.labels.maturity_s * SECOND_US)
        self._sound = model_arrays(self.model, self.names)
        self.buckets: Buckets = empty_buckets(len(settings.rules), settings.model.prevalence)
        self.version = -1
        self.resolved_since = 0
        self.learned_labels = 0
        self.learned_through_seq = 0
        self.read_through_seq = 0
        self._logged = LoggedFeatures(len(self.names), settings.labels.horizon_s * SECOND_US)
        self.strategy: Strategy = strategy_of(settings.learning, settings.labels, self._logged)
        self._rules = rules_only(settings.rules, self.names)

    def refusals(self) -> dict[str, int]:
        """What was not learned, by name: the guards' refusals, and blocks that would spoil weights."""
        last = parts(self.model)[3]
        blocks = last.refused_blocks if isinstance(last, LaplaceRegression) else 0
        refused = {
            "model_blocks": blocks,
            "recalibration_blocks": self.recalibration.refused_blocks,
        }
        return self.refused | refused

    @property
    def labels_until_publication(self) -> int:
        """How many more resolved labels the next publication takes."""
        return self.settings.publish_every_labels - self.resolved_since

    def memory_bytes(self) -> int:
        """Of the logged features: bounded by the transactions within the label horizon."""
        return self._logged.memory_bytes()

    def first_publication(self) -> Publication:
        """Version 0: what is served before anything has been learned."""
        return self._publish()

    def unchanged_publication(self) -> Publication | None:
        """The newest publication once more; None if a label has been resolved since.

        A snapshot may lie between the label that made it due and its adoption.
        """
        return self._publication() if self.resolved_since == 0 and self.version >= 0 else None

    def fold(self, frame: Frame) -> list[Publication]:
        """Read the next recorded frame; returns the publications that have become due in it, in order.

        Raises:
            ArtefactError: a label is about a transaction that was not read, or not in its place.
        """
        if "decision" in frame.tables:
            self._logged.append(frame.tables["transaction"], frame.tables["decision"])
        resolved = frame.tables.get("resolved")
        if resolved is not None:
            self._logged.check(resolved["ordinal"], resolved["transaction_seq"])
        due: list[Publication] = []
        start, stop = 0, 0 if resolved is None else len(resolved["seq"])
        while resolved is not None and start < stop:
            until = min(stop, start + self.labels_until_publication)
            self._learn({name: column[start:until] for name, column in resolved.items()})
            self.resolved_since += until - start
            self.learned_through_seq = int(resolved["seq"][until - 1])
            start = until
            if self.resolved_since == self.settings.publish_every_labels:
                self.resolved_since = 0
                due.append(self._publish())
        inputs = [frame.tables[name] for name in INPUTS if name in frame.tables]
        if inputs:
            # What was due at an input has been resolved before it, so nothing older can still mature.
            # (At the frame's own known time more may be due: the frame may be cut off by a publication.)
            now_us = max(int(table["known_time_us"][-1]) for table in inputs)
            self._logged.forget_before(now_us, self.strategy.oldest_waiting)
            self._burst.forget_before(self._logged.head)
        if "champion" in frame.tables:
            version = frame.tables["published"]["version"]
            self.go_on_from(frame.tables["champion"], int(version[0]))
        self.read_through_seq = frame.last_seq
        return due

    def go_on_from(self, champion: Table, version: int) -> Publication:
        """Take the learned state of a model that was loaded (see `champion`); returns what it publishes.

        Raises:
            ArtefactError: it belongs to other settings, or is none of a model of these.
        """
        if champion["settings"].tolist() != [self.settings.fingerprint.encode()]:
            raise ArtefactError("belongs to other settings", field="champion: settings")
        prefix = "learned."
        learned = {n.removeprefix(prefix): c[0] for n, c in champion.items() if prefix in n}
        check_learned(learned, self.settings, "champion")
        self.model = _new_model(self.settings)
        self._restore_learned(learned)
        self._sound = model_arrays(self.model, self.names)
        self.recalibration = Recalibration(self.settings.recalibration)
        self.version, self.resolved_since, self.learned_through_seq = version, 0, 0
        self.learned_labels = int(champion["learned_labels"][0])
        return self._publication()

    def _learn(self, resolved: Table) -> None:
        learning, logged = self.settings.learning, self._logged
        self.refused[BURST] += self._burst.refuse(resolved)
        examples = corrected_for_noise(
            self.strategy.examples(resolved),
            learning.false_fraud_share,
            learning.missed_fraud_share,
        )
        propensity = logged.column("propensity", examples.ordinal)
        examples = weighted(examples, propensity, learning.weight_cap)
        examples = examples.only(self._burst.learnable(examples.ordinal))
        rows = logged.column("rows", examples.ordinal)
        usable = usable_rows(rows, self.settings.guards)
        if not usable.all():
            self.refused[ABSURD] += int(np.count_nonzero(~usable))
            examples, rows = examples.only(usable), rows[usable]
        # Two passes over the same rows; each is one fixed order of updates, whatever the cutting.
        curve, target = examples.curve, examples.target
        learn_rates(self.buckets, self._rules, rows, curve, target, self.settings.memory_labels)
        self.learned_labels += int(np.count_nonzero(curve))
        self.recalibration.learn(logged.column("log_odds", examples.ordinal), curve, target)
        if learning.keep_legitimate < 1.0:
            key = logged.column("key", examples.ordinal)
            examples = sampled(examples, key, learning.keep_legitimate)
            rows = logged.column("rows", examples.ordinal)
        fast_forward_terms(self.model, self.names, rows, examples.curve, examples.target)

    def _publish(self) -> Publication:
        self.version += 1
        if sound_weights(weights_of(self.model, self.names), self.settings.guards):
            self._sound = model_arrays(self.model, self.names)
        else:
            self.refused[RUNAWAY] += 1
            self.model = _new_model(self.settings)
            restore_model(self.model, self.names, self._sound)
        return self._publication()

    def _publication(self) -> Publication:
        weights = weights_of(self.model, self.names)
        return Publication(
            version=self.version,
            learned_through_seq=self.learned_through_seq,
            settings=self.settings.fingerprint,
            mean=weights.mean,
            deviation=weights.deviation,
            weight=weights.weight,
            intercept=weights.intercept + logit_shift(self.settings.learning.keep_legitimate),
            recalibration=self.recalibration.line(),
            rates=rates_of(self.buckets),
        )

    def _restore_learned(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Into a fresh model."""
        self.buckets.labels[:] = arrays["bucket_labels"]
        self.buckets.frauds[:] = arrays["bucket_frauds"]
        learned = {name: array for name, array in arrays.items() if name not in BUCKETS}
        restore_model(self.model, self.names, learned)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """A canonical snapshot."""
        progress = (
            self.version,
            self.resolved_since,
            self.learned_labels,
            self.learned_through_seq,
            self.read_through_seq,
            *self.refused.values(),
        )
        arrays: dict[str, NDArray[Any]] = {
            "settings": np.array([self.settings.fingerprint], "S64"),
            "progress": np.array(progress, dtype=np.int64),
            "bucket_labels": self.buckets.labels.copy(),
            "bucket_frauds": self.buckets.frauds.copy(),
        }
        arrays |= {
            f"model.{name}": column for name, column in model_arrays(self.model, self.names).items()
        }
        arrays |= {f"recalibration.{n}": a for n, a in self.recalibration.to_arrays().items()}
        arrays |= {f"sound.{name}": column for name, column in self._sound.items()}
        arrays |= {f"burst.{name}": column for name, column in self._burst.to_arrays().items()}
        arrays |= {f"strategy.{n}": a for n, a in self.strategy.to_arrays().items()}
        return arrays | {f"logged.{n}": a for n, a in self._logged.to_arrays().items()}

    @classmethod
    def from_arrays(cls, settings: Settings, arrays: dict[str, NDArray[Any]]) -> "Learner":
        """The learner of a snapshot.

        Raises:
            ArtefactError: the snapshot was made under other settings.
        """
        if arrays["settings"][0].decode() != settings.fingerprint:
            raise ArtefactError(
                "made under other settings", field="snapshot", fix="replay the ledger from empty"
            )

        def part(prefix: str) -> dict[str, NDArray[Any]]:
            cut = len(prefix) + 1
            return {n[cut:]: a for n, a in arrays.items() if n.startswith(prefix + ".")}

        learner = cls(settings)
        progress = arrays["progress"].tolist()
        learner.version, learner.resolved_since = progress[:2]
        learner.learned_labels, learner.learned_through_seq = progress[2:4]
        learner._restore_learned(part("model") | {name: arrays[name] for name in BUCKETS})
        learner.read_through_seq = progress[4]
        learner.refused = dict(zip(learner.refused, progress[5:], strict=True))
        learner._sound = part("sound")
        learner._burst.restore(part("burst"))
        learner.recalibration.restore(part("recalibration"))
        learner.strategy.restore(part("strategy"))
        learner._logged.restore(part("logged"))
        return learner


def _new_model(settings: Settings) -> compose.Pipeline:
    """A fresh model, that starts at the fraud rate of what it will learn from."""
    rate = settings.learning.sampled_prevalence(settings.model.prevalence)
    return new_model(replace(settings.model, prevalence=rate), settings.features.pairs)
