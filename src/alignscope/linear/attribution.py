"""Feature attribution of the loss: which input features hold what alignment drops, in their own units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alignscope.linear.path import Solution, Solver
from alignscope.moments.moments import Moments


@dataclass(frozen=True, eq=False)
class FeatureAttribution:
    """The features behind the dropped signal.

    What is dropped is the part of the prediction-first fit that cannot be read from the aligned encoder,
    Delta = U1 (I - G_inf G_inf^T) G_0 G_0^T RY; for K >= rank RY its energy is exactly the maximum loss.

    Attributes
    ----------
    weight : (D1,) in [0, 1], the share of the dropped signal's variance that the feature alone accounts for, the
        squared correlation of the feature with Delta, averaged over targets by their energy. Correlated features
        share credit, so weights need not sum to one.
    per_unit : (D1,) the slope of the dropped part of the most affected target on the feature, alone: target units
        lost per unit of the feature.
    most_affected : (D1,) the column of the target that this slope is of.
    """

    weight: np.ndarray
    per_unit: np.ndarray
    most_affected: np.ndarray


def feature_attribution(
    moments: Moments, solver: Solver, retained: Solution, lost: Solution, *, encoder: str, predict: str
) -> FeatureAttribution:
    """Return the attribution of what can be read from the encoder of `retained` but not from that of `lost`."""
    problem = solver.problem
    assert problem.basis is not None
    fit = retained.encoder @ (retained.encoder.T @ solver.r_y)
    dropped = fit - lost.encoder @ (lost.encoder.T @ fit)
    scale = np.sqrt(moments.energy(predict).sum() / problem.y_energy) if problem.y_energy > 0 else 0.0
    # In target units, as a linear map of the features; then its co-moments with each feature.
    slope = problem.basis.coefficients(solver.frame @ dropped) * scale
    shared = moments.cross(encoder, encoder) @ slope
    energy = np.square(dropped).sum(axis=0) * scale**2
    variance = moments.energy(encoder)
    safe = np.where(problem.basis.constant | (variance <= 0), np.inf, variance)
    if energy.sum() <= problem.floor_y**2 * scale**2:
        none = np.zeros(len(variance))
        return FeatureAttribution(none, none, none.astype(np.int64))
    correlation = shared / np.sqrt(safe)[:, None] / np.sqrt(energy.sum())
    weight = np.square(correlation).sum(axis=1)
    most = np.abs(shared).argmax(axis=1)
    return FeatureAttribution(np.minimum(weight, 1.0), shared[np.arange(len(safe)), most] / safe, most)
