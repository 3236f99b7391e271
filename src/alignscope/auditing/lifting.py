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


def audit_lifted(pair: Pair, options: LiftOptions, valid: bool, progress: Progress) -> Lifted:
    """Return what the modalities tell with F random features each, and keep when trained by alignment alone.

    A ridge is needed, since random features are nearly collinear: that which predicts each modality's own target
    best held out. Replicates keep it, so intervals do not hold the little that its choice among five adds.
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
    chosen = {i: _choose_ridge(moments, i) for i in DIRECTIONS}
    moments.ridges = {f"x{i}": alpha * _mean_variance(moments, i) for i, alpha in chosen.items()}
    plan = Plan(options.components, options.gauge, (options.components, width), np.zeros(0))
    held = HeldOut(
        moments,
        plan,
        fit_predictors(moments),
        np.zeros(0),
        refit=needs_refit(pair.n, width, pair.groups),
        valid=valid,
        progress=progress,
    )
    names = {"1": pair.y1.names, "2": pair.y2.names}
    sigma = {key: sigma_interval(held, key) for key in KEYS}
    return Lifted(
        features,
        sigma,
        {
            i: LiftedDirection(sigma[i + i], chosen[i], Side(held, i, names[i]).aligned_alone("contrastive"))
            for i in DIRECTIONS
        },
    )


def _mean_variance(moments: FoldedMoments, i: str) -> float:
    total = moments.total(f"x{i}")
    return float(total.energy(f"x{i}").mean() / total.weight)


def _choose_ridge(moments: FoldedMoments, i: str) -> float:
    """Return the ridge with which a modality predicts its own target best on rows held out."""
    variance, missed = _mean_variance(moments, i), []
    for alpha in RIDGES:
        moments.ridges = {f"x{j}": alpha * variance for j in DIRECTIONS}
        moments.drop_fold_cache()
        missed.append(float(held_out_residuals(moments, fit_predictors(moments, (i,))[i + i]).sum()))
    moments.drop_fold_cache()
    return RIDGES[int(np.argmin(missed))]
