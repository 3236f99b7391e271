"""`Rows`: a block of samples that is read a few rows at a time, wherever it is stored."""

from __future__ import annotations

import math
import mmap
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from alignscope._lib.types import Array
from alignscope.errors import AlignscopeError, escaped
from alignscope.pair.notes import shown_names
from alignscope.pair.readers.promised import MOST_COLUMNS, require_memory
from alignscope.pair.readers.samples import Samples

NUMERIC_KINDS = "biuf"
FLATTENED = "was flattened to"
"""How a note says so; a study, which keeps pictures, leaves it out of what it says of them."""
WIDENED = ("torch.bfloat16", "torch.float8")  # types that numpy has not


@runtime_checkable
class Rows(Protocol):
    """N samples of D numbers each. What `read` returns may be a view: do not write to it."""

    @property
    def name(self) -> str:
        """How errors and the page name the block: a file name, or the argument's name."""

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D), after flattening each sample."""

    @property
    def dtype(self) -> str:
        """The source's own type of number, such as ``"float32"``."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The D column names."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the source on the way in, one sentence each."""

    def read(self, start: int, stop: int) -> Array:
        """Rows start to stop (excluded), (stop - start, D), in the source's own type and namespace."""


@dataclass(frozen=True)
class Where:
    """What a reader is to open: the file, the key in it, the argument it is for, and the text as given.

    as_text : whether numbers written as text are wanted as they are written: ids, and codes of classes. ``007`` is not
        ``7``, and ``1.10`` not ``1.1``.
    """

    path: Path
    key: str | None
    role: str
    text: str
    as_text: bool = False

    @property
    def name(self) -> str:
        """The file's name without its folder, with the key; bytes that are not UTF-8 are escaped."""
        return escaped(self.path.name if self.key is None else f"{self.path.name}:{self.key}")

    def refuse_key(self, kind: str) -> None:
        """Raise E105 where a key was given to a format that has none."""
        if self.key is not None:
            raise AlignscopeError(
                "E105", self.text, f"{kind} holds one array and takes no key", f"Give {self.path.name} alone."
            )


@dataclass(frozen=True)
class Header:
    """What is known of a block before any row is read; `ndim` is that of the source.

    named : whether the columns have names of their own. samples : the names of the rows, where the source has any.
    """

    name: str
    shape: tuple[int, int]
    dtype: str
    columns: tuple[str, ...]
    ndim: int
    notes: tuple[str, ...] = ()
    named: bool = False
    samples: Samples | None = None


def describe(
    shape: Sequence[int],
    dtype: str,
    *,
    name: str,
    role: str,
    columns: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> Header:
    """The header of a source of this shape: one row per sample, all further axes flattened.

    A single axis is one column. Default column names are the role and the index, ``"x1 0"``; of a flattened
    source the index on each axis, ``"x1 0,3"``.
    Raises E201 for a scalar, no rows, no columns or more than 2^20.
    """
    where = name if name == role else f"{role} ({name})"
    if len(shape) == 0:
        raise AlignscopeError(
            "E201", where, "a single value, not one row per sample", "Give an array with one row per sample."
        )
    n, item = int(shape[0]), tuple(int(size) for size in shape[1:])
    width = math.prod(item)
    if n == 0 or width == 0:
        raise AlignscopeError(
            "E201",
            where,
            f"an array of shape {tuple(shape)}, without any {'rows' if n == 0 else 'columns'}",
            "Give an array with one row per sample and at least one column.",
        )
    if width > MOST_COLUMNS:
        raise AlignscopeError(
            "E201",
            where,
            f"{width:,} columns, where at most {MOST_COLUMNS:,} are read",
            "Give one row per sample; pool or sample the values of each.",
        )
    if len(item) > 1:
        axes = " x ".join(map(str, item))
        notes = (*notes, f"{where}: each sample of {axes} {FLATTENED} {width} columns.")
    named = columns is not None
    if columns is None:
        columns = _default_columns(role, item)
    else:
        columns, said = shown_names(columns, f"{where}, columns")
        notes = (*notes, *said)
    return Header(name, (n, width), dtype, tuple(columns), len(shape), tuple(notes), named)


def _default_columns(role: str, item: tuple[int, ...]) -> tuple[str, ...]:
    if len(item) <= 1:
        return tuple(f"{role} {j}" for j in range(math.prod(item)))
    return tuple(f"{role} {','.join(map(str, index))}" for index in np.ndindex(*item))


def require_numbers(dtype: str, where: str) -> None:
    """Pass integers, booleans and real floating-point numbers; raise E106 otherwise."""
    kind = _kind_of(dtype)
    if kind in NUMERIC_KINDS:
        return
    way_out = {
        "O": "Convert it to plain numbers, for example with array.astype('float32').",
        "c": "Save the real and the imaginary part (or the modulus and the phase) as columns.",
        "V": "Save the fields as the columns of one plain array.",
        "M": "Save the time as numbers, for example as days since a date.",
        "m": "Save the duration as numbers, for example in seconds.",
    }.get(kind, "Save it as plain numbers; text labels belong in a target.")
    raise AlignscopeError("E106", where, f"values of type {dtype}, not real numbers", way_out)


def _kind_of(text: str) -> str:
    try:
        return np.dtype(text).kind
    except (TypeError, ValueError, SyntaxError):
        # a type that numpy has not, such as bfloat16, or a structure
        return "f" if text.startswith(("float", "bfloat")) else "V"


def first_text(values: Sequence[object]) -> int | None:
    """The place of the first text that is neither a number nor empty; None where there is none."""
    for place, value in enumerate(values):
        try:
            float(value or 0)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return place
    return None


def fixed_text(array: np.ndarray, where: str) -> np.ndarray:
    """Text of variable length as numpy's text of fixed length. Raises E113 where one is too long for all."""
    texts = [str(text) for text in array.reshape(-1).tolist()]
    require_memory(4 * len(texts) * max(map(len, texts), default=0), where)
    return np.array(texts, dtype=np.str_).reshape(array.shape)


def as_numpy(array: Array) -> np.ndarray:
    """Any array (numpy, torch, array API, or a nested list) as numpy, on the CPU."""
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        if str(array.dtype).startswith(WIDENED):
            array = array.float()
        return np.asarray(array.numpy())
    return np.asarray(array)


@dataclass(frozen=True, eq=False)
class StoredRows(ABC):
    """Rows with a `Header`; each kind of store says how it fetches."""

    header: Header

    @property
    def name(self) -> str:
        """How errors and the page name the block."""
        return self.header.name

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D)."""
        return self.header.shape

    @property
    def dtype(self) -> str:
        """The source's own type of number."""
        return self.header.dtype

    @property
    def columns(self) -> tuple[str, ...]:
        """The D column names."""
        return self.header.columns

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done on the way in."""
        return self.header.notes

    def renamed(self, columns: Sequence[str]) -> StoredRows:
        """The same rows under other column names."""
        return replace(self, header=replace(self.header, columns=tuple(columns), named=True))

    def noted(self, *notes: str) -> StoredRows:
        """The same rows with more notes."""
        return replace(self, header=replace(self.header, notes=(*self.header.notes, *notes)))

    def of_samples(self, samples: Samples) -> StoredRows:
        """The same rows, each under the name of its sample."""
        return replace(self, header=replace(self.header, samples=samples))

    def read(self, start: int, stop: int) -> Array:
        """Rows start to stop (excluded), (stop - start, D). Do not write to the result."""
        n, width = self.shape
        if not 0 <= start <= stop <= n:
            raise IndexError(f"rows {start}:{stop} of {self.name}, which has {n}")
        block = self._fetch(start, stop)
        if tuple(block.shape) == (stop - start, width):
            return block
        return _reshape(block, (stop - start, width))

    @abstractmethod
    def _fetch(self, start: int, stop: int) -> Array:
        """Rows start to stop in the shape of the source."""


def samples_of(rows: Rows) -> Samples | None:
    """The names of a block's samples in its own source, where that has any."""
    return rows.header.samples if isinstance(rows, StoredRows) else None


def _reshape(block: Array, shape: tuple[int, int]) -> Array:
    if hasattr(block, "reshape"):
        return block.reshape(shape)
    return block.__array_namespace__().reshape(block, shape)


@dataclass(frozen=True, eq=False)
class ArrayRows(StoredRows):
    """Rows of an array in memory (of any namespace), or of a numpy memmap."""

    array: Array

    @classmethod
    def of(
        cls,
        array: Array,
        *,
        name: str,
        role: str | None = None,
        columns: Sequence[str] | None = None,
        notes: Sequence[str] = (),
    ) -> ArrayRows:
        """Rows of an array, numeric or not. Raises E201 for a scalar, no rows or no columns."""
        if hasattr(array, "detach"):
            array = array.detach()
        dtype = str(array.dtype).removeprefix("torch.")
        role = name if role is None else role
        header = describe(array.shape, dtype, name=name, role=role, columns=columns, notes=notes)
        return cls(header, array)

    def _fetch(self, start: int, stop: int) -> Array:
        block = self.array[start:stop, ...]
        pages = _find_map(self.array) if isinstance(self.array, np.ndarray) else None
        if pages is None:
            return block
        copy = np.array(block, order="K")
        _release(block, pages)
        return copy


def _find_map(array: np.ndarray) -> mmap.mmap | None:
    """The map under an array, where dropping its pages cannot lose anything.

    Pages of a private (copy-on-write) map would lose what was written to them, so those are left alone.
    """
    base: object = array
    shared = False
    while isinstance(base, np.ndarray):
        shared = shared or (isinstance(base, np.memmap) and base.mode in ("r", "r+", "w+"))
        base = base.base
    if not (shared and isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED")):
        return None
    return base


def release(array: np.ndarray) -> None:
    """Drop a mapped array's pages from resident memory; what was written to them stays in the file."""
    if (pages := _find_map(array)) is not None:
        _release(array, pages)


def _release(block: np.ndarray, pages: mmap.mmap) -> None:
    """Drop the pages under a block from resident memory; they stay in the file and its cache."""
    address = np.frombuffer(pages, np.uint8).ctypes.data
    low, high = np.lib.array_utils.byte_bounds(block)
    start = (low - address) // mmap.PAGESIZE * mmap.PAGESIZE
    pages.madvise(mmap.MADV_DONTNEED, start, high - address - start)
