"""Dependence of two embeddings, to be minimised between parts that should be independent."""

from __future__ import annotations

import torch
from torch import Tensor

from alignscope.nn.samples import full_precision, nothing, positive, rows, single
from alignscope.nn.whitening import cross_correlation

_ROUNDING = 1e-10  # a squared distance in float64 below this share of the mean is that of equal rows


def cross_covariance(z1: Tensor, z2: Tensor, *, present: Tensor | None = None) -> Tensor:
    """Return the mean squared correlation between the dimensions of two embeddings.

        ||C||_F^2 / (K1 K2),     C = Z1n^T Z2n / N,  Zn centred, unit variance per dimension

    Free of the scale of every dimension: shrinking an embedding gains nothing. Sees linear dependence only; of
    independent embeddings it is 1 / (N - 1) on average. Source: Cheung 2015 (1412.6583), here as a correlation.

    Parameters
    ----------
    z1, z2 : (N, K1), (N, K2). A constant dimension has correlation 0, and no gradient.
    present : (N,) bool, the samples that have both.

    Returns
    -------
    A scalar in 0..1; 0 for fewer than two samples.

    Raises
    ------
    AlignscopeError : E201, E202.
    """
    z1, z2 = rows((z1, z2), present, alike=False)
    if len(z1) < 2:
        return nothing(z1, z2)
    with full_precision(z1):
        return cross_correlation(z1, z2).square().mean()


def hsic(z1: Tensor, z2: Tensor, *, present: Tensor | None = None, bandwidth: float | Tensor | None = None) -> Tensor:
    """Return the Hilbert-Schmidt independence criterion with Gaussian kernels, biased.

        (1/N^2) tr(A H B H),     A_ij = exp(-||z1_i - z1_j||^2 / 2h^2), B alike,  H = I - 1/N

    The population value is 0 only for independent embeddings, linearly or not; that of a batch of them is of order 1/N.
    Without a bandwidth h^2 is the median squared distance of each embedding, with its gradient: free of scale, so
    shrinking gains nothing. Memory O(N^2). Source: Gretton 2005.

    Parameters
    ----------
    z1, z2 : (N, K1), (N, K2).
    present : (N,) bool, the samples that have both.
    bandwidth : h > 0 of both kernels, or None for the median. Where more than half of the pairs coincide the mean
        squared distance stands in for the median.

    Returns
    -------
    A scalar in 0 .. 1/4; 0 where either is constant, and for fewer than two samples.

    Raises
    ------
    AlignscopeError : E201, E202; E304 for the bandwidth.
    """
    z1, z2 = rows((z1, z2), present, alike=False)
    if bandwidth is not None:
        positive("bandwidth", bandwidth)
    if len(z1) < 2:
        return nothing(z1, z2)
    with full_precision(z1):
        a, b = (_centred_kernel(z.double(), bandwidth) for z in (z1, z2))
        return ((a * b).sum() / len(z1) ** 2).to(torch.promote_types(single(z1).dtype, single(z2).dtype))


def _centred_kernel(z: Tensor, bandwidth: float | Tensor | None) -> Tensor:
    z = z - z[0]  # exactly 0 for a constant
    z = z - z.mean(0)
    length = z.square().sum(1)
    square = (length[:, None] + length - 2 * z @ z.mT).clamp(min=0)
    kernel = (-square / (2 * (_median(square) if bandwidth is None else bandwidth**2))).exp()
    kernel = kernel - kernel.mean(0)
    return kernel - kernel.mean(1, keepdim=True)


def _median(square: Tensor) -> Tensor:
    pairs = len(square) * (len(square) - 1)
    mean = square.sum() / pairs
    # Of all entries: the N of the diagonal, 0, come before those of the pairs.
    median = square.flatten().kthvalue(len(square) + (pairs + 1) // 2).values
    h2 = torch.where(median > _ROUNDING * mean, median, mean)
    return torch.where(h2 == 0, 1.0, h2)
