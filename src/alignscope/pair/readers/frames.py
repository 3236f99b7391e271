"""Data frames and their columns as `Rows`: pandas, polars, pyarrow and GeoPandas, by what they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.labels import fitting_names
from alignscope.pair.missing import missing_values
from alignscope.pair.notes import Note
from alignscope.pair.readers.columns import FEATURES, TARGETS, kind_of, require_features, require_one_target
from alignscope.pair.readers.rows import NUMERIC_KINDS, ArrayRows, StoredRows, Where, first_text
from alignscope.pair.readers.samples import Samples
from alignscope.pair.readers.tables import rows_of

Frame: TypeAlias = Any
Series: TypeAlias = Any


def is_frame(value: object) -> bool:
    """Whether it is a table of named columns: of pandas, polars, pyarrow or their like."""
    return hasattr(value, "column_names") or (hasattr(value, "columns") and hasattr(value, "to_numpy"))


def is_arrow(value: object) -> bool:
    """Whether it is a column of pyarrow."""
    return all(hasattr(value, name) for name in ("type", "null_count", "to_pylist"))


def has_plain_index(value: object) -> bool:
    """Whether it is a frame or a column whose index is 0, 1, 2, ..."""
    index = getattr(value, "index", None)
    return hasattr(value, "to_numpy") and hasattr(index, "to_numpy") and _is_plain(index)


def frame_rows(frame: Frame, role: str) -> StoredRows:
    """A data frame of numbers, or of one column of anything, under the names of its columns.

    Raises E106 for a column of text among others, E201 without rows or columns and E210 for a name given twice.
    """
    where = Where(Path(role), None, role, role)
    if is_arrow(frame):
        import pyarrow as pa  # slow to load

        return rows_of(where, [role], [frame if hasattr(frame, "chunks") else pa.chunked_array([frame])], [], 0)
    if hasattr(frame, "column_names"):  # pyarrow
        return rows_of(where, [str(n) for n in frame.column_names], list(frame.columns), [], 0)
    names = fitting_names([str(name) for name in frame.columns], len(frame.columns), role)
    if not hasattr(frame, "dtypes"):
        return ArrayRows.of(np.asarray(frame.to_numpy()), name=role, columns=names)
    kept = [j for j, name in enumerate(names) if not _is_geometry(_column(frame, j))]
    gone = [name for j, name in enumerate(names) if j not in kept]
    notes = [Note(f"{role}: the column of geometries {name!r} was left out.") for name in gone]
    labels = [names[j] for j in kept]
    _require_kinds(labels, role)
    if len(kept) == 1:
        return _with_index(series_rows(_column(frame, kept[0]), role).noted(*notes), frame)
    array = None if gone else _homogeneous(frame)
    if array is None:
        columns = [_numbers(_column(frame, j), names[j], role) for j in kept]
        array = np.stack(columns, axis=1).astype(np.result_type(*columns)) if columns else np.empty((len(frame), 0))
        if missing := sum(int(np.isnan(c).sum()) for c in columns if c.dtype.kind == "f"):
            notes.append(Note(f"{role}: cells without a value, read as NaN: {missing:,}.", "AS121"))
    return _with_index(ArrayRows.of(array, name=role, columns=labels, notes=notes), frame)


def _require_kinds(names: Sequence[str], role: str) -> None:
    """Raise E106 for ids and their like among features, or in a target of several columns."""
    if role in FEATURES:
        require_features(names, role)
    if role in TARGETS:
        require_one_target(names, [kind_of(name) for name in names], role)


def series_rows(series: Series, role: str) -> StoredRows:
    """One column, under its name where it has one."""
    values = _values(series, keep=True)
    name = getattr(series, "name", None)
    columns = None if name in (None, "") or values.ndim != 1 else [str(name)]
    return _with_index(ArrayRows.of(values, name=role, columns=columns), series)


def _column(frame: Frame, j: int) -> Series:
    return frame.iloc[:, j] if hasattr(frame, "iloc") else frame[frame.columns[j]]


def _is_geometry(series: Series) -> bool:
    return str(series.dtype) == "geometry"


def _homogeneous(frame: Frame) -> np.ndarray | None:
    """The values of a frame whose columns are all numbers of numpy's own types; None for any other."""
    kinds = list(frame.dtypes)
    if all(isinstance(kind, np.dtype) and kind.kind in NUMERIC_KINDS for kind in kinds):
        values = np.asarray(frame.to_numpy())
        return None if values.dtype == object else values  # numbers beside True and False
    return None


def _values(series: Series, *, keep: bool) -> np.ndarray:
    """The values of a column, (N,). Missing whole numbers are None where `keep`, so that no digit is lost; else NaN."""
    plain = getattr(series.dtype, "numpy_dtype", None)
    if plain is not None and plain.kind in NUMERIC_KINDS and hasattr(series, "isna"):
        if not bool(series.isna().any()):
            return np.asarray(series.to_numpy(dtype=plain))
        if not keep or plain.kind == "f":
            return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
        return np.asarray(series.to_numpy(dtype=object))
    if keep and hasattr(series, "null_count") and callable(series.null_count) and series.null_count():  # polars
        return np.array(series.to_list(), dtype=object)
    values = np.asarray(series.to_numpy())
    if values.dtype.kind == "O" and len(values) and hasattr(values[0], "__len__") and not isinstance(values[0], str):
        return _nested(values)
    return values


def _nested(values: np.ndarray) -> np.ndarray:
    """A column of lists of numbers as a matrix; lists of text, or of different lengths, stay lists."""
    if len({len(value) if hasattr(value, "__len__") else -1 for value in values.tolist()}) == 1:
        matrix = np.array(values.tolist())
        if matrix.dtype.kind in NUMERIC_KINDS:
            return matrix
    return values


def _numbers(series: Series, name: str, role: str) -> np.ndarray:
    values = _values(series, keep=False)
    if values.dtype.kind == "O":
        missing = missing_values(values)
        if all(isinstance(value, int | float | np.number | np.bool_) for value in values[~missing].tolist()):
            values = np.where(missing, np.nan, values).astype(np.float64)
    if values.dtype.kind in NUMERIC_KINDS and values.ndim == 1:
        return values
    place = first_text(values.reshape(-1).tolist())
    shown = "" if place is None else f", first {values.reshape(-1)[place]!s:.40} in row {place}, counted from 0"
    raise AlignscopeError(
        "E106",
        role,
        f"column {name!r} holds {series.dtype}, not numbers{shown}",
        "Leave it out, or give it as a target, groups or ids.",
    )


def _is_plain(index: Any) -> bool:
    values = index.to_numpy()
    return values.dtype.kind in "iu" and values.ndim == 1 and np.array_equal(values, np.arange(len(values)))


def _with_index(rows: StoredRows, source: Frame | Series) -> StoredRows:
    """The rows under the names that an index of pandas gives them, unless it just counts."""
    index = getattr(source, "index", None)
    if index is None or not hasattr(index, "to_numpy") or _is_plain(index):
        return rows

    return rows.of_samples(Samples(id(index), "index", partial(_texts, index)))


def _texts(index: Any) -> np.ndarray:
    return np.array([str(name) for name in index])
