"""What was given twice: one table as both modalities, a target that is the other modality, a feature that is a target.

A few rows are looked at; only what is alike there is looked at further. Large tables are never read whole for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from alignscope._lib.types import Matrix
from alignscope.pair.labels import Target
from alignscope.pair.notes import Note
from alignscope.pair.readers.rows import Rows, as_numpy

RUN = 16  # rows that are read at once
RUNS = (3, 64)  # runs that are looked at first, and then where something is alike
WHOLE = 1 << 22  # numbers up to which a table that looks alike is read whole
WIDEST = 1 << 22  # products of columns above which no feature is compared with a target
FEWEST_COLUMNS = 8  # of fewer numbers, a row may hold one value throughout by chance
_EXACT = 1e-9


def alike_notes(x1: Rows, x2: Rows, y1: Target, y2: Target) -> list[Note]:
    """Notes (AS120) on tables and columns that hold the same values."""
    notes = []
    if same_rows(x1, x2):
        notes.append(_twice("x1 and x2 hold the same values: one table was given as both modalities"))
    targets = [(name, y) for name, y in (("y1", y1), ("y2", y2)) if y.kind != "modality"]
    if len(targets) == 2 and y1 is y2:
        targets = targets[:1]
    own, other = {"y1": x1, "y2": x2}, {"y1": x2, "y2": x1}
    crossed = [name for name, y in targets if not same_rows(own[name], y.rows) and same_rows(other[name], y.rows)]
    if len(crossed) == 2:
        notes.append(_twice("y1 holds the values of x2, and y2 those of x1: the two may be swapped"))
    elif crossed:
        notes.append(_twice(f"{crossed[0]} holds the values of {'x2' if crossed == ['y1'] else 'x1'}"))
    for name, y in targets:
        for role, x in (("x1", x1), ("x2", x2)):
            if not same_rows(x, y.rows):
                notes += _columns(role, x, name, y)
    return notes


def constant_rows(block: np.ndarray) -> int:
    """The number of rows of a block, (N, D), that hold one value throughout; 0 for fewer than eight columns.

    Such rows come from tiles without pixels and from encoders that failed.

    >>> constant_rows(np.vstack([np.zeros((2, 9)), np.arange(9.0)]))
    2
    """
    width = block.shape[1]
    if width < FEWEST_COLUMNS:
        return 0
    rows = np.arange(len(block))
    for column in (width - 1, width // 2, width // 3, 1):  # nearly all rows differ in one of these
        rows = rows[block[rows, column] == block[rows, 0]]
    return int((block[rows] == block[rows, :1]).all(axis=1).sum()) if len(rows) else 0


def _twice(text: str) -> Note:
    return Note(f"{text}.", "AS120")


def _looks(one: Rows, other: Rows) -> Iterator[tuple[Matrix, Matrix]]:
    """Rows of two tables, few and then many."""
    n, width = one.shape[0], max(one.shape[1], other.shape[1])
    for runs in RUNS:
        starts = np.unique(np.linspace(0, max(n - RUN, 0), runs).astype(int)).tolist()
        whole = n <= RUN * runs or (runs == RUNS[-1] and n * width <= WHOLE)
        spans = [(0, n)] if whole else [(start, start + RUN) for start in starts]
        yield _rows(one, spans), _rows(other, spans)
        if whole:
            return


def _rows(rows: Rows, spans: list[tuple[int, int]]) -> Matrix:
    blocks = [as_numpy(rows.read(*span)) for span in spans]
    return np.concatenate(blocks).astype(np.float64)


def same_rows(one: Rows, other: Rows) -> bool:
    """Whether two tables hold the same numbers, as far as some runs of rows tell where they are many."""
    if one is other:
        return True
    if one.shape != other.shape:
        return False
    return all(np.array_equal(a, b, equal_nan=True) for a, b in _looks(one, other))


def _columns(role: str, x: Rows, name: str, y: Target) -> list[Note]:
    """A note on each feature that is a column of the target, up to scale, or tells its classes apart without error."""
    if x.shape[1] * y.rows.shape[1] > WIDEST or x.shape[0] < RUN:
        return []
    ways: list[Callable[[Matrix, Matrix], np.ndarray]] = [_equal_up_to_scale]
    if y.kind == "class":
        ways.append(_same_classes)
    for way in ways:
        found = None
        for a, b in _looks(x, y.rows):
            found = way(a, b)
            if not len(found):
                break
        if found is not None and len(found):
            return [_leak(role, x, name, y, *pair) for pair in found[:3].tolist()]
    return []


def _leak(role: str, x: Rows, name: str, y: Target, feature: int, column: int) -> Note:
    called = f"{name}, {y.names[column]!r}," if column >= 0 else f"{name}"
    return _twice(
        f"{role}: the feature {x.columns[feature]!r} is the target {called} itself, up to its scale; leave it out "
        "unless it is known wherever the model will be used"
    )


def _equal_up_to_scale(x: Matrix, y: Matrix) -> np.ndarray:
    """The (feature, target column) pairs whose correlation is 1 or -1, (pairs, 2)."""
    a, b = _standard(x), _standard(y)
    return np.argwhere(np.abs(a.T @ b) > 1 - _EXACT)


def _standard(x: Matrix) -> Matrix:
    """Columns of norm 1 about their mean; 0 where they do not vary, or are not finite."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        centred = x - x.mean(axis=0)
        norm = np.sqrt(np.square(centred).sum(axis=0))
        usable = np.isfinite(norm) & (norm > 1e-6 * np.abs(x).max(axis=0))
        return np.where(usable, centred / np.where(usable, norm, 1.0), 0.0)


def _same_classes(x: Matrix, y: Matrix) -> np.ndarray:
    """The features that have one value in each class, and another in every other, as (feature, -1) pairs."""
    codes = y.argmax(axis=1)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    low, high = (reduce(x[order], starts, axis=0) for reduce in (np.minimum.reduceat, np.maximum.reduceat))
    one_each = (low == high).all(axis=0) & (len(starts) > 1)
    found = [j for j in np.flatnonzero(one_each).tolist() if len(np.unique(low[:, j])) == len(starts)]
    return np.array([(j, -1) for j in found], int).reshape(-1, 2)
