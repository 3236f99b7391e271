"""Held-out residuals by sampling unit: the second look at the rows, for intervals only.

Values come from the moments. How sure they are needs the residuals of rows, blocks of rows or groups: this
pass sums them by unit, so that what is kept does not grow with N.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from alignscope._lib.threads import side_by_side
from alignscope._lib.types import Array, Codes, Matrix, Vector
from alignscope.linear.informativeness import Predictor
from alignscope.moments.cells import to_numpy
from alignscope.moments.moments import block_slices
from alignscope.moments.onepass import FoldedMoments, chunk_rows, read_chunks, sources
from alignscope.pair.paired import Pair

ROWS_AS_UNITS = 10_000
BLOCKS = 1_000

Predictors = Mapping[str, Mapping[int, Predictor]]


@dataclass(frozen=True, eq=False)
class Units:
    """What is resampled: rows, contiguous blocks of rows, or groups.

    Rows up to N = 10,000; 1,000 blocks beyond, which also respects rows that resemble their neighbours; groups
    whenever they are given.
    """

    kind: Literal["row", "block", "group"]
    of_row: Codes
    count: int


@dataclass(frozen=True, eq=False)
class UnitSums:
    """Sums over the rows of every unit.

    Attributes
    ----------
    residual : label -> (units,) held-out squared residuals.
    energy : label -> (units,) squared distances of the target from its mean, over the same rows.
    autocorrelation : target block -> the lag-1 autocorrelation along the rows of the residuals of both modalities
        together. Near 0 when rows are independent.
    """

    residual: Mapping[str, Vector]
    energy: Mapping[str, Vector]
    autocorrelation: Mapping[str, float]


def sampling_units(n: int, groups: Codes | None) -> Units:
    """Return the units that intervals are resampled over."""
    if groups is not None:
        return Units("group", groups, int(groups.max()) + 1)
    if n <= ROWS_AS_UNITS:
        return Units("row", np.arange(n), n)
    return Units("block", np.arange(n) * BLOCKS // n, BLOCKS)


def unit_sums(pair: Pair, moments: FoldedMoments, predictors: Predictors, units: Units) -> UnitSums:
    """Read the rows once more and sum held-out squared residuals by unit, for every labelled set of predictors.

    The work is done in float32 where both modalities are float32: an interval needs no more digits.
    """
    rows, aliases = sources(pair)
    plan = _Plan(moments, predictors, _precision(pair), aliases)
    residual = {label: np.zeros(units.count) for label in predictors}
    energy = {label: np.zeros(units.count) for label in predictors}
    lag = {"b1": _Lag(), "b2": _Lag()}
    for start, stop, raw, _ in read_chunks(pair, chunk_rows(rows) // 4 + 1, check=not moments.complete):
        folds, here = moments.folds[start:stop], moments.present[start:stop]
        unit = units.of_row[start:stop]
        weights = np.ones(stop - start) if pair.weights is None else pair.weights[start:stop]
        targets = plan.centred_targets(raw)
        squares = {k: _row_squares(v) for k, v in targets.items()}
        for label, r in plan.residuals(raw, targets, folds).items():
            inputs, output = plan.blocks[label]
            needed = {k for k in (*inputs, aliases.get(output)) if k in ("x1", "x2")}
            usable = weights * here[:, [int(k[1]) - 1 for k in sorted(needed)]].all(axis=1)
            residual[label] += np.bincount(unit, usable * _row_squares(r), units.count)
            energy[label] += np.bincount(unit, usable * squares[output], units.count)
            if label in lag:
                lag[label].add(r * (usable > 0)[:, None])
    return UnitSums(residual, energy, {f"y{k[1]}": v.value for k, v in lag.items()})


def _row_squares(values: Matrix) -> Vector:
    return np.einsum("ij,ij->i", values, values)


class _Lag:
    """The lag-1 autocorrelation of rows that come in chunks."""

    def __init__(self) -> None:
        self.product = self.square = 0.0
        self.last: Matrix | None = None

    def add(self, rows: Matrix) -> None:
        joined = rows if self.last is None else np.vstack([self.last, rows])
        self.product += float(np.einsum("ij,ij->", joined[1:], joined[:-1], dtype=np.float64))
        self.square += float(np.einsum("ij,ij->", rows, rows, dtype=np.float64))
        self.last = rows[-1:]

    @property
    def value(self) -> float:
        return self.product / self.square if self.square > 0 else 0.0


class _Plan:
    """All predictors of a fold side by side, so that each modality is multiplied once.

    Labels are in order of what they read: modality 1, both, modality 2. The columns that a modality has a
    part in are then consecutive.
    """

    def __init__(
        self, moments: FoldedMoments, predictors: Predictors, dtype: type[np.floating], aliases: Mapping[str, str]
    ) -> None:
        self.dtype = dtype
        self.aliases = aliases
        blocks = {k: (p.inputs, p.output) for k, by_fold in predictors.items() for p in by_fold.values()}
        self.blocks = dict(sorted(blocks.items(), key=lambda item: item[1][0]))
        self.mean = {
            name: moments.total(name).mean[moments.total(name).blocks[name]] for name in ("x1", "x2", "y1", "y2")
        }
        self.columns = block_slices({k: len(self.mean[output]) for k, (_, output) in self.blocks.items()})
        self.width = sum(len(self.mean[output]) for _, output in self.blocks.values())
        self.reach = {name: self._reach(name) for name in ("x1", "x2")}
        self.maps = {fold: self._side_by_side(predictors, fold) for fold in moments.fold_numbers}

    def _reach(self, name: str) -> slice:
        """Return the columns of the labels that read a modality."""
        mine = [self.columns[k] for k, (inputs, _) in self.blocks.items() if name in inputs]
        return slice(mine[0].start, mine[-1].stop)

    def _side_by_side(self, predictors: Predictors, fold: int) -> tuple[dict[str, Matrix], Vector]:
        """Return per modality the coefficients of all predictors of a fold, and their values at the mean."""
        maps = {k: np.zeros((len(self.mean[k]), self.width), dtype=self.dtype) for k in ("x1", "x2")}
        at_mean = np.zeros(self.width, dtype=self.dtype)
        for label, s in self.columns.items():
            p = predictors[label][fold]
            x_mean = np.concatenate([self.mean[k] for k in p.inputs])
            at_mean[s] = p.y_mean - self.mean[p.output] + (x_mean - p.x_mean) @ p.coefficients
            edge = 0
            for name in p.inputs:
                width = len(self.mean[name])
                maps[name][:, s] = p.coefficients[edge : edge + width]
                edge += width
        return {k: np.ascontiguousarray(v[:, self.reach[k]]) for k, v in maps.items()}, at_mean

    def residuals(self, raw: Mapping[str, Array], targets: Mapping[str, Matrix], folds: Codes) -> dict[str, Matrix]:
        """Return label -> (rows x C) residuals of the predictor of every row's own fold."""
        predicted = np.empty((len(folds), self.width), dtype=self.dtype)
        values = {k: to_numpy(raw[k]) for k in ("x1", "x2")}
        order = np.argsort(folds, kind="stable")
        numbers, starts = np.unique(folds[order], return_index=True)

        def predict(fold: int, chosen: Codes) -> None:
            maps, at_mean = self.maps[fold]
            part = np.tile(at_mean, (len(chosen), 1))
            for name, reach in self.reach.items():
                part[:, reach] += self._centred(values[name][chosen], name) @ maps[name]
            predicted[chosen] = part

        parts = zip(numbers.tolist(), np.split(order, starts[1:]), strict=True)
        side_by_side(lambda part: predict(*part), parts)
        return {label: targets[self.blocks[label][1]] - predicted[:, s] for label, s in self.columns.items()}

    def centred_targets(self, raw: Mapping[str, Array]) -> dict[str, Matrix]:
        """Return the target blocks about their means."""
        return {k: self._centred(to_numpy(raw[self.aliases.get(k, k)]), k) for k in ("y1", "y2")}

    def _centred(self, values: np.ndarray, name: str) -> Matrix:
        out: Matrix = np.empty(values.shape, dtype=self.dtype)
        return np.subtract(values, self.mean[name], out=out, casting="same_kind")


def _precision(pair: Pair) -> type[np.floating]:
    small = {"float16", "float32", "uint8", "int8", "int16", "uint16", "bool"}
    return np.float32 if {pair.x1.dtype, pair.x2.dtype} <= small else np.float64
