"""BROJA's decomposition of labels: gates known by hand, another program's, the certificate, sums and symmetry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignscope.errors import AlignscopeError
from alignscope.measures import discrete_pid
from strategies import seeds


def gate(*outcomes: tuple[int, int, int]) -> np.ndarray:
    """Return the table in which these (x1, x2, y) are equally likely."""
    table = np.zeros(np.array(outcomes).max(axis=0) + 1)
    for outcome in outcomes:
        table[outcome] += 1
    return table


BITS = [(i, j) for i in (0, 1) for j in (0, 1)]
GATES = {
    "XOR": (gate(*((i, j, i ^ j) for i, j in BITS)), (0, 0, 0, 1)),
    "AND": (gate(*((i, j, i & j) for i, j in BITS)), (0.311278, 0, 0, 0.5)),
    "RDN": (gate((0, 0, 0), (1, 1, 1)), (1, 0, 0, 0)),
    "UNQ": (gate(*((i, j, 2 * i + j) for i, j in BITS)), (0, 1, 1, 0)),
    "only the first": (gate(*((i, j, i) for i, j in BITS)), (0, 1, 0, 0)),
    "nothing": (np.ones((2, 3, 4)), (0, 0, 0, 0)),
    "one value": (np.ones((1, 1, 3)), (0, 0, 0, 0)),
}


@pytest.mark.parametrize(("table", "expected"), GATES.values(), ids=GATES)
def test_gates(table: np.ndarray, expected: tuple) -> None:
    found = discrete_pid(7 * table)
    assert found[:4] == pytest.approx(expected, abs=2e-6)
    assert found.gap < 1e-6


def tables(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    p = np.random.default_rng(seed).gamma(0.5, size=shape)
    return p / p.sum()


def information(joint: np.ndarray) -> float:
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    there = joint > 0
    return float((joint[there] * np.log2(joint[there] / independent[there])).sum())


@pytest.mark.parametrize("seed", range(6))
def test_of_two_by_two_by_two_a_finer_and_finer_grid_finds_the_same(seed: int) -> None:
    p = tables(seed, (2, 2, 2))
    one, two = p.sum(axis=1), p.sum(axis=0)  # (x1, y) and (x2, y), which are kept
    low, high = np.maximum(0, one[0] + two[0] - p.sum(axis=(0, 1))), np.minimum(one[0], two[0])

    def joint(first: np.ndarray) -> np.ndarray:
        """Return the table with the margins of p whose q(0, 0, y) is given: all that is free."""
        return np.array([[first, one[0] - first], [two[0] - first, one[1] - two[0] + first]])

    ends = np.array([low, high])
    for _ in range(12):
        grid = [np.array([u, v]) for u in np.linspace(*ends[:, 0], 9) for v in np.linspace(*ends[:, 1], 9)]
        values = [information(np.maximum(joint(at), 0).reshape(-1, 2)) for at in grid]
        best, half = grid[int(np.argmin(values))], (ends[1] - ends[0]) / 4
        ends = np.clip([best - half, best + half], low, high)
    assert sum(discrete_pid(p)[:3]) == pytest.approx(min(values), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_the_parts_add_up_and_no_other_table_with_the_margins_has_less(seed: int, a: int, b: int, c: int) -> None:
    p = tables(seed, (a, b, c))
    found = discrete_pid(p)
    one, two, both = information(p.sum(axis=1)), information(p.sum(axis=0)), information(p.reshape(-1, c))
    assert min(found) >= 0 and found.gap < 1e-5
    assert sum(found[:4]) == pytest.approx(both, abs=1e-9)
    assert found.redundancy + found.unique1 == pytest.approx(one, abs=1e-9)
    swapped = discrete_pid(p.transpose(1, 0, 2))
    assert swapped[:4] == pytest.approx((found[0], found[2], found[1], found[3]), abs=1e-5)
    union = found.redundancy + found.unique1 + found.unique2
    rng = np.random.default_rng(seed)
    for _ in range(3):  # margins of (x1, y) and (x2, y) stay
        q = rng.uniform(0.05, 1, size=p.shape)
        for _ in range(500):
            q *= (p.sum(axis=1) / q.sum(axis=1))[:, None, :]
            q *= (p.sum(axis=0) / q.sum(axis=0))[None, :, :]
        assert information(q.reshape(-1, c)) >= union - found.gap - 1e-6
    assert union <= both + 1e-9 and union >= max(one, two) - 1e-9


def test_a_table_of_ten_values_each_has_a_small_gap() -> None:
    assert discrete_pid(tables(0, (10, 10, 10))).gap < 1e-5


BAD = {
    "a matrix": (np.ones((2, 2)), r"shape \(2, 2\).*E201"),
    "empty": (np.ones((0, 2, 2)), r"shape \(0, 2, 2\).*E201"),
    "zeros": (np.zeros((2, 2, 2)), "only zeros.*E201"),
    "nan": (np.full((2, 2, 2), np.nan), "NaN.*E203"),
    "negative": (-np.ones((2, 2, 2)), "8 negative.*E304"),
}


@pytest.mark.parametrize(("table", "message"), BAD.values(), ids=BAD)
def test_what_is_no_table_is_refused(table: np.ndarray, message: str) -> None:
    with pytest.raises(AlignscopeError, match=message):
        discrete_pid(table)
