"""The forecast of a study against rules of one line, which need no encoders: a useful forecast beats the best of them.

Everything is worked out from the rows of results.json, so the results of older versions are judged alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from alignscope._lib.interval import LEVEL, Interval
from alignscope.study.results import ClassRow, ForecastRow, StudyResults
from alignscope.study.spec import Variant

Rule = Callable[["ForecastRow | ClassRow", bool], float]
"""(row of a target or class, whether one modality alone is trained on its target) -> retention by the rule."""

RULES: dict[str, Rule] = {
    "nothing is lost": lambda row, own: 1.0,
    "λ/(1 + λ) is lost": lambda row, own: 1 / (1 + row.lambda_),
    "λ/K is lost of what one modality alone has": lambda row, own: max(0.0, 1 - row.lambda_ / row.components * own),
}
FEWEST = 8  # groups of rows below which resampling them gives no interval
_DRAWS = 500


class Score(NamedTuple):
    """How near a prediction of retention comes.

    error : mean absolute difference to the measured retention.
    rank : Spearman's correlation with it; 0 for a prediction that is the same everywhere, which puts nothing in order.
    """

    name: str
    error: float
    rank: float


class Contest(NamedTuple):
    """The forecast and the one-line rules, on the same rows.

    Attributes
    ----------
    groups : how many groups of rows there are; the rows of one belong together, and are resampled together.
    forecast, rules : their scores.
    by_error, by_rank : the best rule by each score.
    error, rank : by how much the forecast is better than the best rule, the best chosen anew in every resample; without
        ends where there are fewer than `FEWEST` groups or a single seed.
    """

    groups: int
    forecast: Score
    rules: tuple[Score, ...]
    error: Interval
    rank: Interval

    @property
    def by_error(self) -> Score:
        """The rule with the smallest error."""
        return min(self.rules, key=lambda s: s.error)

    @property
    def by_rank(self) -> Score:
        """The rule with the largest rank correlation."""
        return max(self.rules, key=lambda s: s.rank)

    @property
    def beaten(self) -> bool:
        """Whether the forecast beats every rule: both intervals lie above 0."""
        return self.error.sign > 0 and self.rank.sign > 0


def contest(results: StudyResults, variant: Variant) -> Contest | None:
    """Compare the forecast of one variant with the one-line rules; None where it has no rows.

    The rows of one setting (K, lambda) come from the same trainings: settings are resampled.
    """
    rows = [r for r in results.forecast if r.variant == variant]
    if not rows:
        return None
    by_setting = defaultdict(list)
    for i, r in enumerate(rows):
        by_setting[r.components, r.lambda_].append(i)
    told = [predictions(r, r.forecast.value, results) for r in rows]
    seeds = min(r.measured.seeds for r in rows)
    return compare(told, [r.measured.value for r in rows], list(by_setting.values()), resampled=seeds > 1)


def predictions(row: ForecastRow | ClassRow, forecast: float, results: StudyResults) -> list[float]:
    """Return what the forecast and each rule predict of a row, in the order of `RULES`."""
    one, two = map(set, results.trained_on)
    return [forecast, *(rule(row, row.target in one ^ two) for rule in RULES.values())]


def compare(
    told: Sequence[Sequence[float]],
    found: Sequence[float],
    members: Sequence[Sequence[int]],
    *,
    resampled: bool = True,
) -> Contest:
    """Compare the forecast with the one-line rules.

    Parameters
    ----------
    told : of N rows, the `predictions` of each.
    found : their N measured retentions.
    members : the rows of each group.
    resampled : whether an interval can be given by drawing groups again.
    """
    guesses, measured = np.array(told).T, np.array(found)
    groups = [np.array(some) for some in members]
    errors, ranks = _scores(guesses, measured)
    gains = _gains(errors, ranks)
    low = high = (None, None)
    if len(groups) >= FEWEST and resampled:
        rng = np.random.default_rng([0, *b"rules"])
        draws = rng.integers(len(groups), size=(_DRAWS, len(groups)))
        taken = (np.concatenate([groups[i] for i in draw]) for draw in draws)
        again = np.array([_gains(*_scores(guesses[:, some], measured[some])) for some in taken])
        low, high = np.quantile(again, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0).tolist()
    every = [Score(*s) for s in zip(("the forecast", *RULES), errors.tolist(), ranks.tolist(), strict=True)]
    error, rank = (Interval(*figures) for figures in zip(gains, low, high, strict=True))
    return Contest(len(groups), every[0], tuple(every[1:]), error, rank)


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
