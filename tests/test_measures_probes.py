"""Linear probes: against scikit-learn, many at once as one by one, and clear where there is nothing to find."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.metrics import balanced_accuracy_score

import twins
from alignscope.errors import AlignscopeError
from alignscope.measures import linear_probe, linear_probes
from alignscope.measures.readout import RIDGE
from strategies import seeds


def sample(seed: int, n: int = 80) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A representation, two numbers and one class that it knows in part."""
    rng, k = np.random.default_rng(seed), 4
    z = rng.normal(size=(n, k)) * [0.5, 1, 1, 2] @ np.linalg.qr(rng.normal(size=(k, k)))[0] + 4
    y = z[:, :2] @ rng.normal(size=(2, 2)) + rng.normal(size=(n, 2)) - 7
    codes = (z[:, 0] + rng.normal(size=n) > 4) + (z[:, -1] > 4).astype(int)
    return z, y, codes


def split(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    return (*(a[:50] for a in arrays), *(a[50:] for a in arrays))


@given(seeds)
def test_a_probe_of_numbers_is_held_out_regression(seed: int) -> None:
    z, y, _ = sample(seed)
    z0, y0, z1, y1 = split(z, y)
    error = np.square(y1 - LinearRegression().fit(z0, y0).predict(z1)).sum(axis=0)
    total = np.square(y1 - y0.mean(axis=0)).sum(axis=0)
    found = linear_probe(z0, y0, z1, y1)
    assert found.r2 == pytest.approx(1 - error.sum() / total.sum(), abs=1e-6)
    np.testing.assert_allclose(found.per_column, 1 - error / total, atol=1e-6)
    assert (found.accuracy, found.balanced_accuracy, found.recalls) == (None, None, None)
    assert linear_probe(z, y, z, y).r2 == pytest.approx(twins.sigma(z, y), abs=1e-7)


@given(seeds)
def test_a_probe_of_classes_is_the_regression_of_their_one_hot(seed: int) -> None:
    z, _, codes = sample(seed)
    z0, c0, z1, c1 = split(z, codes)
    found, one_hot = linear_probe(z0, c0, z1, c1), np.eye(3)[codes]
    predicted = LinearRegression().fit(z0, one_hot[:50]).predict(z1)
    assert found.r2 == pytest.approx(linear_probe(z0, one_hot[:50], z1, one_hot[50:]).r2)
    assert found.accuracy == np.mean(predicted.argmax(axis=1) == c1)
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(c1, predicted.argmax(axis=1)))
    expected = [np.mean(predicted[c1 == c].argmax(axis=1) == c) if (c1 == c).any() else np.nan for c in range(3)]
    np.testing.assert_allclose(found.recalls, expected)
    assert linear_probe(z, codes, z, codes).r2 == pytest.approx(twins.sigma(z, one_hot), abs=1e-7)


@given(seeds)
def test_many_probes_at_once_are_each_alone(seed: int) -> None:
    z, y, codes = sample(seed)
    targets = {"two": y, "class": codes, "one": y[:, 0], "flag": codes == 1}
    held = {name: target[50:] for name, target in targets.items()}
    together = linear_probes(z[:50], {name: t[:50] for name, t in targets.items()}, z[50:], held)
    assert together.keys() == targets.keys()
    for name, target in targets.items():
        alone = linear_probe(z[:50], target[:50], z[50:], held[name])
        assert together[name].r2 == pytest.approx(alone.r2)
        np.testing.assert_allclose(together[name].per_column, alone.per_column)
        assert together[name].accuracy == alone.accuracy
    assert linear_probes(z, {}, z, {}) == {}


@given(seeds, st.floats(-6, 6))
def test_a_probe_ignores_the_scale_and_the_mixing_of_the_representation(seed: int, exponent: float) -> None:
    z, y, codes = sample(seed)
    moved = 10**exponent * z @ np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))[0] - 3
    for target in (y, codes):
        z0, t0, z1, t1 = split(z, target)
        assert linear_probe(moved[:50], t0, moved[50:], t1).r2 == pytest.approx(
            linear_probe(z0, t0, z1, t1).r2, abs=1e-6
        )


@given(seeds, st.floats(-5, -2))
def test_the_ridge_is_the_stated_one(seed: int, exponent: float) -> None:
    """min ||ZB + b - Y||^2 / N + 1e-8 ||S B||^2 as least squares of augmented rows, on nearly equal columns."""
    common, y = np.random.default_rng(seed).normal(size=(2, 80, 1))
    z = np.hstack([common, common + 10**exponent * y])
    c, n = twins.centred(z), len(z)
    rows = np.vstack([c, np.sqrt(n * RIDGE) * np.diag(c.std(axis=0))])
    b = np.linalg.lstsq(rows, np.vstack([twins.centred(y), np.zeros((2, 1))]), rcond=None)[0]
    expected = 1 - np.square(twins.centred(y) - c @ b).sum() / np.square(twins.centred(y)).sum()
    assert linear_probe(z, y, z, y).r2 == pytest.approx(expected, abs=1e-6)


def test_a_representation_of_missing_rank_is_read_all_the_same() -> None:
    z, y, codes = sample(0)
    odd = np.hstack([z, z, np.full((80, 1), 0.1)])
    for target in (y, codes):
        z0, t0, z1, t1 = split(z, target)
        assert linear_probe(odd[:50], t0, odd[50:], t1).r2 == pytest.approx(linear_probe(z0, t0, z1, t1).r2, abs=1e-6)


def test_a_collapsed_representation_knows_nothing() -> None:
    _, y, codes = sample(0)
    flat = np.full((80, 3), 0.1)
    assert linear_probe(flat, y, flat, y).r2 == 0
    found = linear_probe(flat, codes, flat, codes)
    assert found.r2 == 0
    assert found.accuracy == np.bincount(codes).max() / 80
    assert found.balanced_accuracy == pytest.approx(1 / 3)


def test_fewer_rows_than_dimensions_interpolate_and_do_not_fail() -> None:
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(20, 60)), rng.normal(size=20)
    assert linear_probe(z, y, z, y).r2 == pytest.approx(1)
    assert linear_probe(z[:15], y[:15], z[15:], y[15:]).r2 < 0.5


def test_a_target_that_does_not_vary_has_no_share() -> None:
    z, y, _ = sample(0)
    constant = np.full(80, 0.1)
    assert np.isnan(linear_probe(z, constant, z, constant).r2)
    found = linear_probe(z, np.c_[y, constant], z, np.c_[y, constant])
    assert np.isnan(found.per_column).tolist() == [False, False, True]
    assert found.r2 == pytest.approx(linear_probe(z, y, z, y).r2)
    one_class = linear_probe(z, np.zeros(80, int), z, np.zeros(80, int))
    assert np.isnan(one_class.r2)
    assert one_class.accuracy == 1


def test_classes_that_are_missing_in_one_part() -> None:
    """Never fitted: never found. Not scored: no recall, and no part in the balanced accuracy."""
    z, _, codes = sample(0)
    unseen = linear_probe(z[codes < 2], codes[codes < 2], z, codes)
    assert unseen.recalls[2] == 0
    assert unseen.accuracy < np.mean(codes < 2) + 1e-12
    left = codes != 1
    absent = linear_probe(z, codes, z[left], codes[left])
    assert np.isnan(absent.recalls).tolist() == [False, True, False]
    assert absent.balanced_accuracy == pytest.approx(absent.recalls[[0, 2]].mean())
    assert np.isnan(absent.per_column).tolist() == [False, False, False]


Z, Y, C = sample(0)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: linear_probe(Z, Y[:9], Z, Y), r"^train z, train y: 80 and 9 rows\. .*\[E202\]$"),
        (lambda: linear_probe(Z, C, Z, C[:9]), r"^test z, test y: 80 and 9 rows\. .*\[E202\]$"),
        (lambda: linear_probe(Z, C - 1, Z, C), r"^y: the class code -1\. .*from 0\. \[E106\]$"),
        (lambda: linear_probe(Z, C, Z, Y), r"^y: types int64 and float64\. .*in both parts\. \[E106\]$"),
        (lambda: linear_probe(Z, C.astype(str), Z, C.astype(str)), r"^y: types <U21 and <U21\. .*\[E106\]$"),
        (lambda: linear_probe(Z, np.c_[C, C], Z, np.c_[C, C]), r"^y: class codes of shape \(80, 2\)\. .*\[E201\]$"),
        (lambda: linear_probe(Z, Y, Z, Y[:, :1]), r"^y: 2 and 1 columns\. .*\[E201\]$"),
        (lambda: linear_probe(Z, Y * np.nan, Z, Y), r"^train y: NaN or infinity\. .*\[E203\]$"),
        (lambda: linear_probe(Z, Y, Z + np.inf, Y), r"^test z: NaN or infinity\. .*\[E203\]$"),
        (lambda: linear_probe(Z[:1], C[:1], Z, C), r"^train z: 1 rows\. .*\[E205\]$"),
    ],
)
def test_what_cannot_be_probed_is_refused(call: Callable[[], object], match: str) -> None:
    with pytest.raises(AlignscopeError, match=match):
        call()
