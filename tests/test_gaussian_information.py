"""Gaussian information against closed forms: determinants, the chain rule, and decompositions known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignscope.errors import AlignscopeError
from alignscope.measures.gaussian_information import gaussian_information, gaussian_pid
from strategies import seeds

PAIR = [[1.0, 0.6], [0.6, 1.0]]


def covariance(seed: int, width: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(2 * width + 3, width))
    return rows.T @ rows


def by_determinants(cov: np.ndarray, i: list[int], j: list[int]) -> float:
    one, two, both = (np.linalg.slogdet(cov[np.ix_(b, b)])[1] for b in (i, j, i + j))
    return (one + two - both) / 2 / math.log(2)


@pytest.mark.parametrize("rho", [-0.999, -0.5, 0.0, 1e-9, 0.3, 0.9, 0.999999])
def test_two_variables(rho: float) -> None:
    expected = -0.5 * math.log2((1 - rho) * (1 + rho))
    found = gaussian_information([[1, rho], [rho, 1]], [0], [1])
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-17)


@given(seeds, st.integers(1, 4), st.integers(1, 4))
def test_blocks_agree_with_the_determinants(seed: int, a: int, b: int) -> None:
    cov = covariance(seed, a + b + 1)
    i, j = list(range(1, a + 1)), [0, *range(a + 1, a + b)]
    found = gaussian_information(cov, i, j)
    assert found == pytest.approx(by_determinants(cov, i, j), rel=1e-9, abs=1e-12)
    assert gaussian_information(cov, j, i) == pytest.approx(found, rel=1e-9)


@given(seeds)
def test_chain_rule(seed: int) -> None:
    """I(X; Y,Z) - I(X; Z) is the information in what regression on Z leaves of both."""
    cov = covariance(seed, 3)
    left = cov[:2, :2] - np.outer(cov[:2, 2], cov[2, :2]) / cov[2, 2]
    given_z = gaussian_information(cov, [0], [1, 2]) - gaussian_information(cov, [0], [2])
    assert given_z == pytest.approx(gaussian_information(left, [0], [1]), rel=1e-6, abs=1e-10)


@given(seeds)
def test_units_maps_and_repeated_columns_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cov = covariance(seed, 4)
    expected = gaussian_information(cov, [0, 1], [2, 3])
    units = np.diag(10.0 ** rng.uniform(-6, 6, 4))
    assert gaussian_information(units @ cov @ units, [0, 1], [2, 3]) == pytest.approx(expected, rel=1e-6)
    wider = rng.normal(size=(3, 2))  # three mixtures of two columns
    mix = np.block([[wider, np.zeros((3, 2))], [np.zeros((2, 2)), np.eye(2)]])
    assert gaussian_information(mix @ cov @ mix.T, [0, 1, 2], [3, 4]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("cov", "i", "j", "expected"),
    [
        ([[2, 0], [0, 3]], [0], [1], 0.0),
        ([[1, 0], [0, 0]], [0], [1], 0.0),  # no variance
        (PAIR, [0], [], 0.0),
        ([[1, 1], [1, 1]], [0], [1], math.inf),
        ([[1, 0, 1], [0, 1, 1], [1, 1, 2]], [0, 1], [2], math.inf),  # the target is their sum
        ([[1, 0, 1], [0, 1, 1], [1, 1, 2]], [0], [2], 0.5),
    ],
)
def test_singular_covariances_are_defined(cov: list, i: list, j: list, expected: float) -> None:
    assert gaussian_information(cov, i, j) == pytest.approx(expected, abs=1e-15)


HALF = -0.5 * math.log2(1 - 0.36)
PIDS = {
    "copies": ([[1, 1, 0.6], [1, 1, 0.6], [0.6, 0.6, 1]], (HALF, 0, 0, 0)),
    "only the first says": ([[1, 0, 0.6], [0, 1, 0], [0.6, 0, 1]], (0, HALF, 0, 0)),
    "only the second says": ([[1, 0, 0], [0, 1, 0.6], [0, 0.6, 1]], (0, 0, HALF, 0)),
    # Y = X1 - X2 with X1 = Y + N, X2 = N of equal variance: X2 alone is silent and takes the noise away.
    "suppressor": ([[2, 1, 1], [1, 1, 0], [1, 0, 1]], (0, 0.5, 0, math.inf)),
    "noisy sum": ([[1, 0, 1], [0, 1, 1], [1, 1, 3]], (math.log2(1.5) / 2, 0, 0, 0.5)),
}


@pytest.mark.parametrize(("cov", "expected"), PIDS.values(), ids=PIDS)
def test_decompositions_known_by_hand(cov: list, expected: tuple) -> None:
    assert gaussian_pid(cov, [0], [1], [2]) == pytest.approx(expected, abs=1e-12)


@given(seeds, st.integers(1, 3), st.integers(1, 3), st.integers(1, 2))
def test_the_parts_add_up_and_none_is_negative(seed: int, a: int, b: int, c: int) -> None:
    cov = covariance(seed, a + b + c)
    x1, x2, y = (block.tolist() for block in np.split(np.arange(a + b + c), [a, a + b]))
    parts = gaussian_pid(cov, x1, x2, y)
    assert min(parts) >= 0
    assert min(parts.unique1, parts.unique2) == 0
    assert sum(parts) == pytest.approx(gaussian_information(cov, [*x1, *x2], y), rel=1e-8, abs=1e-12)
    assert parts.redundancy + parts.unique1 == pytest.approx(gaussian_information(cov, x1, y))
    assert parts.redundancy + parts.unique2 == pytest.approx(gaussian_information(cov, x2, y))
    other = gaussian_pid(cov, x2, x1, y)
    assert (other.redundancy, other.unique1, other.unique2) == (parts.redundancy, parts.unique2, parts.unique1)


def test_what_cancels_infinitely_is_not_a_number() -> None:
    synergy = gaussian_pid(np.ones((3, 3)), [0], [1], [2]).synergy
    assert math.isnan(synergy)


BAD = {
    "not square": ([[1.0, 0.0]], [0], [1], r"shape \(1, 2\).*E201"),
    "not a matrix": ([1.0], [0], [], r"shape \(1,\).*E201"),
    "nan": ([[1, np.nan], [np.nan, 1]], [0], [1], "NaN or infinity.*E203"),
    "not symmetric": ([[1, 0.5], [0.1, 1]], [0], [1], "no symmetry.*E304"),
    "correlation above 1": ([[1, 1.1], [1.1, 1]], [0], [1], "negative eigenvalue.*E304"),
    "negative variance": ([[-1, 0], [0, 1]], [0], [1], "negative eigenvalue.*E304"),
    "covariance without variance": ([[0, 0.1], [0.1, 1]], [0], [1], "negative eigenvalue.*E304"),
    "shared column": (PAIR, [0], [0, 1], r"\[\[0\], \[0, 1\]\] of 2.*no two blocks share.*E304"),
    "missing column": (PAIR, [0], [2], r"of 2.*E304"),
    "negative column": (PAIR, [0], [-1], r"of 2.*E304"),
}


@pytest.mark.parametrize(("cov", "i", "j", "message"), BAD.values(), ids=BAD)
def test_what_is_no_covariance_is_refused(cov: list, i: list, j: list, message: str) -> None:
    with pytest.raises(AlignscopeError, match=message):
        gaussian_information(cov, i, j)
    with pytest.raises(AlignscopeError, match=r"E20|E304"):
        gaussian_pid(cov, i, j, [])
