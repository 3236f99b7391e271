"""Information-bottleneck alignment: the negative control, which removes specific information on purpose."""

from __future__ import annotations

import torch
from torch import Tensor

from alignscope._lib.checks import real
from alignscope.nn.objectives.contrastive import info_nce
from alignscope.nn.samples import full_precision, nothing, positive, rows, single


def bottleneck_alignment(
    mu1: Tensor,
    logvar1: Tensor,
    mu2: Tensor,
    logvar2: Tensor,
    *,
    present: Tensor | None = None,
    beta: float = 1.0,
    temperature: float | Tensor = 0.1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the information-bottleneck alignment of two Gaussian embeddings q(z | x_i) = N(mu_i, diag exp(logvar_i)).

        info_nce(z1, z2)  +  beta (1/N) sum_n KL( q(z | x1_n) || q(z | x2_n) ),     z_i = mu_i + exp(logvar_i / 2) e_i

        KL = 1/2 sum_k [ logvar2 - logvar1 + (exp(logvar1) + (mu1 - mu2)^2) exp(-logvar2) - 1 ]

    The divergence bounds I(z; x1 | x2), what z1 has that modality 2 has not: it is this that is driven out. The
    contrast is on samples, not on means: without the noise, a growing variance would make the divergence free.
    Source: 2506.04870; the bound, Federici 2020 (2002.07017).

    Parameters
    ----------
    mu1, logvar1, mu2, logvar2 : (N, K) each.
    present : (N,) bool, the samples that have both.
    beta : >= 0.
    temperature : of InfoNCE, > 0.
    generator : of the noise; the default one of torch without.

    Returns
    -------
    A scalar >= 0; 0 without samples. Of a single one the divergence only.

    Raises
    ------
    AlignscopeError : E201, E202; E304 for beta or the temperature.
    """
    names = ("mu1", "logvar1", "mu2", "logvar2")
    chosen = rows((mu1, logvar1, mu2, logvar2), present, names=names)
    real("beta", beta)
    positive("temperature", temperature)
    if len(chosen[0]) == 0:
        return nothing(*chosen)
    with full_precision(chosen[0]):
        m1, v1, m2, v2 = (single(z) for z in chosen)
        z1, z2 = (m + (v / 2).exp() * _noise(m, generator) for m, v in ((m1, v1), (m2, v2)))
        divergence = (v2 - v1 + (v1 - v2).exp() + (m1 - m2).square() * (-v2).exp() - 1).sum() / (2 * len(m1))
        return info_nce(z1, z2, temperature=temperature) + beta * divergence


def _noise(like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)
