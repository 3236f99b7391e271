"""Spectra and ranks against their definitions, on representations whose rank is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import twins
from alignscope.errors import AlignscopeError
from alignscope.measures import spectrum
from strategies import seeds


def entropy_rank(weights: np.ndarray) -> float:
    p = weights[weights > 0]
    return float(np.exp(-(p * np.log(p)).sum()))


@given(seeds, st.integers(2, 40), st.integers(1, 8))
def test_the_spectrum_is_that_of_the_singular_values(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, k)) * rng.uniform(0.1, 3, size=k) + rng.normal(size=k)
    mu = np.zeros(k)
    s = np.linalg.svd(twins.centred(z), compute_uv=False)
    mu[: len(s)] = s**2 / n
    found = spectrum(z)
    np.testing.assert_allclose(found.eigenvalues, mu, atol=1e-12)
    assert found.total_variance == pytest.approx(z.var(axis=0).sum())
    assert found.effective_rank == pytest.approx(entropy_rank(mu / mu.sum()), rel=1e-6)
    assert found.participation_ratio == pytest.approx(mu.sum() ** 2 / np.square(mu).sum())
    raw = np.linalg.svd(z, compute_uv=False)
    assert found.rankme == pytest.approx(entropy_rank(raw / raw.sum() + 1e-7), rel=1e-4)
    assert found.participation_ratio >= 1 - 1e-9
    assert found.participation_ratio <= found.effective_rank * (1 + 1e-9)
    assert found.effective_rank <= min(n - 1, k) * (1 + 1e-6)


@given(seeds, st.floats(-6, 6))
def test_ranks_ignore_scale_and_rotation_and_variance_does_not_ignore_scale(seed: int, exponent: float) -> None:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(30, 4)) * [1, 2, 3, 0.1]
    q, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    one, two = spectrum(z), spectrum(10**exponent * z @ q)
    for name in ("effective_rank", "participation_ratio", "rankme"):
        assert getattr(two, name) == pytest.approx(getattr(one, name), rel=1e-5), name
    assert two.total_variance == pytest.approx(10 ** (2 * exponent) * one.total_variance)


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_equal_directions_are_counted(rank: int) -> None:
    q, _ = np.linalg.qr(twins.centred(np.random.default_rng(0).normal(size=(50, 5))))
    found = spectrum(np.hstack([q[:, :rank], np.zeros((50, 2))]) + 3.0)
    assert found.effective_rank == pytest.approx(rank)
    assert found.participation_ratio == pytest.approx(rank)
    assert spectrum(q[:, :rank]).rankme == pytest.approx(rank, rel=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e6])
def test_complete_collapse_has_rank_zero(value: float) -> None:
    found = spectrum(np.full((30, 4), value))
    assert (found.total_variance, found.effective_rank, found.participation_ratio) == (0.0, 0.0, 0.0)
    assert found.rankme == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("z", "match"),
    [
        (np.full((4, 2), np.inf), r"^z: NaN or infinity\. .*\[E203\]$"),
        (np.ones((1, 2)), r"^z: 1 rows\. .*\[E205\]$"),
        (np.ones((2, 2, 2)), r"^z: shape \(2, 2, 2\)\. .*\[E201\]$"),
    ],
)
def test_what_has_no_spectrum_is_refused(z: np.ndarray, match: str) -> None:
    with pytest.raises(AlignscopeError, match=match):
        spectrum(z)
