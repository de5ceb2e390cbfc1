"""The traffic simulator: it repeats itself, keeps the contract of `events`, and checks settings."""

from dataclasses import astuple, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fraud_system.errors import ConfigError
from fraud_system.events import DAY_US, Arrivals
from fraud_system.keys import key_of
from fraud_system.simulate import (
    CHANNELS,
    SCENARIOS,
    FraudRegime,
    LabelSettings,
    SourceSettings,
    Traffic,
    TrafficSettings,
    simulate,
)

DEMO, SMALL = SCENARIOS["demo"], SCENARIOS["small"]


@pytest.fixture(scope="module")
def small() -> list[Traffic]:
    return [simulate(SMALL, seed) for seed in range(5)]


def arrays(traffic: Traffic) -> dict[str, NDArray[Any]]:
    """Every column of a stream by name."""
    own = {name: getattr(traffic, name) for name in ("card", "terminal", "channel")}
    parts = (traffic.transactions, traffic.labels, traffic.truth)
    tables = [
        {f"{type(part).__name__}.{name}": column for name, column in part.table().items()}
        for part in parts
    ]
    return own | tables[0] | tables[1] | tables[2]


class TestDeterminism:
    def test_same_seed_same_bytes(self, small: list[Traffic]) -> None:
        again = simulate(SMALL, 0)
        for name, column in arrays(small[0]).items():
            other = arrays(again)[name]
            assert (column.dtype, column.shape) == (other.dtype, other.shape), name
            assert column.tobytes() == other.tobytes(), name
        assert (small[0].drift_us, small[0].last_us) == (again.drift_us, again.last_us)

    def test_another_seed_another_stream(self, small: list[Traffic]) -> None:
        assert small[0].transactions.amount.tobytes() != small[1].transactions.amount.tobytes()

    def test_labels_do_not_touch_transactions(self, small: list[Traffic]) -> None:
        labels = replace(SMALL.labels, never_share=0.5, orphan_share=0.3, duplicate_share=0.0)
        other = simulate(replace(SMALL, labels=labels), 0)
        assert len(other.labels) != len(small[0].labels)
        for name, column in arrays(small[0]).items():
            if not name.startswith("LabelsObserved"):
                assert column.tobytes() == arrays(other)[name].tobytes(), name

    def test_lateness_does_not_touch_what_happened(self, small: list[Traffic]) -> None:
        other = simulate(replace(SMALL, late_share=0.0), 0)
        late = np.argsort(small[0].transactions.event_time_us, kind="stable")
        assert small[0].transactions.amount[late].sum() == other.transactions.amount.sum()
        assert np.array_equal(
            small[0].transactions.event_time_us[late], other.transactions.event_time_us
        )
        assert (other.transactions.known_time_us == other.transactions.event_time_us).all()

    @pytest.mark.parametrize(
        ("scenario", "rows", "cents", "frauds_by_kind", "expected_frauds", "labels"),
        [
            ("small", 20_226, 115_995_207, [17, 22, 49, 83, 49], 218.54383952754233, 270),
            ("demo", 366_715, 2_103_725_297, [306, 423, 792, 1_492, 772], 3783.899236545071, 3_955),
        ],
    )
    def test_the_truth_behind_a_name_never_changes(
        self,
        scenario: str,
        rows: int,
        cents: int,
        frauds_by_kind: list[int],
        expected_frauds: float,
        labels: int,
    ) -> None:
        """Measurements are compared across versions: add a scenario, do not mend this test."""
        traffic = simulate(SCENARIOS[scenario], 1)
        truth = traffic.truth
        assert len(truth) == rows
        assert np.rint(traffic.transactions.amount * 100).astype(np.int64).sum() == cents
        assert np.bincount(truth.kind[truth.is_fraud]).tolist() == frauds_by_kind
        assert truth.probability.sum() == pytest.approx(expected_frauds, rel=1e-9)
        assert len(traffic.labels) == labels


class TestContract:
    def test_columns(self, small: list[Traffic]) -> None:
        for traffic in small:
            n = len(traffic.transactions)
            expected = {
                "transaction_id": ("S12", (n,)),
                "transaction_key": ("u8", (n,)),
                "event_time_us": ("i8", (n,)),
                "known_time_us": ("i8", (n,)),
                "amount": ("f8", (n,)),
                "entity_keys": ("u8", (n, 2)),
                "numeric": ("f8", (n, 0)),
                "categories": ("u8", (n, 1)),
            }
            for name, column in traffic.transactions.table().items():
                assert (column.dtype, column.shape) == expected[name], name
            m = len(traffic.labels)
            types = [column.dtype for column in traffic.labels.table().values()]
            assert types == ["S12", "u8", "i8", "bool", "u1", "u8"]
            assert {column.shape for column in traffic.labels.table().values()} == {(m,)}
            types = [column.dtype for column in traffic.truth.table().values()]
            assert types == ["f8", "bool", "u1"]
            assert {
                len(column) for column in (traffic.card, traffic.terminal, traffic.channel)
            } == {n}

    def test_order_and_ids(self, small: list[Traffic]) -> None:
        for traffic in small:
            known = traffic.transactions.known_time_us
            assert (np.diff(known) >= 0).all()
            assert (np.diff(traffic.labels.known_time_us) >= 0).all()
            assert (known >= traffic.transactions.event_time_us).all()
            assert traffic.transactions.event_time_us.min() >= SMALL.start_us
            assert traffic.transactions.event_time_us.max() < SMALL.start_us + SMALL.days * DAY_US
            assert traffic.last_us == max(known[-1], traffic.labels.known_time_us[-1])
            ids = traffic.transactions.transaction_id
            assert ids[7] == b"t-0000000007"
            assert (ids[1:] > ids[:-1]).all()
            merged = Arrivals.merge(traffic.transactions, traffic.labels)
            assert len(merged) == len(known) + len(traffic.labels)

    def test_keys_are_those_of_the_text(self, small: list[Traffic]) -> None:
        traffic = small[0]
        transactions, labels = traffic.transactions, traffic.labels
        for row in range(0, len(transactions), 997):
            assert transactions.transaction_key[row] == key_of(
                transactions.transaction_id[row].decode()
            )
            assert transactions.entity_keys[row, 0] == key_of(traffic.card[row].decode())
            assert transactions.entity_keys[row, 1] == key_of(traffic.terminal[row].decode())
            assert transactions.categories[row, 0] == key_of(traffic.channel[row].decode())
        for row in range(len(labels)):
            assert labels.transaction_key[row] == key_of(labels.transaction_id[row].decode())
        assert traffic.card[0].startswith(b"card-")
        assert len(traffic.card[0]) == len("card-000123")
        assert traffic.terminal[0].startswith(b"terminal-")
        assert set(np.unique(traffic.channel)) == {name.encode() for name in CHANNELS}

    def test_amounts_survive_text(self, small: list[Traffic]) -> None:
        amount = small[0].transactions.amount
        assert (amount > 0).all()
        assert all(float(f"{each:.2f}") == each for each in amount)


class TestSettings:
    def test_the_default_is_demo(self) -> None:
        assert TrafficSettings() == DEMO
        assert astuple(DEMO) != astuple(SMALL)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("days", 0),
            ("days", 1.5),
            ("days", True),
            ("cards", 0),
            ("cards", -1),
            ("terminals", 1),
            ("transactions_per_card_per_day", -0.1),
            ("transactions_per_card_per_day", float("nan")),
            ("transactions_per_card_per_day", float("inf")),
            ("start_us", DEMO.start_us + 1),
            ("drift_at_share", 1.01),
            ("drift_at_share", -0.01),
            ("online_terminal_share", 0.0),
            ("online_terminal_share", 1.0),
            ("late_share", 2.0),
        ],
    )
    def test_traffic_settings_are_checked(self, field: str, value: Any) -> None:
        with pytest.raises(ConfigError) as caught:
            replace(DEMO, **{field: value})
        assert caught.value.field == field

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("background_log_odds", float("nan")),
            ("large_amount_share", 1.1),
            ("large_amount_ratio", (5.0, 2.0)),
            ("large_amount_ratio", (5.0,)),
            ("stolen_transactions", (1.5, 3)),
            ("testing_cards", (4, 2)),
            ("compromised_per_terminal_day", -1.0),
        ],
    )
    def test_regimes_are_checked(self, field: str, value: Any) -> None:
        with pytest.raises(ConfigError) as caught:
            replace(FraudRegime(), **{field: value})
        assert caught.value.field == field

    def test_negative_log_odds_are_fine(self) -> None:
        assert FraudRegime(background_log_odds=-30.0).background_log_odds == -30.0

    def test_labels_are_checked(self) -> None:
        with pytest.raises(ConfigError, match="never_share: must be a share"):
            LabelSettings(never_share=1.5)
        with pytest.raises(ConfigError, match=r"sources sum to 1\.15"):
            LabelSettings(chargeback=SourceSettings(share=0.7, median_days=12.0, sigma=0.6))
        with pytest.raises(ConfigError, match="median_days: must not be negative"):
            SourceSettings(share=0.5, median_days=-1.0, sigma=1.0)

    def test_the_seed_is_checked(self) -> None:
        with pytest.raises(ConfigError, match="seed: must not be negative"):
            simulate(SMALL, -1)
