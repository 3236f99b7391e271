"""`.parquet`: one file or many, in memory; a column of lists, as embeddings are stored, a row group at a time.

`pyarrow.dataset` was tried and saves five lines of these, but a data set casts every file to the columns of the first,
its errors do not name the file, and a fragment counts its rows anew every time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.readers.cells import broken, is_list, matrix
from alignscope.pair.readers.rows import StoredRows, Where, describe
from alignscope.pair.readers.tables import LISTED, pick, rows_of


def open_parquet(where: Where) -> StoredRows:
    """A parquet file, a folder that ends in .parquet, or all files of a pattern such as ``part-*.parquet``, by name.

    The key picks columns: ``table.parquet:label``; a lone column of lists is a matrix, read a row group at a time.
    Raises E101 (no file fits), E103, E105 (no such column), E106 (a column of text, or of ids; types that differ
    between files) and E201.
    """
    import pyarrow as pa  # slow to load

    paths = parquet_parts(where.path)
    if not paths:
        raise AlignscopeError("E101", where.text, "no parquet file is there", "Check the folder or the pattern.")
    try:
        names, types, groups = _schema(where, paths)
        if len(groups) > 1 and len(types) == 1 and is_list(types[0]):
            return ListRows.of(where, names[0], groups)
        table = pa.concat_tables([_columns(path, names) for path in paths])
    except (pa.ArrowException, OSError) as error:
        raise broken(where, error) from error
    return rows_of(where, names, [table.column(name) for name in names], [], 0)


def parquet_parts(path: Path) -> list[Path]:
    """The files that a path stands for: itself, those of a folder, or those that fit a pattern, sorted by name."""
    if path.is_dir():
        return sorted(path.rglob("*.parquet"))
    if path.exists() or not _is_pattern(path):
        return [path]
    parts = path.parts
    first = next(j for j, part in enumerate(parts) if _is_pattern(Path(part)))
    return sorted(Path(*parts[:first]).glob(str(Path(*parts[first:]))))


def _is_pattern(path: Path) -> bool:
    return any(sign in str(path) for sign in "*?[")


def _schema(where: Where, paths: Sequence[Path]) -> tuple[list[str], list[Any], list[tuple[Path, int, int]]]:
    """The columns to read, their types, and the row groups of all files that are not empty: path, number, rows.

    Raises E103, E105 (a column is not there) or E106 (files differ).
    """
    names: list[str] = []
    types: list[Any] = []
    groups: list[tuple[Path, int, int]] = []
    for path in paths:
        at = where if len(paths) == 1 else Where(path, where.key, where.role, f"{where.text}, {path.name}")
        schema, counts = _header(path, at)
        here = list(schema.names)
        picked = [here[j] for j in pick(at, here)]
        kinds = [schema.field(name).type for name in picked]
        if not types:
            names, types = picked, kinds
        if (picked, kinds) != (names, types):
            raise AlignscopeError(
                "E106",
                at.text,
                f"its columns or their types ({_typed(picked, kinds)}) are not those of {paths[0].name} "
                f"({_typed(names, types)})",
                "Write all files with the same columns.",
            )
        groups += [(path, number, count) for number, count in enumerate(counts) if count]
    return names, types, groups


def _header(path: Path, at: Where) -> tuple[Any, list[int]]:
    """The schema of a file and the number of rows of its row groups. Raises E103."""
    import pyarrow as pa  # slow to load
    from pyarrow import parquet  # slow to load

    try:
        with parquet.ParquetFile(path) as file:
            metadata = file.metadata
            return file.schema_arrow, [metadata.row_group(g).num_rows for g in range(metadata.num_row_groups)]
    except (pa.ArrowException, OSError) as error:
        raise broken(at, error) from error


def _columns(path: Path, names: list[str]) -> Any:
    from pyarrow import parquet  # slow to load

    with parquet.ParquetFile(path) as file:
        return file.read(columns=names)


def _typed(names: Sequence[str], kinds: Sequence[object]) -> str:
    listed = [f"{name}: {kind}" for name, kind in zip(names, kinds, strict=True)][:LISTED]
    return ", ".join(listed) + (", ..." if len(names) > LISTED else "")


@dataclass(frozen=True, eq=False)
class ListRows(StoredRows):
    """A column of lists in parquet files, as a matrix. The row group that was read last is held.

    groups : the file, the number in it, and the number of rows of each row group.
    """

    where: Where
    column: str
    groups: tuple[tuple[Path, int, int], ...]
    _held: list[tuple[int, np.ndarray]] = field(default_factory=list, repr=False)

    @classmethod
    def of(cls, where: Where, column: str, groups: Sequence[tuple[Path, int, int]]) -> ListRows:
        """The matrix; its width and type are those of the first row group. Raises E103, E106 and E201."""
        first = _group_matrix(where, column, groups[0])
        shape = (sum(count for *_, count in groups), first.shape[1])
        header = describe(shape, str(first.dtype), name=where.name, role=where.role)
        return cls(header, where, column, tuple(groups), [(0, first)])

    def _fetch(self, start: int, stop: int) -> np.ndarray:
        blocks = [np.empty((0, self.shape[1]), self.dtype)]
        low = 0
        for g, (*_, count) in enumerate(self.groups):
            if start < low + count and low < stop:
                blocks.append(self._group(g)[max(start - low, 0) : stop - low])
            low += count
        return blocks[1] if len(blocks) == 2 else np.concatenate(blocks)

    def _group(self, g: int) -> np.ndarray:
        for held, block in tuple(self._held):
            if held == g:
                return block
        block = _group_matrix(self.where, self.column, self.groups[g])
        if block.shape[1] != self.shape[1] or str(block.dtype) != self.dtype:
            path, number, _ = self.groups[g]
            raise AlignscopeError(
                "E201",
                f"{self.where.text}, {path.name}, row group {number}",
                f"lists of {block.shape[1]} {block.dtype} after lists of {self.shape[1]} {self.dtype}",
                "Give lists of one length, without missing whole numbers.",
            )
        self._held[:] = [(g, block)]
        return block

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_held": []}


def _group_matrix(where: Where, column: str, group: tuple[Path, int, int]) -> np.ndarray:
    import pyarrow as pa  # slow to load
    from pyarrow import parquet  # slow to load

    path, number, _ = group
    at = Where(path, where.key, where.role, f"{where.text}, {path.name}, row group {number}")
    try:
        with parquet.ParquetFile(path) as file:
            return matrix(file.read_row_group(number, columns=[column]).column(column), at)
    except (pa.ArrowException, OSError) as error:
        raise broken(at, error) from error
