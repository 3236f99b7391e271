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
from alignscope.linear.held_out import Figures, HeldOut
from alignscope.measures.gaussian_union import union_information
from alignscope.moments.onepass import FoldedMoments

SOURCES = ("1", "2", "b")
"""Modality 1, modality 2, and both side by side: the first part of the keys of predictors."""
MOST_COLUMNS = 24
"""Columns of the target up to which the decomposition of all replicates takes no more than seconds."""
NAMES = ("redundant", "unique1", "unique2", "synergy")

_RANK = 1e-10  # directions of the target below this share of the largest variance are none
_CERTAIN = 1e-9  # the least that remains of a direction's variance


@dataclass(frozen=True)
class Kinds:
    """The decomposition in bits, each part at least 0, with the replicates of every part by its name."""

    redundant: Interval
    unique1: Interval
    unique2: Interval
    synergy: Interval
    replicates: Mapping[str, tuple[float, Vector]]


def wanted(moments: FoldedMoments, target: str) -> tuple[str, ...]:
    """Return the keys of the residuals that `kinds` needs of `HeldOut`: none of a target that is not decomposed."""
    columns = moments.blocks[f"y{target}"]
    return () if columns.stop - columns.start > MOST_COLUMNS else tuple(source + target for source in SOURCES)


def kinds(held: HeldOut, target: str = "1") -> Kinds | str:
    """Return the decomposition of the information that x1 and x2 have on a target, or why there is none.

    held : figures with the products that are `wanted`. target : "1" or "2".
    """
    moments = held.moments
    if not wanted(moments, target):
        return f"Targets of more than {MOST_COLUMNS} columns are not decomposed."
    energy = _energy(moments, f"y{target}")
    whole = Parts.of(_by_source(held.figures, target), _about(energy.values()))
    if whole is None or whole.total <= 0:
        return "On held-out rows both together predict the target no better than its mean."
    replicates = []
    for unit, figures in zip(moments.units, held.replicates, strict=True):
        rest = [e for u, e in energy.items() if u != unit]
        replicates.append(Parts.of(_by_source(figures, target), _about(rest), whole.coupling) if rest else None)
    again = {
        name: (float(getattr(whole, name)), np.array([np.nan if r is None else getattr(r, name) for r in replicates]))
        for name in NAMES
    }
    found = {name: held.jackknife.interval(*again[name], low=0.0) for name in NAMES}
    return Kinds(found["redundant"], found["unique1"], found["unique2"], found["synergy"], again)


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
        found = union_information(_signal(left["1"]), _signal(left["2"]), start)
        union = max(found.value / np.log(2), one, two)
        total = -0.5 * float(np.linalg.slogdet(left["b"])[1]) / np.log(2)
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


def _by_source(figures: Figures, target: str) -> dict[str, Matrix]:
    return {source: figures.products[source + target] for source in SOURCES}


def _energy(moments: FoldedMoments, y: str) -> dict[int, _Energy]:
    """Return what the targets of the rows of every unit are that have both modalities."""
    found = {}
    for unit in moments.units:
        rows = moments.of_unit(unit, "x1", "x2")
        if rows is not None:
            found[unit] = (rows.weight, rows.mean[rows.blocks[y]], rows.cross(y, y))
    return found


def _about(parts: Iterable[_Energy]) -> Matrix:
    """Return the products of the target about the mean of all parts."""
    several = list(parts)
    total = sum(weight for weight, _, _ in several)
    mean = sum(weight * m for weight, m, _ in several) / total
    return np.sum([c + weight * np.outer(m - mean, m - mean) for weight, m, c in several], axis=0)
