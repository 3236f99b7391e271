"""Which fold each row is held out in: balanced, seeded, one byte a row."""

from __future__ import annotations

import heapq

import numpy as np

from alignscope._lib.checks import whole
from alignscope._lib.types import Codes
from alignscope.errors import AlignscopeError

MOST_FOLDS = 1 << 16


def fold_count(n: int, folds: int, groups: Codes | None = None) -> int:
    """The number of folds that n rows get: `folds`, or the number of groups where those are fewer.

    Raises E303 (not a whole number of at least 2), E205 (fewer rows than folds), E202 (not one group per row)
    and E208 (one group).
    """
    folds = whole("folds", folds, 2, MOST_FOLDS, code="E303")
    if groups is not None:
        folds = min(folds, _group_count(n, groups))
    if n < folds:
        raise AlignscopeError("E205", "folds", f"{n} rows for {folds} folds", "Ask for fewer folds, or give more rows.")
    return folds


def assign_folds(n: int, folds: int, seed: int, groups: Codes | None = None) -> np.ndarray:
    """The fold of each row, (n,) uint8 (uint16 beyond 256 folds), from 0.

    Without groups, each run of `folds` consecutive rows gets a random permutation of the folds: sizes differ
    by at most one, and every stretch of the file is spread over all folds. With groups (n,), whole groups
    are dealt, largest first, each to the fold that is lightest so far; equal sizes in a random order.

    Raises the errors of `fold_count`.
    """
    count = fold_count(n, folds, groups)
    dtype = np.uint8 if count <= 256 else np.uint16
    rng = np.random.default_rng(seed)
    if groups is not None:
        return _deal_groups(groups, count, rng).astype(dtype)
    blocks = np.tile(np.arange(count, dtype=dtype), (-(-n // count), 1))
    return rng.permuted(blocks, axis=1, out=blocks).reshape(-1)[:n]


def assign_units(folds: Codes, per_fold: int, seed: int, groups: Codes | None = None) -> np.ndarray:
    """The unit of each row, (n,) int64 from 0: every fold is dealt out to at most `per_fold` units.

    Units are what is left out in turn for intervals. Without groups, rows are dealt at random, so that sizes within a
    fold differ by at most one; with groups (n,), whole groups are, each a unit of its own where there are no more.
    """
    rng = np.random.default_rng([seed, 5])
    units = np.empty(len(folds), np.int64)
    first = 0
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        if groups is None:
            count = min(per_fold, len(rows))
            units[rows] = first + rng.permutation(np.arange(len(rows)) % count)
        else:
            count = min(per_fold, np.unique(groups[rows]).size)
            units[rows] = first + _deal_groups(groups[rows], count, rng)
        first += count
    return units


def _deal_groups(groups: Codes, folds: int, rng: np.random.Generator) -> np.ndarray:
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    shuffled = rng.permutation(sizes.size)
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    fold_of = np.empty(sizes.size, np.int64)
    loads = [(0, fold) for fold in range(folds)]
    for group in order.tolist():
        load, fold = loads[0]
        fold_of[group] = fold
        heapq.heapreplace(loads, (load + int(sizes[group]), fold))
    return fold_of[codes]


def _group_count(n: int, groups: Codes) -> int:
    if len(groups) != n:
        raise AlignscopeError("E202", "groups", f"{len(groups)} groups for {n} rows", "Give one group per row.")
    count = np.unique(groups).size
    if count < 2:
        raise AlignscopeError(
            "E208",
            "groups",
            "all rows are in one group, so no row can be held out from its group",
            "Give at least two groups, or leave the groups out.",
        )
    return int(count)
