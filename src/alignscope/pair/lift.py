"""Random Fourier features: rows are lifted, so that what is linear in them is non-linear in the columns.

The map is fixed from a seeded sample of rows before the pass, and applied to each chunk as it is read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from alignscope._lib.checks import whole
from alignscope._lib.types import Mask, Matrix, Vector
from alignscope.errors import AlignscopeError
from alignscope.pair.paired import Pair
from alignscope.pair.readers.rows import Rows, as_numpy

SAMPLE = 2_000
"""How many rows means, deviations and the bandwidth are estimated on."""

STRETCH = 25
"""How many consecutive rows of the sample are read at once: few reads, yet spread over the whole file."""

DISTANCES = 500
"""How many rows of the sample the median distance is taken between."""

LINEAR = 0.5
"""The norm of the typical row's own columns, beside random features whose norm is 1. A ridge weighs them so."""

ROUNDING = 64 * np.finfo(np.float64).eps
"""A column whose deviation is within this share of its mean is constant, as in `moments.Basis`."""


def lifted(pair: Pair, features: int, seed: int) -> Pair:
    """A pair whose modalities are D_i own columns and F random Fourier features each; all else is as it was.

    With u the D standardised columns of a row x, its lifted row is [c u, z(x)], c = 1 / (2 sqrt(D)) and

        z_k(x) = sqrt(2 / F) cos(w_k^T u + b_k),  w_k ~ N(0, 2 gamma I),  b_k ~ U(0, 2 pi),
        E[z(x)^T z(x')] = k(x, x') = exp(-gamma ||u - u'||^2),  gamma = 1 / median ||u - u'||^2,

    so ridge regression on lifted rows approximates kernel ridge regression with a linear and a Gaussian kernel
    together. The error of z(x)^T z(x') is of the order of 1 / sqrt(F). The ridge is needed: features of few
    columns are nearly collinear, and least squares on them can be far worse than on the columns alone.

    Means, deviations and the median are taken on about 2,000 rows that have the modality, in runs of 25 drawn
    over the whole file (more runs are read where rows lack the modality); the median is over pairs of 500 of
    them that differ. The features of a smaller F are the first ones of a larger, up to the factor. A column that is
    constant in the sample has no part in z, and its own column is centred only. Lifted rows are float64
    numpy arrays, whatever the source; rows that are NaN throughout stay so.

    A modality that is its own target is predicted in its original columns, which are then a block of their own.

    Source: Rahimi & Recht, Random features for large-scale kernel machines, NeurIPS 2007.

    Parameters
    ----------
    pair : the modalities.
    features : F, at least 1 and fewer than the rows that have the modality.
    seed : of the sample and of w and b, at least 0; each modality draws its own.

    Raises
    ------
    AlignscopeError : E304 for F or the seed, E205 for F not below the rows that have the modality, E203 where a
        modality that some rows lack is its own target.
    """
    features, seed = whole("lift", features, 1), whole("seed", seed)
    sides = ((pair.x1, pair.present1), (pair.x2, pair.present2))
    for rows, mask in sides:
        _check_rows(pair, rows, mask, features)
    x1, x2 = (
        LiftedRows(rows, Lift.fit(rows, features, (seed, number), mask))
        for number, (rows, mask) in enumerate(sides, start=1)
    )
    return replace(pair, x1=x1, x2=x2)


def _check_rows(pair: Pair, rows: Rows, mask: Mask | None, features: int) -> None:
    count = pair.n if mask is None else int(mask.sum())
    if features >= count:
        raise AlignscopeError(
            "E205",
            "lift",
            f"{features:,} random features of {rows.name}, which has {count:,} rows",
            "Ask for fewer features, far fewer than there are rows, or give more rows.",
        )
    if count < pair.n and any(target.rows is rows for target in (pair.y1, pair.y2)):
        raise AlignscopeError(
            "E203",
            rows.name,
            f"{pair.n - count:,} rows lack it, and it is its own target",
            "A lifted modality is needed as a target in every row: leave these rows out, or give targets.",
        )


@dataclass(frozen=True, eq=False)
class Lift:
    """The map from D columns to D + F; see `lifted`.

    mean, scale : (D,) of the columns; the scale of a constant one is 1.
    varies : (D,) which columns are not constant.
    weights : (D, F), the w_k; zero for constant columns. phases : (F,), the b_k.
    linear : what the standardised columns are multiplied by.
    """

    mean: Vector
    scale: Vector
    varies: Mask
    weights: Matrix
    phases: Vector
    linear: float

    @classmethod
    def fit(cls, rows: Rows, features: int, seed: tuple[int, int], present: Mask | None = None) -> Lift:
        """The map for a modality, from a sample of the rows that have it."""
        # One stream of numbers for each thing drawn, so that another F or sample leaves the others as they are.
        draw, pairs, normal, uniform = (np.random.default_rng([*seed, part]) for part in range(4))
        sample = _sample(rows, present, draw)
        mean, scale, varies = _standard(sample)
        gamma = _gamma((sample[:, varies] - mean[varies]) / scale[varies], pairs)
        # Drawn feature by feature: those of a smaller F are the first ones of a larger.
        weights = normal.standard_normal((features, mean.size)).T * np.sqrt(2 * gamma)
        phases = uniform.uniform(0, 2 * np.pi, features)
        linear = LINEAR / float(np.sqrt(max(1, varies.sum())))
        return cls(mean, scale, varies, np.where(varies[:, None], weights, 0.0), phases, linear)

    def __call__(self, values: np.ndarray) -> Matrix:
        """Rows (n, D) lifted, (n, D + F).

        A value that is not finite stays in its own column, and the row's features are 0; in a row that is NaN
        throughout they are NaN. What counts as missing, and which value an error names, is thus as before.
        """
        width, features = self.weights.shape
        lifted_rows = np.empty((len(values), width + features))
        own, random = lifted_rows[:, :width], lifted_rows[:, width:]
        # Values that no figure will use (those of rows masked as absent) may be anything.
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(values, self.mean, out=own)
            own /= self.scale
            for j in np.flatnonzero(~self.varies):
                own[np.abs(own[:, j]) <= ROUNDING * abs(self.mean[j]), j] = 0.0
            np.matmul(own, self.weights, out=random)
            random += self.phases
            np.cos(random, out=random)
            random *= np.sqrt(2 / features)
            own *= self.linear
        broken = np.flatnonzero(~np.isfinite(own).all(axis=1))
        random[broken] = np.where(np.isnan(own[broken]).all(axis=1), np.nan, 0.0)[:, None]
        return lifted_rows


@dataclass(frozen=True, eq=False)
class LiftedRows:
    """Rows of a modality, lifted as they are read: its own columns, then the random features."""

    source: Rows
    lift: Lift

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.source.name

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D + F)."""
        return self.source.shape[0], sum(self.lift.weights.shape)

    @property
    def dtype(self) -> str:
        """Always ``"float64"``."""
        return "float64"

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the own columns, then ``"random feature 0"`` and so on."""
        return (*self.source.columns, *(f"random feature {k}" for k in range(self.lift.phases.size)))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the source on the way in."""
        return self.source.notes

    def read(self, start: int, stop: int) -> Matrix:
        """Rows start to stop (excluded), (stop - start, D + F)."""
        return self.lift(as_numpy(self.source.read(start, stop)))


def _sample(rows: Rows, present: Mask | None, draw: np.random.Generator) -> Matrix:
    """About `SAMPLE` rows that have the modality and only finite values, from runs all over the block."""
    n, width = rows.shape
    starts = np.arange(0, n, STRETCH)
    if present is not None:
        starts = starts[np.logical_or.reduceat(present, starts)]
    starts = draw.permutation(starts)
    found, count, batch = [np.empty((0, width))], 0, SAMPLE // STRETCH
    for first in range(0, starts.size, batch):
        for start in np.sort(starts[first : first + batch]).tolist():
            stop = min(start + STRETCH, n)
            values = as_numpy(rows.read(start, stop)).astype(np.float64)
            here = np.isfinite(values).all(axis=1)
            found.append(values[here if present is None else here & present[start:stop]])
            count += len(found[-1])
        if 2 * count >= SAMPLE:  # else many rows lack the modality, and as many runs are drawn again
            break
    return np.concatenate(found)


def _standard(sample: Matrix) -> tuple[Vector, Vector, Mask]:
    """The mean and the deviation of every column, and which columns vary."""
    width = sample.shape[1]
    if not len(sample):
        return np.zeros(width), np.ones(width), np.zeros(width, dtype=bool)
    with np.errstate(over="ignore", invalid="ignore"):  # values beyond any use, which the pass refuses
        mean = sample.mean(axis=0)
        deviation = sample.std(axis=0)
    varies = np.isfinite(deviation) & (deviation > ROUNDING * np.abs(mean))
    return mean, np.where(varies, deviation, 1.0), varies


def _gamma(sample: Matrix, pairs: np.random.Generator) -> float:
    """1 over the median squared distance of rows that differ; 0 where none do."""
    chosen = sample[np.sort(pairs.permutation(len(sample))[:DISTANCES])]
    squares = (chosen**2).sum(axis=1)
    distances = squares[:, None] + squares - 2 * (chosen @ chosen.T)
    apart = distances > 1e-9 * squares.max(initial=0.0)  # below that is rounding between equal rows
    return 1 / float(np.median(distances[apart])) if apart.any() else 0.0
