"""Objectives on the moments of a batch: what two modalities share is correlation, without negatives."""

from __future__ import annotations

import torch
from torch import Tensor

from alignscope._lib.checks import real
from alignscope.nn.samples import full_precision, nothing, positive, rows, single
from alignscope.nn.whitening import correlation_factor, cross_correlation, gauge_target


def barlow_twins(
    z1: Tensor,
    z2: Tensor,
    *,
    present: Tensor | None = None,
    off_diagonal: float = 5e-3,
    weight: Tensor | None = None,
) -> Tensor:
    """Return the Barlow Twins loss: the cross-correlation matrix should be the identity.

        sum_k w_k (1 - C_kk)^2 + l sum_{k != l} sqrt(w_k w_l) C_kl^2

        C = Z1n^T Z2n / N,     Zn centred, unit variance per dimension

    Source: Zbontar 2021 (2103.03230).

    Parameters
    ----------
    z1, z2 : (N, K). A constant dimension has correlation 0 with everything, and no gradient.
    present : (N,) bool, the samples that have both.
    off_diagonal : l >= 0.
    weight : (K,) w in 0..1, None for 1; for variates of `alignscope.nn.Alignable.canonical`, whose block would lose it
        by being scaled to unit variance.

    Returns
    -------
    A scalar in 0 .. 4 K + l K (K - 1); sum_k w_k where all rows are equal; 0 for fewer than two samples, which have no
    correlation.

    Raises
    ------
    AlignscopeError : E201, E202; E304 for the weight.
    """
    z1, z2 = rows((z1, z2), present)
    real("off_diagonal", off_diagonal)
    if len(z1) < 2:
        return nothing(z1, z2)
    with full_precision(z1):
        c = cross_correlation(z1, z2)
        if weight is None:
            return (1 - c.diagonal()).square().sum() + off_diagonal * _off_diagonal(c).square().sum()
        root = weight.sqrt()
        redundant = (root[:, None] * _off_diagonal(c).square() * root).sum()
        return (weight * (1 - c.diagonal()).square()).sum() + off_diagonal * redundant


def vicreg(
    z1: Tensor,
    z2: Tensor,
    *,
    present: Tensor | None = None,
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
) -> Tensor:
    """Return the VICReg loss: equal embeddings, of some variance, without correlation.

        a (1/NK) sum_n ||z1_n - z2_n||^2  +  b [v(z1) + v(z2)]  +  c [w(z1) + w(z2)]

        v(z) = (1/K) sum_k max(0, 1 - sqrt(Var z_k + 1e-4)),     w(z) = (1/K) sum_{k != l} Cov(z)_kl^2

    Variances are unbiased. Every term is a mean over dimensions; the paper writes the first as a sum, its weights of
    25, 25 and 1 belong to the mean. Source: Bardes 2022 (2105.04906).

    Parameters
    ----------
    z1, z2 : (N, K), not scaled: the variance term sets the scale.
    present : (N,) bool, the samples that have both.
    invariance, variance, covariance : the weights a, b, c >= 0.

    Returns
    -------
    A scalar >= 0; 1.98 b where all rows are equal and z1 = z2; 0 for fewer than two samples, which have no variance.

    Raises
    ------
    AlignscopeError : E201, E202; E304 for a weight.
    """
    z1, z2 = rows((z1, z2), present)
    for name, weight in (("invariance", invariance), ("variance", variance), ("covariance", covariance)):
        real(name, weight)
    if len(z1) < 2:
        return nothing(z1, z2)
    with full_precision(z1):
        z1, z2 = single(z1), single(z2)
        loss = invariance * (z1 - z2).square().mean()
        for z in (z1, z2):
            centred = z - z.mean(0)
            cov = centred.mT @ centred / (len(z) - 1)
            loss = loss + variance * (1 - (cov.diagonal() + 1e-4).sqrt()).relu().mean()
            loss = loss + covariance * _off_diagonal(cov).square().sum() / z.shape[1]
        return loss


def cca_loss(
    z1: Tensor, z2: Tensor, *, present: Tensor | None = None, ridge: float = 1e-4, soft: bool = False
) -> Tensor:
    """Return minus the sum of the canonical correlations of a batch.

        -||M||_*  (or -||M||_F^2 where `soft`),     M = L1^-1 R12 L2^-T,     L_i L_i^T = R_ii + ridge I

    R are correlation matrices, so the ridge has no unit. Whitening is by Cholesky, in float64: no eigenvectors, hence
    no harm from ties. The gradient of the nuclear norm with respect to M is U V^T, of spectral norm 1 everywhere; at a
    correlation of 0 it has a kink, and one of its subgradients is given. The sum of squares is smooth there, cheaper,
    and prefers few strong correlations to many weak ones. The optimum of linear encoders is the CCA subspaces either
    way: a canonical direction that has the share mu of R retains rho mu / (mu + ridge). Lengths are free, so they grow
    under large steps; in our tests a quasi-Newton method could stall on embeddings of length 1e8 at a ridge of 1e-9,
    and never from 1e-6 on. Source: Andrew 2013 (Deep CCA); Chapman 2022; the sum of squares is VAMP-2 (Wu and Noe 2020,
    1707.04659).

    Parameters
    ----------
    z1, z2 : (N, K1), (N, K2). A constant dimension has correlation 0, and no gradient.
    present : (N,) bool, the samples that have both.
    ridge : > 0. Batches of N <= K have correlations of nearly 1 whatever they hold: take larger ones.
    soft : the sum of squared correlations instead.

    Returns
    -------
    A scalar in -min(K1, K2) .. 0; 0 for fewer than two samples.

    Raises
    ------
    AlignscopeError : E201, E202; E304 for the ridge.
    """
    z1, z2 = rows((z1, z2), present, alike=False)
    positive("ridge", ridge)
    if len(z1) < 2:
        return nothing(z1, z2)
    with full_precision(z1):
        t1, t2 = gauge_target(z1, "normalised"), gauge_target(z2, "normalised")
        kind, n = torch.promote_types(t1.dtype, t2.dtype), len(t1)
        t1, t2 = t1.double(), t2.double()
        half = torch.linalg.solve_triangular(correlation_factor(t1, ridge, n), t1.mT @ t2 / n, upper=False)
        m = torch.linalg.solve_triangular(correlation_factor(t2, ridge, n), half.mT, upper=False)
        if soft or not m.isfinite().all():  # the decomposition refuses NaN, which is to stay visible
            return -m.square().sum().to(kind)
        return -torch.linalg.svdvals(m).sum().to(kind)


def _off_diagonal(c: Tensor) -> Tensor:
    return c - torch.diag_embed(c.diagonal())
