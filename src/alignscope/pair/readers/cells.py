"""One column of a table, as arrow holds it, to an array: numbers, text, or lists of one length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.missing import MISSING
from alignscope.pair.notes import Note
from alignscope.pair.readers.columns import NUMBERS
from alignscope.pair.readers.rows import Where, first_text

Column: TypeAlias = Any  # a pyarrow.ChunkedArray

FEW_CODES = 20  # different texts up to which numbers that differ in zeros at their end alone are codes


def broken(where: Where, error: Exception) -> AlignscopeError:
    """E103 for what the library that reads tables says of a file."""
    reason = next(iter(str(error).splitlines()), "").rstrip(". ")
    return AlignscopeError(
        "E103", where.text, f"it cannot be read as a table ({reason})", "Check the file, or write it again."
    )


def called(where: Where) -> str:
    """How notes call a table: the argument and the file."""
    return f"{where.role} ({where.name})"


def wants_text(where: Where, count: int) -> bool:
    """Whether the cells of `count` columns are read as written: a lone column of ids, labels or groups.

    Where `Where.as_text` does not ask for it, `as_written` makes numbers again where no text is lost by it.
    """
    return count == 1 and (where.as_text or where.role not in NUMBERS)


def one_column(column: Column, name: str, where: Where, line: int) -> tuple[np.ndarray, list[Note]]:
    """A lone column as it is: numbers, text, or lists of one length, which make a matrix; and what to say."""
    import pyarrow as pa  # slow to load

    if is_list(column.type):
        return matrix(column, where), []
    if isinstance(column.type, pa.BaseExtensionType):
        column = storage(column)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if where.role in NUMBERS and not is_text(column.type):
        return numbers(name, column, where, line), []
    if line and is_text(column.type) and not (where.as_text or where.role in NUMBERS):
        return as_written(column, where)
    return _labels(name, column, where)


def _labels(name: str, column: Column, where: Where) -> tuple[np.ndarray, list[Note]]:
    """Ids, groups or labels: numbers where none is missing, else text; dates, times and bytes as text."""
    import pyarrow as pa  # slow to load

    kind = column.type
    if pa.types.is_decimal(kind) and kind.scale == 0 and kind.precision < 19:
        column, kind = column.cast(pa.int64()), pa.int64()
    whole = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    if is_text(kind):
        return np.asarray(column.cast(pa.large_string()).fill_null("").to_numpy().astype(str)), []
    if _is_bytes(kind):
        return _decoded(column, where)
    if pa.types.is_temporal(kind) or (whole and column.null_count) or pa.types.is_decimal(kind):
        return np.asarray(column.cast(pa.string()).fill_null("").to_numpy().astype(str)), []
    return numbers(name, column, where, 0), []


def as_written(column: Column, where: Where) -> tuple[np.ndarray, list[Note]]:
    """Labels of a text file, numbers where they are numbers; text where numbers would merge two of them.

    ``01`` and ``1.10`` are codes: the first where any has a leading 0, the second where ``1.1`` is there too.
    """
    import pyarrow as pa  # slow to load
    import pyarrow.compute as pc  # slow to load

    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    trimmed = pc.utf8_trim_whitespace(encoded.dictionary)
    absent = pc.is_in(pc.utf8_lower(trimmed), pa.array(sorted(MISSING)))
    found, note = _written_numbers(pc.if_else(absent, None, trimmed), len(column))
    whole = found is not None and not pa.types.is_floating(found.type)
    if found is None or (whole and found.null_count):
        text = np.array(encoded.dictionary.to_pylist(), np.str_)[encoded.indices.to_numpy()]
        return text, [Note(f"{called(where)}: {note}.")] * bool(note)
    values = found.take(encoded.indices).to_numpy(zero_copy_only=False)
    return np.asarray(values).astype(bool) if pa.types.is_boolean(found.type) else np.asarray(values), []


def _written_numbers(written: Any, rows: int) -> tuple[Any, str]:
    """Different texts, null where missing, as numbers; None where they are none, or codes, and what to say of codes."""
    import pyarrow as pa  # slow to load
    import pyarrow.compute as pc  # slow to load

    there = written.drop_null()
    if not len(there):
        return written.cast(pa.float64()), ""
    if pc.all(pc.match_substring_regex(there, "^(?i:true|false)$")).as_py():
        return pc.equal(pc.utf8_lower(written), "true"), ""
    try:
        if pc.all(pc.match_substring_regex(there, "^[+-]?[0-9]+$")).as_py():
            if pc.any(pc.match_substring_regex(there, "^[+-]?0[0-9]")).as_py():
                return None, "numbers that begin with 0 were taken as codes, not as quantities"
            return written.cast(pa.int64()), ""
        quantities = written.cast(pa.float64())
    except pa.ArrowInvalid:
        return None, ""
    if len(there) <= max(FEW_CODES, rows // 2):
        pointed = there.filter(pc.match_substring_regex(there, r"^[0-9]+\.[0-9]+$"))
        if len(pc.unique(pointed.cast(pa.float64()))) < len(pointed):
            merged = "numbers that differ in zeros at their end, such as 1.1 and 1.10"
            return None, f"{merged}, were taken as codes, not as quantities"
    return quantities, ""


def is_text(kind: Any) -> bool:
    """Whether a column of this type holds text."""
    import pyarrow as pa  # slow to load

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_bytes(kind: Any) -> bool:
    import pyarrow as pa  # slow to load

    return any(
        test(kind)
        for test in (
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_binary_view,
            pa.types.is_fixed_size_binary,
        )
    )


def _decoded(column: Column, where: Where) -> tuple[np.ndarray, list[Note]]:
    """Bytes as text in UTF-8; as hexadecimal digits where one is none, and said."""
    cells = [cell or b"" for cell in column.to_pylist()]
    try:
        return np.array([cell.decode("utf-8") for cell in cells], np.str_), []
    except UnicodeDecodeError:
        note = Note(f"{called(where)}: bytes that are not UTF-8 were read as hexadecimal digits.")
        return np.array([cell.hex() for cell in cells], np.str_), [note]


def storage(column: Column) -> Column:
    """A column of an extension type as what it stores; UUIDs as text."""
    import pyarrow as pa  # slow to load

    if column.type.extension_name == "arrow.uuid":
        return pa.chunked_array([pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())])
    return pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)


def is_list(kind: Any) -> bool:
    """Whether a column of this type holds a list, or a tensor, in every row."""
    import pyarrow as pa  # slow to load

    kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    views = (pa.types.is_list_view, pa.types.is_large_list_view)
    return any(test(kind) for test in (*tests, *views))


def matrix(column: Column, where: Where, width: int | None = None) -> np.ndarray:
    """A column of lists as (N, length), of lists in lists as (N, length, length), NaN where there is no list.

    A column of tensors is (N, ...) in their shape as stored. width : what a column without any list is filled up to.
    Raises E106 for lists of anything but numbers, E201 for different lengths.
    """
    import pyarrow as pa  # slow to load
    import pyarrow.compute as pc  # slow to load

    there = None if column.null_count == 0 else np.asarray(column.is_valid().to_numpy())
    shape = [len(column)]
    column = column.drop_null()
    if width is not None and not len(column):
        return np.full((*shape, width), np.nan, np.float16)
    tensor: list[int] = []
    while is_list(column.type):
        if isinstance(column.type, pa.BaseExtensionType):
            tensor = list(getattr(column.type, "shape", []))
            column = storage(column)
        if pa.types.is_list_view(column.type) or pa.types.is_large_list_view(column.type):
            column = column.cast(pa.large_list(column.type.value_type))
        lengths = pc.unique(pc.list_value_length(column)).to_pylist()
        if len(lengths) != 1 or lengths[0] is None:
            raise AlignscopeError(
                "E201", where.text, "its lists are missing or have different lengths", "Give lists of one length."
            )
        shape += tensor if math.prod(tensor) == lengths[0] and tensor else lengths
        column = pc.list_flatten(column)
    values = numbers(where.name, column, where, 0)
    if there is None:
        return values.reshape(shape)
    out = np.full(shape, np.nan, values.dtype if values.dtype.kind == "f" else np.result_type(values.dtype, np.float32))
    out[there] = values.reshape(-1, *shape[1:])
    return out


def numbers(name: str, column: Column, where: Where, line: int) -> np.ndarray:
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
