"""All held-out figures of a pair with their jackknife replicates, from the moments of units alone.

Every figure is 1 - RSS / ||Y||^2: the residuals of rows that the fit has not seen, about the mean of all rows. A run
fits everything outside each fold, detects what the modalities share, and scores the fold. Replicates repeat the run
without one unit of rows each. With hundreds of features and at least `REFIT_BELOW` rows for each of them, replicates
score the other units with the fits of the run, and intervals are widened for what that leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np

from alignscope._lib.threads import side_by_side as in_threads
from alignscope._lib.types import Codes, Matrix, Progress, Vector
from alignscope.linear.detection import CanonicalPairs, Detection, detect
from alignscope.linear.informativeness import KEYS, SERIAL, Predictor, blocks_of, fit_predictors
from alignscope.linear.jackknife import Jackknife
from alignscope.linear.trainings import DIRECTIONS, Counts, Encoders, FoldFit, Plan
from alignscope.moments.left_out import UnitSums
from alignscope.moments.moments import Moments
from alignscope.moments.onepass import ByFold, FoldedMoments

REFIT_BELOW = 100
"""Rows a feature below which replicates are refitted however long that takes."""
UNFITTED = 1.3
"""How much standard errors are widened without refits: estimated directions vary at first order, and standard errors
with refits were 1.1 to 1.3 times those without (N = 1,000 and 4,000, 10 + 10 features, 100 samples each)."""

_ROUNDING = 1e-12  # the share of a sum of squares below which a difference of two is 0
_CHEAP = 256  # features up to which refits cost little
_UNITS, _MOST_GROUPS = 25, 40
_MOST_BYTES = 256 << 20  # of all units' moments
_REFIT_FLOPS = 4e11  # refits beyond this many operations make do with fewer units


def needs_refit(n: int, features: int, groups: Codes | None) -> bool:
    """Return whether replicates are fitted again: always with groups, of which there are few, and where it is cheap."""
    return refits_cheaply(features, groups) or n < REFIT_BELOW * features


def refits_cheaply(features: int, groups: Codes | None) -> bool:
    """Return whether replicates are fitted again however many rows there are."""
    return groups is not None or features <= _CHEAP


def units_per_fold(n: int, features: int, columns: int, folds: int, groups: Codes | None) -> int:
    """Return how many units a fold is dealt out to.

    25 units in all, 40 with groups, or as many as there is memory and time for.

    columns : of both modalities and both targets. features : of the modalities alone.
    """
    most = min(_UNITS if groups is None else _MOST_GROUPS, _MOST_BYTES / (8 * columns**2))
    if needs_refit(n, features, groups):
        most = min(most, _REFIT_FLOPS / (10 * folds * columns**3))
    return max(2, int(most) // folds)


@dataclass(frozen=True, eq=False)
class Figures:
    """Residual sums of squares by name (weights x C), and the energies (C,) that they are shares of.

    Names are the keys of sigmas, such as "11", and those of a direction's encoders, such as "1:contrastive". products :
    of the residuals of every two target columns (C x C), by the keys of sigmas, on rows that have both modalities.
    """

    residuals: Mapping[str, Matrix]
    energies: Mapping[str, Vector]
    products: Mapping[str, Matrix] = field(default_factory=dict)

    def columns(self, name: str) -> Matrix:
        """Return the share explained of every target column (weights x C); 0 of one that does not vary."""
        energy = self._energy(name)
        varies = energy > 0
        return np.where(varies, 1 - self.residuals[name] / np.where(varies, energy, 1.0), 0.0)

    def whole(self, name: str) -> Vector:
        """Return the share explained of the whole target, one a weight."""
        energy = self._energy(name).sum()
        shares: Vector = 1 - self.residuals[name].sum(axis=1) / (energy if energy > 0 else np.nan)
        return shares

    def _energy(self, name: str) -> Vector:
        return self.energies[name.partition(":")[0]]


Predictors = Mapping[str, Mapping[int, Predictor]]
Done = TypeVar("Done")


class HeldOut:
    """The figures of all rows, the same without each unit, and intervals made of both.

    predictors : key of a sigma -> fold -> what predicts it, as `fit_predictors` returns them. refit : whether
    replicates are fitted again. valid : whether intervals may be given. named_classes : directions whose target is a
    class. located : two (training, size), before and after alignment, whose predictions of every row are wanted.
    products : the keys of sigmas whose residuals are wanted by every two target columns.

    Attributes
    ----------
    figures : of all rows. replicates : without each unit in turn.
    detections : "shared", and "1" and "2" for the alignment targets of the two directions.
    counts : how many directions are detectable.
    located : where the argument is given, direction -> fold -> predictor; a size of None is that of all shared
        directions.
    named : for class targets, what names the class: "11" unaligned, "z1" supervised and "c1" contrastive -> fold ->
        predictor.
    """

    def __init__(
        self,
        moments: FoldedMoments,
        plan: Plan,
        predictors: Predictors,
        *,
        refit: bool,
        valid: bool = True,
        named_classes: Sequence[str] = (),
        located: Sequence[tuple[str, int | None]] = (),
        products: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> None:
        enough = enough_folds(moments)
        self.moments, self.plan, self.refit = moments, plan, refit and enough
        folds = moments.fold_numbers
        fits = dict(zip(folds, self._each(lambda f: FoldFit(moments, f, plan), folds), strict=True))
        self.detections, self.counts = self._detect(fits)
        encoders = {(f, i): fit.encoders(i, self.counts) for f, fit in fits.items() for i in DIRECTIONS}
        self.named = {
            f"{label}{i}": {f: fit.predictor(i, encoders[f, i], training, size) for f, fit in fits.items()}
            for i in named_classes
            for label, training, size in (("z", "last", plan.components), ("c", "all", self.counts.shared))
        } | {i + i: predictors[i + i] for i in named_classes}
        self.located = [
            {
                i: {
                    f: fit.predictor(i, encoders[f, i], training, self.counts.shared if size is None else size)
                    for f, fit in fits.items()
                }
                for i in DIRECTIONS
            }
            for training, size in located
        ]
        moments.drop_fold_cache()
        parts = self._each(partial(self._unit_residuals, fits, encoders, predictors), moments.units)
        self._wanted = tuple(products)
        of_units = self._each(partial(self._unit_products, predictors), moments.units) if products else []
        self._energies = _Energies(moments)
        self.figures = Figures(_summed(parts), self._energies.without(None), _summed(of_units))
        self.replicates = self._replicates(parts, of_units, progress)
        self.jackknife = Jackknife(self._energies.shares, valid and enough, 1.0 if refit else UNFITTED)

    def _each(self, work: Callable[[Any], Done], items: Iterable[Any]) -> list[Done]:
        """Return what `work` makes of every item, in threads where matrices are large."""
        small = self.moments.total("x1", "x2").mean.size <= SERIAL
        return [work(item) for item in items] if small else in_threads(work, items)

    def _detect(self, fits: Mapping[int, FoldFit]) -> tuple[dict[str, Detection], Counts]:
        """Return what is detectable: shared directions, fitted columns of the targets, and then what encoders share."""
        shared = self._detected({f: fit.shared["1"] for f, fit in fits.items()}, fits)
        fitted = {i: self._detected({f: fit.fitted[i] for f, fit in fits.items()}, fits).count for i in DIRECTIONS}
        for fit in fits.values():
            fit.aim(fitted)
        towards = {i: self._detected({f: fit.towards[i] for f, fit in fits.items()}, fits) for i in DIRECTIONS}
        counts = Counts(shared.count, fitted, {i: found.count for i, found in towards.items()})
        return {"shared": shared, **towards}, counts

    def _detected(self, pairs: Mapping[int, CanonicalPairs], fits: Mapping[int, FoldFit]) -> Detection:
        def products(unit: int) -> Matrix:
            fold, rows = self.moments.fold_of[unit], self.moments.of_unit(unit, "x1", "x2")
            if rows is None:
                return np.zeros((3, pairs[fold].left.shape[1]))
            return pairs[fold].products(fits[fold].means, rows)

        found = self._each(products, self.moments.units)
        return detect(np.stack(_common(found)), next(iter(pairs.values())).ranks)

    def _unit_residuals(
        self,
        fits: Mapping[int, FoldFit],
        encoders: Mapping[tuple[int, str], Encoders],
        predictors: Predictors,
        unit: int,
    ) -> dict[str, Matrix]:
        fold, m = self.moments.fold_of[unit], self.moments
        residuals = _sigma_residuals({k: p[fold] for k, p in predictors.items()}, partial(m.of_unit, unit))
        return residuals | _encoder_residuals(fits[fold], encoders, m.of_unit(unit, "x1", "x2"))

    def _unit_products(self, predictors: Predictors, unit: int) -> dict[str, Matrix]:
        mine = {k: predictors[k][self.moments.fold_of[unit]] for k in self._wanted}
        return _residual_products(mine, self.moments.of_unit(unit, "x1", "x2"))

    def _replicates(
        self, parts: list[dict[str, Matrix]], products: list[dict[str, Matrix]], progress: Progress | None
    ) -> list[Figures]:
        units = self.moments.units
        if not self.refit:
            total, together = self.figures.residuals, self.figures.products
            return [
                Figures(
                    {k: total[k] - part[k] for k in total},
                    self._energies.without(unit),
                    {k: together[k] - product[k] for k in together},
                )
                for unit, part, product in zip(units, parts, products or [{}] * len(units), strict=True)
            ]
        sums = UnitSums(self.moments)
        plan = replace(self.plan, lambdas=self.plan.nodes)
        done = 0

        def again(place: int) -> Figures:
            nonlocal done
            residuals, together = _run(sums.without(place), plan, self.counts, self._wanted)
            done += 1
            if progress is not None:
                progress("working out intervals", done / len(units))
            return Figures(residuals, self._energies.without(units[place]), together)

        again_first = again(0)  # first, so that what all share is worked out once
        return [again_first, *self._each(again, range(1, len(units)))]


def enough_folds(moments: FoldedMoments) -> bool:
    """Return whether two folds are left without any one unit, so that everything can be fitted again."""
    folds = [moments.fold_of[unit] for unit in moments.units]
    return min(len({*folds[:place], *folds[place + 1 :]}) for place in range(len(folds))) > 1


def _run(
    moments: ByFold, plan: Plan, counts: Counts, wanted: Sequence[str]
) -> tuple[dict[str, Matrix], dict[str, Matrix]]:
    """Return the residuals of one replicate, and the products of those that are wanted."""
    predictors = fit_predictors(moments)
    folds = moments.fold_numbers
    fits = [FoldFit(moments, f, plan) for f in folds]
    both = [moments.within(f, "x1", "x2") for f in folds]
    parts, products = [], []
    for f, fit, rows in zip(folds, fits, both, strict=True):
        fit.aim(counts.fitted)
        encoders = {(f, i): fit.encoders(i, counts) for i in DIRECTIONS}
        mine = {k: p[f] for k, p in predictors.items()}
        residuals = _sigma_residuals(mine, partial(moments.within, f))
        parts.append(residuals | _encoder_residuals(fit, encoders, rows))
        products.append(_residual_products({k: mine[k] for k in wanted}, rows))
    return _summed(parts), _summed(products)


def _sigma_residuals(predictors: Mapping[str, Predictor], rows_of: Callable[..., Moments | None]) -> dict[str, Matrix]:
    """Return the residuals (1 x C) of the least-squares predictor of every sigma on the rows that have its blocks."""
    found = {}
    for key, predictor in predictors.items():
        rows = rows_of(*predictor.inputs, predictor.output)
        squares = np.zeros(predictor.coefficients.shape[1]) if rows is None else predictor.residual_squares(rows)
        found[key] = squares[None]
    return found


def _residual_products(predictors: Mapping[str, Predictor], rows: Moments | None) -> dict[str, Matrix]:
    """Return the products (C x C) of the residuals of predictors on some rows."""
    columns = {k: p.coefficients.shape[1] for k, p in predictors.items()}
    if rows is None:
        return {k: np.zeros((c, c)) for k, c in columns.items()}
    return {k: p.residual_products(rows) for k, p in predictors.items()}


def _encoder_residuals(
    fit: FoldFit, encoders: Mapping[tuple[int, str], Encoders], rows: Moments | None
) -> dict[str, Matrix]:
    """Return "direction:training" -> residuals (weights x C) of all encoders of a fold on some rows."""
    found: dict[str, Matrix] = {}
    for i in DIRECTIONS:
        mine = encoders[fit.fold, i]
        scores = mine.empty() if rows is None else mine.residuals(fit.means, rows, f"x{i}", f"y{i}")
        found |= {named(i, k): v for k, v in scores.items()}
    return found


def named(direction: str, training: str) -> str:
    """Return the name of the figures of a training in a direction."""
    return f"{direction}:{training}"


def _summed(parts: Iterable[Mapping[str, Matrix]]) -> dict[str, Matrix]:
    parts = list(parts)
    return {k: np.sum([p[k] for p in parts], axis=0) for k in parts[0]} if parts else {}


def _common(arrays: list[Matrix]) -> list[Matrix]:
    """Return arrays cut to the fewest columns that any of them has: folds may differ in rank."""
    fewest = min(a.shape[1] for a in arrays)
    return [a[:, :fewest] for a in arrays]


class _Energies:
    """The sums of squares of targets about their means, of all rows and without any one unit."""

    def __init__(self, moments: FoldedMoments) -> None:
        self._moments = moments
        self._needs = {key: blocks_of(key) for key in KEYS}
        self._needs |= {i: (("x1", "x2"), f"y{i}") for i in DIRECTIONS}

    @cached_property
    def shares(self) -> Vector:
        """The weight of every unit as a share of all."""
        m = self._moments
        weights = np.array([sum(c.weight for cell, c in m.cells.items() if cell[0] == u) for u in m.units])
        return weights / weights.sum()

    def without(self, unit: int | None) -> dict[str, Vector]:
        """Return the energies by the name of what they are for, without a unit if one is given."""
        found = {}
        for name, (inputs, output) in self._needs.items():
            part = None if unit is None else self._moments.of_unit(unit, *inputs, output)
            found[name] = energy_without(self._moments.total(*inputs, output), part, output)
        return found


def energy_without(total: Moments, part: Moments | None, block: str) -> Vector:
    """Return the centred sum of squares of every column of a block without the rows of a part, if one is given."""
    energy = total.energy(block)
    if part is None:
        return energy
    shift = part.mean[part.blocks[block]] - total.mean[total.blocks[block]]
    rest = max(total.weight - part.weight, 1e-300)
    left = energy - part.energy(block) - part.weight * total.weight / rest * shift**2
    return np.where(left > _ROUNDING * energy, left, 0.0)
