"""What several modalities predict of a target side by side, held out, with the jackknife replicates of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from alignscope._lib.interval import Interval
from alignscope._lib.types import Matrix, Vector
from alignscope.linear.held_out import UNFITTED, energy_without, enough_folds
from alignscope.linear.informativeness import Predictor
from alignscope.linear.jackknife import Jackknife
from alignscope.moments.left_out import LeftOut, UnitSums
from alignscope.moments.moments import Moments
from alignscope.moments.onepass import FoldedMoments

Blocks = tuple[str, ...]


class SubsetScores:
    """Held-out sigma of any modalities side by side: of all rows first, and then without each unit of them.

    refit : whether replicates are fitted again; else intervals are widened. valid : whether intervals may be given.
    energies : (1 + units, C) the sums of squares of the target about its mean.
    """

    def __init__(self, moments: FoldedMoments, target: str, *, refit: bool, valid: bool = True) -> None:
        self.moments, self.target = moments, target
        weights = np.array([m.weight for m in map(moments.of_unit, moments.units) if m is not None])
        enough = enough_folds(moments)
        self.jackknife = Jackknife(weights / weights.sum(), valid and enough, 1.0 if refit else UNFITTED)
        sums = UnitSums(moments) if refit and enough else None
        self._left_out = None if sums is None else [sums.without(place) for place in range(len(moments.units))]
        self.energies = _energies(moments, target)

    def whole(self, chosen: Mapping[int, Blocks]) -> Vector:
        """Return what the blocks of every fold predict of the whole target (1 + units,)."""
        energies = self.energies.sum(axis=1)
        return np.asarray(1 - self._residuals(chosen).sum(axis=1) / np.where(energies > 0, energies, np.nan))

    def columns(self, chosen: Mapping[int, Blocks]) -> Matrix:
        """Return what they predict of every target column (1 + units, C); 0 of one that does not vary."""
        varies = self.energies > 0
        return np.where(varies, 1 - self._residuals(chosen) / np.where(varies, self.energies, 1.0), 0.0)

    def interval(self, values: Vector, *, high: float = np.inf, among: int = 1) -> Interval:
        """Return the interval of a figure (1 + units,)."""
        return self.jackknife.interval(float(values[0]), values[1:], high=high, among=among)

    def _residuals(self, chosen: Mapping[int, Blocks]) -> Matrix:
        m, target = self.moments, self.target
        by_unit = np.zeros((len(m.units), self.energies.shape[1]))
        fitted = {f: fit(m.train(f, target), inputs, target) for f, inputs in chosen.items()}
        for place, unit in enumerate(m.units):
            rows = m.of_unit(unit, target)
            if rows is not None:
                by_unit[place] = fitted[m.fold_of[unit]].residual_squares(rows)
        total = by_unit.sum(axis=0)
        without = total - by_unit if self._left_out is None else [self._again(left, chosen) for left in self._left_out]
        return np.vstack([total, *without])

    def _again(self, left: LeftOut, chosen: Mapping[int, Blocks]) -> Vector:
        total = np.zeros(self.energies.shape[1])
        for fold in left.fold_numbers:
            within = left.within(fold, self.target)
            if within is not None:
                fitted = fit(left.train(fold, self.target), chosen[fold], self.target)
                total += fitted.residual_squares(within)
        return total


def fit(train: Moments, inputs: Blocks, target: str) -> Predictor:
    """Return the least-squares predictor of a target from some blocks side by side."""
    basis = train.basis(inputs)
    return Predictor.of(train, inputs, target, basis.coefficients(basis.coordinates(target)))


def _energies(moments: FoldedMoments, target: str) -> Matrix:
    """Return the sums of squares of the target about its mean, of all rows and without each unit (1 + units, C)."""
    total = moments.total(target)
    parts = [None, *(moments.of_unit(unit, target) for unit in moments.units)]
    return np.array([energy_without(total, part, target) for part in parts])
