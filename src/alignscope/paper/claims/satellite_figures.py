"""Figures behind the claims on satellite data: what both modalities add, which classes count, and the forecast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

from alignscope.study.contest import Contest
from alignscope.study.results import SeedInterval
from alignscope.study.rules import compare, predictions
from alignscope.study.spec import FIXED_GAUGES, Variant

if TYPE_CHECKING:
    from alignscope.study.results import CellRecord, ClassRow, StudyResults

_FEWEST = 8  # classes that have an order at all, with an interval from drawing them again
_FEWEST_BETWEEN = 3  # in one setting, of which the mean is taken
_DRAWS = 500

Pairs = Sequence[tuple[float, float]]


class ClassAgreement(NamedTuple):
    """How forecast and measured retention of classes agree.

    points, classes : rows, and the classes (of a modality and study) that they are of.
    rank, low, high : Spearman's correlation over all points, with a 95% interval from resampled classes.
    between : its mean over settings, each with its classes alone; None where no setting has three.
    error, error_no_loss : mean absolute difference to the measured, of the forecast and of "nothing is lost".
    rules : the forecast against all rules of one line, with intervals from the same classes.
    """

    points: int
    classes: int
    rank: float
    low: float
    high: float
    between: float | None
    error: float
    error_no_loss: float
    rules: Contest


def classes_of(results: StudyResults, lam: float) -> list[ClassRow]:
    """Return the classes predicted at lambda = 0, at a fixed scale where there is one, at the smallest latent size."""
    sweep = results.spec.sweep
    gauge = next((g for g in FIXED_GAUGES if g in sweep.gauges), sweep.gauges[0])
    variant = Variant(gauge, sweep.directions[0], sweep.trainings[0])
    rows = [
        r
        for r in results.class_rows
        if r.retention is not None and r.lambda_ == lam and (r.gauge, r.direction, r.training) == variant
    ]
    smallest = min((r.components for r in rows), default=0)
    return [r for r in rows if r.components == smallest]


def fused_gain(results: StudyResults) -> SeedInterval | None:
    """Return held-out macro F1 of the best model that sees both modalities, less that of the better one alone.

    Over seeds, each the mean over latent sizes; None without such models, or where modalities have other targets.
    """
    first, second = results.trained_on
    if first != second:
        return None
    longest = max(results.spec.sweep.epochs)
    alone = [r for r in results.cells if r.cell.lambda_ == 0 and r.cell.epochs == longest]
    singles = [_f1(alone, modality, first[0]) for modality in (1, 2)]
    fused = [
        _f1([r for r in results.baselines if r.cell.training == name and r.cell.epochs == longest], 1, first[0])
        for name in results.spec.baselines
    ]
    known = [[scores for scores in some if scores] for some in (fused, singles)]
    if not all(known):
        return None
    best, better = (max(some, key=lambda scores: fmean(scores.values())) for some in known)
    by_seed: dict[int, list[float]] = defaultdict(list)
    for k, seed in sorted(best.keys() & better.keys()):
        by_seed[seed].append(best[k, seed] - better[k, seed])
    return SeedInterval.of(fmean(gains) for gains in by_seed.values()) if by_seed else None


def _f1(records: Iterable[CellRecord], modality: int, target: str) -> dict[tuple[int, int], float]:
    """Return (latent size, seed) -> held-out macro F1 at the end of training."""
    return {
        (r.cell.components, r.cell.seed): s.macro_f1
        for r in records
        if r.status == "finished"
        for s in r.last.test.targets
        if (s.modality, s.target) == (modality, target) and s.macro_f1 is not None
    }


def compare_forecast(studies: Sequence[StudyResults]) -> ClassAgreement | None:
    """Return the agreement over all classes, latent sizes and lambdas; None where there are too few classes."""
    by_class, by_setting, told = defaultdict(list), defaultdict(list), defaultdict(list)
    for n, results in enumerate(studies):
        for r in results.class_rows:
            if r.retention is not None and r.forecast is not None:
                pair = r.forecast.value, r.retention.value
                variant = Variant(r.gauge, r.direction, r.training)
                by_class[n, r.modality, r.target, r.label].append(pair)
                told[n, r.modality, r.target, r.label].append(predictions(r, r.forecast.value, results.trained_on))
                by_setting[n, variant, r.components, r.lambda_, r.modality].append(pair)
    groups = list(by_class.values())
    pairs = [pair for group in groups for pair in group]
    rank = _rank(pairs) if len(groups) >= _FEWEST else None
    if rank is None:
        return None
    rng = np.random.default_rng([0, *b"real-forecast"])
    draws = rng.integers(len(groups), size=(_DRAWS, len(groups)))
    again = [v for draw in draws if (v := _rank([p for i in draw for p in groups[i]])) is not None]
    low, high = (float(v) for v in np.quantile(again, (0.025, 0.975)))
    settings = [v for some in by_setting.values() if len(some) >= _FEWEST_BETWEEN and (v := _rank(some)) is not None]
    ends = np.cumsum([len(group) for group in groups])
    members = [range(end - len(group), end) for end, group in zip(ends, groups, strict=True)]
    rules = compare([row for some in told.values() for row in some], [b for _, b in pairs], members, "classes")
    return ClassAgreement(
        points=len(pairs),
        classes=len(groups),
        rank=rank,
        low=low,
        high=high,
        between=fmean(settings) if settings else None,
        error=fmean(abs(a - b) for a, b in pairs),
        error_no_loss=fmean(abs(1 - b) for _, b in pairs),
        rules=rules,
    )


def _rank(pairs: Pairs) -> float | None:
    """Return Spearman's correlation; None where either side is constant."""
    forecast, measured = (stats.rankdata(side) for side in zip(*pairs, strict=True))
    if np.ptp(forecast) == 0 or np.ptp(measured) == 0:
        return None
    return float(np.corrcoef(forecast, measured)[0, 1])
