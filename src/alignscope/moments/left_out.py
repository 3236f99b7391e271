"""The moments of every fold without one unit: what a refit costs no look at rows for.

Second moments about one fixed point add up. So all rows, a fold or a unit are sums of the units' own, and the rows
outside a fold and outside a unit are a difference. What is lost to the difference matters to intervals only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add

import numpy as np

from alignscope._lib.types import Matrix, Vector
from alignscope.moments.moments import Moments, block_slices
from alignscope.moments.onepass import ByFold, FoldedMoments, Has, restrict

_ROUNDING = 1e-12  # a share of a column's energy that a difference of sums may leave of nothing


@dataclass(frozen=True, eq=False)
class _Sum:
    """The weight of some rows, their sum (p,), and the sum of their products (p x p), about a fixed point."""

    weight: float
    first: Vector
    second: Matrix

    def __add__(self, other: _Sum) -> _Sum:
        return _Sum(self.weight + other.weight, self.first + other.first, self.second + other.second)

    def __sub__(self, other: _Sum) -> _Sum:
        return _Sum(self.weight - other.weight, self.first - other.first, self.second - other.second)


@dataclass(frozen=True, eq=False)
class _Sums:
    """The sums of every unit, of every fold, and of all rows, over those that have some modalities."""

    blocks: dict[str, slice]
    by_unit: list[_Sum]
    by_fold: dict[int, _Sum]
    total: _Sum


class UnitSums:
    """The units of `FoldedMoments` as sums, from which those without any one unit follow.

    Where the moments are in the square-root form, the features are whitened first, since a difference of products
    needs a small condition.
    """

    def __init__(self, moments: FoldedMoments) -> None:
        self.moments = moments
        self.units = moments.units
        self.folds = np.array([moments.fold_of[unit] for unit in self.units])
        self._sums: dict[Has, _Sums] = {}

    def without(self, unit: int) -> LeftOut:
        """Return the moments without the unit at this place of `units`."""
        return LeftOut(self, unit)

    def of(self, need: Has) -> _Sums:
        """Return the sums over the rows that have what is needed."""
        if need not in self._sums:
            self._sums[need] = self._sum(need)
        return self._sums[need]

    def _sum(self, need: Has) -> _Sums:
        m = self.moments
        names = tuple(name for name, needed in zip(m.modalities, need, strict=True) if needed)
        total = m.total(*names)
        lift, blocks = self._lift(total, names)
        width = max(s.stop for s in blocks.values())
        nothing = _Sum(0.0, np.zeros(width), np.zeros((width, width)))
        by_unit = []
        for unit in self.units:
            part = m.of_unit(unit, *names)
            by_unit.append(nothing if part is None else _lifted(restrict(part, set(total.blocks)), total, lift, blocks))
        by_fold = {
            fold: reduce(add, (by_unit[place] for place in np.flatnonzero(self.folds == fold)))
            for fold in m.fold_numbers
        }
        return _Sums(blocks, by_unit, by_fold, reduce(add, by_fold.values()))

    def _lift(self, total: Moments, names: tuple[str, ...]) -> tuple[dict[str, Matrix], dict[str, slice]]:
        """Return the maps of those blocks that are whitened, and the columns of all blocks then."""
        if total.form == "chan":
            return {}, dict(total.blocks)
        lift = {}
        for name in names:
            basis = self.moments.basis(None, name)
            lift[name] = basis.coefficients(np.eye(basis.rank))
        targets = {k: s for k, s in total.blocks.items() if k not in lift}
        first = {k: next(j for j, other in targets.items() if other == s) for k, s in targets.items()}
        widths = {k: lift[k].shape[1] for k in lift}
        widths |= {k: s.stop - s.start for k, s in targets.items() if first[k] == k}
        blocks = block_slices(widths)
        return lift, blocks | {k: blocks[first[k]] for k in targets}


def _lifted(part: Moments, total: Moments, lift: dict[str, Matrix], blocks: dict[str, slice]) -> _Sum:
    """Return the sums of a unit about the mean of all rows, in lifted coordinates."""
    offset = part.mean - total.mean
    if not lift:
        return _Sum(part.weight, part.weight * offset, part.matrix + part.weight * np.outer(offset, offset))
    distinct = {s.start: k for k, s in reversed(blocks.items())}
    names = [distinct[start] for start in sorted(distinct)]
    rows = np.vstack([part.matrix, np.sqrt(part.weight) * offset])
    columns = {k: rows[:, part.blocks[k]] for k in names}
    root = np.hstack([v @ lift[k] if k in lift else v for k, v in columns.items()])
    return _Sum(part.weight, np.sqrt(part.weight) * root[-1], root.T @ root)


class LeftOut(ByFold):
    """The moments of all rows, of those outside a fold and of a fold's own, without one unit."""

    def __init__(self, sums: UnitSums, unit: int) -> None:
        super().__init__(sums.moments.blocks, sums.moments.modalities)
        self.ridges = sums.moments.ridges
        self._sums, self._unit = sums, unit

    @cached_property
    def fold_numbers(self) -> list[int]:
        """The folds that hold at least one row."""
        return sorted(set(np.delete(self._sums.folds, self._unit).tolist()))

    @property
    def complete(self) -> bool:
        """Whether every row has all modalities."""
        return self._sums.moments.complete

    def _moments_of(self, fold: int | None, inside: bool, need: Has) -> Moments | None:
        sums = self._sums.of(need)
        mine, lacks = sums.by_unit[self._unit], self._sums.folds[self._unit] == fold
        if fold is None:
            rest = sums.total - mine
        elif inside:
            rest = sums.by_fold[fold] - mine if lacks else sums.by_fold[fold]
        else:
            rest = sums.total - sums.by_fold[fold]
            rest = rest if lacks else rest - mine
        if rest.weight <= 1e-9 * sums.total.weight:
            return None
        matrix = rest.second - np.outer(rest.first, rest.first / rest.weight)
        # What is left of a column that varied in the unit alone is rounding, not variation.
        constant = np.diagonal(matrix) <= _ROUNDING * np.diagonal(sums.total.second)
        matrix[constant] = matrix[:, constant] = 0
        return Moments(sums.blocks, round(rest.weight), rest.weight, rest.first / rest.weight, "chan", matrix)
