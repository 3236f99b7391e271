"""DeCUR: decoupled common and unique representations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from alignscope._lib.checks import real
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods._terms import several, split
from alignscope.nn.methods.base import Batch, Method, pairs
from alignscope.nn.objectives.correlation import barlow_twins
from alignscope.nn.samples import count, full_precision
from alignscope.nn.whitening import gauge_target


class DeCUR(Method):
    """Barlow Twins with the dimensions split: common ones agree across modalities, unique ones are uncorrelated.

        L = mean_{v, i<j} [ B(C_cc, I) + B(C_uu, 0) ] + sum_m B(D_m, I)
        B(C, T) = sum_k (C_kk - T_kk)^2 + l sum_{k != k'} C_kk'^2

    C is the cross-correlation (K, K) of modalities i and j in one view, C_cc and C_uu its blocks of the common and of
    the unique dimensions; D_m is that of the two views of modality m over all dimensions. Correlations are over the
    samples that have both sides; a dimension that is constant in the batch has correlation 0. With fewer than two
    such samples a term is 0.

    The loss leaves free the blocks between common and unique dimensions of different modalities, and nothing forces
    what is shared out of the unique ones except that they must decorrelate.

    Source: Wang et al. 2023, arXiv 2309.05300. There, one cross-modal matrix a batch; here, the mean over both views.

    Parameters
    ----------
    encoders : of two modalities or more, of one latent size K >= 2.
    shared_share : share of the dimensions that are common, in (0, 1); rounded to a number in 1..K - 1.
    off_diagonal : l, weight of the redundancy, at least 0.
    projector : width of the heads, 0 for none. Behind heads the split is that of the heads' outputs.

    Raises
    ------
    AlignscopeError : E201 for fewer than two modalities or different latent sizes, E301 for K = 1, E304 for a setting
        out of range.
    """

    views: ClassVar[int] = 2

    def __init__(
        self, encoders: Sequence[Encoder], *, shared_share: float = 0.5, off_diagonal: float = 0.005, projector: int = 0
    ) -> None:
        super().__init__(several(encoders), projector=projector)
        self.shared = split(encoders, shared_share, "shared_share")
        self.off_diagonal = real("off_diagonal", off_diagonal)

    def loss(self, batch: Batch) -> Tensor:
        """Return the decoupled cross-modal terms plus the intra-modal ones, a scalar."""
        embeddings = [self.headed(zs, batch) for zs in self.encoded(batch)]
        cross = [self._decoupled(zs[i], zs[j], batch.both(i, j)) for zs in embeddings for i, j in pairs(len(zs))]
        own = [
            barlow_twins(z1, z2, present=batch.has(m), off_diagonal=self.off_diagonal)
            for m, (z1, z2) in enumerate(zip(embeddings[0], embeddings[1], strict=True))
        ]
        return torch.stack(cross).mean() + torch.stack(own).sum()

    def _decoupled(self, z1: Tensor, z2: Tensor, present: Tensor | None) -> Tensor:
        s, weight = self.shared, self.off_diagonal
        common = barlow_twins(z1[:, :s], z2[:, :s], present=present, off_diagonal=weight)
        return common + _decorrelated(z1[:, s:], z2[:, s:], present, weight)


def _decorrelated(z1: Tensor, z2: Tensor, present: Tensor | None, weight: float) -> Tensor:
    """Return B(C, 0) of two blocks, a scalar."""
    with full_precision(z1):
        t1, t2 = (gauge_target(z, "normalised", present) for z in (z1, z2))
        square = (t1.mT @ t2).square() / count(z1, present) ** 2
    own = square.diagonal().sum()
    return own + weight * (square.sum() - own)
