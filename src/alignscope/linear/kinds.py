"""Which kind of information two modalities have of a target: redundant, unique, synergistic, held out, in bits.

Of jointly Gaussian variables the decomposition follows from what remains of the target's covariance,

    S_i = W Cov(Y | X_i)^-1 W^T - I,   I(X_i; Y) = 1/2 log2 |I + S_i|,   W the inverse root of Cov(Y)

(see `alignscope.measures.gaussian_union`). Here Cov(Y | X) is that of the residuals on rows that the predictor was not
fitted on. So I(X; Y) is what its predictions are worth on new rows, by the Gaussian likelihood: fits to few rows
make it smaller, never larger, and a decomposition of what does not predict is refused. Directions of the target in
which predictions are worse than its mean count as not predicted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from alignscope._lib.interval import Interval
from alignscope._lib.types import Matrix, Vector
from alignscope.linear.held_out import UNFITTED
from alignscope.linear.informativeness import Predictor, fit_predictors
from alignscope.linear.jackknife import Jackknife
from alignscope.measures.gaussian_union import union_information
from alignscope.moments.left_out import UnitSums
from alignscope.moments.moments import Moments
from alignscope.moments.onepass import ByFold, FoldedMoments

SOURCES = {"11": "1", "21": "2", "b1": "both"}

_RANK = 1e-10  # directions of the target below this share of the largest variance are none
_CERTAIN = 1e-9  # the least that remains of a direction's variance


@dataclass(frozen=True)
class Kinds:
    """The decomposition in bits; all at least 0 but for `total`, what both predict together."""

    redundant: Interval
    unique1: Interval
    unique2: Interval
    synergy: Interval
    total: Interval


def kinds(
    moments: FoldedMoments, predictors: Mapping[str, Mapping[int, Predictor]], *, refit: bool, valid: bool
) -> Kinds | str:
    """Return the decomposition of the information that x1 and x2 have on y1, or why there is none.

    predictors : of the keys "11", "21" and "b1", by fold. refit : whether replicates are fitted again.
    """
    products, energy = _products(moments, predictors)
    weights = np.array([weight for weight, _, _ in energy.values()])
    jackknife = Jackknife(weights / weights.sum(), valid, 1.0 if refit else UNFITTED)
    all_rows = {k: _summed(p.values()) for k, p in products.items()}
    whole = Parts.of(all_rows, _about(energy.values()))
    if whole is None or whole.total <= 0:
        return "On held-out rows both together predict the target no better than its mean."
    replicates = []
    sums = UnitSums(moments) if refit else None
    for place, unit in enumerate(moments.units):
        if unit not in energy:
            continue
        rest = _about([e for u, e in energy.items() if u != unit])
        if sums is None:
            left = {k: total - products[k][unit] for k, total in all_rows.items()}
        else:
            left = _folds(sums.without(place))
        replicates.append(Parts.of(left, rest, whole.coupling))
    found = {}
    for name in ("redundant", "unique1", "unique2", "synergy", "total"):
        again = np.array([np.nan if r is None else getattr(r, name) for r in replicates])
        low = -np.inf if name == "total" else 0.0
        found[name] = jackknife.interval(getattr(whole, name), again, low=low)
    return Kinds(**found)


@dataclass(frozen=True, eq=False)
class Parts:
    """The decomposition as numbers, and the block of noise at which the least joint information is reached."""

    redundant: float
    unique1: float
    unique2: float
    synergy: float
    total: float
    coupling: Matrix

    @classmethod
    def of(cls, residuals: Mapping[str, Matrix], energy: Matrix, start: Matrix | None = None) -> Parts | None:
        """Return the parts from the sums of products (C x C) of residuals by source, and of the target itself."""
        values, vectors = np.linalg.eigh(energy)
        keep = values > _RANK * max(float(values[-1]), 0.0)
        if not keep.any():
            return None
        root = vectors[:, keep] / np.sqrt(values[keep])
        left = {k: root.T @ r @ root for k, r in residuals.items()}
        one, two, both = (_information(left[k]) for k in SOURCES)
        found = union_information(_signal(left["11"]), _signal(left["21"]), start)
        union = max(found.value / np.log(2), one, two)
        total = -0.5 * float(np.linalg.slogdet(left["b1"])[1]) / np.log(2)
        return cls(one + two - union, union - two, union - one, max(both - union, 0.0), total, found.coupling)


def _remaining(left: Matrix) -> tuple[Vector, Matrix]:
    values, vectors = np.linalg.eigh((left + left.T) / 2)
    return np.clip(values, _CERTAIN, 1.0), vectors


def _information(left: Matrix) -> float:
    return float(-0.5 * np.log2(_remaining(left)[0]).sum())


def _signal(left: Matrix) -> Matrix:
    values, vectors = _remaining(left)
    signal: Matrix = (vectors * (1 / values - 1)) @ vectors.T
    return signal


_Energy = tuple[float, Vector, Matrix]
"""Weight of some rows, the mean of their targets, and the centred products of these."""


def _products(
    moments: FoldedMoments, predictors: Mapping[str, Mapping[int, Predictor]]
) -> tuple[dict[str, dict[int, Matrix]], dict[int, _Energy]]:
    """Return the products of residuals by source and unit, and what the targets of every unit are."""
    found: dict[str, dict[int, Matrix]] = {k: {} for k in SOURCES}
    energy = {}
    for unit in moments.units:
        rows = moments.of_unit(unit, "x1", "x2")
        if rows is None:
            continue
        y = rows.blocks["y1"]
        energy[unit] = (rows.weight, rows.mean[y], rows.cross("y1", "y1"))
        for k, by_fold in found.items():
            by_fold[unit] = _residuals(predictors[k][moments.fold_of[unit]], rows)
    return found, energy


def _folds(moments: ByFold) -> dict[str, Matrix]:
    """Return the products of residuals of all rows by source, fitted without each fold."""
    predictors = fit_predictors(moments)
    inside = {f: rows for f in moments.fold_numbers if (rows := moments.within(f, "x1", "x2")) is not None}
    return {k: _summed(_residuals(predictors[k][f], rows) for f, rows in inside.items()) for k in SOURCES}


def _summed(products: Iterable[Matrix]) -> Matrix:
    return np.sum(list(products), axis=0)


def _residuals(predictor: Predictor, rows: Moments) -> Matrix:
    """Return the sum of products (C x C) of the residuals of some rows."""
    x, y, w = predictor.inputs, predictor.output, predictor.coefficients
    cross = w.T @ rows.cross(x, y)
    spread = rows.cross(y, y) - cross - cross.T + w.T @ rows.cross(x, x) @ w
    offset = rows.mean[rows.blocks[y]] - predictor.y_mean - (rows.mean[rows.columns(*x)] - predictor.x_mean) @ w
    product: Matrix = spread + rows.weight * np.outer(offset, offset)
    return product


def _about(parts: Iterable[_Energy]) -> Matrix:
    """Return the products of the target about the mean of all parts."""
    several = list(parts)
    total = sum(weight for weight, _, _ in several)
    mean = sum(weight * m for weight, m, _ in several) / total
    return _summed(c + weight * np.outer(m - mean, m - mean) for weight, m, c in several)
