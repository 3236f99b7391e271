"""`.arrow` and `.feather`, read into memory whole; and what tables of arrow say of their own columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from alignscope.errors import AlignscopeError
from alignscope.pair.notes import Note
from alignscope.pair.readers.cells import broken, called
from alignscope.pair.readers.promised import reading
from alignscope.pair.readers.rows import ArrayRows, Where
from alignscope.pair.readers.tables import pick, rows_of

Schema: TypeAlias = Any  # a pyarrow.Schema


def open_arrow(where: Where) -> ArrayRows:
    """A table in the file or the stream format of Arrow IPC, or in Feather of version 2.

    The key picks columns, as for parquet. Raises E103, E105 (no such column), E106 (a column of text, or of ids), E201
    and E210 (a name given twice).
    """
    import pyarrow as pa  # slow to load

    with reading(where.text):
        try:
            table = _read(where)
            table.validate(full=True)  # damaged offsets would be followed out of the file
        except pa.ArrowException as error:
            raise broken(where, error) from error
        names, notes = columns_of(table.schema, where, called(where))
        return rows_of(where, names, [table.column(name) for name in names], notes, 0)


def _read(where: Where) -> Any:
    import pyarrow as pa  # slow to load
    from pyarrow import ipc  # slow to load

    with pa.OSFile(str(where.path)) as file:
        start = file.read(8)
        file.seek(0)
        if start.startswith(b"ARROW1"):
            return ipc.open_file(file).read_all()
        if start.startswith(b"FEA1"):
            raise AlignscopeError("E103", where.text, "it is Feather of version 1", "Write it again, in version 2.")
        return ipc.open_stream(file).read_all()


def columns_of(schema: Schema, where: Where, table: str) -> tuple[list[str], list[Note]]:
    """The columns to read: those of the key, else all but geometries and the index of pandas; and what to say.

    table : how notes call it.
    Raises E105 for a column that is not there, E210 for a name that two columns have.
    """
    names = list(schema.names)
    picked = [names[j] for j in pick(where, names)]
    notes = []
    if where.key is None:
        for what, gone in (("geometries", _geometries(schema)), ("row names", _row_names(schema.metadata or {}))):
            gone = [name for name in gone if name in picked]
            if gone and len(gone) < len(picked):
                picked = [name for name in picked if name not in gone]
                text = f"{table}: left out as {what}: {', '.join(map(repr, gone))}."
                notes.append(Note(text, "AS116" if what == "geometries" else "AS118"))
    twice = next((name for name in picked if names.count(name) > 1), None)
    if twice is not None:
        way_out = "Give different names, or name the columns that are wanted."
        raise AlignscopeError("E210", where.text, f"the name {twice!r} is given twice", way_out)
    return picked, notes


def _geometries(schema: Schema) -> list[str]:
    """The columns that GeoParquet or GeoArrow mark as geometries or as their boxes."""
    found = [
        field.name
        for field in schema
        if (field.metadata or {}).get(b"ARROW:extension:name", b"").startswith((b"geoarrow.", b"ogc."))
        or str(getattr(field.type, "extension_name", "")).startswith(("geoarrow.", "ogc."))
    ]
    for name, column in _record(schema.metadata or {}, b"geo", "columns").items():
        found.append(name)
        boxes = column.get("covering", {}).get("bbox", {}) if isinstance(column, dict) else {}
        found += [path[0] for path in boxes.values() if isinstance(path, Sequence) and path]
    return list(dict.fromkeys(found))


def _row_names(metadata: Mapping[bytes, bytes]) -> list[str]:
    """The columns that hold the index of a frame of pandas."""
    index = _record(metadata, b"pandas", "index_columns", [])
    return [name for name in index if isinstance(name, str)]


def _record(metadata: Mapping[bytes, bytes], key: bytes, field: str, empty: Any = None) -> Any:
    """One field of what a library has written about the table; empty where it cannot be read."""
    empty = {} if empty is None else empty
    try:
        record = json.loads(metadata.get(key, b"{}"))[field]
    except (ValueError, KeyError, TypeError):
        return empty
    return record if isinstance(record, type(empty)) else empty
