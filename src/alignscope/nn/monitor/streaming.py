"""Second moments of representations and targets, streamed on the device, and held-out fits made from them.

What linear readouts need: with Z the P columns of all modalities and D = P + C all columns, the means, the
centred product Z^T [Z Y] (P x D) and the centred energy of every column. Parts merge exactly (Chan; THEORY 8).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from alignscope._lib.types import Vector
from alignscope.measures.readout import ridge_solution


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
        self.train = [merged([*self.held[:i], *self.held[i + 1 :]]) for i in range(len(self.held))]

    def squares(self, a: slice, b: slice) -> tuple[Vector, Vector] | None:
        """Return residual and total squares (columns of b) of linear maps of columns a, each fitted without a fold.

        The fit is that of `alignscope.measures.linear_probe`; totals are about the mean of all rows (THEORY 2). None
        where some fold leaves no more than K + 1 rows to fit K coefficients and an intercept.
        """
        if self.whole is None:
            return None
        residual = np.zeros(b.stop - b.start)
        for train, held in zip(self.train, self.held, strict=True):
            if train is None or train.rows <= a.stop - a.start + 1:
                return None
            weights = ridge_solution(train.product[a, a], train.product[a, b])
            shift = held.mean - train.mean
            spread = (
                held.energy[b]
                - 2 * np.einsum("ij,ij->j", weights, held.product[a, b])
                + np.einsum("ij,ij->j", weights, held.product[a, a] @ weights)
            )
            residual += np.maximum(spread, 0.0) + held.rows * (shift[b] - shift[a] @ weights) ** 2
        return residual, self.whole.energy[b]
