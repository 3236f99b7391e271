"""BROJA's decomposition of Gaussian sources: against brute force, known cases, its own certificate, invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from alignscope.errors import AlignscopeError
from alignscope.measures.gaussian_information import gaussian_information, gaussian_pid
from alignscope.measures.gaussian_union import _objective, _root, union_information
from strategies import seeds

LN2 = np.log(2)


def signal(seed: int, width: int, rank: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    m = rng.normal(size=(width, rank)) * rng.uniform(0.2, 3)
    return m @ m.T


def information(s: np.ndarray) -> float:
    return float(0.5 * np.linalg.slogdet(np.eye(len(s)) + s)[1])


def plainly(a1: np.ndarray, a2: np.ndarray, c: np.ndarray) -> float:
    """Return 1/2 ln |I + A^T S^-1 A| as it is written."""
    noise = np.block([[np.eye(len(a1)), c], [c.T, np.eye(len(a2))]])
    a = np.vstack([a1, a2])
    return information(a.T @ np.linalg.solve(noise, a))


@given(seeds, st.integers(1, 4), st.integers(1, 4))
def test_the_objective_and_its_gradient(seed: int, width: int, rank: int) -> None:
    rng = np.random.default_rng(seed)
    a1, a2 = _root(signal(seed, width, min(rank, width))), _root(signal(seed + 1, width, width))
    c = rng.normal(size=(len(a1), len(a2)))
    c *= rng.uniform(0, 0.95) / np.linalg.norm(c, 2)
    value, gradient = _objective(a1, a2, c)
    assert value == pytest.approx(plainly(a1, a2, c), rel=1e-9)
    step = 1e-6 * rng.normal(size=c.shape)
    slope = (plainly(a1, a2, c + step) - plainly(a1, a2, c - step)) / 2
    assert (gradient * step).sum() == pytest.approx(slope, rel=1e-3, abs=1e-11)


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_no_search_over_the_block_finds_less(width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, two = signal(seed, width, 1 + seed % width), signal(seed + 50, width, width)
    a1, a2 = _root(one), _root(two)
    shape = (len(a1), len(a2))

    def objective(x: np.ndarray) -> float:
        u, s, vt = np.linalg.svd(x.reshape(shape), full_matrices=False)
        return plainly(a1, a2, (u * np.tanh(s) * (1 - 1e-9)) @ vt)

    starts = [0.5 * rng.normal(size=shape).ravel() for _ in range(2)]
    tight = {"maxiter": 4_000, "maxfev": 4_000, "xatol": 1e-9, "fatol": 1e-12}
    best = min(minimize(objective, x, method="Nelder-Mead", options=tight).fun for x in starts)
    assert union_information(one, two).value == pytest.approx(best, abs=1e-6)


@settings(max_examples=40)
@given(seeds, st.integers(1, 6), st.integers(1, 6), st.integers(1, 6))
def test_the_certificate_is_small_and_holds_for_every_other_block(seed: int, width: int, one: int, two: int) -> None:
    s1, s2 = signal(seed, width, min(one, width)), signal(seed + 1, width, min(two, width))
    found = union_information(s1, s2)
    assert 0 <= found.gap < 1e-7
    rng = np.random.default_rng(seed)
    a1, a2 = _root(s1), _root(s2)
    for _ in range(5):
        c = rng.normal(size=(len(a1), len(a2)))
        c *= rng.uniform(0, 0.999) / np.linalg.norm(c, 2)
        assert plainly(a1, a2, c) >= found.value - found.gap - 1e-9
    assert max(information(s1), information(s2)) <= found.value + 1e-8
    assert found.value <= information(s1 + s2) + 1e-8  # independent noise is one of the blocks


@given(seeds, st.integers(1, 4))
def test_the_same_source_twice_and_a_degraded_copy_are_redundant(seed: int, width: int) -> None:
    s = signal(seed, width, width)
    assert union_information(s, s).value == pytest.approx(information(s), abs=1e-7)
    assert union_information(s, 0.3 * s).value == pytest.approx(information(s), abs=1e-7)


@given(seeds, st.integers(1, 6))
def test_sources_that_differ_by_rounding_alone_are_redundant(seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    turn, noise = np.linalg.qr(rng.normal(size=(width, width)))[0], rng.normal(size=(width, width))
    one = (turn * 10.0 ** rng.uniform(-3, 9, width)) @ turn.T  # some directions of the target are all but certain
    two = one * (1 + 1e-13 * (noise + noise.T))
    found = union_information(one, two)
    assert found.value == pytest.approx(information(one), abs=0.1)


def test_sources_of_different_parts_of_the_target_are_unique() -> None:
    one, two = np.diag([3.0, 0.0, 0.0]), np.diag([0.0, 2.0, 0.0])
    assert union_information(one, two).value == pytest.approx(information(one) + information(two))
    cov = np.array([[2.0, 0, 1, 0], [0, 2, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1]])
    assert gaussian_pid(cov, [0], [1], [2, 3], "broja") == pytest.approx((0, 0.5, 0.5, 0), abs=1e-7)
    assert gaussian_pid(cov, [0], [1], [2, 3]) == pytest.approx((0.5, 0, 0, 0.5))


def covariance(seed: int, width: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(2 * width + 3, width))
    return rows.T @ rows


@given(seeds, st.integers(1, 3), st.integers(1, 3))
def test_for_one_target_column_it_is_minimal_mutual_information(seed: int, a: int, b: int) -> None:
    cov = covariance(seed, a + b + 1)
    x1, x2 = list(range(a)), list(range(a, a + b))
    assert gaussian_pid(cov, x1, x2, [a + b], "broja") == pytest.approx(gaussian_pid(cov, x1, x2, [a + b]), abs=1e-7)


@settings(max_examples=40)
@given(seeds, st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_the_parts_add_up_are_not_negative_and_do_not_depend_on_units(seed: int, a: int, b: int, c: int) -> None:
    cov = covariance(seed, a + b + c)
    x1, x2, y = (block.tolist() for block in np.split(np.arange(a + b + c), [a, a + b]))
    parts = gaussian_pid(cov, x1, x2, y, "broja")
    assert min(parts) >= -1e-9
    assert sum(parts) == pytest.approx(gaussian_information(cov, [*x1, *x2], y), abs=1e-7)
    assert parts.redundancy + parts.unique1 == pytest.approx(gaussian_information(cov, x1, y), abs=1e-9)
    assert parts.redundancy <= gaussian_pid(cov, x1, x2, y).redundancy + 1e-7
    rng = np.random.default_rng(seed)
    maps = [rng.normal(size=(k, k)) + 2 * np.eye(k) for k in (a, b, c)]
    mix = np.zeros((a + b + c,) * 2)
    for block, m in zip((x1, x2, y), maps, strict=True):
        mix[np.ix_(block, block)] = m
    assert gaussian_pid(mix @ cov @ mix.T, x1, x2, y, "broja") == pytest.approx(parts, abs=1e-5)
    swapped = gaussian_pid(cov, x2, x1, y, "broja")
    assert swapped == pytest.approx((parts.redundancy, parts.unique2, parts.unique1, parts.synergy), abs=1e-7)


def test_what_is_certain_has_no_decomposition_and_another_definition_is_refused() -> None:
    assert np.isnan(gaussian_pid(np.ones((3, 3)), [0], [1], [2], "broja")).all()
    silent = gaussian_pid(np.eye(4), [0], [1], [2, 3], "broja")
    assert silent == pytest.approx((0, 0, 0, 0), abs=1e-12)
    with pytest.raises(AlignscopeError, match=r"definition.*'ibroja'.*E305"):
        gaussian_pid(np.eye(3), [0], [1], [2], "ibroja")  # type: ignore[arg-type]
