"""`.npy` files: the header is parsed here, the rows are read by `NpyRows` on demand."""

from __future__ import annotations

import math
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.lib import format as npy_format

from alignscope.errors import AlignscopeError
from alignscope.pair.readers.rows import NpyRows, Where, describe

VERSIONS = ((1, 0), (2, 0), (3, 0))


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


def rows_in(file: Readable, end: int, where: Where) -> NpyRows:
    """Rows of the array that starts where `file` stands and stops before byte `end`."""
    shape, fortran, dtype = parse_header(file, where.text)
    refuse_objects(dtype, where.text)
    offset = file.tell()
    needed = math.prod(shape) * dtype.itemsize
    if end - offset < needed:
        raise AlignscopeError(
            "E103",
            where.text,
            f"it is truncated: its header promises {shape} {dtype}, which is {needed:,} bytes, "
            f"and {max(end - offset, 0):,} bytes are there",
            "Write or copy the file again.",
        )
    header = describe(shape, str(dtype.newbyteorder("=")), name=where.name, role=where.role)
    return NpyRows(header, where.path, where.text, offset, dtype, shape[1:], fortran and len(shape) > 1)


def refuse_objects(dtype: np.dtype, where: str) -> None:
    """Raise E104 where reading would unpickle."""
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
    except (ValueError, TypeError, OverflowError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise AlignscopeError(
            "E103", where, f"it is not a complete .npy file ({reason})", "Write it again with numpy.save."
        ) from error
    return shape, fortran, dtype
