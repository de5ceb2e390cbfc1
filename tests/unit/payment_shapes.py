"""Made-up payments in the shapes of files that people have, for tests of guessing."""

import numpy as np
import pandas as pd

ROWS = 1_500


class Maker:
    """Columns of made-up payments; frauds are two in a hundred, and larger."""

    def __init__(self, rows: int = ROWS) -> None:
        self.rows, self.random = rows, np.random.default_rng(7)
        self.fraud = self.random.random(rows) < 0.02

    def amount(self) -> np.ndarray:
        return np.round(np.exp(self.random.normal(3, 1, self.rows) + self.fraud), 2)

    def some(self, *values: object) -> np.ndarray:
        return self.random.choice(values, self.rows)

    def ids(self, prefix: str, different: int) -> list[str]:
        return [f"{prefix}{each}" for each in self.random.integers(0, different, self.rows)]

    def seconds(self, days: float) -> np.ndarray:
        return np.sort(self.random.integers(0, int(days * 86_400), self.rows))

    def noise(self) -> np.ndarray:
        return self.random.normal(size=self.rows)


def handbook() -> pd.DataFrame:
    make = Maker()
    seconds = make.seconds(100)
    return pd.DataFrame(
        {
            "TRANSACTION_ID": np.arange(ROWS),
            "TX_DATETIME": pd.Timestamp("2018-04-01") + pd.to_timedelta(seconds, unit="s"),
            "CUSTOMER_ID": make.random.integers(0, 100, ROWS),
            "TERMINAL_ID": make.random.integers(0, 200, ROWS),
            "TX_AMOUNT": make.amount(),
            "TX_TIME_SECONDS": seconds,
            "TX_TIME_DAYS": seconds // 86_400,
            "TX_FRAUD": make.fraud.astype(int),
            "TX_FRAUD_SCENARIO": make.fraud * make.random.integers(1, 4, ROWS),
        }
    )


def creditcard() -> pd.DataFrame:
    make = Maker()
    columns: dict[str, object] = {"Time": make.seconds(2).astype(float)}
    columns |= {f"V{place}": make.noise() + make.fraud for place in range(1, 29)}
    return pd.DataFrame(columns | {"Amount": make.amount(), "Class": make.fraud.astype(int)})


def mobile_money() -> pd.DataFrame:
    """The columns of the PaySim simulator."""
    make = Maker()
    return pd.DataFrame(
        {
            "step": make.seconds(31) // 3_600,
            "type": make.some("PAYMENT", "TRANSFER", "CASH_OUT"),
            "amount": make.amount(),
            "nameOrig": [f"C{each}" for each in make.random.permutation(ROWS)],
            "oldbalanceOrg": make.amount(),
            "newbalanceOrig": make.amount(),
            "nameDest": make.ids("M", 300),
            "oldbalanceDest": make.amount(),
            "newbalanceDest": make.amount(),
            "isFraud": make.fraud.astype(int),
            "isFlaggedFraud": (make.fraud & (make.random.random(ROWS) < 0.1)).astype(int),
        }
    )


def shopping() -> pd.DataFrame:
    """The columns of the Sparkov generator, with its nameless first one."""
    make = Maker()
    seconds = make.seconds(200)
    moment = pd.Timestamp("2019-01-01") + pd.to_timedelta(seconds, unit="s")
    return pd.DataFrame(
        {
            "": np.arange(ROWS),
            "trans_date_trans_time": moment.strftime("%Y-%m-%d %H:%M:%S"),
            "cc_num": 4 * 10**15 + make.random.integers(0, 90, ROWS),
            "merchant": make.ids("fraud_Shop ", 120),
            "category": make.some("grocery_pos", "misc_net", "travel"),
            "amt": make.amount(),
            "last": make.ids("Name", 400),
            "gender": make.some("F", "M"),
            "zip": 10_000 + make.random.integers(0, 300, ROWS),
            "lat": make.noise(),
            "city_pop": make.random.integers(20, 10**6, ROWS),
            "dob": [f"19{each:02d}-01-02" for each in make.random.integers(70, 99, ROWS)],
            "trans_num": [f"{each:032x}" for each in make.random.permutation(2**20)[:ROWS]],
            "unix_time": 1_546_300_800 + seconds,
            "is_fraud": make.fraud.astype(int),
        }
    )


def shop_of_ones_own() -> pd.DataFrame:
    """Milliseconds, camel case, true and false, and columns that know the answer."""
    make = Maker()
    told = np.where(make.fraud, 0.9, 0.1) + 0.01 * make.noise()
    return pd.DataFrame(
        {
            "paymentId": [f"p-{each}" for each in range(ROWS)],
            "createdTimestamp": 1_577_836_800_000 + 1_000 * make.seconds(60),
            "price": make.amount(),
            "customerId": make.random.integers(0, 80, ROWS),
            "deviceId": make.random.integers(0, 90, ROWS),
            "basketSize": make.random.integers(1, 9, ROWS),
            "mcc": make.some(5411, 5812, 4111),
            "currency": "EUR",
            "refunded": np.where(make.fraud, "yes", make.some(*["no"] * 999, "yes")),
            "closedOn": np.where(make.fraud, "2020-05-01", None),
            "analystScore": told,
            "fraudulent": make.fraud,
        }
    )


SHAPES = {f.__name__: f for f in (handbook, creditcard, mobile_money, shopping, shop_of_ones_own)}
