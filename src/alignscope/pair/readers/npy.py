"""`.npy` files: the header is parsed first, the rows are read on demand."""

from __future__ import annotations

import math
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.lib import format as npy_format

from alignscope.errors import AlignscopeError
from alignscope.pair.readers.rows import Header, StoredRows, Where, describe

VERSIONS = ((1, 0), (2, 0), (3, 0))
UNPARSED = (
    ValueError, TypeError, OverflowError, SyntaxError, tokenize.TokenError, RecursionError, MemoryError, LookupError,
)  # fmt: skip
"""What numpy raises on a header that is none."""


@runtime_checkable
class Readable(Protocol):
    """A binary file, or a member of an archive, that stands at some byte."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""

    def tell(self) -> int:
        """The byte at which it stands."""


def open_npy(where: Where) -> NpyRows:
    """Rows of a `.npy` file of any order and version.

    Raises E103 (truncated, or not a `.npy` file), E104 (Python objects) and E201 (no rows or columns).
    """
    where.refuse_key("A .npy file")
    if where.path.stat().st_size == 0:
        raise AlignscopeError("E103", where.text, "the file is empty", "Write or copy the file again.")
    with where.path.open("rb") as file:
        return rows_in(file, where.path.stat().st_size, where)


@dataclass(frozen=True)
class Stored:
    """Where an array lies in a file, and what it is; dtype is that of the file, with its byte order."""

    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int
    fortran: bool

    def rows(self, header: Header, path: Path, where: str) -> NpyRows:
        """Its rows, under a header."""
        fortran = self.fortran and len(self.shape) > 1
        return NpyRows(header, path, where, self.offset, self.dtype, self.shape[1:], fortran)


def rows_in(file: Readable, end: int, where: Where) -> NpyRows:
    """Rows of the array that starts where `file` stands and stops before byte `end`."""
    found = stored_array(file, end, where.text)
    header = describe(found.shape, str(found.dtype.newbyteorder("=")), name=where.name, role=where.role)
    return found.rows(header, where.path, where.text)


def stored_array(file: Readable, end: int, where: str) -> Stored:
    """What is stored where `file` stands and stops before byte `end`. Raises E103, E104 and E106."""
    shape, fortran, dtype = parse_header(file, where)
    refuse_objects(dtype, where)
    offset = file.tell()
    needed = math.prod(shape) * dtype.itemsize
    if end - offset < needed:
        raise AlignscopeError(
            "E103",
            where,
            f"it is truncated: its header promises {shape} {dtype}, which is {needed:,} bytes, "
            f"and {max(end - offset, 0):,} bytes are there",
            "Write or copy the file again.",
        )
    return Stored(shape, dtype, offset, fortran)


def refuse_objects(dtype: np.dtype, where: str) -> None:
    """Raise E104 where reading would unpickle, E106 for a type without any bytes."""
    if dtype.itemsize == 0:
        raise AlignscopeError("E106", where, f"values of type {dtype.str}, which hold nothing", "Write it again.")
    if dtype.hasobject:
        raise AlignscopeError(
            "E104",
            where,
            "it holds Python objects (dtype object); reading them would unpickle, which can run any code",
            "Save it as plain numbers or text: array.astype('float32') or array.astype(str).",
        )


def parse_header(file: Readable, where: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns are contiguous, and dtype. Raises E103 where they cannot be read."""
    try:
        version = npy_format.read_magic(file)
        if version not in VERSIONS:
            raise ValueError(f"its format version {version} is unknown")
        # version 3 differs from 2 in the encoding of field names only, and fields are refused anyway
        read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, fortran, dtype = read(file)
        if min(shape, default=0) < 0:
            raise ValueError(f"its header promises the shape {shape}")
    except UNPARSED as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise AlignscopeError(
            "E103", where, f"it is not a complete .npy file ({reason})", "Write it again with numpy.save."
        ) from error
    return shape, fortran, dtype


def require_unicode(array: np.ndarray, where: str) -> None:
    """Pass all but text of fixed length that is none: characters beyond U+10FFFF. Raises E103."""
    if array.dtype.kind == "U" and array.size:
        codes = np.ascontiguousarray(array).reshape(-1).view(array.dtype.newbyteorder("=").byteorder + "u4")
        codes = codes if array.dtype.isnative else codes.byteswap()
        if codes.max() > 0x10FFFF:
            raise AlignscopeError("E103", where, "it is damaged: its text has no such characters", "Write it again.")


@dataclass(frozen=True, eq=False)
class NpyRows(StoredRows):
    """Rows of a `.npy` file (or of one stored uncompressed in a `.npz`).

    The rows are read into new memory, not mapped, so that resident memory stays flat however large
    the file is. Every read opens the file anew: threads and processes may share one object.
    """

    path: Path
    where: str
    offset: int
    source: np.dtype
    item: tuple[int, ...]
    fortran: bool

    def _fetch(self, start: int, stop: int) -> np.ndarray:
        try:
            block = self._columns(start, stop) if self.fortran else self._block(start, stop)
        except OSError as error:
            raise AlignscopeError(
                "E101", self.where, f"it cannot be read ({error.strerror})", "Check that the file is still there."
            ) from error
        require_unicode(block, self.where)
        return block if self.source.isnative else block.astype(self.source.newbyteorder("="))

    def _block(self, start: int, stop: int) -> np.ndarray:
        width = self.shape[1]
        offset = self.offset + start * width * self.source.itemsize
        block = np.fromfile(self.path, self.source, (stop - start) * width, offset=offset)
        if block.size != (stop - start) * width:
            raise self._shrunk()
        return block.reshape(stop - start, *self.item)

    def _columns(self, start: int, stop: int) -> np.ndarray:
        n, width = self.shape
        size = self.source.itemsize
        block = np.empty((width, stop - start), self.source)
        # unbuffered: a buffer would read ahead past the few rows wanted of each column
        with self.path.open("rb", buffering=0) as file:
            for j, column in enumerate(block):
                file.seek(self.offset + (j * n + start) * size)
                if column.size and file.readinto(column.view(np.uint8)) != column.nbytes:
                    raise self._shrunk()
        return block.reshape(*self.item[::-1], stop - start).transpose()

    def _shrunk(self) -> AlignscopeError:
        return AlignscopeError(
            "E103", self.where, "it became shorter while it was read", "Write it again, then start over."
        )
