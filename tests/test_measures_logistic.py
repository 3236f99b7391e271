"""Logistic probes: against scikit-learn, of any scale, and clear where there is nothing to find."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

from alignscope.errors import AlignscopeError
from alignscope.measures import linear_probe, logistic_probes
from strategies import seeds


def sample(seed: int, n: int = 300, classes: int = 4) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A representation with strong, weak and repeated columns, and classes that it knows in part."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 6)) * [3, 1, 1, 0.1, 0.01, 1] + 5
    z[:, 5] = z[:, 0] + 0.1 * z[:, 5]
    first = ((z - 5) @ rng.normal(size=(6, classes)) / [1, 2, 3, 4] + rng.normal(size=(n, classes))).argmax(axis=1)
    return z, {"first": first, "flag": z[:, 1] + rng.normal(size=n) > 5}


@given(seeds)
@settings(max_examples=25)
def test_a_probe_is_the_logistic_regression_of_scikit_learn(seed: int) -> None:
    z, targets = sample(seed)
    targets = {name: y.astype(int) for name, y in targets.items()}
    found = logistic_probes(
        z[:200], {k: y[:200] for k, y in targets.items()}, z[200:], {k: y[200:] for k, y in targets.items()}
    )
    scaler = StandardScaler().fit(z[:200])
    for name, y in targets.items():
        fitted = LogisticRegression(tol=1e-6, max_iter=10_000).fit(scaler.transform(z[:200]), y[:200])
        chances, held = fitted.predict_proba(scaler.transform(z[200:])), y[200:]
        best = np.sort(chances, axis=1)
        close = int((best[:, -1] - best[:, -2] < 0.02).sum())
        predicted = fitted.classes_[chances.argmax(axis=1)]
        assert abs(found[name].accuracy - np.mean(predicted == held)) <= close / len(held)
        if close == 0:
            assert found[name].balanced_accuracy == pytest.approx(balanced_accuracy_score(held, predicted))
            expected = [np.mean(predicted[held == c] == c) if (held == c).any() else np.nan for c in range(y.max() + 1)]
            np.testing.assert_allclose(found[name].recalls, expected)


@given(seeds, st.floats(-6, 6))
@settings(max_examples=25)
def test_the_scale_and_the_shift_of_a_column_do_not_matter(seed: int, exponent: float) -> None:
    z, targets = sample(seed)
    moved = z * 10.0 ** (exponent * np.arange(-1, 2).repeat(2)) - 7
    one, other = (
        logistic_probes(x[:200], {"y": targets["first"][:200]}, x[200:], {"y": targets["first"][200:]})["y"]
        for x in (z, moved)
    )
    assert other.accuracy == pytest.approx(one.accuracy, abs=0.011)  # one row of a hundred


def test_the_middle_of_three_classes_in_one_line_is_found() -> None:
    z = np.linspace(-1, 1, 600)[:, None]
    y = np.digitize(z[:, 0], [-0.3, 0.3])
    linear, logistic = linear_probe(z, y, z, y), logistic_probes(z, {"y": y}, z, {"y": y})["y"]
    assert linear.recalls is not None and linear.recalls[1] < 0.1
    assert logistic.recalls.min() > 0.9


def test_one_target_does_not_depend_on_the_others() -> None:
    z, targets = sample(3)
    together = logistic_probes(z, targets, z, targets)
    for name, y in targets.items():
        alone = logistic_probes(z, {name: y}, z, {name: y})[name]
        assert alone.accuracy == together[name].accuracy
        np.testing.assert_array_equal(alone.recalls, together[name].recalls)
    assert logistic_probes(z, {}, z, {}) == {}


def test_separable_classes_and_constant_columns_are_no_trouble() -> None:
    y = np.arange(50) % 5
    z = np.hstack([np.eye(5)[y], np.ones((50, 2))])
    assert logistic_probes(z, {"y": y}, z, {"y": y})["y"].accuracy == 1
    nothing = logistic_probes(np.ones((50, 3)), {"y": y}, np.ones((50, 3)), {"y": y})["y"]
    assert nothing.balanced_accuracy == pytest.approx(1 / 5)


def test_a_class_that_is_in_one_part_only_counts() -> None:
    z = np.random.default_rng(0).normal(size=(40, 2))
    y = (z[:, 0] > 0).astype(int)
    unseen = logistic_probes(z, {"y": y}, z, {"y": np.full(40, 2)})["y"]
    assert unseen.accuracy == 0 and unseen.balanced_accuracy == 0
    np.testing.assert_array_equal(unseen.recalls, [np.nan, np.nan, 0])
    alone = logistic_probes(z, {"y": 1 + y}, z, {"y": np.ones(40, int)})["y"]
    np.testing.assert_array_equal(np.isnan(alone.recalls), [True, False, True])
    single = logistic_probes(z, {"y": 0 * y}, z, {"y": y})["y"]
    assert single.balanced_accuracy == 0.5


Z, Y = np.zeros((8, 2)), np.arange(8) % 2


@pytest.mark.parametrize(
    ("train_z", "train_y", "test_z", "test_y", "code", "match"),
    [
        (np.zeros((2, 2, 2)), Y, Z, Y, "E201", "train z: shape"),
        (np.full((8, 2), np.nan), Y, Z, Y, "E203", "train z: NaN"),
        (Z, Y, np.full((8, 2), np.inf), Y, "E203", "test z: NaN"),
        (Z[:1], Y[:1], Z, Y, "E205", "train z: 1 rows"),
        (Z, Y[:7], Z, Y, "E202", "train z, train y: 8 and 7"),
        (Z, Y, Z, Y[:7], "E202", "test z, test y: 8 and 7"),
        (Z, Y - 1, Z, Y, "E106", "train y: the class code -1"),
        (Z, Y * 1.0, Z, Y, "E106", "train y: type float64"),
        (Z, Y, Z, Y.reshape(8, 1), "E201", "test y: class codes of shape"),
    ],
)
def test_what_cannot_be_used_is_refused(
    train_z: np.ndarray, train_y: np.ndarray, test_z: np.ndarray, test_y: np.ndarray, code: str, match: str
) -> None:
    with pytest.raises(AlignscopeError, match=match) as error:
        logistic_probes(train_z, {"y": train_y}, test_z, {"y": test_y})
    assert error.value.code == code
