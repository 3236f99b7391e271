"""Second moments of representations and targets, streamed on the device, and held-out fits made from them.

What linear readouts need: with Z the P columns of all modalities and D = P + C all columns, the means, the
centred product Z^T [Z Y] (P x D) and the centred energy of every column. Parts merge exactly (Chan; THEORY 8).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from alignscope._lib.types import Matrix, Vector
from alignscope.measures.readout import ridge_solution
from alignscope.nn.alignable import RIDGE


@dataclass(frozen=True, eq=False)
class Sums:
    """Moments of some rows, in float64; of torch while they stream, of numpy when figures are made.

    Not `alignscope.moments.moments.Moments`: those are of numpy, and hold all D x D products, which for a target of
    many classes would be most of the work; here they stay on the device and only P x D are made.

    Attributes
    ----------
    rows : number of rows. mean : (D,). product : (P, D) centred Z^T [Z Y]. energy : (D,) centred sums of squares.
    """

    rows: int
    mean: Any
    product: Any
    energy: Any

    @classmethod
    def of(cls, x: Any, p: int) -> Sums:
        """Return the moments of (N, D) rows, N >= 1, of which the first p columns are representations."""
        # About the first row first: a constant column then has exactly no energy.
        centred = x - x[0]
        offset = centred.mean(0)
        centred -= offset
        return cls(len(x), x[0] + offset, centred[:, :p].T @ centred, (centred * centred).sum(0))

    def __add__(self, other: Sums) -> Sums:
        n = self.rows + other.rows
        d = other.mean - self.mean
        between = self.rows * other.rows / n
        product = self.product + other.product + between * d[: len(self.product), None] * d
        energy = self.energy + other.energy + between * d * d
        return Sums(n, self.mean + other.rows / n * d, product, energy)

    def numpy(self) -> Sums:
        """Return the same of numpy."""
        return Sums(self.rows, *(t.cpu().numpy() for t in (self.mean, self.product, self.energy)))


def merged(parts: Iterable[Sums]) -> Sums | None:
    """Return the moments of the rows of all parts, or None without any."""
    parts = list(parts)
    return reduce(Sums.__add__, parts) if parts else None


def fold_of(ids: Any, folds: int) -> Any:
    """Return the fold of every id (int64 tensor), 0..folds - 1: always the same, and in no step with any period.

    Fibonacci hashing: the high bits of id * 2^64 / golden ratio.
    """
    return ((ids * -7046029254386353131 >> 33) & 0x7FFFFFFF) % folds


class FoldedSums:
    """Moments of some samples by fold, and of all of them without each fold.

    Attributes
    ----------
    whole : moments of all, None without any. held : one a fold that has samples. train : all but that fold.
    """

    def __init__(self, held: Sequence[Sums]) -> None:
        self.held = list(held)
        self.whole = merged(held)
        self._cache: dict[int, tuple[Matrix, Matrix] | None] = {}
        self.train = [merged([*self.held[:i], *self.held[i + 1 :]]) for i in range(len(self.held))]

    def squares(self, a: slice, b: slice, fit: Sums | None = None) -> tuple[Matrix, Matrix] | None:
        """Return residual and total squares (fold x column of b) of linear maps of a, each fitted without the fold.

        The fit is that of `alignscope.measures.linear_probe`; totals are about the mean of all rows (THEORY 2). None
        where some fold leaves no more than K + 1 rows to fit K coefficients and an intercept. With `fit`, moments of
        other rows, the map is fitted on those.
        """
        if fit is not None:
            return self._squares(a, b, fit)
        if a.start not in self._cache:  # one solution for all columns costs little more than for some
            self._cache[a.start] = self._squares(a, slice(None), None)
        found = self._cache[a.start]
        return found and (found[0][:, b], found[1][:, b])

    def _squares(self, a: slice, b: slice, fit: Sums | None) -> tuple[Matrix, Matrix] | None:
        if self.whole is None:
            return None
        residual, total = [], []
        for train, held in zip(self.train if fit is None else [fit] * len(self.held), self.held, strict=True):
            if train is None or train.rows <= a.stop - a.start + 1:
                return None
            weights = ridge_solution(train.product[a, a], train.product[a, b])
            shift1, shift2 = (held.mean[s] - train.mean[s] for s in (a, b))
            spread = (
                held.energy[b]
                - 2 * np.einsum("ij,ij->j", weights, held.product[a, b])
                + np.einsum("ij,ij->j", weights, held.product[a, a] @ weights)
            )
            residual.append(np.maximum(spread, 0.0) + held.rows * (shift2 - shift1 @ weights) ** 2)
            total.append(held.energy[b] + held.rows * (held.mean[b] - self.whole.mean[b]) ** 2)
        return np.stack(residual), np.stack(total)

    def shared(self, a: slice, b: slice) -> Vector | None:
        """Return squared canonical correlations (k,) of columns a and b, each row scored without its fold.

        None where some fold leaves no more than K1 + K2 rows, of which any two representations correlate wholly.
        """
        k, total = a.stop - a.start, a.stop - a.start + b.stop - b.start
        trains = [train for train in self.train if train is not None and train.rows > total]
        if self.whole is None or len(trains) < len(self.held):
            return None
        columns = np.r_[a, b]
        # As if each dimension had independent noise of this variance: a direction without variance of its own then
        # correlates with nothing, whatever it is divided by. A constant takes any.
        noise = RIDGE * self.whole.energy[columns] / self.whole.rows
        noise = np.where(noise > 0, noise, 1.0)

        def scatter(rows: Sums, mean: Vector) -> Matrix:
            shift = (rows.mean - mean)[columns]
            return rows.product[np.ix_(columns, columns)] + rows.rows * (np.outer(shift, shift) + np.diag(noise))

        fit = np.stack([scatter(train, train.mean) for train in trains])
        score = np.stack([scatter(held, train.mean) for train, held in zip(trains, self.held, strict=True)])
        one, two = (np.linalg.inv(np.linalg.cholesky(fit[:, s, s])) for s in (slice(k), slice(k, None)))
        left, _, right = np.linalg.svd(one @ fit[:, :k, k:] @ two.mT, full_matrices=False)
        u, v = one.mT @ left, two.mT @ right.mT
        both = np.einsum("fik,fik->k", u, score[:, :k, k:] @ v)
        energies = (np.einsum("fik,fik->k", d, score[:, s, s] @ d) for d, s in ((u, slice(k)), (v, slice(k, None))))
        return np.minimum(np.square(np.maximum(both, 0.0)) / math.prod(energies), 1.0)
