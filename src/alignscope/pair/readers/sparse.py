"""Sparse matrices as `Rows`: only the rows that are read become dense, zeros included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.readers.promised import require_memory
from alignscope.pair.readers.rows import Rows, StoredRows, Where, as_numpy, describe, require_numbers

Sparse: TypeAlias = Any  # a matrix or array of scipy.sparse


@dataclass(frozen=True)
class Compressed:
    """A matrix by its compressed lines: line i has data[indptr[i]:indptr[i + 1]] at indices[indptr[i]:indptr[i + 1]].

    indptr : (lines + 1,). indices, data : (values that are stored,). All are read only as far as they are needed.
    """

    indptr: Rows
    indices: Rows
    data: Rows

    @property
    def dtype(self) -> np.dtype:
        """The type of the values; scipy has no half precision."""
        dtype = np.dtype(self.data.dtype)
        return np.dtype(np.float32) if dtype == np.float16 else dtype

    def check(self, lines: int, where: str) -> None:
        """Raise E103 where the arrays cannot be those of so many lines, E106 for values that are not numbers."""
        require_numbers(self.data.dtype, where)
        shapes = (self.indptr.shape, self.indices.shape, self.data.shape)
        whole = all(np.dtype(rows.dtype).kind in "iu" for rows in (self.indptr, self.indices))
        if not whole or shapes != ((lines + 1, 1), (self.data.shape[0], 1), (self.data.shape[0], 1)):
            raise _broken(where, f"indptr, indices and data hold {', '.join(f'{n:,}' for n, _ in shapes)} values")

    def lines(self, start: int, stop: int, length: int, where: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The data, indices and indptr of lines start to stop of `length` values each. Raises E103."""
        pointers = _flat(self.indptr, start, stop + 1).astype(np.int64)
        low, high = int(pointers[0]), int(pointers[-1])
        counts = np.diff(pointers)
        if low < 0 or high > self.data.shape[0] or ((counts < 0) | (counts > length)).any():
            raise _broken(where, "indptr does not rise from 0 to the number of values")
        indices = _flat(self.indices, low, high)
        if indices.size and not 0 <= int(indices.min()) <= int(indices.max()) < length:
            raise _broken(where, f"indices from {indices.min()} to {indices.max()}, where 0 to {length - 1} are")
        return _flat(self.data, low, high).astype(self.dtype, copy=False), indices, pointers - low


def is_sparse(value: object) -> bool:
    """Whether a value is a sparse matrix of scipy, or one that anndata has left in its file (backed)."""
    return hasattr(value, "tocsr") or (hasattr(value, "to_memory") and hasattr(value, "format"))


@dataclass(frozen=True, eq=False)
class HeldCsr(StoredRows):
    """Rows of a sparse matrix that some library holds, compressed by rows."""

    matrix: Sparse

    @classmethod
    def of(cls, matrix: Sparse, name: str, role: str) -> HeldCsr:
        """The rows of a sparse matrix (N, D) of any format. Raises E201 without rows or columns.

        One that anndata has left in its file stays there if it is compressed by rows.
        """
        if getattr(matrix, "format", None) != "csr":
            matrix = matrix.tocsr() if hasattr(matrix, "tocsr") else matrix.to_memory().tocsr()
        header = describe(matrix.shape, str(np.dtype(matrix.dtype)), name=name, role=role)
        return cls(header, matrix)

    def _fetch(self, start: int, stop: int) -> np.ndarray:
        return np.asarray(self.matrix[start:stop].toarray())


@dataclass(frozen=True, eq=False)
class StoredCsr(StoredRows):
    """Rows of a matrix that is stored compressed by rows; those that are wanted are read."""

    where: str
    stored: Compressed

    @classmethod
    def of(cls, shape: tuple[int, int], stored: Compressed, where: Where) -> StoredCsr:
        """The rows. Raises E103 where the arrays cannot be a matrix of this shape, E201 without rows or columns."""
        stored.check(shape[0], where.text)
        header = describe(shape, str(stored.dtype), name=where.name, role=where.role)
        return cls(header, where.text, stored)

    def _fetch(self, start: int, stop: int) -> np.ndarray:
        from scipy.sparse import csr_matrix  # slow to load

        block = csr_matrix(self.stored.lines(start, stop, self.shape[1], self.where), (stop - start, self.shape[1]))
        return np.asarray(block.toarray())


def converted(shape: tuple[int, int], stored: Compressed, where: Where) -> HeldCsr:
    """Rows of a matrix that is stored compressed by columns; it is turned into rows once, in memory.

    Raises E103 where the arrays cannot be a matrix of this shape, E113 where it does not fit into memory.
    """
    from scipy.sparse import csc_matrix  # slow to load

    stored.check(shape[1], where.text)
    size = sum(rows.shape[0] * np.dtype(rows.dtype).itemsize for rows in (stored.indices, stored.data))
    require_memory(2 * size, where.text)
    return HeldCsr.of(csc_matrix(stored.lines(0, shape[1], shape[0], where.text), shape), where.name, where.role)


def _flat(rows: Rows, start: int, stop: int) -> np.ndarray:
    return as_numpy(rows.read(start, stop)).reshape(-1)


def _broken(where: str, reason: str) -> AlignscopeError:
    return AlignscopeError("E103", where, f"it is no sparse matrix of its shape ({reason})", "Write it again.")
