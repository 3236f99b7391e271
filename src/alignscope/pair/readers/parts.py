"""Samples that stand in many files or under many names: one vector each, or parts of a block, in natural order."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from alignscope._lib.types import Array
from alignscope.errors import AlignscopeError
from alignscope.pair.readers.npy import open_npy, stored_array
from alignscope.pair.readers.promised import refuse_pointer, require_memory
from alignscope.pair.readers.rows import ArrayRows, Header, Rows, StoredRows, Where, as_numpy, describe
from alignscope.pair.readers.samples import Samples

FEWEST = 10
"""So many vectors of one length under names of their own are samples; fewer are arrays among which one chooses."""

SIGNS = "*?["


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts names as people count: part-2 before part-10.

    >>> sorted(["part-10.npy", "part-2.npy"], key=natural)
    ['part-2.npy', 'part-10.npy']
    """
    pieces = re.split("([0-9]+)", name)
    return [(1, len(p.lstrip("0")), p.lstrip("0")) if j % 2 else (0, 0, p) for j, p in enumerate(pieces)]


def files_of(path: Path, suffix: str) -> list[Path]:
    """The files that a path stands for: itself, those of a folder, or those that fit a pattern, in natural order.

    Hidden files are left out, such as the ``._name`` that some systems write next to each file.
    """
    if path.is_dir():
        found: Iterable[Path] = path.glob(f"*{suffix}")
    elif path.exists() or not any(sign in str(path) for sign in SIGNS):
        return [path]
    else:
        first = next(j for j, part in enumerate(path.parts) if any(sign in part for sign in SIGNS))
        found = Path(*path.parts[:first]).glob(str(Path(*path.parts[first:])))
    return sorted((p for p in found if not p.name.startswith(".") and p.is_file()), key=lambda p: natural(str(p)))


@dataclass(frozen=True, eq=False)
class PartRows(StoredRows):
    """Parts one after the other. starts : the first row of each part, and the number of rows of all."""

    parts: tuple[Rows, ...]
    starts: tuple[int, ...]

    def _fetch(self, start: int, stop: int) -> np.ndarray:
        blocks = [np.empty((0, self.shape[1]), self.dtype)]
        for part, low, high in zip(self.parts, self.starts, self.starts[1:], strict=False):
            if start < high and low < stop:
                block = as_numpy(part.read(max(start, low) - low, min(stop, high) - low))
                blocks.append(block.astype(self.dtype, copy=False))
        return blocks[1] if len(blocks) == 2 else np.concatenate(blocks)


@dataclass(frozen=True)
class Piece:
    """An array in a file of its own. shape : that of the source. rows : gives its rows, under a header."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype
    rows: Callable[[Header], Rows]
    notes: tuple[str, ...] = ()


def open_npy_files(where: Where) -> StoredRows:
    """A `.npy` file, a folder of them, or all that fit a pattern such as ``emb/*.npy``; see `open_files`."""
    paths = files_of(where.path, ".npy")
    if paths == [where.path]:
        return open_npy(where)
    where.refuse_key("A folder or pattern of .npy files")
    return _joined(where, [_npy_piece(path, _part(where, path)) for path in paths])


def open_files(where: Where, paths: Sequence[Path], reader: Callable[[Where], Rows]) -> StoredRows:
    """Files of one format, such as ``emb/*.pt``, as one block.

    Files of one vector each are one sample each, named by their stems; arrays of more axes are parts, one after the
    other. Raises what the reader raises, and E201 where the files do not fit together.
    """
    pieces = []
    for path in paths:
        refuse_pointer(path, f"{where.text}, {path.name}")
        rows = reader(_part(where, path))
        shape = rows.shape[:1] if isinstance(rows, StoredRows) and rows.header.ndim == 1 else rows.shape
        pieces.append(Piece(path, shape, np.dtype(rows.dtype), partial(_opened, rows), rows.notes))
    return _joined(where, pieces)


def _opened(rows: Rows, _: Header) -> Rows:
    return rows


def _part(where: Where, path: Path) -> Where:
    return replace(where, path=path, text=f"{where.text}, {path.name}")


def _npy_piece(path: Path, where: Where) -> Piece:
    try:
        with path.open("rb") as file:
            found = stored_array(file, path.stat().st_size, where.text)
    except AlignscopeError:
        refuse_pointer(path, where.text)
        raise
    return Piece(path, found.shape, found.dtype, lambda header: found.rows(header, path, where.text))


def _joined(where: Where, pieces: Sequence[Piece]) -> StoredRows:
    """Vectors of one length below each other, or arrays one after the other."""
    if not pieces:
        raise AlignscopeError("E101", where.text, "no such file is there", "Check the folder or the pattern.")
    first, names = pieces[0], [piece.path.stem for piece in pieces]
    shapes = {piece.shape for piece in pieces}
    if len(shapes) == 1 and len(first.shape) < 2 and first.dtype.kind not in "US":
        require_memory(sum(piece.path.stat().st_size for piece in pieces), where.text)
        size = math.prod(first.shape)
        own = Header(where.name, (size, 1), str(first.dtype), (where.role,), 1)
        vectors = [as_numpy(piece.rows(own).read(0, size)).reshape(first.shape) for piece in pieces]
        return stack(names, vectors, where, "file names")
    lone = {len(shape) for shape in shapes} == {1} and not where.role.startswith("x")
    if not lone and (len({shape[1:] for shape in shapes}) > 1 or min(map(len, shapes)) < 2):
        raise _unlike(pieces, where)
    order = f"the arrays of {len(pieces):,} files, {first.path.name} to {pieces[-1].path.name}, one after the other"
    notes = [f"{where.role} ({where.name}): {order}, in natural order of their names.", *first.notes]
    starts = np.cumsum([0, *(piece.shape[0] for piece in pieces)]).tolist()
    dtype = np.result_type(*(piece.dtype.newbyteorder("=") for piece in pieces))
    header = describe((starts[-1], *first.shape[1:]), str(dtype), name=where.name, role=where.role, notes=notes)
    if starts[-1] == len(pieces):
        header = replace(header, samples=_names(names, "file names"))
    own = replace(header, notes=(), samples=None)
    parts = [piece.rows(replace(own, shape=(piece.shape[0], own.shape[1]), dtype=str(piece.dtype))) for piece in pieces]
    return PartRows(header, tuple(parts), tuple(starts))


def _unlike(pieces: Sequence[Piece], where: Where) -> AlignscopeError:
    shapes = [piece.shape for piece in pieces]
    other = next((j for j, shape in enumerate(shapes) if shape[1:] != shapes[0][1:]), None)
    other = next((j for j, shape in enumerate(shapes) if shape != shapes[0]), 0) if other is None else other
    one, two = (f"{pieces[j].path.name} of shape {shapes[j]}" for j in (0, other))
    return AlignscopeError(
        "E201", where.text, f"its files do not fit together: {one}, {two}", "Give vectors of one length, or parts."
    )


def stack(names: Sequence[str], vectors: Sequence[np.ndarray], where: Where, kind: str) -> ArrayRows:
    """Vectors (D,), (1, D) or () of one shape, one sample each, under their names, in natural order.

    kind : what the names are: ``"file names"``, ``"keys"``.
    """
    order = sorted(range(len(names)), key=lambda j: natural(names[j]))
    names = [names[j] for j in order]
    array = np.stack([vectors[j].reshape(vectors[j].shape[-1:]) for j in order])
    note = f"{where.role} ({where.name}): {len(names):,} {kind}, {names[0]} to {names[-1]}, are one sample each."
    rows = ArrayRows.of(
        array.astype(array.dtype.newbyteorder("="), copy=False), name=where.name, role=where.role, notes=[note]
    )
    return replace(rows, header=replace(rows.header, samples=_names(names, kind)))


def one_vector_each(shapes: Mapping[str, Sequence[int]]) -> bool:
    """Whether arrays are one sample each: at least ten vectors of one length, (D,) or (1, D)."""
    distinct = {tuple(shape) for shape in shapes.values()}
    if len(shapes) < FEWEST or len(distinct) != 1:
        return False
    (shape,) = distinct
    return len(shape) == 1 or (len(shape) == 2 and shape[0] == 1)


def _names(names: Sequence[str], kind: str) -> Samples:
    return Samples(tuple(names), kind, partial(np.array, tuple(names)))


def concatenated(parts: Sequence[Array], where: Where) -> tuple[Array, str] | None:
    """Batches (n, ...) of one width as one array, and the note that says so; None where they are no batches."""
    shapes = [tuple(part.shape) for part in parts]
    if len(parts) < 2 or min(map(len, shapes)) < 2 or len({shape[1:] for shape in shapes}) > 1:
        return None
    rows = sum(shape[0] for shape in shapes)
    require_memory(sum(part.nbytes for part in parts), where.text)
    note = f"{where.role} ({where.name}): a list of {len(parts):,} batches was read as one array of {rows:,} rows."
    return np.concatenate(list(parts)), note
