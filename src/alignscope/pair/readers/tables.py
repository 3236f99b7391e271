"""Tables with named columns: `.csv` and `.parquet`, read into memory whole. `parquet.py` opens the latter."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.labels import fitting_names
from alignscope.pair.readers.rows import ArrayRows, Where, first_text

Column: TypeAlias = Any  # a pyarrow.ChunkedArray

ID_NAMES = {"id", "ids", "sample_id", "", "__index_level_0__"}
MISSING = {"", "na", "n/a", "null", "nan"}
DELIMITERS = (",", ";", "\t")
LISTED = 8
BLOCK = 512  # rows that are turned from columns into rows at once, small enough for the cache


def open_csv(where: Where) -> ArrayRows:
    """A comma-separated file (or one by semicolons or tabs, where its first line has no comma).

    The first line names the columns, unless all of its cells are numbers.

    The key picks columns: ``table.csv:label``, ``table.csv:b1,b2``, ``table.csv:A*``. Missing cells become NaN.
    Raises E103 (ragged lines), E105 (no such column), E106 (a column of text, or of ids) and E201.
    """
    import pyarrow as pa  # slow to load
    from pyarrow import csv as arrow_csv  # slow to load

    first, delimiter = _first_line(where)
    header = not all(_is_number(cell) for cell in first)
    told = first if header else [f"f{j}" for j in range(len(first))]
    types = {name: pa.string() for name in told} if where.as_text else None
    try:
        table = arrow_csv.read_csv(
            where.path,
            convert_options=arrow_csv.ConvertOptions(column_types=types),
            read_options=arrow_csv.ReadOptions(autogenerate_column_names=not header),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter),
        )
    except pa.ArrowInvalid as error:
        raise broken(where, error) from error
    names, columns = list(table.column_names), list(table.columns)
    if header and len(names) == 1 and names[0] in columns[0].unique().to_pylist():
        # a lone column of labels, whose first label recurs, has no header
        header, columns = False, [pa.chunked_array([pa.array(names), *columns[0].chunks])]
    notes = []
    if not header:
        notes += _doubtful_header(first, where)
        names = [f"{where.role} {j}" for j in range(len(names))] if len(names) > 1 else [where.role]
    picked = pick(where, names)
    return rows_of(where, [names[j] for j in picked], [columns[j] for j in picked], notes, 2 if header else 1)


def _first_line(where: Where) -> tuple[list[str], str]:
    """The cells of the first line that is not empty, and what separates them. Raises E201 without any."""
    cells: list[str] = []
    for delimiter in DELIMITERS:
        try:
            with where.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
                cells = next((line for line in csv.reader(file, delimiter=delimiter) if line), [])
        except csv.Error as error:
            raise broken(where, error) from error
        if len(cells) > 1:
            return cells, delimiter
    if not cells:
        raise AlignscopeError("E201", where.text, "the file is empty", "Give a file with one line per sample.")
    return cells, DELIMITERS[0]


def _is_number(cell: str) -> bool:
    cell = cell.strip()
    if cell.lower() in MISSING:
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _doubtful_header(first: Sequence[str], where: Where) -> list[str]:
    if len(first) < 2 or [cell.strip() for cell in first] != [str(j) for j in range(len(first))]:
        return []
    return [
        f"{where.role} ({where.name}): the first line reads 0, 1, ... and was taken as numbers; if it is a "
        "header, give the columns names that are not numbers."
    ]


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

    Raises E106 for a column of text among others, or of ids, and E201.
    """
    if len(columns) == 1:
        array = _one_column(columns[0], where)
        labels = names if array.ndim == 1 else None
    else:
        _refuse_ids(where, names)
        array = _side_by_side([_numbers(*item, where, line) for item in zip(names, columns, strict=True)])
        labels = fitting_names(names, len(names), where.text)
    missing = sum(column.null_count for column in columns)
    if missing and array.dtype.kind == "f":
        notes = [*notes, f"{where.role} ({where.name}): cells without a value, read as NaN: {missing:,}."]
    return ArrayRows.of(array, name=where.name, role=where.role, columns=labels, notes=notes)


def _one_column(column: Column, where: Where) -> np.ndarray:
    """A lone column as it is: numbers, text, or lists of one length, which make a matrix."""
    import pyarrow as pa  # slow to load

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = kind.value_type
    if is_list(kind):
        return matrix(column, where)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.asarray(column.fill_null("").to_numpy().astype(str))
    return _numbers(where.name, column, where, 0)


def is_list(kind: Any) -> bool:
    """Whether a column of this type holds a list in every row."""
    import pyarrow as pa  # slow to load

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def matrix(column: Column, where: Where) -> np.ndarray:
    """A column of lists as (N, length). Raises E106 for lists of anything but numbers, E201 for different lengths."""
    import pyarrow.compute as pc  # slow to load

    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(lengths) != 1 or lengths[0] is None:
        raise AlignscopeError(
            "E201", where.text, "its lists are missing or have different lengths", "Give lists of one length."
        )
    values = _numbers(where.name, pc.list_flatten(column), where, 0)
    return values.reshape(len(column), lengths[0])


def _numbers(name: str, column: Column, where: Where, line: int) -> np.ndarray:
    """A column of numbers; E106 for anything else. `line` is that of the first row, 0 without lines."""
    import pyarrow as pa  # slow to load

    kind = column.type
    if pa.types.is_boolean(kind):
        return np.asarray(column.cast(pa.uint8()).to_numpy()).astype(np.float64 if column.null_count else bool)
    if pa.types.is_null(kind) or pa.types.is_decimal(kind):
        return np.asarray(column.cast(pa.float64()).to_numpy())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return np.asarray(column.to_numpy())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        raise _text_in(name, column.to_pylist(), where, line)
    raise AlignscopeError(
        "E106",
        where.text,
        f"column {name!r} holds {kind}, not numbers",
        f"Save it as numbers, leave it out, or pick columns, as in {where.path.name}:first,second.",
    )


def _text_in(name: str, values: Sequence[object], where: Where, line: int) -> AlignscopeError:
    place = first_text(values)
    if place is None:
        found = f"column {name!r} holds numbers stored as text"
    else:
        at = f"line {place + line}" if line else f"row {place}, counted from 0"
        found = f"column {name!r} holds text, first {values[place]!r} in {at}"
    return AlignscopeError(
        "E106", where.text, found, f"Give numbers only, or pick columns, as in {where.path.name}:first,second."
    )


def _refuse_ids(where: Where, names: Sequence[str]) -> None:
    for name in names if where.key is None else ():
        if name.strip().lower() in ID_NAMES:
            called = f"column {name!r} looks like" if name.strip() else "a column without a name looks like"
            raise AlignscopeError(
                "E106",
                where.text,
                f"{called} row ids, which are not features",
                f"Write the table without it, or pick columns, as in {where.path.name}:first,second; "
                f"ids go in as ids1 and ids2, as in {where.path.name}:{name or 'id'}.",
            )


def _side_by_side(columns: Sequence[np.ndarray]) -> np.ndarray:
    rows = len(columns[0])
    out = np.empty((rows, len(columns)), np.result_type(*columns))
    for start in range(0, rows, BLOCK):
        np.stack([column[start : start + BLOCK] for column in columns], axis=1, out=out[start : start + BLOCK])
    return out


def broken(where: Where, error: Exception) -> AlignscopeError:
    """E103 for what the library that reads tables says of a file."""
    reason = next(iter(str(error).splitlines()), "").rstrip(". ")
    return AlignscopeError(
        "E103", where.text, f"it cannot be read as a table ({reason})", "Check the file, or write it again."
    )
