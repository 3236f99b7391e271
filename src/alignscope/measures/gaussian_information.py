"""Exact mutual information of jointly Gaussian variables, and its partial information decomposition, in bits.

The truth that estimates and bounds are compared with where data are Gaussian by construction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from alignscope._lib.checks import one_of
from alignscope._lib.types import Matrix
from alignscope.errors import AlignscopeError
from alignscope.measures._rows import inverse_root
from alignscope.measures.gaussian_union import union_information

Definition = Literal["mmi", "broja"]

_SURE = 1e-12  # a canonical correlation within this of 1 is 1


class GaussianPID(NamedTuple):
    """What two sources say of a target, in bits; the four add up to I(X1,X2; Y).

    Attributes
    ----------
    redundancy : what either says, >= 0.
    unique1, unique2 : what only one says, >= 0; of minimal mutual information at least one of them is 0.
    synergy : what only both together say, >= 0.
    """

    redundancy: float
    unique1: float
    unique2: float
    synergy: float


def gaussian_information(cov: Any, i: Iterable[int], j: Iterable[int]) -> float:
    """Return the mutual information of two blocks of a Gaussian vector, in bits, 0 to infinity.

        I(X_i; X_j) = 1/2 log2( |S_ii| |S_jj| / |S_ij,ij| ) = -1/2 sum_k log2(1 - rho_k^2)

    rho are the canonical correlations, so neither units nor repeated columns matter, and a singular covariance is
    fine: infinite where a direction of one block is a function of the other, 0 where a block has no variance.
    In nats: times ln 2. Source: Cover & Thomas 2006, 8.5; Gelfand & Yaglom 1957 for the canonical form.

    Parameters
    ----------
    cov : (P, P) covariance, symmetric and positive semi-definite.
    i, j : the columns of each block, which share none; an empty block says nothing.

    Raises
    ------
    AlignscopeError : E201 for another shape, E203 for NaN or infinity, E304 for a matrix that is no covariance, or
        columns that are not there or in both blocks.

    Example
    -------
    >>> round(gaussian_information([[1, 0.6], [0.6, 1]], [0], [1]), 4)
    0.3219
    """
    return _information(_correlation(cov), *_blocks(len(cov), i, j))


def gaussian_pid(
    cov: Any, x1: Iterable[int], x2: Iterable[int], y: Iterable[int], definition: Definition = "mmi"
) -> GaussianPID:
    """Return redundancy, unique parts and synergy of two sources about a target, in bits.

        U_i = I(X_i; Y) - R,   S = I(X1,X2; Y) - R - U1 - U2
        mmi:    R = min(I(X1; Y), I(X2; Y))
        broja:  R = I(X1; Y) + I(X2; Y) - min I_Q(X1,X2; Y),   over Q with the same (X1, Y) and the same (X2, Y)

    For one target column the two are the same, as is every decomposition whose redundancy and unique parts depend on
    the two margins (X_i, Y) alone. For more, minimal mutual information cannot see that each source says something of
    another part of Y: the smaller counts as redundant. The minimum of `broja` is reached to 1e-8 nats or better; see
    `alignscope.measures.gaussian_union` for how, and for the certificate. NaN where infinities cancel.

    Source: Barrett 2015 (arXiv 1411.2832); Bertschinger et al. 2014 (arXiv 1311.2852).

    Parameters
    ----------
    cov : as in `gaussian_information`.
    x1, x2, y : columns of the sources and of the target, which share none.
    definition : of redundancy.

    Raises
    ------
    AlignscopeError : as `gaussian_information`, and E305 for another definition.

    Example
    -------
    The sum of two independent sources and noise of the same variance:

    >>> [round(part, 3) for part in gaussian_pid([[1, 0, 1], [0, 1, 1], [1, 1, 3]], [0], [1], [2])]
    [0.292, 0.0, 0.0, 0.5]
    """
    one_of("definition", definition, get_args(Definition))
    correlation = _correlation(cov)
    x1, x2, y = _blocks(len(cov), x1, x2, y)
    one, two, both = (_information(correlation, x, y) for x in (x1, x2, [*x1, *x2]))
    if definition == "mmi":
        shared = min(one, two)
        return GaussianPID(shared, one - shared, two - shared, max(both - max(one, two), 0.0))
    if not np.isfinite([one, two]).all():
        return GaussianPID(np.nan, np.nan, np.nan, np.nan)
    found = union_information(*(_signal(correlation, x, y) for x in (x1, x2))).value / np.log(2)
    union = max(found, one, two)  # rounding apart
    parts = one + two - union, union - two, union - one, max(both - union, 0.0)
    return GaussianPID(*map(float, parts))


def _correlation(cov: Any) -> Matrix:
    matrix = np.asarray(cov, dtype=np.float64)
    if matrix.ndim != 2 or len(matrix) != matrix.shape[1]:
        raise AlignscopeError("E201", "cov", f"shape {matrix.shape}", "Give a square covariance.")
    if not np.isfinite(matrix).all():
        raise AlignscopeError("E203", "cov", "NaN or infinity", "Give finite covariances.")
    scale = np.sqrt(np.abs(matrix.diagonal()))
    scale[scale == 0] = 1
    scaled = matrix / np.outer(scale, scale)
    symmetric = np.allclose(scaled, scaled.T, rtol=0, atol=1e-8)
    if not symmetric or (len(scaled) and np.linalg.eigvalsh(scaled)[0] < -1e-8 * len(scaled)):
        found = "a negative eigenvalue" if symmetric else "no symmetry"
        raise AlignscopeError("E304", "cov", found, "Give a covariance: symmetric and positive semi-definite.")
    return (scaled + scaled.T) / 2


def _blocks(width: int, *blocks: Iterable[int]) -> list[list[int]]:
    chosen = [[int(column) for column in block] for block in blocks]
    columns = [column for block in chosen for column in block]
    if len(set(columns)) < len(columns) or not all(0 <= column < width for column in columns):
        raise AlignscopeError(
            "E304", "columns", f"{chosen} of {width}", "Give columns, counted from 0, that no two blocks share."
        )
    return chosen


def _signal(correlation: Matrix, x: list[int], y: list[int]) -> Matrix:
    """Return S = Cov(Y | X)^-1 - I, with Y whitened."""
    one, two = (inverse_root(correlation[np.ix_(block, block)]) for block in (x, y))
    whitened = one.T @ correlation[np.ix_(x, y)] @ two
    if whitened.size == 0:
        return np.zeros((whitened.shape[1],) * 2)
    _, rho, vt = np.linalg.svd(whitened, full_matrices=False)
    signal: Matrix = (vt.T * (rho**2 / (1 - rho**2))) @ vt
    return signal


def _information(correlation: Matrix, i: list[int], j: list[int]) -> float:
    one, two = (inverse_root(correlation[np.ix_(block, block)]) for block in (i, j))
    whitened = one.T @ correlation[np.ix_(i, j)] @ two
    if whitened.size == 0:
        return 0.0
    rho = np.linalg.svd(whitened, compute_uv=False)
    if rho[0] > 1 - _SURE:
        return float("inf")
    return float(-0.5 * np.log1p(-(rho**2)).sum() / np.log(2))
