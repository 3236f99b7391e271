"""What the paper asks in its title: whether alignment can preserve modality-specific information."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from alignscope._lib.interval import Interval
from alignscope.paper.claim import Found, check, judge, untested
from alignscope.paper.claims.trainings import end_rows, own_targets, trained
from alignscope.report.words import at_lambda, at_size, percent, share

if TYPE_CHECKING:
    from alignscope.study.results import RetentionRow, StudyResults

PRESERVED = 0.95  # of what is explained without alignment
PLAIN, CURED = "whitened", "alignable"


@check("alignable", "ours", "alignable#what-trained-encoders-retain")
def alignable(results: StudyResults) -> Found:
    """Whether encoders that are aligned only to what can be predicted keep what is their own, and are as aligned."""
    claim = "Aligned only to what can be predicted of the other modality, encoders keep what is specific to their own."
    if not {PLAIN, CURED} <= set(results.spec.sweep.gauges):
        return untested(claim, "the study does not align to both")
    lam, k = max(results.spec.sweep.lambdas), max(results.spec.sweep.components)
    longest = [r for r in end_rows(results, lam) if r.components == k and r.epochs == max(results.spec.sweep.epochs)]
    rows = [r for r in longest if (r.modality, r.target) in own_targets(results)]
    plain, cured = ([r for r in rows if r.gauge == gauge] for gauge in (PLAIN, CURED))
    if not plain or not cured:
        return untested(claim, "no training of the study retains anything to compare")
    least, before = min(_retained(cured)), min(_retained(plain))
    aligned = [_alignment(results, gauge, lam, k) for gauge in (PLAIN, CURED)]
    gained = Interval.over_seeds([aligned[1][seed] - r2 for seed, r2 in aligned[0].items() if seed in aligned[1]])
    before_r2, r2 = (fmean(found.values()) for found in aligned)
    return Found(
        claim=claim,
        found=f"At {at_lambda(lam)} and {at_size(k)}, after {max(results.spec.sweep.epochs)} epochs: of what only one "
        f"modality predicts at least {percent(least)} is retained, where encoders that are aligned to all of the other "
        f"representation retain {percent(before)}. Held-out R² of alignment is {share(r2, 2)} against "
        f"{share(before_r2, 2)}.",
        verdict=judge(least >= PRESERVED and gained.sign >= 0, least > before),
        measured={"lambda": lam, "components": k, "retained": least, "retained_plain": before,
                  "alignment_r2": r2, "alignment_r2_plain": before_r2},
        trials=trained(results),
    )  # fmt: skip


def _alignment(results: StudyResults, gauge: str, lam: float, k: int) -> dict[int, float]:
    """Return the held-out R² of alignment of every seed after the longest training."""
    longest = max(results.spec.sweep.epochs)
    return {
        c.cell.seed: c.last.test.alignment_r2_12
        for c in results.cells
        if c.marks and (c.cell.gauge, c.cell.lambda_, c.cell.components, c.cell.epochs) == (gauge, lam, k, longest)
    }


def _retained(rows: list[RetentionRow]) -> list[float]:
    return [r.retention.value for r in rows if r.retention is not None]


CHECKS = (alignable,)
"""In the order of the page."""
