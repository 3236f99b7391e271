"""What an audit works out by resampling: intervals, the permutation null, and the regime with its bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from alignscope._lib.interval import Interval
from alignscope._lib.types import Codes, Matrix
from alignscope.errors import AlignscopeError
from alignscope.linear.held_out import HeldOut
from alignscope.linear.informativeness import blocks_of
from alignscope.linear.regimes.regimes import regime
from alignscope.linear.regimes.types import Regime, RegimeInput
from alignscope.linear.resample import Null, permutation_null, shuffled_rows
from alignscope.moments.moments import Form
from alignscope.moments.onepass import FoldedMoments
from alignscope.pair.paired import Pair

REGIME_PERMUTATIONS = 39


def difference(held: HeldOut, plus: str, minus: str) -> Interval:
    """Return the paired difference of two sigmas."""
    replicates = np.array([r.whole(plus)[0] - r.whole(minus)[0] for r in held.replicates])
    return held.jackknife.interval(sigma(held, plus) - sigma(held, minus), replicates)


def sigma(held: HeldOut, key: str) -> float:
    """Return the held-out value of a sigma."""
    return float(held.figures.whole(key)[0])


def sigma_interval(held: HeldOut, key: str) -> Interval:
    """Return a held-out sigma with its interval; without one where there are more features than half of the rows.

    Fits to nearly as many features as rows vary wildly, and leaving out a few rows does not show by how much.
    """
    inputs, output = blocks_of(key)
    total = held.moments.total(*inputs, output)
    if 2 * len(total.columns(*inputs)) > total.rows:
        return Interval(sigma(held, key), None, None)
    return held.jackknife.interval(sigma(held, key), np.array([r.whole(key)[0] for r in held.replicates]), high=1.0)


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
