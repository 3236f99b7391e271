"""Which of several modalities to use: one after the other, each time the one that adds most to the others.

Forward selection: S_0 = {}, and S_k = S_{k-1} and the modality m that makes sigma(S_{k-1} and m; Y) largest. What is
chosen and what is scored are apart: for every fold f the order is chosen anew on the other folds, by cross-validation
among these alone, and its k-th step is scored on f. So the gain of a step,

    gain_k = sigma(S_k; Y) - sigma(S_{k-1}; Y),      sigma(S_0; Y) = 0,

is that of the procedure, on rows that had no say in what it chose; where folds choose differently, it is their mean.
The order that is named is chosen in the same way on all folds. Steps are tested one after the other at the same level
and the first that is not significant ends them, so the chance of one step too many is that level (fixed-sequence
testing). After `PATIENCE` steps without a significant gain the rest is ranked by what each would add at that point.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from alignscope._lib.interval import Interval
from alignscope._lib.threads import side_by_side
from alignscope._lib.types import Matrix, Progress, Vector
from alignscope.linear.held_out import UNFITTED, energy_without
from alignscope.linear.informativeness import SERIAL, Predictor
from alignscope.linear.jackknife import Jackknife
from alignscope.moments.left_out import LeftOut, UnitSums
from alignscope.moments.moments import Moments
from alignscope.moments.onepass import FoldedMoments

PATIENCE = 2


@dataclass(frozen=True, eq=False)
class Selection:
    """An order of modalities, and what each of its first steps adds, held out.

    Attributes
    ----------
    order : all blocks, what adds most first.
    sigmas, gains : of the first steps, what they predict together and what the last of them adds.
    enough : how many steps there are before the first whose gain is not significant.
    agreement : the share of the folds that chose the same first `enough` blocks, in any order.
    """

    order: tuple[str, ...]
    sigmas: tuple[Interval, ...]
    gains: tuple[Interval, ...]
    enough: int
    agreement: float


def select(
    moments: FoldedMoments, target: str, *, refit: bool, valid: bool = True, progress: Progress | None = None
) -> Selection:
    """Return the order of all modalities of some moments, on the rows that have every one of them.

    Parameters
    ----------
    moments : of complete rows, as `FoldedMoments.only` returns them.
    target : the block that is predicted.
    refit : whether replicates are fitted again, each for the blocks that its folds chose; else intervals are widened.
    valid : whether intervals may be given. Without them, `enough` counts the steps whose gain is above 0.
    """
    scores = _Scores(moments, target, refit, valid)
    every = {fold: _Search(moments, target, fold) for fold in (None, *moments.fold_numbers)}
    sigmas: list[Interval] = []
    gains: list[Interval] = []
    weak = 0
    while every[None].left and weak < PATIENCE:
        _each(moments, lambda s: s.advance(), list(every.values()))
        sigma, gain = scores.add({f: s.chosen for f, s in every.items() if f is not None})
        sigmas.append(sigma)
        gains.append(gain)
        weak = 0 if (gain.low if valid else gain.value) > 0 else weak + 1  # type: ignore[operator]
        if progress is not None:
            progress("choosing one after the other", len(gains) / len(moments.modalities))
    good = [(g.low if valid else g.value) > 0 for g in gains]  # type: ignore[operator]
    enough = good.index(False) if False in good else len(good)
    first = set(every[None].chosen[:enough])
    same = [set(every[f].chosen[:enough]) == first for f in moments.fold_numbers]
    return Selection(every[None].ranked, tuple(sigmas), tuple(gains), enough, float(np.mean(same)))


def _each(moments: FoldedMoments, work: Callable[[_Search], None], items: Sequence[_Search]) -> None:
    if moments.total().mean.size <= SERIAL:
        for item in items:
            work(item)
    else:
        side_by_side(work, items)


@dataclass(eq=False)
class _Search:
    """The forward selection on all folds but one, or on all of them.

    Attributes
    ----------
    chosen : the blocks so far. added : the residual that each of the others left at the last step, the least first.
    """

    moments: FoldedMoments
    target: str
    held_out: int | None
    chosen: tuple[str, ...] = ()
    added: dict[str, float] = field(default_factory=dict)

    @property
    def left(self) -> list[str]:
        """The blocks that are not chosen yet."""
        return [m for m in self.moments.modalities if m not in self.chosen]

    @property
    def ranked(self) -> tuple[str, ...]:
        """All blocks: those that were chosen, then the others by what they would have added."""
        return (*self.chosen, *(m for m in self.added if m not in self.chosen))

    def advance(self) -> None:
        """Choose the block that, with those chosen before, leaves the least residual on the folds in turn."""
        # Ties, as between two that are the same, go to the one that was given first.
        self.added = dict(sorted(((m, self._residual((*self.chosen, m))) for m in self.left), key=lambda item: item[1]))
        self.chosen = (*self.chosen, next(iter(self.added)))

    def _residual(self, blocks: tuple[str, ...]) -> float:
        total = 0.0
        for fold in self.moments.fold_numbers:
            if fold == self.held_out:
                continue
            apart = {fold} if self.held_out is None else {fold, self.held_out}
            train = self.moments.outside(apart, *blocks, self.target)
            within = self.moments.within(fold, self.target)
            if train is not None and within is not None:
                total += float(_fit(train, blocks, self.target).residual_squares(within).sum())
        return total


def _fit(train: Moments, inputs: tuple[str, ...], target: str) -> Predictor:
    basis = train.basis(inputs)
    return Predictor.of(train, inputs, target, basis.coefficients(basis.coordinates(target)))


class _Scores:
    """What the blocks that the folds chose predict of their own rows, with the jackknife replicates."""

    def __init__(self, moments: FoldedMoments, target: str, refit: bool, valid: bool) -> None:
        self.moments, self.target = moments, target
        weights = np.array([m.weight for m in map(moments.of_unit, moments.units) if m is not None])
        self.jackknife = Jackknife(weights / weights.sum(), valid, 1.0 if refit else UNFITTED)
        sums = UnitSums(moments) if refit else None
        self._left_out = None if sums is None else [sums.without(place) for place in range(len(moments.units))]
        self._energies = _energies(moments, target)
        self._last = np.zeros(len(moments.units) + 1)

    def add(self, chosen: Mapping[int, tuple[str, ...]]) -> tuple[Interval, Interval]:
        """Return what the blocks of every fold predict together, and what that is above the last time."""
        sigma = 1 - self._residuals(chosen) / self._energies
        gain = sigma - self._last
        self._last = sigma
        return tuple(self.jackknife.interval(float(s[0]), s[1:], high=1.0) for s in (sigma, gain))  # type: ignore[return-value]

    def _residuals(self, chosen: Mapping[int, tuple[str, ...]]) -> Vector:
        """Return the residual sum of squares of all rows, and that without each unit."""
        m, target = self.moments, self.target
        by_unit = np.zeros(len(m.units))
        fitted = {f: _fit(m.train(f, target), inputs, target) for f, inputs in chosen.items()}
        for place, unit in enumerate(m.units):
            rows = m.of_unit(unit, target)
            if rows is not None:
                by_unit[place] = fitted[m.fold_of[unit]].residual_squares(rows).sum()
        total = by_unit.sum()
        if self._left_out is None:
            return np.append(total, total - by_unit)
        return np.append(total, [self._again(left, chosen) for left in self._left_out])

    def _again(self, left: LeftOut, chosen: Mapping[int, tuple[str, ...]]) -> float:
        total = 0.0
        for fold in left.fold_numbers:
            within = left.within(fold, self.target)
            if within is not None:
                fitted = _fit(left.train(fold, self.target), chosen[fold], self.target)
                total += float(fitted.residual_squares(within).sum())
        return total


def _energies(moments: FoldedMoments, target: str) -> Vector:
    """Return the sum of squares of the target about its mean, of all rows and without each unit."""
    total = moments.total(target)
    parts = [None, *(moments.of_unit(unit, target) for unit in moments.units)]
    return np.maximum([energy_without(total, part, target).sum() for part in parts], 1e-300)


def debiased_similarity(moments: FoldedMoments, blocks: Sequence[str]) -> Matrix:
    """Return the linear CKA of every two blocks (M x M), from products of different units of rows alone.

    CKA(A, B) = h(A, B) / sqrt(h(A, A) h(B, B)), h(A, B) = sum_{u != v} <C_ab^u, C_ab^v>, C_ab^u = A_u^T B_u about the
    means of all rows. Products of different rows have no bias, so embeddings without relation have 0 in the mean,
    whatever N and D; clipped to 0 to 1. Source: ours; what it estimates is that of Song et al. (2012), Kornblith et al.
    (2019).
    """
    found = np.eye(len(blocks))
    own = {}
    for i, a in enumerate(blocks):
        own[a] = _cross_units(moments, a, a)
        for j, b in enumerate(blocks[:i]):
            scale = own[a] * own[b]
            value = _cross_units(moments, a, b) / np.sqrt(scale) if min(own[a], own[b]) > 0 else 0.0
            found[i, j] = found[j, i] = float(np.clip(value, 0.0, 1.0))
    return found


def _cross_units(moments: FoldedMoments, a: str, b: str) -> float:
    """Return the sum over all u != v of <C_ab^u, C_ab^v>."""
    total = moments.total(a, b)
    middle = {k: total.mean[total.blocks[k]] for k in (a, b)}
    squares, summed = 0.0, np.zeros((len(middle[a]), len(middle[b])))
    for unit in moments.units:
        part = moments.of_unit(unit, a, b)
        if part is None:
            continue
        shift = {k: part.mean[part.blocks[k]] - middle[k] for k in (a, b)}
        product = part.cross(a, b) + part.weight * np.outer(shift[a], shift[b])
        squares += float(np.square(product).sum())
        summed += product
    return float(np.square(summed).sum()) - squares
