"""Rules of one line, and the forecast next to them: tables of cases, and a slow twin."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from alignscope.study.rules import FEWEST, KEPT, RULES, compare

CASES = [  # lambda, K, whether one modality alone is trained on the target, and what each rule retains
    (0.0, 8, True, (1.0, 1.0, 1.0)),
    (1.0, 8, True, (1.0, 0.5, 0.875)),
    (1.0, 8, False, (1.0, 0.5, 1.0)),
    (3.0, 2, True, (1.0, 0.25, 0.0)),
    (30.0, 8, True, (1.0, 1 / 31, 0.0)),  # no more is lost than there is
]


@pytest.mark.parametrize(("lam", "k", "own", "retained"), CASES)
def test_what_each_rule_retains(lam: float, k: int, own: bool, retained: tuple[float, ...]) -> None:
    assert tuple(rule(lam, k, own) for rule in RULES.values()) == pytest.approx(retained)


retentions = st.sampled_from([0.0, 0.3, 0.6, 0.9, 0.949, 0.951, 1.0])
points = st.lists(st.tuples(*[retentions] * (len(RULES) + 2)), min_size=3, max_size=30)


@given(points)
@settings(max_examples=30, deadline=None)
def test_scores_equal_those_of_a_slow_twin(rows: list[tuple[float, ...]]) -> None:
    found = compare([row[:-1] for row in rows], [row[-1] for row in rows], [range(len(rows))], "one")
    measured = [row[-1] for row in rows]
    assert (found.points, found.losses) == (len(rows), sum(v < KEPT for v in measured))
    scores = (found.forecast, *found.rules)
    for score, told in zip(scores, list(zip(*rows, strict=True))[:-1], strict=True):
        pairs = list(zip(told, measured, strict=True))
        assert score.error == pytest.approx(sum(abs(a - b) for a, b in pairs) / len(pairs))
        varies = len(set(told)) > 1 and len(set(measured)) > 1
        assert score.rank == pytest.approx(spearmanr(told, measured).statistic if varies else 0.0)
        assert score.missed == sum(b < KEPT <= a for a, b in pairs)
        assert score.false_alarms == sum(a < KEPT <= b for a, b in pairs)
    assert found.error.value == pytest.approx(min(s.error for s in found.rules) - found.forecast.error)
    assert found.rank.value == pytest.approx(found.forecast.rank - max(s.rank for s in found.rules))
    assert found.error.low is None and not found.beaten


@pytest.mark.parametrize(("units", "interval"), [(FEWEST, True), (FEWEST - 1, False)])
def test_few_units_give_no_interval(units: int, interval: bool) -> None:
    told = [[math.exp(-i), *[1.0] * len(RULES)] for i in range(units)]
    found = compare(told, [row[0] for row in told], [[i] for i in range(units)], "rows")
    assert (found.error.low is not None, found.beaten) == (interval, interval)
    assert found.used == ("the forecast" if interval else next(iter(RULES)))


def test_the_points_of_a_unit_are_resampled_together() -> None:
    """Each point told twice says no more than once."""
    told = [[0.9 - 0.05 * i + 0.02 * (i % 3), *[1.0] * len(RULES)] for i in range(12)]
    found = [0.9 - 0.05 * i for i in range(12)]
    once = compare(told, found, [[i] for i in range(12)], "rows")
    twice = compare(told * 2, found * 2, [[i, 12 + i] for i in range(12)], "rows")
    assert (twice.error.low, twice.error.high) == pytest.approx((once.error.low, once.error.high))
    assert twice.points == 2 * once.points
