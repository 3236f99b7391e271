"""Files that hold several arrays, one of which is named by a key: `.npz`, `.h5`, `.zarr`, `.pt`."""

from __future__ import annotations

import errno
import math
import pickle
import struct
import zipfile
import zlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from alignscope._lib.types import Array
from alignscope.errors import AlignscopeError
from alignscope.pair.readers.npy import parse_header, refuse_objects, rows_in
from alignscope.pair.readers.rows import ArrayRows, Rows, StoredRows, Where, as_numpy, describe, fixed_text

HELD_BYTES = 128 << 20
LISTED = 8


def open_npz(where: Where) -> Rows:
    """One array of a `.npz`; the key may be left out when there is only one.

    An array stored without compression is read in place, a few rows at a time; a compressed one is
    decompressed once into memory. Raises E103, E104, E105 and E201.
    """
    try:
        with zipfile.ZipFile(where.path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            info = members[pick_key(where, list(members))]
            if info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1:
                with where.path.open("rb") as file:
                    end = _seek_member(file, info)
                    return rows_in(file, end, where)
            return _decompressed(archive, info, where)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        RuntimeError,
        NotImplementedError,
        struct.error,
    ) as error:
        raise _corrupt(where.text, error) from error


def _seek_member(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Go to the first byte of a stored member, past its local header; return the end of it."""
    file.seek(info.header_offset)
    local = file.read(30)
    name, extra = struct.unpack("<HH", local[26:30])
    start = file.seek(info.header_offset + 30 + name + extra)
    size = file.seek(0, 2)
    file.seek(start)
    return min(start + info.file_size, size)


def _decompressed(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: Where) -> Rows:
    with archive.open(info) as file:
        shape, fortran, dtype = parse_header(file, where.text)
        refuse_objects(dtype, where.text)
        needed = math.prod(shape) * dtype.itemsize
        content = file.read(min(needed, info.file_size))
    if len(content) < needed:
        raise AlignscopeError(
            "E103",
            where.text,
            f"it is truncated: its header promises {needed:,} bytes, and {len(content):,} are there",
            "Write or copy the file again.",
        )
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
    array = array.astype(dtype.newbyteorder("="), copy=False)
    return ArrayRows.of(array, name=where.name, role=where.role)


def pick_key(where: Where, names: Sequence[str]) -> str:
    """The key that was given, or the only one there is. Raises E105, which lists the keys."""
    key = None if where.key is None else where.key.strip("/")
    if key in names:
        return str(key)
    if not names:
        raise AlignscopeError("E105", where.text, "it holds no array", "Give a file that holds one.")
    if key is None and len(names) == 1:
        return names[0]
    listed = ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
    found = f"it holds {len(names)} arrays ({listed})" if key is None else f"it has no array {key!r} (it has {listed})"
    raise AlignscopeError("E105", where.text, found, f"Name one after a colon, as in {where.path.name}:{names[0]}.")


def _corrupt(where: str, error: Exception) -> AlignscopeError:
    reason = str(error).split("\n")[0].split(". ")[0].rstrip(". ")
    if isinstance(error, KeyError) or not reason:
        reason = type(error).__name__
    return AlignscopeError("E103", where, f"it is damaged or not complete ({reason})", "Write or copy it again.")


@dataclass(frozen=True, eq=False)
class ChunkedRows(StoredRows):
    """Rows of a store that is compressed in chunks of `chunk` rows.

    A read of less than a chunk loads the whole chunk and holds it for the reads that follow, so that each is
    decompressed once, as long as it is not larger than 128 MiB.
    """

    path: Path
    where: str
    chunk: int
    _held: list[tuple[int, int, Array]] = field(default_factory=list, repr=False)

    @abstractmethod
    def _load(self, start: int, stop: int) -> Array:
        """Rows start to stop from the store."""

    def _fetch(self, start: int, stop: int) -> Array:
        try:
            if stop - start >= self.chunk or self._chunk_bytes() > HELD_BYTES:
                return self._load(start, stop)
            return self._from_held(start, stop)
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise _corrupt(self.where, error) from error

    def _chunk_bytes(self) -> int:
        return self.chunk * self.shape[1] * np.dtype(self.dtype).itemsize

    def _from_held(self, start: int, stop: int) -> Array:
        for low, high, block in tuple(self._held):
            if low <= start and stop <= high:
                return block[start - low : stop - low]
        low = start // self.chunk * self.chunk
        high = min(-(-stop // self.chunk) * self.chunk, self.shape[0])
        block = self._load(low, high)
        self._held[:] = [(low, high, block)]
        return block[start - low : stop - low]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_held": []}


@dataclass(frozen=True, eq=False)
class H5Rows(ChunkedRows):
    """Rows of a data set of an HDF5 file, which every read opens anew."""

    key: str = ""

    def _load(self, start: int, stop: int) -> np.ndarray:
        import h5py  # slow to load

        with h5py.File(self.path, "r") as file:
            return np.asarray(file[self.key][start:stop])


@dataclass(frozen=True, eq=False)
class ZarrRows(ChunkedRows):
    """Rows of a zarr array."""

    array: Array = None

    def _load(self, start: int, stop: int) -> np.ndarray:
        return np.asarray(self.array[start:stop])


def open_h5(where: Where) -> Rows:
    """One data set of an HDF5 file; the key, a path in the file, may be left out when there is only one.

    Raises E103, E105, E106 (data sets of references or of variable length) and E201.
    """
    import h5py  # slow to load

    try:
        with h5py.File(where.path, "r") as file:
            key = where.key or ""
            if not (key and isinstance(file.get(key), h5py.Dataset)):
                key = pick_key(where, _datasets(file))
            return _h5_rows(file[key], key, where)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise
        raise _corrupt(where.text, error) from error


def _datasets(file: Array) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, node: names.append(name) if hasattr(node, "dtype") else None)
    return names


def _h5_rows(data: Array, key: str, where: Where) -> Rows:
    import h5py  # slow to load

    if h5py.check_string_dtype(data.dtype) is not None and data.shape:
        text = np.asarray(data.asstr(errors="replace")[()]).astype(str)
        return ArrayRows.of(text, name=where.name, role=where.role)
    if data.dtype.hasobject:
        raise AlignscopeError(
            "E106",
            where.text,
            "values of variable length, or references",
            "Save it as an array of plain numbers, all rows of one length.",
        )
    header = describe(data.shape or (), str(data.dtype.newbyteorder("=")), name=where.name, role=where.role)
    return H5Rows(header, where.path, where.text, data.chunks[0] if data.chunks else 1, key=key)


def open_zarr(where: Where) -> Rows:
    """A zarr array, or one in a group, named by its path in the group. Raises E103, E105, E106 and E201."""
    import zarr  # slow to load

    try:
        node = zarr.open(str(where.path), mode="r")
    except FileNotFoundError as error:
        raise AlignscopeError(
            "E103", where.text, "it holds no zarr array and no zarr group", "Write or copy it again."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _corrupt(where.text, error) from error
    try:
        if isinstance(node, zarr.Group):
            names = [name for name, member in node.members(max_depth=None) if isinstance(member, zarr.Array)]
            node = node[pick_key(where, sorted(names))]
        else:
            where.refuse_key("This .zarr")
    except AlignscopeError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _corrupt(where.text, error) from error
    if node.dtype.kind in "TO" and node.shape:
        return ArrayRows.of(fixed_text(np.asarray(node[...])), name=where.name, role=where.role)
    header = describe(node.shape, str(node.dtype.newbyteorder("=")), name=where.name, role=where.role)
    return ZarrRows(header, where.path, where.text, node.chunks[0], array=node)


def open_pt(where: Where) -> Rows:
    """A tensor of a `.pt` file, or one in its dict, named by its key; read as numbers only, never as objects.

    Raises E103, E104 (anything but tensors in plain containers), E105, E107 (torch is missing) and E201.
    """
    try:
        import torch  # slow to load
    except ImportError as error:
        raise AlignscopeError(
            "E107",
            where.text,
            "reading .pt files needs torch, which is not installed",
            "Install it with pip install 'alignscope[train]', or save the tensor with numpy.save.",
        ) from error
    try:
        content = torch.load(where.path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "nsupported" not in str(error) and "nsafe" not in str(error) and "GLOBAL" not in str(error):
            raise _corrupt(where.text, error) from error
        raise AlignscopeError(
            "E104",
            where.text,
            "it holds Python objects other than tensors; reading them would unpickle, which can run any code",
            "Save the tensor alone with torch.save(tensor, path).",
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        raise _corrupt(where.text, error) from error
    tensors = dict(_tensors(content, ""))
    if "" in tensors:
        where.refuse_key("This .pt file")
        return _tensor_rows(tensors[""], where)
    return _tensor_rows(tensors[pick_key(where, list(tensors))], where)


def _tensors(content: object, path: str) -> Iterator[tuple[str, Array]]:
    if hasattr(content, "detach"):
        yield path, content
    elif isinstance(content, Mapping | list | tuple):
        items = content.items() if isinstance(content, Mapping) else enumerate(content)
        for key, value in items:
            yield from _tensors(value, f"{path}/{key}" if path else str(key))


def _tensor_rows(tensor: Array, where: Where) -> Rows:
    kind = str(tensor.dtype).removeprefix("torch.")
    notes = [f"{where.role} ({where.name}): {kind} was read as float32."] if kind == "bfloat16" else []
    try:
        array = as_numpy(tensor)
    except (TypeError, RuntimeError) as error:
        raise AlignscopeError(
            "E106", where.text, f"a tensor of type {kind} ({tensor.layout})", "Save it as a dense tensor of numbers."
        ) from error
    return ArrayRows.of(array, name=where.name, role=where.role, notes=notes)
