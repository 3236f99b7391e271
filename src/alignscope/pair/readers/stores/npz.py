"""`.npz`: a stored member is read in place, a compressed one is decompressed into memory."""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Mapping
from typing import IO

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.readers.npy import NpyRows, parse_header, refuse_objects, require_unicode, rows_in
from alignscope.pair.readers.parts import FEWEST, one_vector_each, stack
from alignscope.pair.readers.promised import reading, require_held, require_memory
from alignscope.pair.readers.rows import ArrayRows, Where
from alignscope.pair.readers.stores.containers import pick_key

PIECE = 1 << 18  # bytes decompressed at once: larger pieces do not stay in the cache of the processor


def open_npz(where: Where) -> NpyRows | ArrayRows:
    """One array of a `.npz`; the key may be left out when there is only one.

    At least ten vectors of one length are one sample each. An array stored without compression is read in place, a few
    rows at a time; a compressed one is decompressed once into memory. Raises E103, E104, E105, E113 and E201.
    """
    with reading(where.text), zipfile.ZipFile(where.path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if where.key is None and len(members) >= FEWEST and (vectors := _vectors(archive, members, where)) is not None:
            return stack(list(vectors), list(vectors.values()), where, "keys")
        info = members[pick_key(where, list(members))]
        if info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1:
            with where.path.open("rb") as file:
                end = _seek_member(file, info)
                return rows_in(file, end, where)
        return ArrayRows.of(_content(archive, info, where), name=where.name, role=where.role)


def _vectors(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], where: Where
) -> dict[str, np.ndarray] | None:
    """All members, where they are vectors of one length."""
    shapes = {}
    for name, info in members.items():
        with archive.open(info) as file:
            shape, _, dtype = parse_header(file, where.text)
        if dtype.kind not in "biuf" or len(shape) > 2:
            return None
        shapes[name] = shape
    if not one_vector_each(shapes):
        return None
    return {name: _content(archive, info, where) for name, info in members.items()}


def _seek_member(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Go to the first byte of a stored member, past its local header; return the end of it."""
    file.seek(info.header_offset)
    local = file.read(30)
    name, extra = struct.unpack("<HH", local[26:30])
    start = file.seek(info.header_offset + 30 + name + extra)
    size = file.seek(0, 2)
    file.seek(start)
    return min(start + info.file_size, size)


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: Where) -> np.ndarray:
    with archive.open(info) as file:
        shape, fortran, dtype = parse_header(file, where.text)
        refuse_objects(dtype, where.text)
        needed = math.prod(shape) * dtype.itemsize
        if info.file_size < needed:
            raise _truncated(where, needed, max(info.file_size - file.tell(), 0))
        require_held(needed, info.compress_size, where.text)
        require_memory(needed, where.text)
        content, there = np.empty(needed, np.uint8), 0
        while there < needed and (piece := file.read(min(PIECE, needed - there))):
            content[there : there + len(piece)] = np.frombuffer(piece, np.uint8)
            there += len(piece)
    if there < needed:
        raise _truncated(where, needed, there)
    array = content.view(dtype).reshape(shape, order="F" if fortran else "C")
    require_unicode(array, where.text)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _truncated(where: Where, needed: int, there: int) -> AlignscopeError:
    return AlignscopeError(
        "E103",
        where.text,
        f"it is truncated: its header promises {needed:,} bytes, and {there:,} are there",
        "Write or copy the file again.",
    )
