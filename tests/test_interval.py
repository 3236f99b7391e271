"""The interval of a figure: from replicates, over seeds, and what it decides."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from scipy import stats

from alignscope._lib.interval import Interval


class Seeded(Interval, frozen=True):
    """As study and bench extend it."""

    seeds: int


def test_over_seeds_is_the_t_interval_of_the_mean() -> None:
    values = [0.2, 0.5, 0.9, 0.4]
    found = Seeded.over_seeds(values, seeds=4)
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(values), low, high), rel=1e-12)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Seeded) == found


def test_a_single_seed_has_no_interval_and_decides_nothing() -> None:
    found = Interval.over_seeds([0.3])
    assert found == Interval(0.3, None, None)
    assert (found.sign, found.significant, found.exceeds(0.0)) == (0, False, "undecided")


@pytest.mark.parametrize(
    ("low", "high", "sign", "answer"), [(0.1, 0.2, 1, "yes"), (-0.2, -0.1, -1, "no"), (-0.1, 0.1, 0, "undecided")]
)
def test_what_an_interval_decides_about_0(low: float, high: float, sign: int, answer: str) -> None:
    found = Interval((low + high) / 2, low, high)
    assert (found.sign, found.significant, found.exceeds()) == (sign, sign != 0, answer)


@pytest.mark.parametrize(
    ("low", "high", "threshold", "answer"),
    [
        (0.1, 0.3, 0.0, "yes"),
        (-0.1, 0.3, 0.0, "undecided"),
        (-0.3, -0.1, 0.0, "no"),
        (-0.3, 0.0, 0.0, "no"),
        (0.0, 0.3, 0.0, "undecided"),
        (0.1, 0.3, 0.2, "undecided"),
        (0.1, 0.2, 0.2, "no"),
    ],
)
def test_an_interval_answers(low: float, high: float, threshold: float, answer: str) -> None:
    assert Interval((low + high) / 2, low, high).exceeds(threshold) == answer


def test_the_other_way_round() -> None:
    assert -Seeded(1.0, 0.5, 2.0, seeds=3) == Seeded(-1.0, -2.0, -0.5, seeds=3)
    assert (-Interval(1.0, None, None)).ends == (-1.0, -1.0)
