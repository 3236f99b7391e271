"""How many directions a representation uses: collapse, seen in the spectrum of its covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from alignscope._lib.types import Vector
from alignscope.measures._rows import centred, representation


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The spectrum of a representation Z (N x K), mu_k the eigenvalues of its covariance (divided by N).

    Attributes
    ----------
    eigenvalues : (K,) mu_k >= 0, descending.
    total_variance : sum_k mu_k, >= 0. Falls when the scale shrinks, whatever is or is not lost.
    effective_rank : exp(-sum_k p_k log p_k), p_k = mu_k / sum mu, in 1..min(N - 1, K). The effective rank of Roy &
        Vetterli (EUSIPCO 2007) of the covariance matrix.
    participation_ratio : (sum mu)^2 / sum mu^2, in 1..effective_rank: what dominates counts more.
    rankme : exp(-sum_k q_k log q_k), q_k = s_k / sum s + 1e-7, s_k the singular values of Z itself, **not centred**
        (Garrido et al., ICML 2023), in about 1..min(N, K). A large mean counts as one direction, and singular values
        count weak directions more than variances do, so it lies mostly above `effective_rank`.

    The last three do not change with the scale or a rotation of Z. Of a representation without variance (complete
    collapse) `effective_rank` and `participation_ratio` are 0.
    """

    eigenvalues: Vector
    total_variance: float
    effective_rank: float
    participation_ratio: float
    rankme: float


def spectrum(z: Any) -> Spectrum:
    """Return the spectrum and the ranks of a representation (N, K); O(N K^2 + K^3).

    Raises
    ------
    AlignscopeError : E201, E203 or E205 (fewer than two rows) for rows that cannot be used.

    Example
    -------
    >>> z = np.random.default_rng(0).normal(size=(1000, 3)) @ np.diag([1.0, 1.0, 0.0])
    >>> round(spectrum(z).effective_rank, 1)
    2.0
    """
    rows = representation("z", z)
    around, mean = centred(rows)
    scatter = around.T @ around
    # The singular values of Z from the same product: Z^T Z is the scatter + N mean mean^T.
    raw = np.sqrt(_eigenvalues(scatter + len(rows) * np.outer(mean, mean)))
    mu = _eigenvalues(scatter) / len(rows)
    total = float(mu.sum())
    return Spectrum(
        eigenvalues=mu,
        total_variance=total,
        effective_rank=_exp_entropy(mu / total) if total > 0 else 0.0,
        participation_ratio=float(total**2 / np.square(mu).sum()) if total > 0 else 0.0,
        rankme=_exp_entropy(raw / max(raw.sum(), np.finfo(np.float64).tiny) + 1e-7),
    )


def _eigenvalues(gram: Any) -> Vector:
    return np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0)


def _exp_entropy(p: Vector) -> float:
    p = p[p > 0]
    return float(np.exp(-np.sum(p * np.log(p))))
