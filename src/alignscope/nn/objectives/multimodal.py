"""Objectives of M modalities: over pairs, or all at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from alignscope.errors import AlignscopeError
from alignscope.nn.objectives.contrastive import two_way
from alignscope.nn.samples import full_precision, mask, nothing, positive, rows, same_rows, single, unit

_RIDGE = 1e-6  # of the Gram matrix of unit vectors: smooths volumes at angles below 1e-3


def over_pairs(
    objective: Callable[..., Tensor], zs: Sequence[Tensor], *, present: Tensor | None = None, **options: Any
) -> Tensor:
    """Return the mean of an objective of two modalities over all pairs of M.

        2/(M(M-1)) sum_{i < j} objective(z_i, z_j, present = both)

    Parameters
    ----------
    objective : any of this package that takes (z1, z2, present=..., **options), or one of yours.
    zs : M >= 2 embeddings, (N, K_m).
    present : (N, M) bool; a pair is scored on the samples that have both. A pair that no sample has counts as 0.
    options : handed to the objective.

    Raises
    ------
    AlignscopeError : E201 for fewer than two modalities or another shape of the mask.

    Example
    -------
    >>> from alignscope.nn.objectives import cca_loss
    >>> over_pairs(cca_loss, [torch.randn(64, 8) for _ in range(3)], ridge=1e-3).shape
    torch.Size([])
    """
    _several(zs)
    if present is not None:
        mask(present, len(zs[0]), len(zs))
    terms = []
    for i, j in combinations(range(len(zs)), 2):
        both = None if present is None else present[:, i] & present[:, j]
        terms.append(objective(zs[i], zs[j], present=both, **options))
    return sum(terms) / len(terms)


def mil_nce(tokens: Sequence[Tensor], *, present: Tensor | None = None, temperature: float | Tensor = 0.1) -> Tensor:
    """Return MIL-NCE over patches and modalities (OmniSat).

        (1/|A|) sum_{t in A} [ logsumexp_{u not in block(t)} s_tu / tau  -  logsumexp_{u in patch(t)} s_tu / tau ]

    A token t belongs to one modality, sample and patch. block(t) are all tokens of its own modality and sample, so that
    neighbouring patches of one image do not repel; patch(t) are the tokens of the same sample and patch in the other
    modalities, its positives; A are the tokens that have any. s is the cosine. Memory O((M N P)^2).
    Source: Astruc 2024 (2404.08351); MIL-NCE, Miech 2020 (1912.06430).

    Parameters
    ----------
    tokens : M >= 2 of (N, P, K) on one grid of P >= 1 patches.
    present : (N, M) bool, what each sample has. A sample with a single modality serves as a negative only.
    temperature : tau > 0; a scalar tensor may be learnt.

    Returns
    -------
    A scalar >= 0; 0 for one sample of one patch, and where no sample has two modalities.

    Raises
    ------
    AlignscopeError : E201, E202; E304 for the temperature.
    """
    m, (n, p, k) = _several(tokens), _grid(tokens)
    tau = positive("temperature", temperature)
    has = torch.ones(n, m, dtype=torch.bool, device=tokens[0].device) if present is None else mask(present, n, m)
    where = torch.arange(m * n * p, device=has.device)[has.mT[:, :, None].expand(m, n, p).flatten()]
    flat = torch.cat([z.reshape(n * p, k) for z in tokens])[where]
    modality, patch, block = where // (n * p), where % (n * p), where // p
    # Where the token of each patch stands in each modality, -1 for nowhere.
    table = torch.full((n * p, m), -1, device=has.device)
    table[patch, modality] = torch.arange(len(where), device=has.device)
    partners = table[patch].scatter(1, modality[:, None], -1)
    anchors = (partners >= 0).any(1)
    if not anchors.any():
        return nothing(flat)
    with full_precision(flat):
        u, partners = unit(flat), partners[anchors]
        logits = (u[anchors] / tau) @ u.mT
        own = logits.gather(1, partners.clamp(min=0)).masked_fill(partners < 0, -torch.inf)
        return (logits.masked_fill(block[anchors][:, None] == block, -torch.inf).logsumexp(1) - own.logsumexp(1)).mean()


def gram(zs: Sequence[Tensor], *, present: Tensor | None = None, temperature: float | Tensor = 0.1) -> Tensor:
    """Return the GRAM loss: the M embeddings of one sample should span no volume, those of different samples should.

        two-way cross-entropy of logits_ij = -V_ij / tau,     V_ij = sqrt det( G(z_1i, z_2j, ..., z_Mj) + 1e-6 I )

    G is the Gram matrix of unit vectors: the first modality is the anchor, contrasted with the others of all
    samples, and these against all anchors; the others are interchangeable. V_ij = det L_j sqrt(1 + 1e-6 - |v_ij|^2) by
    the Cholesky factor L_j of the others and v = L_j^-1 of their products with the anchor, in float64. The ridge makes
    V smooth: where the vectors are parallel its gradient is 0, and it is bounded everywhere. For M = 2, V is the sine
    of the angle: a vector and its opposite count as aligned. Source: Cicchetti 2025 (2412.11959).

    Parameters
    ----------
    zs : M >= 2 embeddings, (N, K) each with K >= M; rows are scaled to length 1. The anchor comes first.
    present : (N, M) bool; only samples with all M modalities count.
    temperature : tau > 0; a scalar tensor may be learnt.

    Returns
    -------
    A scalar in log(1 + (N - 1) e^(-1 / tau)) .. log(1 + (N - 1) e^(1 / tau)); log N where all rows are equal; 0 for
    fewer than two samples.

    Raises
    ------
    AlignscopeError : E201, also for K < M, where every volume is 0 and nothing can be learnt; E202; E304 for the
        temperature.
    """
    zs, m = _complete(zs, present), len(zs)
    if zs[0].shape[1] < m:
        found = f"{zs[0].shape[1]} dimensions for {m} modalities"
        raise AlignscopeError(
            "E201", "zs", found, f"Their volume is always 0; give embeddings of at least {m} dimensions."
        )
    tau = positive("temperature", temperature)
    if len(zs[0]) < 2:
        return nothing(*zs)
    with full_precision(zs[0]):
        volumes = _volumes([unit(z.double()) for z in zs])
        return two_way(-volumes / tau).to(single(zs[0]).dtype)


def _volumes(units: Sequence[Tensor]) -> Tensor:
    """Return V (N, N) of anchor i, the first, with the others of sample j."""
    anchor, others = units[0], torch.stack(tuple(units[1:]), dim=1)
    identity = torch.eye(others.shape[1], dtype=others.dtype, device=others.device)
    lower, _ = torch.linalg.cholesky_ex(others @ others.mT + _RIDGE * identity)
    # The small inverse first: a triangular solve with N right-hand sides a sample takes ten times as long.
    inverse = torch.linalg.solve_triangular(lower, identity.expand_as(lower), upper=False)
    v = inverse @ (others @ anchor.mT)  # (N_j, M - 1, N_i)
    base = lower.diagonal(dim1=-2, dim2=-1).prod(-1, keepdim=True)
    return (base * (1 + _RIDGE - v.square().sum(1)).sqrt()).mT


def symile(zs: Sequence[Tensor], *, present: Tensor | None = None, logit_scale: float | Tensor = 10.0) -> Tensor:
    """Return the SymILE loss: M modalities at once, also what no two of them show.

        (1/M) sum_m (1/N) sum_i -log softmax_j( a l^m_ij )_i,     l^m_ii = sum_d prod_q z_qi[d]

        l^m_ij = sum_d z_mi[d] prod_{r = 0}^{M-2} z_{q_r, j - r}[d],     q_0, q_1, ... the other modalities

    Negatives take each of the other modalities from another sample, as the bound on the total correlation demands: the
    r-th is shifted by r rows, cyclically. Batches come in random order, so this is the O(N^2) shuffle of the paper
    without random numbers; the value depends on the order of rows and modalities as it does on a shuffle. For M = 2 it
    is `info_nce` at the temperature 1 / a. Source: Saporta 2024 (2411.01053).

    Parameters
    ----------
    zs : M >= 2 embeddings, (N, K); rows are scaled to length 1.
    present : (N, M) bool; only samples with all M modalities count.
    logit_scale : a > 0; a scalar tensor may be learnt. The product of M dense unit embeddings is about K^(1 - M/2): for
        M > 2 let it grow with K.

    Returns
    -------
    A scalar in log(1 + (N - 1) e^(-2 a)) .. log(1 + (N - 1) e^(2 a)); log N where all rows are equal; 0 for fewer than
    two samples.

    Raises
    ------
    AlignscopeError : E201, E202; E304 for the scale.
    """
    zs = _complete(zs, present)
    scale = positive("logit_scale", logit_scale)
    if len(zs[0]) < 2:
        return nothing(*zs)
    with full_precision(zs[0]):
        units = [unit(z) for z in zs]
        own = torch.stack(units).prod(0).sum(1, keepdim=True)
        itself = torch.eye(len(own), dtype=torch.bool, device=own.device)
        target = torch.arange(len(own), device=own.device)
        terms = []
        for m, anchor in enumerate(units):
            others = torch.stack([u.roll(r, 0) for r, u in enumerate(units[:m] + units[m + 1 :])]).prod(0)
            terms.append(functional.cross_entropy(scale * torch.where(itself, own, anchor @ others.mT), target))
        return sum(terms) / len(terms)


def _several(zs: Sequence[Tensor]) -> int:
    if len(zs) < 2:
        raise AlignscopeError("E201", "modalities", f"{len(zs)}", "An alignment needs at least two.")
    return len(zs)


def _complete(zs: Sequence[Tensor], present: Tensor | None) -> list[Tensor]:
    """Return the rows that all modalities have."""
    m = _several(zs)
    return rows(zs, None if present is None else mask(present, len(zs[0]), m).all(1))


def _grid(tokens: Sequence[Tensor]) -> tuple[int, int, int]:
    """Return N, P and K, which all modalities share."""
    shapes = [tuple(z.shape) for z in tokens]
    if any(z.ndim != 3 or 0 in z.shape[1:] for z in tokens):
        raise AlignscopeError("E201", "tokens", f"shapes {shapes}", "Give samples x patches x dimensions.")
    same_rows("tokens", tokens)
    if len(set(shapes)) > 1:
        raise AlignscopeError("E201", "tokens", f"shapes {shapes}", "Give one grid of patches and one K for all.")
    return shapes[0]
