"""`.zarr`, both versions of the format: chunk by chunk; codecs and links are looked at before any chunk is read."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alignscope._lib.types import Array
from alignscope.errors import AlignscopeError
from alignscope.pair.readers.npy import require_unicode
from alignscope.pair.readers.packing import Packing, packing_of, unpacked, unwritten
from alignscope.pair.readers.promised import reading, require_held, require_memory
from alignscope.pair.readers.rows import ArrayRows, StoredRows, Where, describe, fixed_text
from alignscope.pair.readers.stores.containers import ChunkedRows, followed, pick_key, require_inside

METADATA = ("zarr.json", ".zarray", ".zmetadata")
CHUNK = re.compile(r"(c\.)?\d+(\.\d+)*|c")
POINTER = 16  # bytes of a text of variable length, before its content


@dataclass(frozen=True, eq=False)
class ZarrRows(ChunkedRows):
    """Rows of a zarr array."""

    array: Array = None

    def _load(self, start: int, stop: int) -> np.ndarray:
        block = np.asarray(self.array[start:stop])
        require_unicode(block, self.where)
        return block


@dataclass
class Chunks:
    """The files that hold an array's chunks: their number, their bytes, and the links among them."""

    count: int
    size: int
    links: set[Path]


def open_zarr(where: Where) -> StoredRows:
    """A zarr array, or one in a group, named by its path in the group.

    Fill values, scale and offset are applied as its attributes declare. Raises E103, E104 (a codec that unpickles),
    E105, E106, E112 (links that leave the store), E113 and E201.
    """
    import zarr  # slow to load

    with reading(where.text):
        node = open_node(where)
        attributes = dict(node.attrs)
        if isinstance(node, zarr.Group):
            names = [name for name, member in node.members(max_depth=None) if isinstance(member, zarr.Array)]
            node = node[pick_key(where, sorted(names))]
        else:
            where.refuse_key("This .zarr")
        refuse_pickle(where, node.path)
        return _zarr_rows(node, {**attributes, **node.attrs}, where)


def open_node(where: Where) -> Array:
    """The group or array of a store, without its key. Raises E103, and E104 for a codec that unpickles."""
    import zarr  # slow to load

    refuse_pickle(where, where.key or "")
    try:
        return zarr.open(str(where.path), mode="r")
    except FileNotFoundError as error:
        raise AlignscopeError(
            "E103", where.text, "it holds no zarr array and no zarr group", "Write or copy it again."
        ) from error


def refuse_pickle(where: Where, key: str) -> None:
    """Raise E104 for an array whose codecs unpickle, by its metadata alone."""
    for folder in {where.path, where.path / key.strip("/")}:
        for name in METADATA:
            try:
                content = json.loads((folder / name).read_bytes())
            except (OSError, ValueError, RecursionError):
                continue  # zarr says what is wrong with it
            if any("pickle" in codec.lower() for codec in _codecs(content)):
                raise AlignscopeError(
                    "E104",
                    where.text,
                    "one of its codecs unpickles, which can run any code",
                    "Write it again as numbers, or as text by the codec vlen-utf8.",
                )


def _codecs(content: object) -> Iterator[str]:
    """All names of codecs in metadata, wherever they stand but in attributes."""
    stack = [content]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            yield from (str(one[key]) for key in ("id", "name") if key in one)
            stack += [value for key, value in one.items() if key != "attributes" and not key.endswith(".zattrs")]
        elif isinstance(one, list):
            stack += one


def _zarr_rows(node: Array, attributes: dict[str, object], where: Where) -> StoredRows:
    said = f"{where.role} ({where.name})"
    chunks = chunks_of(where, node.path)
    text = node.dtype.kind in "TO"
    size = POINTER if text else node.dtype.itemsize
    require_held(max(math.prod(node.shape), math.prod(node.chunks)) * size, chunks.size, where.text)
    stored = node.shards or node.chunks
    total = math.prod(-(-n // chunk) for n, chunk in zip(node.shape, stored, strict=True))
    notes = (*followed(said, chunks.links), *unwritten(said, total - chunks.count, total, node.fill_value))
    if text and node.shape:
        require_memory(node.size * size, where.text)
        return ArrayRows.of(
            fixed_text(np.asarray(node[...]), where.text), name=where.name, role=where.role, notes=notes
        )
    header = describe(node.shape, str(node.dtype.newbyteorder("=")), name=where.name, role=where.role, notes=notes)
    rows = ZarrRows(header, where.path, where.text, node.chunks[0], array=node)
    return unpacked(rows, declared(node, attributes, where.text), where.role) if node.dtype.kind in "biuf" else rows


def declared(node: Array, attributes: Mapping[str, Any], where: str) -> Packing:
    """The packing of an array of numbers by its attributes and its fill value."""
    fill = node.fill_value
    fills = {"fill_value": np.asarray(fill).item()} if fill is not None and fill != 0 else {}
    return packing_of(attributes, node.dtype, where, fills)


def chunks_of(where: Where, key: str) -> Chunks:
    """The files below an array's folder. Raises E112 for a link that leaves the store."""
    root = where.path.resolve()
    found = Chunks(0, 0, set())
    folders = [require_inside(root / key, root, where.text, "it links to")]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    found.links.add(require_inside(Path(entry.path), root, where.text, "it links to"))
                elif entry.is_dir():
                    folders.append(Path(entry.path))
                    continue
                if CHUNK.fullmatch(entry.name):
                    found.count += 1
                    found.size += entry.stat().st_size
    return found
