"""The forecast of a study against rules of one line, which need no encoders: a useful forecast beats them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from msgspec.structs import replace

from alignscope._lib.interval import LEVEL, Interval
from alignscope.study.contest import Contest, Score
from alignscope.study.results import ClassRow, ForecastRow, StudyResults
from alignscope.study.spec import Variant

Rule = Callable[[float, int, bool], float]
"""(lambda, K, whether one modality alone is trained on the target) -> retention by the rule."""

RULES: dict[str, Rule] = {
    "nothing is lost": lambda lam, k, own: 1.0,
    "λ/(1 + λ) is lost": lambda lam, k, own: 1 / (1 + lam),
    "λ/K is lost of what one modality alone has": lambda lam, k, own: max(0.0, 1 - lam / k * own),
}
FEWEST = 10  # units below which resampling them gives no interval
KEPT = 0.95  # a smaller retention is a loss, to be predicted or missed
_DRAWS = 500


def contests(rows: Sequence[ForecastRow], trained_on: tuple[Sequence[str], Sequence[str]]) -> tuple[Contest, ...]:
    """Compare the forecast of each variant with the one-line rules.

    A point is one retention of one seed; what varies independently is taken to be the target and the seed, so that all
    sizes and lambdas of a target and seed are resampled together. Rows of older versions say nothing of single seeds:
    their means are compared, without an interval.
    """
    found = []
    for variant in sorted({r.variant for r in rows}):
        mine = [r for r in rows if r.variant == variant]
        told: list[list[float]] = []
        measured: list[float] = []
        members = defaultdict(list)
        for r in mine:
            for seed, forecast, value in r.by_seed or [(-1, r.forecast.value, r.measured.value)]:
                members[r.modality, r.target, seed].append(len(told))
                told.append(predictions(r, forecast, trained_on))
                measured.append(value)
        seeds = {seed for *_, seed in members}
        one = compare(told, measured, list(members.values()), "targets × seeds", resampled=len(seeds) > 1)
        found.append(replace(one, **variant._asdict()))
    return tuple(found)


def contest(results: StudyResults, variant: Variant) -> Contest | None:
    """Return the comparison of one variant; None where there is none."""
    return next((c for c in results.contests if c.variant == variant), None)


def predictions(
    row: ForecastRow | ClassRow, forecast: float, trained_on: tuple[Sequence[str], Sequence[str]]
) -> list[float]:
    """Return what the forecast and each rule predict of a row, in the order of `RULES`."""
    own = row.target not in trained_on[2 - row.modality]
    return [forecast, *(rule(row.lambda_, row.components, own) for rule in RULES.values())]


def compare(
    told: Sequence[Sequence[float]],
    found: Sequence[float],
    members: Sequence[Sequence[int]],
    unit: str,
    *,
    resampled: bool = True,
) -> Contest:
    """Compare the forecast with the one-line rules.

    Parameters
    ----------
    told : of N points, the `predictions` of each.
    found : their N measured retentions.
    members : the points of each unit, which are resampled together. unit : what the units are, in words.
    resampled : whether an interval can be given by drawing units again.
    """
    guesses, measured = np.array(told).T, np.array(found)
    units = [np.array(some) for some in members]
    errors, ranks = _scores(guesses, measured)
    gains = _gains(errors, ranks)
    low = high = (None, None)
    if len(units) >= FEWEST and resampled:
        rng = np.random.default_rng([0, *b"rules"])
        draws = rng.integers(len(units), size=(_DRAWS, len(units)))
        taken = (np.concatenate([units[i] for i in draw]) for draw in draws)
        again = np.array([_gains(*_scores(guesses[:, some], measured[some])) for some in taken])
        low, high = np.quantile(again, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0).tolist()
    lost, alarms = measured < KEPT, guesses < KEPT
    missed, false = (lost & ~alarms).sum(axis=1).tolist(), (alarms & ~lost).sum(axis=1).tolist()
    names = ("the forecast", *RULES)
    every = [Score(*s) for s in zip(names, errors.tolist(), ranks.tolist(), missed, false, strict=True)]
    error, rank = (Interval(*figures) for figures in zip(gains, low, high, strict=True))
    return Contest(
        unit=unit,
        units=len(units),
        points=len(measured),
        losses=int(lost.sum()),
        forecast=every[0],
        rules=tuple(every[1:]),
        error=error,
        rank=rank,
    )


def _scores(guesses: np.ndarray, measured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean absolute errors and rank correlations of (G, N) guesses of (N,) figures."""
    from scipy.stats import rankdata  # scipy takes a while, and most readers of results need none of it

    ranks = rankdata(np.round(np.vstack([measured, guesses]), 12), axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    norms = np.sqrt((ranks**2).sum(axis=1))
    scale = norms[1:] * norms[0]
    rank = np.divide(ranks[1:] @ ranks[0], scale, out=np.zeros(len(guesses)), where=scale > 0)
    return np.abs(guesses - measured).mean(axis=1), rank


def _gains(errors: Sequence[float] | np.ndarray, ranks: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Return by how much the first is better than the best of the others, by error and by rank."""
    return float(min(errors[1:]) - errors[0]), float(ranks[0] - max(ranks[1:]))
