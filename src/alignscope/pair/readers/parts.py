"""Samples that stand in many files or under many names: one vector each, or parts of a block, in natural order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from alignscope._lib.types import Array
from alignscope.errors import AlignscopeError
from alignscope.pair.readers.npy import NpyRows, Stored, open_npy, stored_array
from alignscope.pair.readers.promised import refuse_pointer, require_memory
from alignscope.pair.readers.rows import ArrayRows, StoredRows, Where, describe
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

    parts: tuple[NpyRows, ...]
    starts: tuple[int, ...]

    def _fetch(self, start: int, stop: int) -> np.ndarray:
        blocks = [np.empty((0, self.shape[1]), self.dtype)]
        for part, low, high in zip(self.parts, self.starts, self.starts[1:], strict=False):
            if start < high and low < stop:
                block = part.read(max(start, low) - low, min(stop, high) - low)
                blocks.append(block.astype(self.dtype, copy=False))
        return blocks[1] if len(blocks) == 2 else np.concatenate(blocks)


def open_npy_files(where: Where) -> StoredRows:
    """A `.npy` file, a folder of them, or all that fit a pattern such as ``emb/*.npy``.

    Files of one vector each are one sample each, named by their stems; arrays of more axes are parts, one after the
    other. Raises what `open_npy` raises, and E201 where the files do not fit together.
    """
    paths = files_of(where.path, ".npy")
    if paths == [where.path]:
        return open_npy(where)
    where.refuse_key("A folder or pattern of .npy files")
    if not paths:
        raise AlignscopeError("E101", where.text, "no .npy file is there", "Check the folder or the pattern.")
    found = [_stored(path, replace(where, path=path, text=f"{where.text}, {path.name}")) for path in paths]
    shapes = {one.shape for one in found}
    said = f"{where.role} ({where.name})"
    if len(shapes) == 1 and len(found[0].shape) < 2 and found[0].dtype.kind not in "US":
        require_memory(sum(path.stat().st_size for path in paths), where.text)
        vectors = [np.fromfile(p, one.dtype, offset=one.offset).reshape(one.shape) for p, one in _zip(paths, found)]
        return stack([path.stem for path in paths], vectors, where, "file names")
    lone = {len(one.shape) for one in found} == {1} and not where.role.startswith("x")
    if not lone and (len({shape[1:] for shape in shapes}) > 1 or min(map(len, shapes)) < 2):
        raise _unlike(paths, found, where)
    order = f"the arrays of {len(paths):,} files, {paths[0].name} to {paths[-1].name}, one after the other"
    notes = [f"{said}: {order}, in natural order of their names."]
    rows = sum(one.shape[0] for one in found)
    dtype = np.result_type(*(one.dtype.newbyteorder("=") for one in found))
    header = describe((rows, *found[0].shape[1:]), str(dtype), name=where.name, role=where.role, notes=notes)
    if rows == len(paths):
        header = replace(header, samples=_names([path.stem for path in paths], "file names"))
    own = replace(header, notes=())
    parts = tuple(
        one.rows(replace(own, shape=(one.shape[0], own.shape[1]), dtype=str(one.dtype)), path, where.text)
        for path, one in _zip(paths, found)
    )
    return PartRows(header, parts, tuple(np.cumsum([0, *(one.shape[0] for one in found)]).tolist()))


def _zip(paths: Sequence[Path], found: Sequence[Stored]) -> Iterable[tuple[Path, Stored]]:
    return zip(paths, found, strict=True)


def _stored(path: Path, where: Where) -> Stored:
    try:
        with path.open("rb") as file:
            return stored_array(file, path.stat().st_size, where.text)
    except AlignscopeError:
        refuse_pointer(path, where.text)
        raise


def _unlike(paths: Sequence[Path], found: Sequence[Stored], where: Where) -> AlignscopeError:
    other = next((j for j, one in enumerate(found) if one.shape[1:] != found[0].shape[1:]), None)
    other = next((j for j, one in enumerate(found) if one.shape != found[0].shape), 0) if other is None else other
    one, two = (f"{paths[j].name} of shape {found[j].shape}" for j in (0, other))
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
