"""How strongly two representations of the same samples are aligned.

None of these is a score of quality: all rise with lambda whether or not performance does
(arXiv 2511.12121).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alignscope._lib.types import Matrix, Vector
from alignscope.measures._rows import centred, check_paired, inverse_root, representation
from alignscope.measures.readout import Readout, explained_share


def cka(z1: Any, z2: Any, *, debiased: bool = True) -> float:
    """Return the linear centred kernel alignment of two representations (N, K1), (N, K2); higher is more alike.

        biased:    ||Z1^T Z2||_F^2 / (||Z1^T Z1||_F ||Z2^T Z2||_F),   columns centred,        in 0..1
        debiased:  HSIC(Z1, Z2) / sqrt(HSIC(Z1, Z1) HSIC(Z2, Z2)),    unbiased HSIC,          in -1..1

        HSIC = [||Z1^T Z2||_F^2 - N/(N-2) a.b + sum a sum b / ((N-1)(N-2))] / (N(N-3)),   a_n = ||z1_n||^2, b_n alike

    cka(z, z) = 1. Neither changes with a rotation, a shift or one common scale of a representation; both change
    with the scale of single dimensions. Of independent representations the debiased one is 0 on average, the biased
    one grows with K / N. No N x N matrix is formed: O(N K1 K2).
    Source: Kornblith et al. 2019; Song et al. 2012 for the unbiased HSIC; Murphy et al. 2024.

    Returns
    -------
    The similarity; NaN where a representation has no variance, since nothing can be compared then.

    Raises
    ------
    AlignscopeError : E201, E202, E203, or E205 for fewer than four rows.
    """
    x, y = representation("z1", z1, 4), representation("z2", z2, 4)
    check_paired("z1", x, "z2", y)
    (x, _), (y, _) = centred(x), centred(y)
    cross, one, two = (_hsic(a, b, debiased) for a, b in ((x, y), (x, x), (y, y)))
    return cross / np.sqrt(one * two) if one > 0 and two > 0 else np.nan


def alignment_r2(z1: Any, z2: Any, test: tuple[Any, Any] | None = None) -> float:
    """Return how much of z2 a linear map of z1 predicts, R^2; not symmetric.

        1 - ||z2 - (z1 Q + q)||^2 / ||z2 - m||^2,     Q, q and the mean m from `z1`, `z2`; norms over the test rows

    Free of the scale of either and of rotations, unlike the alignment loss: a z2 that shrinks changes nothing here.
    Dimensions count by their variance. At most 1; held out it may be negative, which says worse than the mean. The fit
    is least squares with the ridge of `alignscope.measures.linear_probe`.

    Parameters
    ----------
    z1, z2 : (N, K1), (N, K2), to fit on.
    test : the same of other samples, to score on; without it the figure is in sample, and K1/N too high of noise.

    Returns
    -------
    R^2; NaN where z2 has no variance on the rows that are scored.

    Raises
    ------
    AlignscopeError : E201, E202, E203, E205.
    """
    rows1, rows2 = representation("z1", z1), representation("z2", z2)
    check_paired("z1", rows1, "z2", rows2)
    scored = (rows1, rows2)
    if test is not None:
        scored = representation("test z1", test[0], 1), representation("test z2", test[1], 1)
        check_paired("test z1", scored[0], "test z2", scored[1])
    rss, tss, _ = Readout(rows1, rows2).squares(*scored)
    return explained_share(rss, tss)


def canonical_correlations(z1: Any, z2: Any, test: tuple[Any, Any] | None = None) -> Vector:
    """Return the canonical correlations of two representations, descending in the rows that they are fitted on.

        rho = singular values of S11^-1/2 S12 S22^-1/2,      (min(rank z1, rank z2),)

    The spectrum of what is shared: how many directions, and how strongly each. Does not change with any invertible
    affine map of either representation. In sample in 0..1, and of independent noise already about
    sqrt(K1/N) + sqrt(K2/N): give `test` where that matters. The directions of the fit are then correlated on other
    rows, in -1..1, NaN where one does not vary.

    Parameters
    ----------
    z1, z2 : (N, K1), (N, K2), to fit on.
    test : the same of other samples, to score on.

    Raises
    ------
    AlignscopeError : E201, E202, E203, E205.
    """
    rows = representation("z1", z1), representation("z2", z2)
    check_paired("z1", rows[0], "z2", rows[1])
    (x, _), (y, _) = (centred(r) for r in rows)
    w1, w2 = _whitener(x), _whitener(y)
    left, rho, right = np.linalg.svd(w1.T @ (x.T @ y) @ w2, full_matrices=False)
    if test is None:
        return np.minimum(rho, 1.0)
    held = representation("test z1", test[0]), representation("test z2", test[1])
    check_paired("test z1", held[0], "test z2", held[1])
    u, v = (centred(h)[0] @ d for h, d in zip(held, (w1 @ left, w2 @ right.T), strict=True))
    norms = np.linalg.norm(u, axis=0) * np.linalg.norm(v, axis=0)
    return np.divide((u * v).sum(axis=0), norms, out=np.full(len(norms), np.nan), where=norms > 0)


def shared_directions(z1: Any, z2: Any, test: tuple[Any, Any] | None = None) -> float:
    """Return the sum of the squared `canonical_correlations`, those that are negative on other rows left out.

    In 0..min(K1, K2): how many directions two representations share, whatever variance these hold.
    """
    rho = np.nan_to_num(canonical_correlations(z1, z2, test))
    return float(np.square(rho[rho > 0]).sum())


def _hsic(x: Matrix, y: Matrix, debiased: bool) -> float:
    product = float(np.square(x.T @ y).sum())
    if not debiased:
        return product
    n = len(x)
    a, b = np.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", y, y)
    return float(product - n / (n - 2) * (a @ b) + a.sum() * b.sum() / ((n - 1) * (n - 2)))


def _whitener(z: Matrix) -> Matrix:
    """Return W (K x rank) with (Z W)^T Z W = I, over the directions that are more than rounding."""
    gram = z.T @ z
    scale = np.sqrt(np.diagonal(gram))
    unit = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    return unit[:, None] * inverse_root(unit[:, None] * gram * unit)
