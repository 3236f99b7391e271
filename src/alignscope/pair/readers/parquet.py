"""`.parquet`: one file or many, in memory; a column of lists, as embeddings are stored, a row group at a time.

`pyarrow.dataset` was tried and saves five lines of these, but a data set casts every file to the columns of the first,
its errors do not name the file, and a fragment counts its rows anew every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.notes import Note
from alignscope.pair.readers.arrow import columns_of
from alignscope.pair.readers.cells import broken, called, is_list, is_text, matrix
from alignscope.pair.readers.parts import SIGNS, natural
from alignscope.pair.readers.promised import reading, require_memory
from alignscope.pair.readers.rows import StoredRows, Where, describe
from alignscope.pair.readers.tables import LISTED, rows_of

SUFFIXES = (".parquet", ".geoparquet", ".gpq", ".pq")


@dataclass(frozen=True)
class Group:
    """A row group: the file it is in, its number there, its rows, and whether whole numbers in lists may be missing."""

    path: Path
    number: int
    rows: int
    gaps: bool = False


def open_parquet(where: Where) -> StoredRows:
    """A parquet file, a folder that ends in .parquet, or all files of a pattern such as ``part-*.parquet``.

    Parts follow each other in natural order of their names, part-2 before part-10.
    The key picks columns: ``table.parquet:label``; a lone column of lists is a matrix, read a row group at a time.
    Geometries and the index of pandas are left out where no key is given, and said.

    Raises E101 (no file fits), E103, E105 (no such column), E106 (a column of text, or of ids; types that differ
    between files), E113 (memory), E201 and E210 (a name given twice).
    """
    import pyarrow as pa  # slow to load

    paths = parquet_parts(where.path)
    if not paths:
        raise AlignscopeError("E101", where.text, "no parquet file is there", "Check the folder or the pattern.")
    with reading(where.text):
        try:
            names, types, groups, notes = _schema(where, paths)
            if paths != sorted(paths):
                order = f"{paths[0].name} to {paths[-1].name}, in natural order of their names"
                notes.append(Note(f"{called(where)}: {len(paths):,} files, {order}."))
            if len(groups) > 1 and len(types) == 1 and is_list(types[0]):
                return ListRows.of(where, names[0], groups, types[0], notes)
            require_memory(8 * len(names) * sum(group.rows for group in groups), where.text)
            table = pa.concat_tables([_columns(path, names, types) for path in paths])
        except pa.ArrowException as error:
            raise broken(where, error) from error
        return rows_of(where, names, [table.column(name) for name in names], notes, 0)


def parquet_parts(path: Path) -> list[Path]:
    """The files that a path stands for: itself, those of a folder, or those that fit a pattern, in natural order.

    What begins with a point is hidden and left out, such as the ``._name`` that some systems write next to each file.
    """
    if path.is_dir():
        found: Iterable[Path] = (p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
        first = path
    elif path.exists() or not any(sign in str(path) for sign in SIGNS):
        return [path]
    else:
        start = next(j for j, part in enumerate(path.parts) if any(sign in part for sign in SIGNS))
        first = Path(*path.parts[:start])
        found = first.glob(str(Path(*path.parts[start:])))
    seen = [p for p in found if not any(part.startswith(".") for part in p.relative_to(first).parts)]
    return sorted(seen, key=lambda p: natural(str(p)))


def _schema(where: Where, paths: Sequence[Path]) -> tuple[list[str], list[Any], list[Group], list[Note]]:
    """The columns to read, the types that hold those of all files, the row groups with rows, and what to say.

    Raises E103, E105 (a column is not there), E106 (files differ) or E210 (a name given twice).
    """
    names: list[str] = []
    types: list[Any] = []
    groups: list[Group] = []
    notes: list[Note] = []
    for path in paths:
        at = where if len(paths) == 1 else replace(where, path=path, text=f"{where.text}, {path.name}")
        schema, metadata = _header(path, at)
        picked, said = columns_of(schema, at, called(where))
        kinds = [schema.field(name).type for name in picked]
        if not types:
            names, types, notes = (
                picked,
                kinds,
                [Note(note.replace(called(at), called(where)), note.code) for note in said],
            )
        common = [_common(*pair) for pair in zip(types, kinds, strict=False)]
        if picked != names or None in common:
            raise AlignscopeError(
                "E106",
                at.text,
                f"its columns or their types ({_typed(picked, kinds)}) are not those of {paths[0].name} "
                f"({_typed(names, types)})",
                "Write all files with the same columns.",
            )
        if common != types or common != kinds:
            text = f"types that differ between files were read as {_typed(names, common)}"
            notes.append(Note(f"{called(where)}: {text}."))
        types = common
        whole = len(names) == 1 and is_list(types[0]) and _number_type(types[0], np.dtype(bool)).kind in "iub"
        groups += _groups(path, metadata, names[0] if whole else None)
    return names, types, groups, list(dict.fromkeys(notes))


def _common(one: Any, other: Any) -> Any:
    """The type that holds all values of two: the wider of two floating-point types or of two integers, or of two lists.

    None where there is none.
    """
    import pyarrow as pa  # slow to load

    if one == other:
        return one
    if is_text(one) and is_text(other):
        return pa.large_string()
    if is_list(one) and is_list(other) and not any(isinstance(kind, pa.BaseExtensionType) for kind in (one, other)):
        inner = _common(one.value_type, other.value_type)
        return None if inner is None else pa.large_list(inner)
    for alike in (pa.types.is_floating, pa.types.is_integer):
        if alike(one) and alike(other):
            wider = np.result_type(one.to_pandas_dtype(), other.to_pandas_dtype())
            return pa.from_numpy_dtype(wider) if alike(pa.from_numpy_dtype(wider)) else None
    return None


def _header(path: Path, at: Where) -> tuple[Any, Any]:
    """The schema of a file and what it says of its row groups. Raises E103."""
    import pyarrow as pa  # slow to load
    from pyarrow import parquet  # slow to load

    with reading(at.text):
        try:
            with parquet.ParquetFile(path) as file:
                return file.schema_arrow, file.metadata
        except pa.ArrowException as error:
            raise broken(at, error) from error


def _groups(path: Path, metadata: Any, lists: str | None) -> list[Group]:
    """The row groups that have rows. `lists` is the lone column to read, where it holds lists of whole numbers."""
    found = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        # Of whole numbers only, which hold no NaN: pyarrow ends the process where damaged statistics disagree.
        gaps = lists is not None and any(_has_gaps(group.column(j), lists) for j in range(group.num_columns))
        if group.num_rows:
            found.append(Group(path, number, group.num_rows, gaps))
    return found


def _has_gaps(column: Any, name: str) -> bool:
    """Whether values of a column may be missing in a row group, by its statistics."""
    if column.path_in_schema.split(".")[0] != name:
        return False
    statistics = column.statistics
    return statistics is None or not statistics.has_null_count or statistics.null_count > 0


def _columns(path: Path, names: list[str], types: Sequence[Any]) -> Any:
    import pyarrow as pa  # slow to load
    from pyarrow import parquet  # slow to load

    with parquet.ParquetFile(path) as file:
        table = file.read(columns=names).select(names)
    columns = [c if c.type == kind else c.cast(kind) for c, kind in zip(table.columns, types, strict=True)]
    return pa.table(columns, names=names)


def _typed(names: Sequence[str], kinds: Sequence[object]) -> str:
    listed = [f"{name}: {kind}" for name, kind in zip(names, kinds, strict=False)][:LISTED]
    return ", ".join(listed) + (", ..." if len(names) > LISTED else "")


@dataclass(frozen=True, eq=False)
class ListRows(StoredRows):
    """A column of lists in parquet files, as a matrix. The row group that was read last is held."""

    where: Where
    column: str
    groups: tuple[Group, ...]
    _held: list[tuple[int, np.ndarray]] = field(default_factory=list, repr=False)

    @classmethod
    def of(cls, where: Where, column: str, groups: Sequence[Group], kind: Any, notes: Sequence[Note]) -> ListRows:
        """The matrix; its width is that of the first row group, its type that of `kind`, with NaN where lists may lack.

        Raises E103, E106 and E201.
        """
        g, first = _first_matrix(where, column, groups)
        dtype = np.result_type(first.dtype, _number_type(kind, first.dtype))
        if dtype.kind in "iub" and any(group.gaps for group in groups):
            dtype = np.result_type(dtype, np.float32)
        shape = (sum(group.rows for group in groups), *first.shape[1:])
        header = describe(shape, str(dtype), name=where.name, role=where.role, notes=notes)
        return cls(header, where, column, tuple(groups), [(g, first.reshape(len(first), -1).astype(dtype, copy=False))])

    def _fetch(self, start: int, stop: int) -> np.ndarray:
        blocks = [np.empty((0, self.shape[1]), self.dtype)]
        low = 0
        for g, group in enumerate(self.groups):
            if start < low + group.rows and low < stop:
                blocks.append(self._group(g)[max(start - low, 0) : stop - low])
            low += group.rows
        return blocks[1] if len(blocks) == 2 else np.concatenate(blocks)

    def _group(self, g: int) -> np.ndarray:
        for held, block in tuple(self._held):
            if held == g:
                return block
        found = _group_matrix(self.where, self.column, self.groups[g], self.shape[1])
        block = found.reshape(len(found), -1)
        if block.shape[1] != self.shape[1] or np.result_type(block.dtype, self.dtype) != self.dtype:
            group = self.groups[g]
            raise AlignscopeError(
                "E201",
                f"{self.where.text}, {group.path.name}, row group {group.number}",
                f"lists of {block.shape[1]} {block.dtype} after lists of {self.shape[1]} {self.dtype}",
                "Give lists of one length, without missing whole numbers.",
            )
        block = block.astype(self.dtype, copy=False)
        self._held[:] = [(g, block)]
        return block

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_held": []}


def _number_type(kind: Any, default: np.dtype) -> np.dtype:
    """The type of the numbers in lists of this type."""
    import pyarrow as pa  # slow to load

    while is_list(kind):
        kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind.value_type
    numeric = pa.types.is_floating(kind) or pa.types.is_integer(kind)
    return np.dtype(kind.to_pandas_dtype()) if numeric else default


def _first_matrix(where: Where, column: str, groups: Sequence[Group]) -> tuple[int, np.ndarray]:
    """The first row group in which there is a list, and its number. Raises E201 where there is none."""
    for g, group in enumerate(groups):
        try:
            return g, _group_matrix(where, column, group)
        except AlignscopeError as error:
            if error.code != "E201" or g == len(groups) - 1:
                raise
    raise AssertionError("no row group")


def _group_matrix(where: Where, column: str, group: Group, width: int | None = None) -> np.ndarray:
    import pyarrow as pa  # slow to load
    from pyarrow import parquet  # slow to load

    at = replace(where, path=group.path, text=f"{where.text}, {group.path.name}, row group {group.number}")
    with reading(at.text):
        try:
            with parquet.ParquetFile(group.path) as file:
                return matrix(file.read_row_group(group.number, columns=[column]).column(column), at, width)
        except pa.ArrowException as error:
            raise broken(at, error) from error
