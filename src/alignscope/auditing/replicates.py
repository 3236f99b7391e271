"""The jackknife replicates of an audit's main figures: what pairs two audits of the same rows."""

from __future__ import annotations

import numpy as np

from alignscope._lib.types import Vector
from alignscope.auditing.results import Replicated, Replicates
from alignscope.auditing.side import Side
from alignscope.linear.held_out import HeldOut
from alignscope.linear.informativeness import KEYS
from alignscope.linear.trainings import DIRECTIONS

_DIGITS = 9


def replicates_of(held: HeldOut) -> Replicates | None:
    """Return the main held-out figures with and without each unit of rows; None where no interval may be given."""
    jackknife = held.jackknife
    if not jackknife.valid or len(jackknife.shares) < 2:
        return None
    found = {}
    for key in KEYS:
        again = np.array([r.whole(key)[0] for r in held.replicates])
        found[f"sigma.held_out.{key}"] = _of(float(held.figures.whole(key)[0]), again)
    for i in DIRECTIONS:
        side = Side(held, i, ())
        supervised, alone = side.kept("last"), side.kept("contrastive")
        found |= {
            f"directions.{i}.held_out_at_risk": _lost(*supervised),
            f"directions.{i}.held_out_share": _lost(*supervised, share=True),
            f"directions.{i}.contrastive.all": _of(*alone[1]),
            f"directions.{i}.contrastive.loss": _lost(*alone),
            f"directions.{i}.contrastive.share": _lost(*alone, share=True),
        }
    return Replicates(
        jackknife.shares.round(_DIGITS).tolist(), jackknife.widening, {k: v for k, v in found.items() if v is not None}
    )


def _lost(before: tuple[float, Vector], after: tuple[float, Vector], share: bool = False) -> Replicated | None:
    """Return what is lost, or its share of what there was; None where there may have been nothing."""
    if not share:
        return _of(before[0] - after[0], before[1] - after[1])
    if before[0] <= 0 or (before[1] <= 0).any():
        return None
    return _of(1 - after[0] / before[0], 1 - after[1] / before[1])


def _of(value: float, without: Vector) -> Replicated | None:
    if not np.isfinite(value) or not np.isfinite(without).all():
        return None
    return Replicated(round(value, _DIGITS), without.round(_DIGITS).tolist())
