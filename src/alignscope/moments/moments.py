"""Centred second moments of named column blocks: small, mergeable, and all that the linear theory needs.

Every linear figure of alignscope depends on the rows only through their mean and their centred co-moments
C = sum_n w_n (x_n - mean)(x_n - mean)^T (THEORY 8). `Moments` holds them in one of two forms:

- ``chan``: the matrix C itself. One symmetric product per chunk; squares the condition number.
- ``root``: a matrix R with R^T R = C, kept by QR. Three to five times the cost; loses nothing.

Any R with R^T R = C can stand for the data, so the code above reads both forms through `Basis`.
Source: Chan, Golub & LeVeque (1983) for the merge; its square-root form by QR is ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import scipy.linalg as sla

from alignscope._lib.contents import npz_arrays, npz_bytes
from alignscope._lib.types import Matrix, Vector
from alignscope.errors import AlignscopeError

Form = Literal["chan", "root"]

CHAN_TOLERANCE = 1e-9
"""The most that a figure may lose to the Chan form before the square-root form is taken instead."""

_VERSION = 1  # of the bytes
_EPS = float(np.finfo(np.float64).eps)
# Measured on 8 + 6 to 150 + 148 columns, N = 200 to 20,000, means 0 to 10,000 deviations away and three kinds of
# processor: at 8 columns sigma is wrong by at most 0.32 eps cond(C), in the median by 0.004, and the most falls as
# 1 / D, since the condition is estimated in the 1-norm, which overstates it the more the wider the block is.
_CHAN_LOSS_PER_EPS_CONDITION = 0.5
_WIDTH_OF_THE_1_NORM = 8
_SINGULAR = 1e-13  # eigenvalues of C below this share of the largest are rounding


@dataclass(frozen=True, eq=False)
class Moments:
    """The centred second moments of some rows, over named blocks of columns.

    Attributes
    ----------
    blocks : name of a block -> its columns. Two names may stand for the same columns.
    rows : the number of rows counted.
    weight : the sum of the row weights; equal to `rows` when rows are not weighted.
    mean : (D,) weighted column means.
    form : ``chan`` or ``root``.
    matrix : C (D x D) in the Chan form; any R (r x D) with R^T R = C in the root form.
    """

    blocks: Mapping[str, slice]
    rows: int
    weight: float
    mean: Vector
    form: Form
    matrix: Matrix

    @classmethod
    def of(cls, arrays: Mapping[str, Matrix], weights: Vector | None = None, form: Form = "root") -> Moments:
        """Return the moments of arrays that are held in memory, one (N x D_b) array a block."""
        x = np.hstack([np.asarray(a, dtype=np.float64) for a in arrays.values()])
        return cls.of_rows(x, block_slices({k: a.shape[1] for k, a in arrays.items()}), weights, form)

    @classmethod
    def of_rows(
        cls, x: Matrix, blocks: Mapping[str, slice], weights: Vector | None = None, form: Form = "root"
    ) -> Moments:
        """Return the moments of one (N x D) float64 array whose columns are the given blocks."""
        w = np.ones(len(x)) if weights is None else weights
        total = float(w.sum())
        if len(x) == 0 or total <= 0:
            raise AlignscopeError("E205", "moments", f"{len(x)} rows of total weight {total:g}", "Give rows.")
        mean = w @ x / total
        centred = x - mean
        # The mean of far-away columns is itself rounded: centring twice removes what the first left.
        rest = w @ centred / total
        centred -= rest
        if weights is not None:
            centred *= np.sqrt(w)[:, None]
        matrix = centred.T @ centred if form == "chan" else _triangle(centred)
        return cls(dict(blocks), len(x), total, mean + rest, form, matrix)

    def columns(self, *names: str) -> np.ndarray:
        """Return the column numbers of the named blocks, in the order given."""
        return np.concatenate([np.arange(self.blocks[k].start, self.blocks[k].stop) for k in names])

    def cross(self, a: str | Sequence[str], b: str | Sequence[str]) -> Matrix:
        """Return the co-moments A^T B of two blocks (or of several side by side), centred."""
        i, j = self.columns(*_names(a)), self.columns(*_names(b))
        if self.form == "chan":
            return _part(self.matrix, i, j)
        return self.matrix[:, i].T @ self.matrix[:, j]

    def energy(self, block: str) -> Vector:
        """Return the centred sum of squares of every column of a block."""
        s = self.blocks[block]
        if self.form == "chan":
            return np.diagonal(self.matrix)[s].copy()
        return np.einsum("ij,ij->j", self.matrix[:, s], self.matrix[:, s])

    def square(self, names: Sequence[str], weights: Matrix) -> Vector:
        """Return the sums of squares of [blocks] @ weights, one a column of `weights`, centred."""
        if self.form == "chan":
            # In the whole layout, since taking blocks out would copy the matrix. Two names may share columns.
            everywhere = np.zeros((len(self.matrix), weights.shape[1]))
            np.add.at(everywhere, self.columns(*names), weights)
            return np.einsum("ij,ij->j", everywhere, self.matrix @ everywhere)
        image = self.matrix[:, self.columns(*names)] @ weights
        return np.einsum("ij,ij->j", image, image)

    def basis(self, names: str | Sequence[str], ridge: float = 0.0) -> Basis:
        """Return an orthonormal basis of the columns of one block, or of several together."""
        return Basis(self, _names(names), ridge)

    def __add__(self, other: Moments) -> Moments:
        return merge([self, other])

    def to_bytes(self) -> bytes:
        """Return the moments as an .npz, to be kept or sent; equal moments give equal bytes."""
        slices = [[s.start, s.stop] for s in self.blocks.values()]
        return npz_bytes(
            {
                "version": np.array(_VERSION),
                "form": np.array(self.form),
                "names": np.array(list(self.blocks), dtype=str),
                "slices": np.array(slices, dtype=np.int64).reshape(-1, 2),
                "counts": np.array([self.rows, self.weight]),
                "mean": self.mean,
                "matrix": self.matrix,
            }
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> Moments:
        """Return the moments that `to_bytes` wrote. Raises E103 for damaged bytes, or those of a newer version."""
        try:
            a = npz_arrays(content)
            if (version := int(a["version"])) != _VERSION:
                raise ValueError(f"version {version}; this alignscope reads {_VERSION}")
            rows, weight = a["counts"].tolist()
            blocks = {name: slice(*ends) for name, ends in zip(a["names"].tolist(), a["slices"].tolist(), strict=True)}
            form, mean, matrix = str(a["form"]), a["mean"], a["matrix"]
            d = mean.size
            fine = (
                form in get_args(Form)
                and mean.dtype == matrix.dtype == np.float64
                and mean.shape == (d,)
                and matrix.shape == (d if form == "chan" else len(matrix), d)
                and all(0 <= s.start <= s.stop <= d for s in blocks.values())
                and rows >= 0 < weight
            )
            if not fine:
                raise ValueError("parts that do not fit together")
        except (KeyError, TypeError, ValueError) as error:
            raise AlignscopeError("E103", "moments", f"{error}", "Write them again with Moments.to_bytes.") from None
        return cls(blocks, int(rows), weight, mean, "chan" if form == "chan" else "root", matrix)


def merge(parts: Iterable[Moments]) -> Moments:
    """Return the moments of all rows of `parts`, exactly centred, in any order.

    C = sum_k C_k + sum_k w_k (m_k - m)(m_k - m)^T; in the root form, R = qr([R_1; ...; sqrt(w_k)(m_k - m)^T]).
    """
    parts = list(parts)
    first = parts[0]
    if any(p.blocks != first.blocks or p.form != first.form for p in parts):
        raise AlignscopeError(
            "E201", "moments", "parts of other blocks or another form", "Merge moments of the same columns."
        )
    if len(parts) == 1:
        return first
    weights = np.array([p.weight for p in parts])
    total = float(weights.sum())
    # Relative to the first mean, so that means far from zero lose no digits.
    offsets = np.stack([p.mean - first.mean for p in parts])
    shift = weights @ offsets / total
    spread = np.sqrt(weights)[:, None] * (offsets - shift)
    if first.form == "chan":
        matrix = first.matrix.copy()
        for p in parts[1:]:
            matrix += p.matrix
        matrix += spread.T @ spread
    else:
        matrix = _triangle(np.vstack([*(p.matrix for p in parts), spread]))
    return Moments(first.blocks, sum(p.rows for p in parts), total, first.mean + shift, first.form, matrix)


class Basis:
    """Whitened coordinates of a block X: an orthonormal U with X = U S R^T, without ever forming U.

    U is known only through what it does: `coordinates(B)` is U^T B, and `coefficients(M)` the V with
    X V = U M. Columns are divided by their norm first; without that a truncated decomposition drops real
    directions of badly scaled data. With a ridge alpha > 0, U^T B becomes
    diag(s / sqrt(s^2 + N alpha)) U^T B, which is the exact penalty N alpha ||V||^2 (THEORY 3).

    Attributes
    ----------
    rank : the numerical rank r of the block.
    condition : an estimate of cond(X) after equilibration, infinite where the block is rank deficient.
    constant : (D,) which columns do not vary.
    """

    def __init__(self, moments: Moments, names: tuple[str, ...], ridge: float = 0.0) -> None:
        self._moments = moments
        self._columns = moments.columns(*names)
        self._ridge = ridge * moments.weight
        variance = (
            np.diagonal(moments.matrix)[self._columns]
            if moments.form == "chan"
            else np.square(moments.matrix[:, self._columns]).sum(axis=0)
        )
        mean = moments.mean[self._columns]
        rounding = 64 * _EPS * np.abs(mean)
        self.constant = variance <= moments.weight * rounding**2
        self._used = np.flatnonzero(~self.constant)
        self._scale = np.sqrt(variance[self._used])
        # How many digits the means took from the centred values; a rank cannot be told below that.
        self._offset = float(np.max(np.abs(mean[self._used]) * np.sqrt(moments.weight) / self._scale, initial=1.0))
        self.condition = 1.0
        self._triangular = False  # whether `_left` is a Cholesky factor, which stands for `_right` as well
        if self._used.size == 0:
            self.rank = 0
            self._left = self._right = np.zeros((0, 0))
        elif moments.form == "chan":
            self._factor_chan()
        else:
            self._factor_root()

    def _factor_chan(self) -> None:
        gram = self._equilibrated()
        norm = float(sla.lapack.dlange(b"1", gram.T))
        # The transpose of a symmetric matrix, in the order that LAPACK works in place on.
        factor, info = sla.lapack.dpotrf(gram.T, lower=1, clean=0, overwrite_a=1)
        reciprocal = sla.lapack.dpocon(factor, norm, uplo=b"L")[0] if info == 0 else 0.0
        self._triangular = reciprocal > _SINGULAR
        if not self._triangular:
            self._factor_singular()
            return
        self.condition = float(1 / np.sqrt(reciprocal))
        self.rank = len(self._used)
        self._left = factor

    def _equilibrated(self) -> Matrix:
        """Return the co-moments of the columns at unit norm, with the ridge."""
        i = self._columns[self._used]
        gram: Matrix = _part(self._moments.matrix, i, i) / self._scale
        gram /= self._scale[:, None]
        if self._ridge:
            gram[np.diag_indices_from(gram)] += self._ridge / self._scale**2
        return gram

    def _factor_singular(self) -> None:
        """Take the eigenvectors of C that its digits can tell from nothing."""
        values, vectors = np.linalg.eigh(self._equilibrated())
        keep = values > _SINGULAR * values[-1]
        self.rank, self.condition = int(keep.sum()), float("inf")
        self._right = vectors[:, keep] / np.sqrt(values[keep])

    def _factor_root(self) -> None:
        root = self._moments.matrix[:, self._columns[self._used]] / self._scale
        if self._ridge:
            root = np.vstack([root, np.diag(np.sqrt(self._ridge) / self._scale)])
        u, s, rt = sla.svd(root, full_matrices=False, check_finite=False)
        floor = _EPS * max(*root.shape, self._offset) * s[0]
        self.rank = int(np.count_nonzero(s > floor))
        self.condition = float("inf") if self.rank < len(self._used) else float(s[0] / s[-1])
        self._left = u[: self._moments.matrix.shape[0], : self.rank]
        self._right = rt[: self.rank].T / s[: self.rank]

    @property
    def predicted_loss(self) -> float:
        """The most that a figure is expected to lose, absolutely, because the moments are in the Chan form."""
        if self._moments.form == "root":
            return 0.0
        share = min(1.0, _WIDTH_OF_THE_1_NORM / max(len(self._used), 1))
        return _CHAN_LOSS_PER_EPS_CONDITION * share * _EPS * self.condition**2

    def coordinates(self, names: str | Sequence[str]) -> Matrix:
        """Return U^T B (rank x columns of B) for one block B, or for several side by side."""
        j = self._moments.columns(*_names(names))
        if self.rank == 0:
            return np.zeros((0, len(j)))
        if self._moments.form == "root":
            return self._left.T @ self._moments.matrix[:, j]
        i = self._columns[self._used]
        rhs = _part(self._moments.matrix, i, j) / self._scale[:, None]
        return _solve_triangular(self._left, rhs, transposed=False) if self._triangular else self._right.T @ rhs

    def coefficients(self, matrix: Matrix) -> Matrix:
        """Return V (D x k) with X V = U M, for a matrix M (rank x k) in whitened coordinates."""
        out = np.zeros((len(self._columns), matrix.shape[1]))
        if self.rank:
            v = _solve_triangular(self._left, matrix, transposed=True) if self._triangular else self._right @ matrix
            out[self._used] = v / self._scale[:, None]
        return out

    def solve(self, cross: Matrix) -> Matrix:
        """Return the least-squares coefficients (D x k) of targets known by their co-moments X^T B (D x k).

        The work is done in the precision of `cross`, float64 or float32.
        """
        out = np.zeros_like(cross)
        if self.rank:
            scale = self._scale[:, None].astype(cross.dtype)
            rhs = cross[self._used] / scale
            if self._triangular:
                left = self._left.astype(cross.dtype, copy=False)
                v = sla.cho_solve((left, True), rhs, overwrite_b=True, check_finite=False)
            else:
                right = self._right.astype(cross.dtype, copy=False)
                v = right @ (right.T @ rhs)
            out[self._used] = v / scale
        return out

    @cached_property
    def shrinkage(self) -> Matrix | None:
        """S = U_a^T U_a (rank x rank), what a ridge takes from the encoder; None without a ridge, where S = I."""
        if not self._ridge:
            return None
        v = self.coefficients(np.eye(self.rank))
        i = self._columns
        if self._moments.form == "root":
            image = self._moments.matrix[:, i] @ v
            return image.T @ image
        return v.T @ self._moments.matrix[np.ix_(i, i)] @ v


def block_slices(widths: Mapping[str, int]) -> dict[str, slice]:
    """Return consecutive column ranges for blocks of the given widths."""
    edges = np.cumsum([0, *widths.values()])
    return {k: slice(int(a), int(b)) for k, a, b in zip(widths, edges, edges[1:], strict=False)}


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _part(matrix: Matrix, i: np.ndarray, j: np.ndarray) -> Matrix:
    """Return matrix[i][:, j]: a view, not a copy, where both are runs of consecutive numbers."""
    if len(i) and len(j) and _is_run(i) and _is_run(j):
        return matrix[i[0] : i[-1] + 1, j[0] : j[-1] + 1]
    return matrix[np.ix_(i, j)]


def _is_run(numbers: np.ndarray) -> bool:
    return bool(numbers[-1] - numbers[0] == len(numbers) - 1 and (np.diff(numbers) == 1).all())


def _triangle(rows: Matrix) -> Matrix:
    """Return R of a QR decomposition; rows themselves, when there are no more of them than columns."""
    if rows.shape[0] <= rows.shape[1]:
        return np.ascontiguousarray(rows)
    (r,) = sla.qr(rows, mode="r", overwrite_a=True, check_finite=False)
    return np.ascontiguousarray(r[: rows.shape[1]])


def _solve_triangular(factor: Matrix, rhs: Matrix, *, transposed: bool) -> Matrix:
    # Without the checks of scipy.linalg.solve_triangular, which cost more than the work where there are few columns.
    solved, _ = sla.lapack.dtrtrs(factor, rhs, lower=1, trans=int(transposed))
    return np.asarray(solved)
