"""What the figures of an audit allow to be claimed: the one place of these rules, for verdict, findings and page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from alignscope._lib.constants import PREDICTABLE
from alignscope._lib.interval import Interval
from alignscope.auditing.results import AlignedAlone, AuditRecord, Direction, Training

MATERIAL = 0.01
"""A loss below this share of what is predicted is not worth a warning."""
SHOULD_SHOW = 0.1
"""Where a sigma above this would go unnoticed, there are too few rows to say that there is none."""
VAGUE = 0.5
"""Where more than this share could be lost and no loss is shown, there are too few rows to tell."""
FEW_GROUPS = 10
_T95 = 2.06  # Student's t of most intervals: 24 degrees of freedom
_POWER = 1.28  # nine times in ten

Standing = Literal["known", "few", "chance", "groups"]
Kind = Literal["loses", "none", "gains", "undetermined", "point", "few", "chance", "groups"]


@dataclass(frozen=True)
class Claim:
    """What may be said of the loss of one modality in one kind of training.

    kind : `loses` where a loss is shown; `none` where none is; `gains`; `undetermined` where there is nothing
        detectable to align to; `point` where rows depend on each other, so that no interval can be given; `few` rows
        or groups to tell. Where the modality is not seen to predict its target at all, why: `few` rows to tell, not
        above `chance`, or no transfer between `groups`.
    share : the share lost of what the modality predicts unaligned, held out.
    """

    kind: Kind
    share: Interval


def unlabelled(audit: AuditRecord) -> bool:
    """Return whether there are no targets, so that each modality is its own."""
    return audit.targets["1"].kind == "modality"


def leads(training: Training, bare: bool) -> Training:
    """Return the training that leads the page: without labels there is no supervised one."""
    return "contrastive" if bare and training == "supervised" else training


def least_seen(audit: AuditRecord, i: str) -> float:
    """Return the smallest sigma of a modality on its own target that would be seen nine times in ten.

    null95 - centre + 1.28 SE, where the centre of the null is what a predictor fitted to noise reaches on new rows,
    -D / (N - D) of the rows that it is fitted on. Infinity where these are no more than the features.
    """
    own, d = audit.sigma.held_out[i + i], audit.modalities[i].rank
    fitted = audit.n * (1 - 1 / max(audit.sigma.folds.count, 2))
    if fitted <= d + 1:
        return float("inf")
    centre = min(-d / (fitted - d), own.null95)
    low, high = own.ends
    return own.null95 - centre + _POWER * (high - low) / (2 * _T95)


def standing(audit: AuditRecord, i: str) -> Standing:
    """Return whether a modality is seen to predict its own target on held-out rows, or why not."""
    if unlabelled(audit):
        return "known"
    own, d = audit.sigma.held_out[i + i], audit.modalities[i].rank
    if own.value > max(own.null95, 0.0):
        return "known"
    grouped = audit.sigma.folds.kind == "group"
    if grouped and own.value <= 0 and audit.sigma.in_sample[i + i] > 2 * d / audit.n + 0.05:
        return "groups"
    if own.value > own.null95 or least_seen(audit, i) > SHOULD_SHOW:
        return "few"
    return "chance"


def claim(audit: AuditRecord, i: str, training: Training) -> Claim:
    """Return what may be said of what a modality loses in a kind of training."""
    d = audit.directions[i]
    if training == "supervised":
        return _claim(audit, i, d.detectable.directions, d.held_out_at_risk, d.held_out_share)
    alone = aligned_alone(d, training)
    return _claim(audit, i, alone.directions, alone.loss, alone.share)


def aligned_alone(d: Direction, training: Training) -> AlignedAlone:
    """Return the record of contrastive or predictive training."""
    return d.contrastive if training == "contrastive" else d.predictive


def alignable(alone: AlignedAlone) -> int:
    """Return how many of the detectable directions can be aligned: those with a held-out rho^2 above 1/2."""
    return sum(rho > 0 and rho**2 > PREDICTABLE for rho in alone.correlations[: alone.directions])


def _claim(audit: AuditRecord, i: str, directions: int, loss: Interval, share: Interval) -> Claim:
    seen = standing(audit, i)
    if seen != "known":
        return Claim(seen, share)
    if directions == 0:
        return Claim("undetermined", share)
    if loss.low is None or share.high is None:
        return Claim("point" if units(audit) is None else "few", share)
    if loss.sign > 0 and share.value >= MATERIAL:
        return Claim("loses", share)
    if loss.sign < 0 and -loss.value >= MATERIAL * audit.sigma.held_out[i + i].value:
        return Claim("gains", share)
    return Claim("few" if share.high > VAGUE else "none", share)


def extreme_only(d: Direction) -> bool:
    """Return whether next to nothing is lost at any lambda of the grid, held out."""
    first = d.held_out_sigma_z[0]
    return first - d.held_out_sigma_z[-1] < MATERIAL * first


def units(audit: AuditRecord) -> int | None:
    """Return the number of groups, or None where rows were left out one set at a time."""
    if audit.sigma.interval.kind != "group":
        return None
    return audit.sigma.folds.groups or audit.sigma.interval.units


def rows_words(audit: AuditRecord) -> str:
    """Return what there may be too few of."""
    return "rows" if units(audit) is None else "groups"


def too_few_rows(audit: AuditRecord) -> bool:
    """Return whether something of an audit's headline cannot be told for want of rows."""
    if unlabelled(audit):
        return any(_unseen_sharing(audit.directions[i].contrastive) for i in "12")
    trainings: tuple[Training, ...] = ("supervised", "contrastive")
    return any(claim(audit, i, training).kind == "few" for i in "12" for training in trainings)


def _unseen_sharing(alone: AlignedAlone) -> bool:
    null = alone.null95[0] if alone.null95 else 0.0
    return alone.directions == 0 and bool(np.square(null) > SHOULD_SHOW)
