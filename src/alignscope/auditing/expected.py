"""What networks trained by alignment alone are expected to keep: the forecast of `linear.contrastive_forecast`.

It needs rows, not moments, and takes a bounded number of those that the permutation null keeps anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from alignscope._lib.interval import Interval
from alignscope.auditing.resampling import NullSample
from alignscope.auditing.results import Expected
from alignscope.linear.contrastive_forecast import RetentionScores, expectation, retention_scores
from alignscope.pair.paired import Pair
from alignscope.report.words import thousands

SIZES = (2, 8, 32)
"""Latent sizes that the forecast was calibrated on; that of the audit is added."""

LEAST_ROWS, MOST_ROWS, SCORED = 1_000, 5_000, 500
"""Rows below which nothing is said, rows that are taken at most, and rows to score before no further fold is."""

CHANCE = 3.0
"""Standard errors that the leading held-out correlation must reach, else the two share nothing to align to."""


@dataclass(frozen=True)
class Expectations:
    """By direction, what networks are expected to keep; or in one clause why nothing can be said."""

    by_direction: Mapping[str, Expected] = field(default_factory=dict)
    reason: str = ""

    def of(self, direction: str) -> Expected:
        """Return that of a direction, empty with the reason where nothing can be said."""
        return self.by_direction.get(direction, Expected([], [], {}, self.reason))


def expect(pair: Pair, sample: NullSample, components: int, shared: bool, valid: bool) -> Expectations:
    """Return what networks are expected to keep at K = 2, 8, 32 and that of the audit.

    shared : whether linear directions that both share are detectable; else lifted ones must be.
    valid : whether rows are independent, or in groups; without, figures have no intervals.
    """
    if reason := _refusal(pair, sample):
        return Expectations(reason=reason)
    sizes = sorted({*SIZES, components})
    found, scored = _scores(sample, sizes)
    if not shared and found[0].correlation <= CHANCE / np.sqrt(scored):
        return Expectations(
            reason="nothing that the two share can be told from chance, so what is kept is undetermined"
        )
    names = {"1": pair.y1.names, "2": pair.y2.names}
    return Expectations({i: _expected(s, sizes, names[i], valid) for i, s in zip("12", found, strict=True)})


def _refusal(pair: Pair, sample: NullSample) -> str:
    if "modality" in (pair.y1.kind, pair.y2.kind):
        return "it is calibrated on labels, and none are given"
    if pair.weights is not None:
        return "it is not worked out for weighted rows"
    rows = len(sample.folds)
    if rows < LEAST_ROWS:
        return f"{thousands(rows)} rows have both modalities, and {thousands(LEAST_ROWS)} are needed"
    return ""


def _scores(sample: NullSample, sizes: list[int]) -> tuple[tuple[RetentionScores, RetentionScores], int]:
    """Return scores of both modalities on as many folds as it takes, and how many rows or groups they rest on."""
    taken = np.unique(np.linspace(0, len(sample.folds) - 1, min(len(sample.folds), MOST_ROWS)).astype(int))
    x, y = ((sample.rows[f"{b}1"][taken], sample.rows[f"{b}2"][taken]) for b in "xy")
    folds = sample.folds[taken]
    rows = np.zeros(len(taken), dtype=bool)
    found: tuple[RetentionScores, RetentionScores] | None = None
    for fold in np.unique(folds):
        held = folds == fold
        more = retention_scores(x, y, ~held, sizes, sample.seed)
        found = more if found is None else (found[0] + more[0], found[1] + more[1])
        rows |= held
        if rows.sum() >= SCORED and all((one.total > 0).all() for one in found):
            break
    assert found is not None
    scored = rows.sum() if sample.groups is None else len(np.unique(sample.groups[taken][rows]))
    return found, int(scored)


def _expected(scores: RetentionScores, sizes: list[int], names: tuple[str, ...], valid: bool) -> Expected:
    whole, each = scores.whole().forecast()[:, 0], scores.forecast()
    varies = scores.total > 0

    def figures(values: np.ndarray, told: bool) -> list[Interval]:
        return [expectation(float(v), valid and told) for v in values]

    return Expected(
        list(sizes),
        figures(whole, True),
        {name: figures(each[:, j], bool(varies[j])) for j, name in enumerate(names)},
        None,
    )
