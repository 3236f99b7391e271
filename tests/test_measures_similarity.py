"""Similarity of representations: each against its slow definition, its range, and what it does not see."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

import twins
from alignscope.errors import AlignscopeError
from alignscope.measures import alignment_r2, canonical_correlations, cka
from alignscope.measures.similarity import shared_directions
from strategies import seeds


def pair(seed: int, n: int = 30, k1: int = 3, k2: int = 4, shared: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Two representations of one hidden factor, with means."""
    rng = np.random.default_rng(seed)
    f = shared * rng.normal(size=(n, 2))
    return tuple(f @ rng.normal(size=(2, k)) + rng.normal(size=(n, k)) + rng.normal(size=k) * 5 for k in (k1, k2))


def rotation(seed: int, k: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(k, k)))[0]


def slow_hsic(k: np.ndarray, m: np.ndarray) -> float:
    """Song et al. 2012, equation 5, on the Gram matrices."""
    n, one = len(k), np.ones(len(k))
    k, m = k * (1 - np.eye(n)), m * (1 - np.eye(n))
    inner = (
        np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ m @ one)
    )
    return inner / (n * (n - 3))


@given(seeds, st.integers(4, 25), st.integers(1, 6), st.integers(1, 6))
def test_cka_is_its_definition_on_gram_matrices(seed: int, n: int, k1: int, k2: int) -> None:
    z1, z2 = pair(seed, n, k1, k2)
    grams = [z @ z.T for z in (z1, z2)]
    h = np.eye(n) - 1 / n
    biased = [np.trace(a @ h @ b @ h) for a in grams for b in grams]
    assert cka(z1, z2, debiased=False) == pytest.approx(biased[1] / np.sqrt(biased[0] * biased[3]))
    unbiased = [slow_hsic(a, b) for a in grams for b in grams]
    assert cka(z1, z2) == pytest.approx(unbiased[1] / np.sqrt(unbiased[0] * unbiased[3]), abs=1e-7)


@given(seeds, st.booleans(), st.integers(1, 40))
def test_cka_of_itself_is_one_and_its_range_holds(seed: int, debiased: bool, k: int) -> None:
    z1, z2 = pair(seed, 30, k, 4)
    assert cka(z1, z1, debiased=debiased) == pytest.approx(1)
    assert -1 * debiased <= cka(z1, z2, debiased=debiased) <= 1
    assert cka(z1, z2, debiased=debiased) == pytest.approx(cka(z2, z1, debiased=debiased))


@given(seeds, st.booleans(), st.floats(-6, 6))
def test_cka_ignores_rotation_shift_and_scale(seed: int, debiased: bool, exponent: float) -> None:
    z1, z2 = pair(seed)
    moved = 10**exponent * (z1 @ rotation(seed, 3) + 2)
    assert cka(moved, z2, debiased=debiased) == pytest.approx(cka(z1, z2, debiased=debiased), abs=1e-8)


def test_cka_of_noise_is_nothing_once_debiased() -> None:
    """300 draws of N = 40, K = 30: the mean lies within four of its standard errors of zero."""
    draws = [pair(s, 40, 30, 30, shared=0.0) for s in range(300)]
    found = np.array([cka(a, b) for a, b in draws])
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(len(found))
    assert np.mean([cka(a, b, debiased=False) for a, b in draws[:50]]) > 0.3


@pytest.mark.parametrize("debiased", [True, False])
def test_cka_of_a_constant_is_undefined(debiased: bool) -> None:
    z = np.random.default_rng(0).normal(size=(9, 2))
    assert np.isnan(cka(z, np.full((9, 3), 0.1), debiased=debiased))


@given(seeds)
def test_alignment_r2_is_held_out_regression(seed: int) -> None:
    z1, z2 = pair(seed, 60)
    train, test = slice(0, 40), slice(40, 60)
    fit = LinearRegression().fit(z1[train], z2[train])
    rss = np.square(z2[test] - fit.predict(z1[test])).sum()
    tss = np.square(z2[test] - z2[train].mean(axis=0)).sum()
    assert alignment_r2(z1[train], z2[train], (z1[test], z2[test])) == pytest.approx(1 - rss / tss, abs=1e-7)
    assert alignment_r2(z1, z2) == pytest.approx(twins.sigma(z1, z2), abs=1e-7)


@given(seeds, st.floats(-6, 6), st.floats(-6, 6))
def test_alignment_r2_ignores_scales_and_rotations(seed: int, e1: float, e2: float) -> None:
    """Unlike the alignment loss, it does not improve when z2 shrinks; and any map of z1 is undone."""
    z1, z2 = pair(seed)
    moved1, moved2 = 10**e1 * z1 @ rotation(seed, 3) + 3, 10**e2 * z2 @ rotation(seed + 1, 4) - 1
    half = slice(0, 15), slice(15, 30)
    found, moved = (
        alignment_r2(a[half[0]], b[half[0]], (a[half[1]], b[half[1]])) for a, b in ((z1, z2), (moved1, moved2))
    )
    assert moved == pytest.approx(found, abs=1e-6)


def test_alignment_r2_of_noise_is_negative_when_held_out() -> None:
    z1, z2 = pair(0, 80, 20, 5, shared=0.0)
    assert alignment_r2(z1[:40], z2[:40], (z1[40:], z2[40:])) < -0.2
    assert alignment_r2(z1[:40], z2[:40]) > 0.2


@pytest.mark.parametrize("width", [3, 50])
def test_alignment_r2_survives_copies_constants_and_few_rows(width: int) -> None:
    z1, z2 = pair(0, 30, width, 2)
    odd = np.hstack([z1, z1, np.full((30, 1), 0.1), 2 * z1[:, :1]])
    assert alignment_r2(odd, z2) == pytest.approx(twins.sigma(z1, z2), abs=1e-6)
    assert np.isnan(alignment_r2(z1, np.full((30, 2), 0.3)))
    assert alignment_r2(np.full((30, 2), 0.3), z2) == pytest.approx(0, abs=1e-12)


@given(seeds, st.integers(1, 5), st.integers(1, 5))
def test_canonical_correlations_are_the_cosines_of_principal_angles(seed: int, k1: int, k2: int) -> None:
    z1, z2 = pair(seed, 40, k1, k2)
    expected = np.linalg.svd(twins.orthonormal(z1).T @ twins.orthonormal(z2), compute_uv=False)
    found = canonical_correlations(z1, z2)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert np.all((found >= 0) & (found <= 1))
    np.testing.assert_allclose(canonical_correlations(z1, z2, (z1, z2)), expected, atol=1e-9)


@given(seeds)
def test_canonical_correlations_ignore_any_invertible_map(seed: int) -> None:
    z1, z2 = pair(seed, 60)
    a = rotation(seed, 3) * [0.1, 1, 10] @ rotation(seed + 1, 3)
    train, test = slice(0, 40), slice(40, 60)
    one, two = (canonical_correlations(z[train], z2[train], (z[test], z2[test])) for z in (z1, z1 @ a + 4))
    np.testing.assert_allclose(one, two, atol=1e-7)
    assert np.all(np.abs(one) <= 1 + 1e-12)


def test_canonical_correlations_of_noise_are_high_in_sample_only() -> None:
    """N = 200, K = 20 each: about sqrt(.1) + sqrt(.1) at the edge in sample."""
    z1, z2 = pair(0, 400, 20, 20, shared=0.0)
    assert canonical_correlations(z1[:200], z2[:200])[0] > 0.45
    assert abs(canonical_correlations(z1[:200], z2[:200], (z1[200:], z2[200:])).mean()) < 0.05


def test_canonical_correlations_count_the_rank() -> None:
    z1, z2 = pair(0)
    low = np.hstack([z1[:, :2] @ np.random.default_rng(1).normal(size=(2, 7)), np.ones((30, 1))])
    assert canonical_correlations(low, z1).shape == (2,)
    assert canonical_correlations(np.ones((30, 2)), z2).shape == (0,)
    assert np.isnan(canonical_correlations(z1, z2, (np.ones((5, 3)), z2[:5]))).all()


Z = np.random.default_rng(0).normal(size=(9, 2))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: cka(Z, Z[:5]), r"^z1, z2: 9 and 5 rows\. .*\[E202\]$"),
        (lambda: cka(Z[:3], Z[:3]), r"^z1: 3 rows\. Give at least 4\. \[E205\]$"),
        (lambda: alignment_r2(Z, Z * np.nan), r"^z2: NaN or infinity\. .*\[E203\]$"),
        (lambda: alignment_r2(Z, Z, (Z, Z[:4])), r"^test z1, test z2: 9 and 4 rows\. .*\[E202\]$"),
        (lambda: alignment_r2(Z[:1], Z[:1]), r"^z1: 1 rows\. Give at least 2\. \[E205\]$"),
        (lambda: canonical_correlations(Z[None], Z), r"^z1: shape \(1, 9, 2\)\. .*\[E201\]$"),
        (lambda: canonical_correlations(Z, Z[:, :0]), r"^z2: shape \(9, 0\)\. .*\[E201\]$"),
    ],
)
def test_what_cannot_be_compared_is_refused(call: Callable[[], object], match: str) -> None:
    with pytest.raises(AlignscopeError, match=match):
        call()


def test_shared_directions_are_counted_whatever_variance_they_hold() -> None:
    rng = np.random.default_rng(0)
    shared, z = rng.normal(size=(4000, 2)), rng.normal(size=(2, 4000, 3))
    one, two = np.hstack([shared * [100, 0.01], z[0]]), np.hstack([z[1], shared])
    rho = canonical_correlations(one[:2000], two[:2000], test=(one[2000:], two[2000:]))
    found = shared_directions(one[:2000], two[:2000], test=(one[2000:], two[2000:]))
    assert found == pytest.approx(sum(max(r, 0) ** 2 for r in rho)) == pytest.approx(2, abs=0.05)
    assert shared_directions(one, np.zeros((4000, 2))) == 0
