"""Which of several modalities have what they predict in common: commonality analysis, held out.

Of modalities A = {1..M}, what exactly those of S have in common of the target, and no other has:

    C(S) = sum_{T in S} (-1)^(|T| + 1) sigma(A \\ S, T; Y),      sigma({}; Y) = 0,

over all subsets T of S, the empty one too. So C({m}) is what only m adds to all the others, C({1, 2}) of two is
sigma(1) + sigma(2) - sigma(1, 2), the sum over all S is sigma(A; Y), and that over the S that hold m is sigma(m; Y). A
part is below 0 where modalities predict more together than one by one (synergy), as where one holds the other's noise.
Source: Mood (1971); Nimon & Oswald (2013). Known as variation partitioning too (Borcard, Legendre & Drapeau 1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from alignscope._lib.interval import Interval
from alignscope.linear.subsets import Blocks, SubsetScores

MOST = 4
"""Modalities up to which there are few enough parts, 2^M - 1, to read and to fit."""


@dataclass(frozen=True)
class Part:
    """What exactly some modalities have in common of a target.

    Attributes
    ----------
    blocks : the modalities. share : of the whole target, with an interval. columns : the same of every column.
    shown : whether it differs from 0 with an interval for all parts at once (Bonferroni).
    """

    blocks: Blocks
    share: Interval
    columns: tuple[Interval, ...]
    shown: bool


def subsets(blocks: Sequence[str]) -> list[Blocks]:
    """Return all subsets but the empty one, the largest first.

    >>> subsets(["a", "b"])
    [('a', 'b'), ('a',), ('b',)]
    """
    return [one for size in range(len(blocks), 0, -1) for one in combinations(blocks, size)]


def common_parts(scores: SubsetScores, blocks: Sequence[str]) -> list[Part]:
    """Return what every subset of some modalities has in common, that of most modalities first."""
    everyone = subsets(blocks)
    told = {frozenset(s): scores.columns(dict.fromkeys(scores.moments.fold_numbers, s)) for s in everyone}
    told[frozenset()] = np.zeros_like(told[frozenset(blocks)])
    weights = scores.energies / np.maximum(scores.energies.sum(axis=1, keepdims=True), 1e-300)
    found = []
    for inside in everyone:
        rest = frozenset(blocks) - {*inside}
        of_column = sum((-1) ** (len(t) + 1) * told[rest | {*t}] for t in [*subsets(inside), ()])
        whole = (weights * of_column).sum(axis=1)
        columns = tuple(scores.interval(values) for values in of_column.T)
        shown = scores.interval(whole, among=len(everyone)).significant
        found.append(Part(inside, scores.interval(whole), columns, shown))
    return found
