"""What the paper asks in its title: whether alignment can preserve modality-specific information."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean
from typing import TYPE_CHECKING

from alignscope._lib.interval import Interval
from alignscope.paper.claim import Found, check, judge, untested
from alignscope.paper.claims.trainings import end_rows, trained
from alignscope.report.words import at_lambda, at_size, percent
from alignscope.study.page.selection import ended, longest, own_targets

if TYPE_CHECKING:
    from alignscope.study.results import CellRecord, StudyResults

PRESERVED = 0.95  # of what is explained without alignment
PLAIN, CURED = "whitened", "alignable"


@check("alignable", "ours", "alignable#what-trained-encoders-retain")
def alignable(results: StudyResults) -> Found:
    """Whether encoders that are aligned only to what can be predicted keep what is their own, and share more."""
    claim = "Aligned only to what can be predicted of the other modality, encoders keep what is specific to their own."
    if not {PLAIN, CURED} <= set(results.spec.sweep.gauges):
        return untested(claim, "the study does not align to both")
    lam, k, epochs = max(results.spec.sweep.lambdas), max(results.spec.sweep.components), longest(results)
    rows = [
        r
        for r in end_rows(results, lam)
        if (r.components, r.epochs) == (k, epochs) and (r.modality, r.target) in own_targets(results)
    ]
    retained = [[r.retention.value for r in rows if r.gauge == g and r.retention] for g in (PLAIN, CURED)]
    cells = [c for c in ended(results.cells) if (c.cell.lambda_, c.cell.components, c.cell.epochs) == (lam, k, epochs)]
    plain, cured = (_shared(c for c in cells if c.cell.gauge == gauge) for gauge in (PLAIN, CURED))
    if not all(retained) or not plain.keys() & cured.keys():
        return untested(claim, "no training of the study retains anything to compare")
    before, least = map(min, retained)
    gained = Interval.over_seeds([cured[seed] - plain[seed] for seed in plain.keys() & cured.keys()])
    shared, shared_before = fmean(cured.values()), fmean(plain.values())
    return Found(
        claim=claim,
        found=f"At {at_lambda(lam)} and {at_size(k)}, after {epochs} epochs: of what only one modality predicts at "
        f"least {percent(least)} is retained, where encoders that are aligned to all of the other representation "
        f"retain as little as {percent(before)}. On held-out samples they share {shared:.1f} directions against "
        f"{shared_before:.1f}.",
        verdict=judge(least >= PRESERVED and gained.sign > 0, least > before),
        measured={"lambda": lam, "components": k, "retained": least, "retained_plain": before,
                  "shared": shared, "shared_plain": shared_before},
        trials=trained(results),
    )  # fmt: skip


def _shared(cells: Iterable[CellRecord]) -> dict[int, float]:
    """Return how many directions are shared on held-out samples, by seed."""
    return {c.cell.seed: shared for c in cells if isinstance(shared := c.last.test.shared, float)}
