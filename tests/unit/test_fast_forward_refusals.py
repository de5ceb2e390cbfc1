"""What `fast_forward` refuses: options that are not compiled, and columns that would spoil the weights."""

import numpy as np
import pytest
from river import linear_model, optim, preprocessing

from fraud_system.errors import ConfigError, DataError
from fraud_system.models.baseline import baseline
from fraud_system.models.columns import MAX_MAGNITUDE
from fraud_system.models.fast_forward import fast_forward, read_state
from fraud_system.models.interactions import Interactions
from fraud_system.models.pipeline import parts
from fraud_system.models.squash import Squash


def with_logistic(**options):
    """A baseline whose regression has other options."""
    given = {"optimizer": optim.AdaGrad(0.1, eps=1.0), "loss": optim.losses.Log()} | options
    scaler = preprocessing.StandardScaler()
    return scaler | Squash() | Interactions() | linear_model.LogisticRegression(**given)


class _AdaGradOfOnesOwn(optim.AdaGrad):
    pass


class _LossOfOnesOwn(optim.losses.Log):
    pass


UNSUPPORTED = {
    "optimizer": [
        lambda: with_logistic(optimizer=optim.SGD(0.1)),
        lambda: with_logistic(optimizer=optim.Adam()),
        lambda: with_logistic(optimizer=_AdaGradOfOnesOwn(eps=1.0)),
    ],
    "optimizer.lr": [
        lambda: with_logistic(optimizer=optim.AdaGrad(optim.schedulers.InverseScaling(0.1)))
    ],
    "optimizer.eps": [lambda: with_logistic(optimizer=optim.AdaGrad(eps=0.0))],
    "intercept_lr": [lambda: with_logistic(intercept_lr=optim.schedulers.InverseScaling(0.1))],
    "loss": [
        lambda: with_logistic(loss=optim.losses.Hinge()),
        lambda: with_logistic(loss=_LossOfOnesOwn()),
    ],
    "initializer": [
        lambda: with_logistic(initializer=optim.initializers.Normal(seed=1)),
        lambda: with_logistic(initializer=optim.initializers.Constant(1.0)),
    ],
    "l1": [lambda: with_logistic(l1=0.1)],
    "l2": [lambda: with_logistic(l2=0.1)],
    "with_std": [
        lambda: (
            preprocessing.StandardScaler(with_std=False)
            | Squash()
            | Interactions()
            | linear_model.LogisticRegression(optim.AdaGrad())
        )
    ],
    "window_size": [
        lambda: (
            preprocessing.StandardScaler(window_size=10)
            | Squash()
            | Interactions()
            | linear_model.LogisticRegression(optim.AdaGrad())
        )
    ],
    "limit": [
        lambda: (
            preprocessing.StandardScaler()
            | Squash(0.0)
            | Interactions()
            | linear_model.LogisticRegression(optim.AdaGrad())
        )
    ],
    "model": [
        lambda: preprocessing.StandardScaler() | linear_model.LogisticRegression(),
        lambda: linear_model.LogisticRegression(),
        lambda: (
            preprocessing.MinMaxScaler()
            | Squash()
            | Interactions()
            | linear_model.LogisticRegression(optim.AdaGrad())
        ),
        lambda: (
            preprocessing.StandardScaler() | Squash() | Interactions() | linear_model.Perceptron()
        ),
    ],
}


@pytest.mark.parametrize(
    ("field", "make"), [(name, make) for name, makes in UNSUPPORTED.items() for make in makes]
)
def test_an_option_that_is_not_compiled_is_refused(field, make):
    model = make()
    with pytest.raises(ConfigError) as caught:
        fast_forward(model, ["a"], np.ones((2, 1)), np.array([True, False]))
    assert caught.value.field == field
    assert caught.value.fix


@pytest.mark.parametrize(
    ("names", "pairs", "twice"),
    [
        (["a", "b", "a"], (), "a"),
        (["a", "b"], (("a", "b"), ("a", "b")), "a*b"),
        (["a", "b", "a*b"], (("a", "b"),), "a*b"),
        (["a", "a*b", "b*c", "c"], (("a", "b*c"), ("a*b", "c")), "a*b*c"),
    ],
)
def test_two_terms_of_one_name_are_refused(names, pairs, twice):
    model = baseline(pairs)
    with pytest.raises(ConfigError, match="two terms are called") as caught:
        fast_forward(model, names, np.ones((2, len(names))), np.array([True, False]))
    assert repr(twice) in caught.value.problem


GOOD = (np.ones((3, 2)), np.array([True, False, False]), np.ones(3))


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("features", np.ones((3, 3))),
        ("features", np.ones(3)),
        ("features", np.ones((3, 2, 1))),
        ("features", np.float64(1.0)),
        ("features", np.array([[1.0, 2.0], [np.inf, 1.0], [0.0, 0.0]])),
        ("features", np.array([[1.0, 2.0], [1.0, -np.inf], [0.0, 0.0]], np.float32)),
        ("features", np.full((3, 2), 2.0 * MAX_MAGNITUDE)),
        ("features", np.array([["a", "b"]] * 3)),
        ("is_fraud", np.array([True, False])),
        ("is_fraud", np.array([[True, False]] * 3)),
        ("is_fraud", np.array(True)),
        ("is_fraud", np.array([0.0, 0.5, 1.0])),
        ("is_fraud", np.array([0.0, np.nan, 1.0])),
        ("is_fraud", np.array([1, 1, 2])),
        ("is_fraud", np.array([1, -1, -1])),
        ("is_fraud", np.array(["no", "yes", "no"])),
        ("is_fraud", [None, True, False]),
        ("weight", np.ones(2)),
        ("weight", np.ones(4)),
        ("weight", np.ones((3, 1))),
        ("weight", np.array([1.0, np.nan, 1.0])),
        ("weight", np.array([1.0, np.inf, 1.0])),
        ("weight", np.array(["a", "b", "c"])),
        ("features", [[1.0], [1.0, 2.0], [1.0]]),
    ],
)
def test_bad_columns_are_refused_and_the_model_is_as_before(field, bad):
    model = baseline((("a", "b"),))
    fast_forward(model, ["a", "b"], *GOOD)
    before = [array.tobytes() for array in read_state(model, ["a", "b"])]
    given_columns = dict(zip(("features", "is_fraud", "weight"), GOOD, strict=True)) | {field: bad}
    with pytest.raises(DataError) as caught:
        fast_forward(model, ["a", "b"], **given_columns)
    assert field in caught.value.field
    assert [array.tobytes() for array in read_state(model, ["a", "b"])] == before
    assert parts(model)[3].optimizer.n_iterations == 3
