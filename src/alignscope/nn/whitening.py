"""Standardised, whitened and correlated: what alignment targets and objectives make of the dimensions of a batch."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from alignscope._lib.checks import one_of
from alignscope.nn.samples import available, count, full_precision, single

BatchGauge = Literal["raw", "stop_gradient", "normalised", "whitened"]
GAUGES: tuple[BatchGauge, ...] = get_args(BatchGauge)
"""Target scalings that need nothing but the batch at hand."""

WHITENING_RIDGE = 1e-8
"""What is added to the correlation matrix (unit diagonal) before it is inverted. A direction of eigenvalue mu retains
the share mu / (mu + 1e-8) of its unit variance: all of it for any real direction, none for those without variance."""


def gauge_target(z: Tensor, gauge: BatchGauge, present: Tensor | None = None) -> Tensor:
    """Return the alignment target T of a representation.

        normalised:  T = (z - mean) / sd                                 per dimension, biased variance
        whitened:    T = Tn L^-T,   L L^T = Tn^T Tn / N + 1e-8 I         Tn the normalised target

    Whitening is by Cholesky, in float64: T is the Gram-Schmidt basis of the dimensions in their order. It differs
    from any other whitening by a rotation, which Q absorbs; it has no eigenvectors, so neither ties nor missing rank
    harm its gradient, and no axes swap between batches. From a batch of no more than K rows, T keeps unit covariance
    on the N - 1 directions that it has. A dimension that is constant to rounding gives T = 0 without gradient.

    Parameters
    ----------
    z : (N, K) floats; below float32 it is taken to float32 first.
    gauge : one of `GAUGES`.
    present : (N,) bool; statistics are those of the rows present, the others get T = 0 whatever they hold.

    Raises
    ------
    AlignscopeError : E305 for an unknown one.
    """
    one_of("gauge", gauge, GAUGES)
    rounding = torch.finfo(z.dtype).eps
    z = available(single(z), present)
    if gauge == "raw":
        return z
    if gauge == "stop_gradient":
        return z.detach()
    kind = z.dtype
    with full_precision(z):
        t = _normalise(z.double() if gauge == "whitened" else z, present, 4 * rounding)
        if gauge == "whitened":
            lower = correlation_factor(t, WHITENING_RIDGE, count(t, present))
            t = torch.linalg.solve_triangular(lower, t.mT, upper=False).mT
        return t.to(kind)


def cross_correlation(z1: Tensor, z2: Tensor) -> Tensor:
    """Return the correlations of all dimensions of two embeddings (N, K1), (N, K2), a matrix (K1, K2).

    A constant dimension has correlation 0 with everything, and no gradient; without samples all are 0.
    """
    return gauge_target(z1, "normalised").mT @ gauge_target(z2, "normalised") / max(len(z1), 1)


def correlation_factor(t: Tensor, ridge: float, n: Tensor | int) -> Tensor:
    """Return the Cholesky factor L of the correlation matrix of normalised t with a ridge: L L^T = T^T T / n + ridge I.

    Unchecked: of many models trained at once, one that has diverged gives NaN and leaves the others alone.
    """
    identity = torch.eye(t.shape[1], dtype=t.dtype, device=t.device)
    return torch.linalg.cholesky_ex(t.mT @ t / n + ridge * identity).L


def _normalise(z: Tensor, present: Tensor | None, rounding: float) -> Tensor:
    n = count(z, present)
    mean = z.sum(0) / n
    centred = available(z - mean, present)
    variance = centred.square().sum(0) / n
    # Asked this way round, a variance of NaN is no constant: a divergence stays visible.
    constant = variance <= rounding**2 * mean.square()
    # The root is taken of 1 where nothing varies: its gradient at 0 is infinite even where it is not used.
    return torch.where(constant, 0.0, centred) * torch.where(constant, 1.0, variance).rsqrt()
