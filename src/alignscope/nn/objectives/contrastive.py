"""Contrastive objectives: pairs against the pairs that could have been."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from alignscope.errors import AlignscopeError
from alignscope.nn.samples import full_precision, nothing, positive, rows, single, unit


def info_nce(z1: Tensor, z2: Tensor, *, present: Tensor | None = None, temperature: float | Tensor = 0.1) -> Tensor:
    """Return InfoNCE (CLIP), the mean of both directions.

        -(1/2N) sum_i [ log softmax_j(s_ij / tau)_i + log softmax_j(s_ji / tau)_i ],     s_ij = cos(z1_i, z2_j)

    log N minus its expectation is a lower bound on the mutual information of z1 and z2, so it sees no more than log N
    nats. To second order in s / tau the optimum of linear encoders is the CCA subspace (`spectral_contrastive`).
    Source: van den Oord 2018 (1807.03748); Radford 2021 (2103.00020).

    Parameters
    ----------
    z1, z2 : (N, K); rows are scaled to length 1. A zero row has cosine 0 with everything.
    present : (N,) bool, the samples that have both.
    temperature : tau > 0; a scalar tensor may be learnt.

    Returns
    -------
    A scalar in log(1 + (N - 1) e^(-2 / tau)) .. log(1 + (N - 1) e^(2 / tau)); log N where all rows are equal; 0 for
    fewer than two samples.

    Raises
    ------
    AlignscopeError : E201, E202; E304 for the temperature.

    Example
    -------
    >>> info_nce(torch.ones(4, 3), torch.ones(4, 3))
    tensor(1.3863)
    """
    z1, z2 = rows((z1, z2), present)
    tau = positive("temperature", temperature)
    if len(z1) < 2:
        return nothing(z1, z2)
    with full_precision(z1):
        return two_way(unit(z1) @ unit(z2).mT / tau)


def two_way(logits: Tensor) -> Tensor:
    """Return the cross-entropy of the diagonal of (N, N) logits, the mean over rows and columns."""
    own = torch.arange(len(logits), device=logits.device)
    return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.mT, own)) / 2


def siglip(
    z1: Tensor,
    z2: Tensor,
    *,
    present: Tensor | None = None,
    temperature: float | Tensor = 0.1,
    bias: float | Tensor = -10.0,
) -> Tensor:
    """Return the sigmoid loss of SigLIP: each pair is one yes-or-no question.

        -(1/N) sum_ij log sigmoid( y_ij (s_ij / tau + b) ),     y_ii = 1, y_ij = -1 else;  s_ij = cos(z1_i, z2_j)

    The bias starts at -10 as in the paper, since most pairs are negative: both it and the temperature are meant to be
    learnt. Source: Zhai 2023 (2303.15343), where t = 1 / tau.

    Parameters
    ----------
    z1, z2 : (N, K); rows are scaled to length 1.
    present : (N,) bool, the samples that have both.
    temperature : tau > 0; a scalar tensor may be learnt.
    bias : b; a scalar tensor may be learnt.

    Returns
    -------
    A scalar > 0, the sum over pairs divided by N; 0 for fewer than two samples, where nothing is contrasted.

    Raises
    ------
    AlignscopeError : E201, E202; E304 for the temperature.
    """
    z1, z2 = rows((z1, z2), present)
    tau = positive("temperature", temperature)
    if len(z1) < 2:
        return nothing(z1, z2)
    with full_precision(z1):
        logits = unit(z1) @ unit(z2).mT / tau + bias
        sign = 2 * torch.eye(len(z1), dtype=logits.dtype, device=logits.device) - 1
        return -functional.logsigmoid(sign * logits).sum() / len(z1)


def spectral_contrastive(z1: Tensor, z2: Tensor, *, present: Tensor | None = None) -> Tensor:
    """Return the spectral contrastive loss, whose optimum is the singular value decomposition of the pairing.

        -2 (1/N) sum_i z1_i . z2_i  +  1/(N(N-1)) sum_{i != j} (z1_i . z2_j)^2

    The second term is unbiased for independent pairs. In expectation the loss is ||z1 z2 - C||^2 - ||C||^2 with C the
    pairing operator: for centred linear encoders C = S11^-1/2 S12 S22^-1/2, the minimum is minus the sum of the K
    largest squared canonical correlations, reached on the CCA subspaces. An embedding that may carry a constant gets
    one more correlation, of 1. No N x N matrix is formed: O(N K^2). Source: HaoChen 2021 (2106.04156); two modalities,
    Zhang 2023 (2306.04272).

    Parameters
    ----------
    z1, z2 : (N, K), not scaled: the length of a row is part of the solution.
    present : (N,) bool, the samples that have both.

    Returns
    -------
    A scalar, at least -1 - sum rho_k^2 in expectation. Unbounded below on one batch of N <= K: take larger batches.
    0 for fewer than two samples.

    Raises
    ------
    AlignscopeError : E201, E202.
    """
    z1, z2 = rows((z1, z2), present)
    if len(z1) < 2:
        return nothing(z1, z2)
    with full_precision(z1):
        z1, z2 = single(z1), single(z2)
        n, own = len(z1), (z1 * z2).sum(1)
        everyone = ((z1.mT @ z1) * (z2.mT @ z2)).sum()
        return -2 * own.mean() + (everyone - own.square().sum()) / (n * (n - 1))


def sup_con(z: Tensor, labels: Tensor, *, present: Tensor | None = None, temperature: float | Tensor = 0.1) -> Tensor:
    """Return the supervised contrastive loss: samples of one class are each other's positives.

        (1/|A|) sum_{i in A} (1/|P_i|) sum_{p in P_i} -log [ e^(s_ip / tau) / sum_{a != i} e^(s_ia / tau) ]

    P_i are the others of i's class, A the samples that have any, s the cosine. The sum over positives stands outside
    the logarithm (L_out of the paper). Modalities are joined by stacking their rows and repeating the labels.
    Source: Khosla 2020 (2004.11362).

    Parameters
    ----------
    z : (N, K); rows are scaled to length 1.
    labels : (N,) class codes; those of absent samples are not looked at.
    present : (N,) bool.
    temperature : tau > 0; a scalar tensor may be learnt.

    Returns
    -------
    A scalar >= 0; log(N - 1) where all rows are equal; 0 where no class has two samples.

    Raises
    ------
    AlignscopeError : E201; E202 for another number of labels; E304 for the temperature.
    """
    if labels.ndim != 1:
        raise AlignscopeError("E201", "labels", f"shape {tuple(labels.shape)}", "Give one class code a sample.")
    z, column = rows((z, labels[:, None]), present, names=("z", "labels"), alike=False)
    tau = positive("temperature", temperature)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    positives = (column == column.mT) & ~itself
    anchors = positives.any(1)
    if not anchors.any():
        return nothing(z)
    with full_precision(z):
        u = unit(z)
        logits = (u @ u.mT / tau).masked_fill(itself, -torch.inf)[anchors]
        logs = logits - logits.logsumexp(1, keepdim=True)
        positives = positives[anchors]
        return -(torch.where(positives, logs, 0.0).sum(1) / positives.sum(1)).mean()
