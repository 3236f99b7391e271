"""Targets: what each modality should predict. Labels become one column per class; quantities stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from alignscope._lib.types import Codes, Matrix
from alignscope.errors import AlignscopeError
from alignscope.pair.missing import missing_values, shown_missing
from alignscope.pair.readers.rows import Rows, StoredRows, as_numpy, require_numbers

SCAN = 1 << 22  # numbers looked at in one step
MOST_CLASSES = 10_000
FEW_VALUES = 20


@dataclass(frozen=True, eq=False)
class ClassRows:
    """One-hot rows of class labels: column c of row i is 1 where codes[i] = c.

    codes : (N,) integers from 0; names : one per class; name : how errors and the page name the block.
    """

    codes: Codes
    names: tuple[str, ...]
    name: str = "labels"
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """(N, number of classes)."""
        return len(self.codes), len(self.names)

    @property
    def dtype(self) -> str:
        """Always ``"float64"``."""
        return "float64"

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.names

    def read(self, start: int, stop: int) -> Matrix:
        """Rows start to stop (excluded), (stop - start, classes)."""
        codes = self.codes[start:stop]
        block = np.zeros((codes.size, len(self.names)))
        block[np.arange(codes.size), codes] = 1.0
        return block


@dataclass(frozen=True, eq=False)
class Target:
    """What is predicted: `rows` (N, C) with one name per column.

    kind : ``"class"`` (one-hot), ``"regression"``, or ``"modality"`` (the rows of the modality itself).
    """

    rows: Rows
    kind: Literal["class", "regression", "modality"]
    names: tuple[str, ...]


def modality_target(rows: Rows) -> Target:
    """A modality as its own target; the rows are shared, not copied."""
    return Target(rows, "modality", rows.columns)


def target_of(rows: Rows, role: str, names: Sequence[str] | None = None) -> Target:
    """The target that a block stands for.

    A single integer, boolean or text column is class labels. A single axis of floating-point numbers is a
    quantity. A matrix is one-hot classes if every value is 0 or 1 and every row sums to 1, else quantities.

    Raises E106 (not numbers), E203 (missing labels or values), E210 (names) and E304 (too many classes).
    """
    if rows.shape[1] == 1 and _holds_labels(rows.dtype):
        return _classes(rows, role, names)
    require_numbers(rows.dtype, role)
    notes = rows.notes
    if isinstance(rows, StoredRows):
        if rows.header.ndim == 1:
            notes += _check_quantity(rows, role)
        if rows.shape[1] == 1 and not rows.header.named:
            rows = rows.renamed([role])
        rows = replace(rows, header=replace(rows.header, notes=notes))
    columns = rows.columns if names is None else fitting_names(names, rows.shape[1], role)
    return Target(rows, "class" if _is_one_hot(rows) else "regression", columns)


def fitting_names(names: Sequence[str], count: int, where: str) -> tuple[str, ...]:
    """The names as a tuple. Raises E210 unless there is exactly one per column, all different."""
    names = tuple(str(name) for name in names)
    if len(names) != count:
        raise AlignscopeError("E210", where, f"names: {len(names)}, columns: {count}", "Give one name for each column.")
    if len(set(names)) != count:
        twice = next(name for name in names if names.count(name) > 1)
        raise AlignscopeError("E210", where, f"the name {twice!r} is given twice", "Give different names.")
    return names


def encode_labels(values: np.ndarray, where: str) -> tuple[Codes, tuple[str, ...]]:
    """Codes (N,) from 0 and the label of each code, in numeric order for numbers, else alphabetical.

    Raises E106 (objects of mixed types) and E203 (a label is missing).
    """
    values = as_labels(values, where)
    if values.dtype.kind == "f":
        require_finite(values, where)
    labels, codes = np.unique(values, return_inverse=True)
    if labels.dtype.kind == "f" and bool((labels == np.rint(labels)).all()):
        return codes, tuple(f"{label:.0f}" for label in labels)
    return codes, tuple(str(label) for label in labels)


def as_labels(values: np.ndarray, where: str) -> np.ndarray:
    """Labels (N,) as numbers or text. Raises E106 for anything else, E203 for what stands for a missing one."""
    missing = missing_values(values) if values.dtype.kind in "OSUT" else np.zeros(values.shape, bool)
    if missing.any():
        raise AlignscopeError(
            "E203",
            where,
            f"{int(missing.sum()):,} of {values.size:,} labels are missing ({first_rows(missing)}: "
            f"{shown_missing(values[missing])})",
            "Give every row a label, or leave those rows out of every input.",
        )
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind == "O":
        if not all(isinstance(value, str) for value in values):
            kinds = sorted({type(value).__name__ for value in values})
            raise AlignscopeError(
                "E106",
                where,
                f"labels of mixed or unknown types ({', '.join(kinds[:4])})",
                "Give all labels as whole numbers or all as text.",
            )
        return values.astype(str)
    if values.dtype.kind == "U":
        return values
    require_numbers(str(values.dtype), where)
    return values


def require_finite(values: np.ndarray, where: str) -> None:
    """Raise E203 where a value is NaN or infinite."""
    if values.dtype.kind != "f":
        return
    bad = ~np.isfinite(values)
    if bad.any():
        raise AlignscopeError(
            "E203",
            where,
            f"{int(bad.sum()):,} of {values.size:,} values are NaN or infinite ({first_rows(bad)})",
            "Fill them in, or leave those rows out of every input.",
        )


def first_rows(bad: np.ndarray, most: int = 3) -> str:
    """Where the first bad rows are: ``"rows 0, 5, 7, ..."``, counted from 0."""
    rows = np.flatnonzero(bad)
    text = ", ".join(str(row) for row in rows[:most].tolist()) + (", ..." if rows.size > most else "")
    return f"row{'s' if rows.size > 1 else ''} {text}, counted from 0"


def _holds_labels(dtype: str) -> bool:
    return dtype.startswith(("int", "uint", "bool", "<U", "|S", "object", "str"))


def _classes(rows: Rows, role: str, names: Sequence[str] | None) -> Target:
    codes, labels = encode_labels(as_numpy(rows.read(0, rows.shape[0])).reshape(-1), role)
    n, count = codes.size, len(labels)
    if count > MOST_CLASSES or (count > FEW_VALUES and 2 * count > n):
        raise AlignscopeError(
            "E304",
            role,
            f"{count:,} different labels in {n:,} rows, too many to be classes",
            "Save a quantity as floating-point numbers; merge rare classes.",
        )
    if names is not None:
        labels = fitting_names(names, count, role)
    codes = codes.astype(np.min_scalar_type(count))
    return Target(ClassRows(codes, labels, rows.name, rows.notes), "class", labels)


def _check_quantity(rows: Rows, role: str) -> tuple[str, ...]:
    values = as_numpy(rows.read(0, rows.shape[0])).reshape(-1)
    require_finite(values, role)
    distinct = np.unique(values)
    if distinct.size <= FEW_VALUES and bool((distinct == np.rint(distinct)).all()):
        return (
            f"{role}: {distinct.size} different whole numbers, stored as floating-point numbers, were taken "
            "as a quantity; save them as integers to make them class labels.",
        )
    return ()


def _is_one_hot(rows: Rows) -> bool:
    n, width = rows.shape
    if width < 2:
        return False
    step = max(1, SCAN // width)
    for start in range(0, n, step):
        block = as_numpy(rows.read(start, min(start + step, n)))
        if not (bool(((block == 0) | (block == 1)).all()) and bool((block.sum(axis=1) == 1).all())):
            return False
    return True
