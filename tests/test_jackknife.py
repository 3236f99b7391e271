"""The jackknife against its formulas written out, and intervals against what they must hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

import strategies
from alignscope.linear.jackknife import Jackknife


def without_each(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted mean without each unit."""
    return np.array([np.average(np.delete(values, j), weights=np.delete(weights, j)) for j in range(len(values))])


@given(st.integers(2, 40), strategies.seeds)
def test_units_of_one_size_give_the_textbook_formula(units: int, seed: int) -> None:
    """(J - 1) / J sum_j (theta_(j) - mean)^2 about the mean of the replicates, for any statistic."""
    rng = np.random.default_rng(seed)
    value, replicates = float(rng.normal()), rng.normal(size=units)
    expected = np.sqrt((units - 1) / units * np.square(replicates - replicates.mean()).sum())
    jackknife = Jackknife(np.full(units, 1 / units))
    assert jackknife.error(value, replicates) == pytest.approx(expected, rel=1e-9)
    half = student.ppf(0.975, max(units - 1, 1)) * expected
    found = jackknife.interval(value, replicates)
    assert (found.low, found.high) == pytest.approx((value - half, value + half), rel=1e-9)


@given(st.integers(2, 30), strategies.seeds)
def test_units_of_many_sizes_give_busing_meijer_and_van_der_leeden(units: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 60, size=units).astype(float)
    value, replicates, n = float(rng.normal()), rng.normal(size=units), sizes.sum()
    h = n / sizes
    centre = units * value - sum((1 - m / n) * r for m, r in zip(sizes, replicates, strict=True))
    pseudo = [h_j * value - (h_j - 1) * r for h_j, r in zip(h, replicates, strict=True)]
    variance = sum((p - centre) ** 2 / (h_j - 1) for p, h_j in zip(pseudo, h, strict=True)) / units
    assert Jackknife(sizes / n).error(value, replicates) == pytest.approx(np.sqrt(variance), rel=1e-9)


def test_degrees_of_freedom_are_those_of_the_weight() -> None:
    even, uneven = np.full(20, 0.05), np.r_[0.9, np.full(19, 0.1 / 19)]
    assert Jackknife(even).quantile() == pytest.approx(student.ppf(0.975, 19))
    assert Jackknife(uneven).quantile() == pytest.approx(student.ppf(0.975, 1))
    for among in (2, 7, 40):
        assert Jackknife(even).quantile(among) == pytest.approx(student.ppf(1 - 0.025 / among, 19))


def test_an_interval_that_was_chosen_is_wider() -> None:
    jackknife = Jackknife(np.full(12, 1 / 12))
    replicates = np.random.default_rng(0).normal(size=12)
    widths = []
    for among in (1, 2, 10):
        found = jackknife.interval(0, replicates, among=among)
        assert found.low is not None
        assert found.high is not None
        widths.append(found.high - found.low)
    assert widths == sorted(widths)
    np.testing.assert_allclose(
        np.array(widths) / widths[0], student.ppf([0.975, 0.9875, 0.9975], 11) / student.ppf(0.975, 11)
    )


@pytest.mark.parametrize("sizes", ["equal", "unequal"])
def test_intervals_of_a_mean_hold_it(sizes: str) -> None:
    """Groups share an effect; where their sizes differ, the mean of rows weighs some groups more."""
    rng = np.random.default_rng(1)
    held, runs = 0, 400
    for _ in range(runs):
        counts = np.full(20, 10) if sizes == "equal" else rng.integers(4, 30, size=20)
        means = rng.normal(size=20) + rng.normal(size=20) / np.sqrt(counts)
        found = Jackknife(counts / counts.sum()).interval(
            float(np.average(means, weights=counts)), without_each(means, counts)
        )
        held += found.low <= 0 <= found.high
    assert 0.92 * runs <= held < runs  # 95% are expected


def test_ranges_are_clipped_to_what_a_figure_can_be() -> None:
    jackknife = Jackknife(np.full(5, 0.2))
    replicates = np.array([-1.0, 2.0, 0.3, 0.9, 0.1])
    found = jackknife.interval(0.5, replicates, 0.0, 1.0)
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)
    beyond = jackknife.interval(1.4, replicates, high=1.0)
    assert (beyond.value, beyond.high) == (1.0, 1.0)
    assert str(jackknife.interval(-0.0, np.zeros(5)).low) == "0.0"


def test_no_interval_where_none_can_be_given() -> None:
    replicates = np.array([0.1, 0.2, 0.3])
    for jackknife in (Jackknife(np.full(3, 1 / 3), valid=False), Jackknife(np.ones(1))):
        found = jackknife.interval(0.2, replicates[: len(jackknife.shares)])
        assert (found.value, found.low, found.high) == (0.2, None, None)


def test_a_replicate_that_is_none_counts_as_the_figure() -> None:
    jackknife = Jackknife(np.full(4, 0.25))
    some = jackknife.error(0.2, np.array([0.1, np.nan, 0.3, 0.2]))
    assert some == jackknife.error(0.2, np.array([0.1, 0.2, 0.3, 0.2]))
