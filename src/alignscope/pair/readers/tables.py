"""Columns of a table, as arrow holds them, to `Rows`: what csv, parquet and arrow files have in common."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.labels import fitting_names
from alignscope.pair.notes import Note
from alignscope.pair.readers.cells import Column, called, is_list, numbers, one_column
from alignscope.pair.readers.columns import (
    FEATURES,
    FEWEST,
    TARGETS,
    VECTORS,
    Kind,
    count_note,
    is_nameless,
    kind_of,
    require_features,
    require_one_target,
)
from alignscope.pair.readers.rows import ArrayRows, Where

LISTED = 8
BLOCK = 512  # rows that are turned from columns into rows at once, small enough for the cache


def pick(where: Where, names: Sequence[str]) -> list[int]:
    """The columns that the key names, by name or by a pattern with ``*``. Raises E105 for one that is not there."""
    if where.key is None:
        return list(range(len(names)))
    wanted = [where.key] if where.key in names else [name.strip() for name in where.key.split(",")]
    fitting = {name: [n for n in names if fnmatchcase(n, name)] for name in wanted if name not in names and "*" in name}
    wanted = [one for name in wanted for one in (fitting.get(name) or [name])]
    missing = [name for name in wanted if name not in names]
    if missing:
        listed = ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
        raise AlignscopeError(
            "E105", where.text, f"it has no column {missing[0]!r} (it has {listed})", "Name columns that are there."
        )
    return [names.index(name) for name in wanted]


def rows_of(
    where: Where, names: Sequence[str], columns: Sequence[Column], notes: Sequence[str], line: int
) -> ArrayRows:
    """Columns side by side; a lone one as it is. `line` is that of the first row, 0 without lines.

    Row names without a name of their own are left out, and said. Raises E106 for a column of text among others, for
    ids among features or in a target of several columns, and E201.
    """
    names, columns, dropped = _without_row_names(where, names, columns)
    notes = [*notes, *dropped]
    labels: Sequence[str] | None = names
    if len(columns) == 1:
        array, said = one_column(columns[0], names[0], where, line)
        labels = names if array.ndim == 1 else None
        notes += said
    else:
        _require_block(where, names, columns)
        array = _side_by_side([numbers(*item, where, line) for item in zip(names, columns, strict=True)])
        labels = fitting_names(names, len(names), where.text)
    if where.role in FEATURES:
        require_features([name for name in names if not _is_spelt(where, name)], where.text, _file(where))
        notes += _shuffled_counts(where, names, columns)
    missing = sum(column.null_count for column in columns)
    if missing and array.dtype.kind == "f":
        notes.append(Note(f"{called(where)}: cells without a value, read as NaN: {missing:,}.", "AS121"))
    return ArrayRows.of(array, name=where.name, role=where.role, columns=labels, notes=notes)


def _require_block(where: Where, names: Sequence[str], columns: Sequence[Column]) -> None:
    """Pass several columns of features or of one target. Raises E106, and E201 where one value per row is wanted."""
    if where.role in TARGETS and where.key is None:
        kinds = [_kind(*item) for item in zip(names, columns, strict=True)]
        require_one_target(names, kinds, where.text, _file(where))
    lists = [name for name, column in zip(names, columns, strict=True) if is_list(column.type)]
    if where.role in FEATURES and len(lists) == 1:
        found = f"{len(names)} columns, of which {lists[0]!r} holds a list in every row"
        raise AlignscopeError("E106", where.text, found, f"Name it alone, as in {_file(where) or 'table'}:{lists[0]}.")
    if where.role in VECTORS:
        wanted = next((name for name in names if kind_of(name) == "id"), names[0])
        example = f", as in {_file(where)}:{wanted}" if _file(where) else ""
        way_out = f"Give one value per row; name the column of the table{example}."
        raise AlignscopeError("E201", where.text, f"{len(names)} columns for {where.role}", way_out)


def _file(where: Where) -> str:
    """The name of the file that columns can be picked from; empty for a table in memory."""
    return "" if str(where.path) == where.role else where.path.name


def _is_spelt(where: Where, name: str) -> bool:
    """Whether the key names the column itself, and not by a pattern."""
    return where.key is not None and (name == where.key or name in map(str.strip, where.key.split(",")))


def _without_row_names(
    where: Where, names: Sequence[str], columns: Sequence[Column]
) -> tuple[list[str], list[Column], list[Note]]:
    """The columns without the first where it has no name, and holds what row names are: one for each row."""
    import pyarrow.compute as pc  # slow to load

    names, columns = list(names), list(columns)
    if where.key is not None or len(names) < 2 or not is_nameless(names[0]):
        return names, columns, []
    if pc.count_distinct(columns[0], mode="all").as_py() < len(columns[0]):
        return names, columns, []
    found = f"the first column, {names[0]!r}," if names[0] else "the first column, without a name,"
    note = Note(f"{called(where)}: {found} holds row names and was left out.", "AS118")
    return names[1:], columns[1:], [note]


def _kind(name: str, column: Column) -> Kind:
    """What a column is by its name, by its texts where they are few, and by counting the rows."""
    import pyarrow as pa  # slow to load
    import pyarrow.compute as pc  # slow to load

    if pa.types.is_integer(column.type) and _counts(column):
        return "index"
    texts = pc.unique(column.slice(0, 10_000)).to_pylist() if pa.types.is_string(column.type) else []
    return kind_of(name, texts if len(texts) < LISTED else [])


def _counts(column: Column) -> bool:
    """Whether whole numbers are those from 0 or 1 on, each once, in any order."""
    import pyarrow.compute as pc  # slow to load

    n = len(column)
    if n < FEWEST or column.null_count:
        return False
    ends = pc.min_max(column).as_py()
    return ends["min"] in (0, 1) and ends["max"] - ends["min"] == n - 1 and pc.count_distinct(column).as_py() == n


def _shuffled_counts(where: Where, names: Sequence[str], columns: Sequence[Column]) -> list[Note]:
    """A note on each column of features that holds the numbers of the rows, in any order."""
    import pyarrow as pa  # slow to load

    whole = (item for item in zip(names, columns, strict=True) if pa.types.is_integer(item[1].type))
    return [count_note(called(where), name) for name, column in whole if _counts(column)]


def _side_by_side(columns: Sequence[np.ndarray]) -> np.ndarray:
    rows = len(columns[0])
    out = np.empty((rows, len(columns)), np.result_type(*columns))
    for start in range(0, rows, BLOCK):
        np.stack([column[start : start + BLOCK] for column in columns], axis=1, out=out[start : start + BLOCK])
    return out
