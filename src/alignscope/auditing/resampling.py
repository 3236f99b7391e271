"""What an audit works out by resampling: intervals, the permutation null, and the regime with its bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from alignscope._lib.interval import Interval
from alignscope._lib.types import Codes, Matrix, Progress
from alignscope.auditing.direction import Solved
from alignscope.errors import AlignscopeError
from alignscope.linear.informativeness import KEYS, blocks_of, fit_predictors, held_out_residuals
from alignscope.linear.regimes.regimes import regime
from alignscope.linear.regimes.types import Regime, RegimeInput
from alignscope.linear.resample import Bootstrap, Null, permutation_null, shuffled_rows
from alignscope.linear.residuals import Units, sampling_units, unit_sums
from alignscope.moments.moments import Form
from alignscope.moments.onepass import FoldedMoments
from alignscope.pair.paired import Pair

REGIME_PERMUTATIONS = 39


@dataclass(frozen=True, eq=False)
class Intervals:
    """Held-out values of the six sigmas, and the bootstrap that their intervals come from."""

    values: Mapping[str, float]
    bootstrap: Bootstrap
    units: Units
    autocorrelation: Mapping[str, float]

    @classmethod
    def of(cls, pair: Pair, moments: FoldedMoments, solved: list[Solved], seed: int, progress: Progress) -> Intervals:
        """Return the held-out values, and bootstrap the residuals of a second look at the rows."""
        predictors = fit_predictors(moments)
        values = {}
        for key in KEYS:
            inputs, output = blocks_of(key)
            energy = moments.total(*inputs, output).energy(output).sum()
            values[key] = 1 - float(held_out_residuals(moments, predictors[key]).sum() / energy)
        for s in solved:
            predictors[f"z{s.direction}_first"] = s.held_out.first
            predictors[f"z{s.direction}_last"] = s.held_out.last
        progress("working out intervals", 0.0)
        units = sampling_units(pair.n, pair.groups)
        sums = unit_sums(pair, moments, predictors, units)
        return cls(values, Bootstrap(sums, seed), units, sums.autocorrelation)

    def difference(self, plus: str, minus: str) -> Interval:
        """Return the paired difference of two sigmas."""
        return self.bootstrap.interval(self.values[plus] - self.values[minus], lambda s: s[plus] - s[minus])


@dataclass(frozen=True, eq=False)
class NullSample:
    """The complete rows that permutation nulls are worked out on."""

    rows: Mapping[str, Matrix]
    folds: Codes
    groups: Codes | None
    n: int
    form: Form
    seed: int

    @classmethod
    def of(cls, pair: Pair, moments: FoldedMoments, keep: Codes, seed: int) -> NullSample:
        """Return those of the rows that were kept which have both modalities and a positive weight."""
        complete = moments.present[keep].all(axis=1)
        if pair.weights is not None:
            complete &= pair.weights[keep] > 0
        chosen = keep[complete]
        taken = slice(None) if complete.all() else complete  # a slice copies nothing
        rows = {k: moments.kept[k][taken] for k in ("x1", "x2", "y1")}
        rows["y2"] = rows["y1"] if pair.y2.rows is pair.y1.rows else moments.kept["y2"][taken]
        groups = None if pair.groups is None else pair.groups[chosen]
        return cls(rows, moments.folds[chosen], groups, int(moments.total("x1", "x2").rows), moments.form, seed)

    def null(self) -> Null:
        """Return the null of held-out sigma."""
        return permutation_null(self.rows, self.folds, self.groups, self.n, self.form, self.seed)

    def shuffles(self, count: int) -> Iterator[Codes]:
        """Yield row orders that lay targets against other rows."""
        rng = np.random.default_rng([self.seed, 4])
        for _ in range(count):
            yield shuffled_rows(len(self.folds), self.groups, rng)


def locate_regime(pair: Pair, moments: FoldedMoments, sample: NullSample) -> Regime:
    """Return where the pair lies in the phase diagram of aligning and predicting, from the moments of the folds."""
    if pair.y1.kind == "modality":
        return Regime(
            verdict="undecided", text="Without labels there is no saying which of the shared directions matter."
        )
    try:
        total = RegimeInput.of(moments.total("x1", "x2"))
        # Rows that depend on each other within groups look like knowledge; without groups the closed form does.
        null = [] if pair.groups is None else total.permuted(sample.rows, sample.shuffles(REGIME_PERMUTATIONS))
        left_out = [RegimeInput.of(moments.train(fold, "x1", "x2")) for fold in moments.fold_numbers]
        return regime(total, left_out, null, names=(pair.name1, pair.name2))
    except AlignscopeError as error:
        # too few rows, or a target that does not vary outside some fold: the rest of the audit stands
        why = f"on the rows outside some fold it cannot be worked out ({error.where}: {error.found})"
        return Regime(verdict="undecided", text=f"Undecided: {why}.")
