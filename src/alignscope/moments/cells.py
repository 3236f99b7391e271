"""Accumulators of one cell's rows: sums of squares about a shift, or a triangular root."""

from __future__ import annotations

from collections.abc import Mapping

import array_api_compat
import numpy as np

from alignscope._lib.types import Array, Matrix, Vector
from alignscope.moments.moments import Moments, block_slices, merge

_EVERY = 16  # rows that tell whether the mean has moved off


class ChanCell:
    """Accumulates sums of squares about a shift near the mean, and merges by Chan when the mean moves off.

    About a shift within two standard deviations of the mean the correction costs no digits, and the product is
    added in place; a merge at every chunk would read and write the whole matrix once more. The rows carry a last
    column of ones, so that the product holds the sums of the columns as well.
    """

    def __init__(self, widths: Mapping[str, int]) -> None:
        self.blocks = block_slices(widths)
        self.width = sum(widths.values())
        self.done: Moments | None = None
        self._clear()

    def _clear(self) -> None:
        self.rows = 0
        self.weight = 0.0
        self.shift: Array = None
        self.square: Array = None

    def add(self, parts: list[Array], weights: Vector | None) -> None:
        """Add rows, given as their blocks side by side."""
        xp = _namespace(parts)
        w = np.ones(len(parts[0])) if weights is None else weights
        total = float(w.sum())
        if total <= 0:
            return
        if self.shift is None:
            first = _float64(parts, xp)[:, :-1]
            self.shift = as_array_like(w, xp, first) @ first / total
        x = _float64(parts, xp, self.shift)
        if self.rows and self._has_moved(to_numpy(x[::_EVERY, :-1])):
            self._flush()
            self.add(parts, weights)
            return
        if weights is not None:
            x *= as_array_like(np.sqrt(w), xp, x)[:, None]
        self.square = _add_product(self.square, x)
        self.rows += len(w)
        self.weight += total

    def _has_moved(self, some: Matrix) -> bool:
        square = to_numpy(self.square)
        centre = square[-1, :-1] / self.weight
        variance = np.diagonal(square)[:-1] / self.weight - centre**2
        return bool(np.any((some.mean(axis=0) - centre) ** 2 > 4 * variance + 1e-300))

    def _flush(self) -> None:
        if not self.rows:
            return
        whole = to_numpy(self.square)
        sums = whole[-1, :-1]
        square = whole[:-1, :-1] - np.outer(sums, sums / self.weight)
        mean = to_numpy(self.shift) + sums / self.weight
        here = Moments(self.blocks, self.rows, self.weight, mean, "chan", square)
        self.done = here if self.done is None else merge([self.done, here])
        self._clear()

    def finish(self) -> Moments | None:
        """Return the moments of all rows added; None without any."""
        self._flush()
        return self.done


class RootCell:
    """Accumulates a triangular R with R^T R = C by QR of [R; centred rows; offset of the means]."""

    def __init__(self, widths: Mapping[str, int]) -> None:
        self.blocks = block_slices(widths)
        self.width = sum(widths.values())
        self.done: Moments | None = None
        self.waiting: list[Matrix] = []
        self.weights: list[Vector] = []

    def add(self, parts: list[Array], weights: Vector | None) -> None:
        """Add rows, given as their blocks side by side."""
        self.waiting.append(np.hstack([np.asarray(to_numpy(p), dtype=np.float64) for p in parts]))
        self.weights.append(np.ones(len(self.waiting[-1])) if weights is None else weights)
        if sum(map(len, self.waiting)) >= 4 * self.width:
            self._flush()

    def _flush(self) -> None:
        w = np.concatenate(self.weights)
        if w.sum() > 0:
            here = Moments.of_rows(np.vstack(self.waiting), self.blocks, w, "root")
            self.done = here if self.done is None else merge([self.done, here])
        self.waiting, self.weights = [], []

    def finish(self) -> Moments | None:
        """Return the moments of all rows added; None without any."""
        if self.waiting:
            self._flush()
        return self.done


def to_numpy(values: Array) -> np.ndarray:
    """Return the values as a numpy array on the CPU; numpy arrays as they are."""
    if isinstance(values, np.ndarray):
        return values
    return np.asarray(array_api_compat.to_device(values, "cpu"))


def as_array_like(values: Array, xp: Array, like: Array) -> Array:
    """Return numpy values in the namespace and on the device of another array; other values as they are."""
    if xp is np or not isinstance(values, np.ndarray) or isinstance(like, np.ndarray):
        return values
    return xp.asarray(np.ascontiguousarray(values), device=array_api_compat.device(like))


def _namespace(parts: list[Array]) -> Array:
    """Return the namespace that the work is done in: that of the first part that is not a numpy array."""
    foreign = [p for p in parts if not isinstance(p, np.ndarray)]
    return array_api_compat.array_namespace(foreign[0]) if foreign else np


def _float64(parts: list[Array], xp: Array, shift: Array = None) -> Array:
    """Return the parts side by side in float64, less the shift, in one go over memory; then a column of ones."""
    if xp is np:
        out = np.ones((len(parts[0]), sum(p.shape[1] for p in parts) + 1))
        position = 0
        for p in parts:
            view = out[:, position : position + p.shape[1]]
            if shift is None:
                view[...] = p
            else:
                np.subtract(p, shift[position : position + p.shape[1]], out=view, dtype=np.float64)
            position += p.shape[1]
        return out
    like = next(p for p in parts if not isinstance(p, np.ndarray))
    x = xp.concat([xp.astype(as_array_like(p, xp, like), xp.float64) for p in parts], axis=1)
    ones = as_array_like(np.ones((len(parts[0]), 1)), xp, like)
    return xp.concat([x if shift is None else x - shift, ones], axis=1)


def _add_product(square: Array, x: Array) -> Array:
    """Return square + x^T x."""
    product = x.T @ x  # symmetric, and known to be by numpy, which works out half of it
    if square is None:
        return product
    square += product
    return square
