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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from alignscope._lib.interval import Interval
from alignscope._lib.threads import side_by_side
from alignscope._lib.types import Matrix, Progress
from alignscope.errors import AlignscopeError
from alignscope.linear.informativeness import SERIAL
from alignscope.linear.subsets import Blocks, SubsetScores, fit
from alignscope.moments.onepass import FoldedMoments

PATIENCE, LEAST_FOLDS = 2, 3

_TIE = 1e-9  # residuals that differ by no more are the same but for rounding


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

    Raises E205 for fewer than three folds: the search without one fits on a second and scores on a third.
    """
    if (folds := len(moments.fold_numbers)) < LEAST_FOLDS:
        found = f"those that have all embeddings lie in {folds} folds, and the order needs {LEAST_FOLDS}"
        raise AlignscopeError("E205", "rows", found, "Give more groups, or more rows that have all embeddings.")
    scores = SubsetScores(moments, target, refit=refit, valid=valid)
    last = np.zeros(len(moments.units) + 1)
    searches = {fold: _Search(moments.modalities) for fold in (None, *moments.fold_numbers)}
    sigmas: list[Interval] = []
    gains: list[Interval] = []
    weak = 0
    while searches[None].left and weak < PATIENCE:
        _advance(moments, target, searches)
        together = scores.whole({f: s.chosen for f, s in searches.items() if f is not None})
        sigmas.append(scores.interval(together, high=1.0))
        gains.append(gain := scores.interval(together - last, high=1.0))
        last = together
        weak = 0 if _adds(gain, valid) else weak + 1
        if progress is not None:
            progress("choosing one after the other", len(gains) / len(moments.modalities))
    good = [_adds(gain, valid) for gain in gains]
    enough = good.index(False) if False in good else len(good)
    first = set(searches[None].chosen[:enough])
    same = [set(searches[f].chosen[:enough]) == first for f in moments.fold_numbers]
    return Selection(searches[None].ranked, tuple(sigmas), tuple(gains), enough, float(np.mean(same)))


def _adds(gain: Interval, valid: bool) -> bool:
    return gain.sign > 0 if valid else gain.value > 0


@dataclass(eq=False)
class _Search:
    """The forward selection on all folds but one, or on all of them.

    Attributes
    ----------
    modalities : all blocks. chosen : those so far. added : the residual that each of the others left at the last step,
        the least first.
    """

    modalities: tuple[str, ...]
    chosen: Blocks = ()
    added: dict[str, float] = field(default_factory=dict)

    @property
    def left(self) -> list[str]:
        """The blocks that are not chosen yet."""
        return [m for m in self.modalities if m not in self.chosen]

    @property
    def candidates(self) -> list[Blocks]:
        """What may be chosen next, with what is chosen."""
        return [(*self.chosen, m) for m in self.left]

    @property
    def ranked(self) -> Blocks:
        """All blocks: those that were chosen, then the others by what they would have added."""
        return (*self.chosen, *(m for m in self.added if m not in self.chosen))

    def choose(self, residuals: Mapping[Blocks, float]) -> None:
        """Choose the block that leaves the least; of ties, as between two that are the same, the one given first."""
        left = {blocks[-1]: residuals[blocks] for blocks in self.candidates}
        self.added = dict(sorted(left.items(), key=lambda item: item[1]))
        most = (1 + _TIE) * min(left.values())
        self.chosen = (*self.chosen, next(m for m in self.left if left[m] <= most))


def _advance(moments: FoldedMoments, target: str, searches: Mapping[int | None, _Search]) -> None:
    """Take one step of every search: each candidate is fitted without a fold, or two, and scored on that fold.

    What is fitted without the folds f and g serves the search without f, on g, and that without g, on f.
    """
    folds = moments.fold_numbers
    apart = {f: {g: frozenset({g} if f is None else {f, g}) for g in folds if g != f} for f in searches}
    tasks = {(out, blocks) for f, s in searches.items() for out in apart[f].values() for blocks in s.candidates}

    def residuals(task: tuple[frozenset[int], Blocks]) -> dict[int, float]:
        out, blocks = task
        train = moments.outside(out, *blocks, target)
        if train is None:
            return dict.fromkeys(out, 0.0)
        fitted = fit(train, blocks, target)
        rows = {fold: moments.within(fold, target) for fold in out}
        return {f: 0.0 if r is None else float(fitted.residual_squares(r).sum()) for f, r in rows.items()}

    order = sorted(tasks, key=lambda task: (sorted(task[0]), task[1]))
    small = moments.total().mean.size <= SERIAL
    found = dict(zip(order, map(residuals, order) if small else side_by_side(residuals, order), strict=True))
    for f, search in searches.items():
        search.choose({b: sum(found[out, b][g] for g, out in apart[f].items()) for b in search.candidates})


def debiased_similarity(moments: FoldedMoments, blocks: Sequence[str]) -> Matrix:
    """Return the linear CKA of every two blocks (M x M), from products of different units of rows alone.

    CKA(A, B) = h(A, B) / sqrt(h(A, A) h(B, B)), h(A, B) = sum_{u != v} <C_ab^u, C_ab^v>, C_ab^u = A_u^T B_u about the
    means of all rows. Products of different rows have no bias, so embeddings without relation have 0 in the mean,
    whatever N and D; clipped to 0 to 1. Source: ours; what it estimates is that of Song et al. (2012), Kornblith et al.
    (2019).
    """
    found = np.eye(len(blocks))

    @cache
    def own(block: str, rows: Blocks) -> float:
        return _cross_units(moments, block, block, rows)

    for i, a in enumerate(blocks):
        for j, b in enumerate(blocks[:i]):
            # All three on the rows that have both: sums over fewer rows are smaller.
            one, two = (own(k, () if moments.complete else (a, b)) for k in (a, b))
            value = _cross_units(moments, a, b) / np.sqrt(one * two) if min(one, two) > 0 else 0.0
            found[i, j] = found[j, i] = float(np.clip(value, 0.0, 1.0))
    return found


def _cross_units(moments: FoldedMoments, a: str, b: str, rows: Blocks = ()) -> float:
    """Return the sum over all u != v of <C_ab^u, C_ab^v>, on the rows that also have some other blocks."""
    needed = tuple(dict.fromkeys((a, b, *rows)))
    total = moments.total(*needed)
    middle = {k: total.mean[total.blocks[k]] for k in (a, b)}
    squares, summed = 0.0, np.zeros((len(middle[a]), len(middle[b])))
    for unit in moments.units:
        part = moments.of_unit(unit, *needed)
        if part is None:
            continue
        shift = {k: part.mean[part.blocks[k]] - middle[k] for k in (a, b)}
        product = part.cross(a, b) + part.weight * np.outer(shift[a], shift[b])
        squares += float(np.square(product).sum())
        summed += product
    return float(np.square(summed).sum()) - squares
