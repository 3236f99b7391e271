"""What an audit works out by resampling: intervals, their replicates, the permutation null, the regime with bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from alignscope._lib.interval import Interval
from alignscope._lib.types import Codes, Matrix, Vector
from alignscope.auditing.results import Information, Replicated, Replicates
from alignscope.auditing.side import Side
from alignscope.errors import AlignscopeError
from alignscope.linear.held_out import HeldOut
from alignscope.linear.informativeness import KEYS, blocks_of
from alignscope.linear.kinds import Kinds, kinds
from alignscope.linear.regimes.regimes import regime
from alignscope.linear.regimes.types import Regime, RegimeInput
from alignscope.linear.resample import Null, permutation_null, shuffled_rows
from alignscope.linear.trainings import DIRECTIONS
from alignscope.moments.moments import Form
from alignscope.moments.onepass import FoldedMoments
from alignscope.pair.paired import Pair

REGIME_PERMUTATIONS = 39
_DIGITS = 9  # of replicates


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


def decomposed(moments: FoldedMoments) -> tuple[str, ...]:
    """Return the targets whose information is decomposed: one where both are the same."""
    return DIRECTIONS[:1] if moments.blocks["y1"] == moments.blocks["y2"] else DIRECTIONS


def information_of(held: HeldOut) -> dict[str, Kinds | str]:
    """Return of what kind the information on each target is, or why there is no saying."""
    found = {j: kinds(held, j) for j in decomposed(held.moments)}
    return {j: found.get(j, found["1"]) for j in DIRECTIONS}


def information_record(found: Kinds | str) -> Information:
    """Return the record of a decomposition."""
    if isinstance(found, str):
        return Information(reason=found)
    return Information(found.redundant, {"1": found.unique1, "2": found.unique2}, found.synergy)


def replicates_of(held: HeldOut, information: Mapping[str, Kinds | str]) -> Replicates | None:
    """Return the main held-out figures with and without each unit of rows; None where no interval may be given."""
    jackknife = held.jackknife
    if not jackknife.valid or len(jackknife.shares) < 2:
        return None
    found = {}
    for key in KEYS:
        again = np.array([r.whole(key)[0] for r in held.replicates])
        found[f"sigma.held_out.{key}"] = _of(float(held.figures.whole(key)[0]), again)
    for i in DIRECTIONS:
        side = Side(held, i, ())
        supervised, alone = side.kept("last"), side.kept("contrastive")
        found |= {
            f"directions.{i}.held_out_at_risk": _lost(*supervised),
            f"directions.{i}.held_out_share": _lost(*supervised, share=True),
            f"directions.{i}.contrastive.all": _of(*alone[1]),
            f"directions.{i}.contrastive.loss": _lost(*alone),
            f"directions.{i}.contrastive.share": _lost(*alone, share=True),
        }
    places = {"unique1": "unique.1", "unique2": "unique.2"}
    for j, parts in information.items():
        for name, figure in ({} if isinstance(parts, str) else parts.replicates).items():
            found[f"information.{j}.{places.get(name, name)}"] = _of(*figure)
    return Replicates(
        jackknife.shares.round(_DIGITS).tolist(), jackknife.widening, {k: v for k, v in found.items() if v is not None}
    )


def _lost(before: tuple[float, Vector], after: tuple[float, Vector], share: bool = False) -> Replicated | None:
    """Return what is lost, or its share of what there was; None where there may have been nothing."""
    if not share:
        return _of(before[0] - after[0], before[1] - after[1])
    if before[0] <= 0 or (before[1] <= 0).any():
        return None
    return _of(1 - after[0] / before[0], 1 - after[1] / before[1])


def _of(value: float, without: Vector) -> Replicated | None:
    if not np.isfinite(value) or not np.isfinite(without).all():
        return None
    return Replicated(round(value, _DIGITS), without.round(_DIGITS).tolist())
