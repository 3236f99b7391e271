"""The audit's questions asked of random Fourier features: what is predicted that is not linear in the columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alignscope._lib.types import Progress
from alignscope.auditing.resampling import sigma_interval
from alignscope.auditing.results import Lifted, LiftedDirection
from alignscope.auditing.side import Side
from alignscope.linear.held_out import HeldOut, needs_refit, units_per_fold
from alignscope.linear.informativeness import KEYS, fit_predictors, held_out_residuals
from alignscope.linear.problem import Gauge
from alignscope.linear.trainings import DIRECTIONS, Plan
from alignscope.moments.onepass import FoldedMoments, collect
from alignscope.pair.folds import assign_units
from alignscope.pair.lift import lifted
from alignscope.pair.paired import Pair

RIDGES = (1e-3, 1e-2, 3e-2, 1e-1, 3e-1)
"""What is tried, as shares of the mean variance of the lifted columns."""


@dataclass(frozen=True)
class LiftOptions:
    """How a lifted audit is done: F, folds as they were assigned, and the audit's own options."""

    features: int
    components: int
    gauge: Gauge
    seed: int
    folds: np.ndarray


Chosen = dict[str, tuple[int, float]]
"""By modality, how many random features are left out, and the ridge."""


def audit_lifted(pair: Pair, options: LiftOptions, valid: bool, progress: Progress) -> Lifted:
    """Return what the modalities tell with F random features each, and keep when trained by alignment alone."""
    held, chosen = held_out_lifted(pair, options, valid, progress)
    names = {"1": pair.y1.names, "2": pair.y2.names}
    sigma = {key: sigma_interval(held, key) for key in KEYS}
    return Lifted(
        options.features,
        sigma,
        {
            i: LiftedDirection(
                sigma[i + i], options.features - cut, ridge, Side(held, i, names[i]).aligned_alone("contrastive")
            )
            for i, (cut, ridge) in chosen.items()
        },
    )


def held_out_lifted(pair: Pair, options: LiftOptions, valid: bool, progress: Progress) -> tuple[HeldOut, Chosen]:
    """Return the held-out figures of a pair with F random features of each modality beside its own columns.

    A ridge is needed, since random features are nearly collinear. It and the number of features, F, F / 2 or F / 4, are
    those with which each modality predicts its own target best held out. Replicates keep them, so intervals do not hold
    the little that a choice among fifteen adds.
    """
    features = options.features
    wide = lifted(pair, features, options.seed)
    width = wide.d1 + wide.d2
    units = assign_units(
        options.folds,
        units_per_fold(pair.n, width, width, len(np.unique(options.folds)), pair.groups),
        options.seed,
        pair.groups,
    )
    # With a ridge the condition is small enough for the cheap form.
    moments = collect(wide, options.folds, units=units, form="chan", progress=progress)
    chosen = {i: _choose(moments, i, features) for i in DIRECTIONS}
    moments = moments.cut({f"x{i}": left for i, (left, _) in chosen.items()})
    moments.ridges = {f"x{i}": ridge * _mean_variance(moments, i) for i, (_, ridge) in chosen.items()}
    none = np.zeros(0)
    held = HeldOut(
        moments,
        Plan(options.components, options.gauge, (options.components, width), none, none),
        fit_predictors(moments),
        refit=needs_refit(pair.n, width, pair.groups),
        valid=valid,
        progress=progress,
    )
    return held, chosen


def _mean_variance(moments: FoldedMoments, i: str) -> float:
    total = moments.total(f"x{i}")
    return float(total.energy(f"x{i}").mean() / total.weight)


def _choose(moments: FoldedMoments, i: str, features: int) -> tuple[int, float]:
    """Return how many random features to leave out, and the ridge, with which a modality predicts its target best."""
    missed = {}
    for left_out in sorted({features - max(features // part, 1) for part in (1, 2, 4)}):
        fewer = moments.cut({f"x{i}": left_out})
        for ridge in RIDGES:
            fewer.ridges = {f"x{i}": ridge * _mean_variance(fewer, i)}
            fewer.drop_fold_cache()
            residuals = held_out_residuals(fewer, fit_predictors(fewer, (i,))[i + i])
            missed[left_out, ridge] = float(residuals.sum())
    return min(missed, key=lambda choice: missed[choice])
