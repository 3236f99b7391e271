"""Targets: what each modality should predict. Labels become one column per class; quantities stay."""

from __future__ import annotations

import datetime
import decimal
import numbers
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from alignscope._lib.types import Codes, Matrix
from alignscope.errors import AlignscopeError
from alignscope.pair.label_notes import FEW_VALUES, label_notes, quantity_notes
from alignscope.pair.missing import missing_values, shown_missing, trimmed
from alignscope.pair.multilabel import split_labels
from alignscope.pair.notes import Note, shown_names
from alignscope.pair.readers.rows import ArrayRows, Rows, StoredRows, as_numpy, require_numbers

SCAN = 1 << 22  # numbers looked at in one step
MOST_CLASSES = 10_000

Kind: TypeAlias = Literal["class", "quantity", "multilabel"]
KINDS: tuple[Kind, ...] = ("class", "quantity", "multilabel")
"""What a target may be said to be."""

_NAMES = (uuid.UUID, datetime.date, datetime.time, decimal.Decimal, np.datetime64)  # what is written in one way only


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


def target_of(rows: Rows, role: str, names: Sequence[str] | None = None, kind: Kind | None = None) -> Target:
    """The target that a block stands for.

    Where `kind` is not given, a single integer, boolean or text column is class labels. A single axis of
    floating-point numbers is a quantity. A matrix is one-hot classes if every value is 0 or 1 and every row sums
    to 1, else quantities. Several labels per row (`kind` multilabel) are a quantity of 0 and 1 for each label.

    Raises E106 (not numbers), E203 (missing labels or values), E210 (names), E304 (too many classes) and E305 (`kind`
    does not fit).
    """
    lone = rows.shape[1] == 1
    if lone and (kind == "class" or (kind is None and _holds_labels(rows.dtype))):
        return _classes(rows, role, names, kind)
    if kind == "multilabel" and not _is_number(rows.dtype):
        return _several_labels(rows, role, names)
    if lone and kind == "quantity" and isinstance(rows, ArrayRows) and rows.dtype.startswith("<U"):
        rows = _quantity(rows, role)
    require_numbers(rows.dtype, role)
    notes = rows.notes
    if isinstance(rows, StoredRows):
        if rows.header.ndim == 1:
            notes += _check_quantity(rows, role, kind)
        if lone and not rows.header.named:
            rows = rows.renamed([role])
        rows = replace(rows, header=replace(rows.header, notes=notes))
    columns = rows.columns if names is None else fitting_names(names, rows.shape[1], role)
    return Target(rows, "class" if _are_classes(rows, role, kind) else "regression", columns)


def _quantity(rows: ArrayRows, role: str) -> ArrayRows:
    """Numbers that were read as written, because they may be codes; rows of other text stay as they are."""
    values = column_of(rows)
    try:
        quantities = np.where(missing_values(values), "nan", values).astype(np.float64)
    except ValueError:
        return rows
    columns = rows.columns if rows.header.named else None
    return ArrayRows.of(quantities, name=rows.name, role=role, columns=columns)


def fitting_names(names: Sequence[str], count: int, where: str) -> tuple[str, ...]:
    """The names as a tuple. Raises E210 unless there is exactly one per column, all different."""
    names = tuple(str(name) for name in names)
    if len(names) != count:
        raise AlignscopeError("E210", where, f"names: {len(names)}, columns: {count}", "Give one name for each column.")
    if len(set(names)) != count:
        twice = next(name for name in names if names.count(name) > 1)
        raise AlignscopeError("E210", where, f"the name {twice!r} is given twice", "Give different names.")
    return names


class Encoded(NamedTuple):
    """Labels as codes (N,) from 0, the names of the codes, and what was done."""

    codes: Codes
    names: tuple[str, ...]
    notes: tuple[Note, ...]


def encode_labels(values: np.ndarray, where: str, kind: str | None = "class") -> Encoded:
    """Codes of labels (N,), in numeric order for numbers, also where written as text, else alphabetical.

    White space around a text is taken off.

    Raises E106 (objects of mixed types) and E203 (a label is missing).
    """
    values = as_labels(values, where)
    require_finite(values, where)
    labels, codes = np.unique(values, return_inverse=True)
    notes = []
    if labels.dtype.kind == "U":
        plain = np.array([trimmed(label) for label in labels.tolist()])
        if (spaced := plain != labels).any():
            rows = int(spaced[codes].sum())
            notes.append(Note(f"{where}: white space around the labels of {rows:,} rows was taken off."))
        labels, merged = np.unique(_as_whole(plain), return_inverse=True)
        codes = merged[codes]
    notes += label_notes(labels, where, kind)
    if labels.dtype.kind == "f" and bool((labels == np.rint(labels)).all()):
        return Encoded(codes, tuple(f"{label:.0f}" for label in labels), tuple(notes))
    return Encoded(codes, tuple(str(label) for label in labels), tuple(notes))


def _as_whole(labels: np.ndarray) -> np.ndarray:
    """Texts as integers where all are written as such, without leading zeros."""
    whole = all(re.fullmatch(r"0|-?[1-9]\d{0,17}", label) for label in labels.tolist())
    return labels.astype(np.int64) if whole else labels


def as_labels(values: np.ndarray, where: str) -> np.ndarray:
    """Labels or ids (N,) as numbers or text; times and UUIDs as text.

    Raises E106 for anything else, E203 for what stands for a missing one.
    """
    require_present(values, where)
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind == "M":
        return np.datetime_as_string(values, unit="auto")
    if values.dtype.kind == "O":
        return _plain(values, where)
    if values.dtype.kind == "T":
        return values.astype(str)
    if values.dtype.kind == "U":
        return values
    require_numbers(str(values.dtype), where)
    return values


def _plain(values: np.ndarray, where: str) -> np.ndarray:
    """Python objects of one type as numbers or text."""
    items = values.tolist()
    kinds = {type(item) for item in items}
    if all(issubclass(kind, str) for kind in kinds):
        return values.astype(str)
    if len(kinds) == 1 and all(issubclass(kind, bytes) for kind in kinds):
        return np.array([item.decode("utf-8", "replace") for item in items])
    if all(issubclass(kind, numbers.Real) and not issubclass(kind, bool | np.bool_) for kind in kinds):
        array = np.array(items)
        return array.astype(str) if array.dtype.kind == "O" else array  # beyond 64 bits
    if kinds <= {bool, np.bool_}:
        return values.astype(bool)
    if len(kinds) == 1 and all(issubclass(kind, _NAMES) or kind.__name__ == "Period" for kind in kinds):
        return np.array([str(item) for item in items])
    found = ", ".join(sorted({kind.__name__ for kind in kinds})[:4])
    way_out = "Give all labels as whole numbers or all as text."
    if kinds & {list, tuple, set, frozenset, np.ndarray}:
        way_out = 'Give one label per row, or kind="multilabel" for a list of labels in every row.'
    raise AlignscopeError("E106", where, f"labels of mixed or unknown types ({found})", way_out)


def require_present(values: np.ndarray, where: str) -> None:
    """Raise E203 where a text or an object stands for a missing value; it says how many, where and what."""
    missing = missing_values(values) if values.dtype.kind in "OSUTM" else np.zeros(values.shape, bool)
    if missing.any():
        raise AlignscopeError(
            "E203",
            where,
            f"{int(missing.sum()):,} of {values.size:,} labels are missing ({first_rows(missing)}: "
            f"{shown_missing(values[missing])})",
            "Give every row a label, or leave those rows out of every input: drop_missing=True does it.",
        )


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
            "Fill them in, or leave those rows out of every input: drop_missing=True does it.",
        )


def first_rows(bad: np.ndarray, most: int = 3) -> str:
    """Where the first bad rows are: ``"rows 0, 5, 7, ..."``, counted from 0."""
    rows = np.flatnonzero(bad)
    text = ", ".join(str(row) for row in rows[:most].tolist()) + (", ..." if rows.size > most else "")
    return f"row{'s' if rows.size > 1 else ''} {text}, counted from 0"


def _holds_labels(dtype: str) -> bool:
    return dtype.startswith(("int", "uint", "bool", "<U", "|S", "object", "str", "StringDType"))


def _is_number(dtype: str) -> bool:
    return dtype.startswith(("int", "uint", "bool", "float", "bfloat"))


def column_of(rows: Rows) -> np.ndarray:
    """All values of a block of one column, (N,)."""
    return as_numpy(rows.read(0, rows.shape[0])).reshape(-1)


def _classes(rows: Rows, role: str, names: Sequence[str] | None, kind: Kind | None) -> Target:
    codes, labels, notes = encode_labels(column_of(rows), role, kind)
    n, count = codes.size, len(labels)
    if count > MOST_CLASSES or (count > FEW_VALUES and 2 * count > n):
        raise AlignscopeError(
            "E304",
            role,
            f"{count:,} different labels in {n:,} rows, too many to be classes",
            'Give kind="quantity" for a quantity; merge rare classes.',
        )
    labels, said = shown_names(labels, f"{role}, classes")
    notes = (*notes, *said)
    if names is not None:
        labels = fitting_names(names, count, role)
    codes = codes.astype(np.min_scalar_type(count))
    return Target(ClassRows(codes, labels, rows.name, (*rows.notes, *notes)), "class", labels)


def _several_labels(rows: Rows, role: str, names: Sequence[str] | None) -> Target:
    values = column_of(rows)
    require_present(values, role)
    if rows.shape[1] > 1:  # as many labels in every row
        values = np.fromiter(values.reshape(rows.shape).tolist(), object, rows.shape[0])
    columns, labels, note = split_labels(values, role)
    if names is not None:
        labels = fitting_names(names, len(labels), role)
    several = ArrayRows.of(columns, name=rows.name, role=role, columns=labels, notes=(*rows.notes, note))
    return Target(several, "regression", several.columns)


def _check_quantity(rows: Rows, role: str, kind: Kind | None) -> tuple[Note, ...]:
    values = column_of(rows)
    require_finite(values, role)
    return () if kind == "quantity" else quantity_notes(values, role)


def _are_classes(rows: Rows, role: str, kind: Kind | None) -> bool:
    """Whether the columns are one-hot classes. Raises E305 where they are not what they are said to be."""
    if kind == "quantity" or (kind is None and rows.shape[1] < 2):
        return False
    binary, one_hot = _binary(rows, one_hot=kind != "multilabel")
    if (kind == "multilabel" and not binary) or (kind == "class" and not one_hot):
        holds = "are 0 or 1 in every row" if kind == "multilabel" else "hold 0, and 1 once in every row"
        found = f"not {kind}: not all of its {rows.shape[1]:,} columns {holds}"
        raise AlignscopeError("E305", role, found, 'Give one column of labels, or kind="quantity".')
    return one_hot


def _binary(rows: Rows, one_hot: bool) -> tuple[bool, bool]:
    """Whether all values are 0 or 1, and whether every row sums to 1 too where `one_hot` is set."""
    n, width = rows.shape
    step = max(1, SCAN // width)
    for start in range(0, n, step):
        block = as_numpy(rows.read(start, min(start + step, n)))
        if not bool(((block == 0) | (block == 1)).all()):
            return False, False
        if one_hot and not bool((block.sum(axis=1) == 1).all()):
            return True, False
    return True, one_hot
