"""Rows that lack a value are left out of every input, on request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from alignscope._lib.types import Array, Codes, Mask
from alignscope.errors import AlignscopeError
from alignscope.pair.labels import column_of
from alignscope.pair.missing import incomplete, is_missing, missing_values, trimmed
from alignscope.pair.notes import Note
from alignscope.pair.readers.rows import Header, Rows, StoredRows, as_numpy

Ignored: TypeAlias = str | int | float | Iterable[str | int | float]

_BYTES = 32 << 20  # looked at in one step
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class KeptRows(StoredRows):
    """The rows `take` of others, ascending; they are read in stretches of as many rows as are wanted at once."""

    source: Rows
    take: Codes

    @classmethod
    def of(cls, source: Rows, take: Codes) -> KeptRows:
        """The rows of a source whose numbers are `take`, under its name and columns."""
        shape = (len(take), source.shape[1])
        if isinstance(source, StoredRows):
            return cls(replace(source.header, shape=shape, samples=None), source, take)
        return cls(Header(source.name, shape, source.dtype, source.columns, 2, source.notes, True), source, take)

    @property
    def item(self) -> tuple[int, ...]:
        """The shape of one sample where the source knows it, else empty."""
        return tuple(getattr(self.source, "item", ()))

    def _fetch(self, start: int, stop: int) -> Array:
        import array_api_compat  # slow to load

        wanted = self.take[start:stop]
        if len(wanted) == 0:
            return self.source.read(0, 0)
        parts = []
        step = stop - start
        for low in range(int(wanted[0]), int(wanted[-1]) + 1, step):
            high = min(low + step, int(wanted[-1]) + 1)
            inside = wanted[np.searchsorted(wanted, low) : np.searchsorted(wanted, high)] - low
            if len(inside) == 0:
                continue
            block = self.source.read(low, high)
            parts.append(block if len(inside) == high - low else _taken(block, inside))
        return parts[0] if len(parts) == 1 else array_api_compat.array_namespace(parts[0]).concat(parts)


def _taken(block: Array, rows: Codes) -> Array:
    import array_api_compat  # slow to load

    xp = array_api_compat.array_namespace(block)
    return xp.take(block, xp.asarray(rows, device=array_api_compat.device(block)), axis=0)


def ignored_labels(given: Ignored | None) -> frozenset[str]:
    """Labels to ignore as text: of ``"-1,255"``, of a number, or of several. Numbers are written as integers are.

    >>> sorted(ignored_labels("-1,255")), sorted(ignored_labels(255.0))
    (['-1', '255'], ['255'])
    """
    if given is None:
        return frozenset()
    several = given.split(",") if isinstance(given, str) else given if isinstance(given, Iterable) else [given]
    return frozenset(_as_label(one) for one in several if str(one).strip())


def _as_label(value: Any) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return f"{value:.0f}"
    return trimmed(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))


def leave_out(
    blocks: Mapping[str, Rows], sides: Mapping[str, np.ndarray], every: bool, ignored: frozenset[str]
) -> tuple[dict[str, Rows], dict[str, np.ndarray], tuple[Note, ...]]:
    """All inputs without the rows that lack something, and notes on how many.

    blocks : "x1", "x2", ... and targets. sides : (N,) each; "present1" and "present2" say which rows have the modality.
    every : whether rows are left out for any missing value: NaN or infinity in features and targets, missing labels,
    groups, ids and weights. Else only those whose label in y1 or y2 is one of those `ignored`.

    Raises E205 where no row is left.
    """
    lacking: dict[str, tuple[Mask, str]] = {}
    for role, rows in blocks.items():
        if role.startswith("y") and rows.shape[1] == 1:
            lacking[role] = labels_lacking(column_of(rows), every, ignored)
        elif every:
            mask = _rows_lacking(rows)
            if (present := sides.get(f"present{role[1:]}")) is not None and role.startswith("x"):
                mask &= present.astype(bool)
            lacking[role] = mask, "NaN or infinity"
    for role, values in sides.items() if every else ():
        if not role.startswith("present"):
            lacking[role] = labels_lacking(values, True, frozenset())
    notes = _unknown(ignored, blocks)
    bad = np.logical_or.reduce([mask for mask, _ in lacking.values()])
    if not bad.any():
        return dict(blocks), dict(sides), notes
    why = ", ".join(f"{role} ({int(mask.sum()):,}: {what})" for role, (mask, what) in lacking.items() if mask.any())
    if bad.all():
        raise AlignscopeError("E205", "the inputs", f"no row is complete: missing in {why}", "Fill in missing values.")
    take = np.flatnonzero(~bad)
    note = Note(f"left out: {int(bad.sum()):,} of {bad.size:,} rows, with missing values in {why}.", "AS121")
    kept: dict[str, Rows] = {role: KeptRows.of(rows, take) for role, rows in blocks.items()}
    return kept, {role: values[take] for role, values in sides.items()}, (note, *notes)


def labels_lacking(values: np.ndarray, every: bool, ignored: frozenset[str]) -> tuple[Mask, str]:
    """Which labels or numbers, (N,), are missing or to be ignored, and what stands there."""
    mask = np.zeros(values.shape, bool)
    if every and values.dtype.kind == "f":
        mask = np.asarray(~np.isfinite(values))
    elif every:
        mask = missing_values(values)
    if ignored:
        distinct, places = _distinct(values)
        mask |= np.array([_as_label(value) in ignored for value in distinct])[places]
    return mask, _shown(values[mask])


def _distinct(values: np.ndarray) -> tuple[list[Any], Codes]:
    if values.dtype.kind == "O":
        return values.tolist(), np.arange(len(values))
    distinct, places = np.unique(values, return_inverse=True)
    return distinct.tolist(), places


def _shown(values: np.ndarray) -> str:
    found = Counter("nothing" if is_missing(v) and not isinstance(v, str) else repr(v) for v in values.tolist())
    shown = [value for value, _ in found.most_common(_SHOWN)]
    return ", ".join(shown) + (", ..." if len(found) > _SHOWN else "")


def _rows_lacking(rows: Rows) -> Mask:
    n, width = rows.shape
    out = np.zeros(n, bool)
    if rows.dtype.startswith(("int", "uint", "bool")):
        return out
    step = max(1, _BYTES // (8 * width))
    for start in range(0, n, step):
        out[start : start + step] = incomplete(as_numpy(rows.read(start, min(start + step, n))))
    return out


def _unknown(ignored: frozenset[str], blocks: Mapping[str, Rows]) -> tuple[Note, ...]:
    columns = [column_of(rows) for role, rows in blocks.items() if role.startswith("y") and rows.shape[1] == 1]
    if not ignored:
        return ()
    there = {_as_label(value) for values in columns for value in _distinct(values)[0]}
    absent = sorted(ignored - there)
    text = f"no label is {' or '.join(absent)}, which --ignore-label names."
    return (Note(text, "AS121"),) if absent else ()
