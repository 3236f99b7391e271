"""Cross + Self: what the modalities share, and what each of them has alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from alignscope._lib.checks import one_of, real
from alignscope._lib.constants import OBJECTIVE_ALIASES
from alignscope.nn.alignable import Alignable, Canonical
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods._terms import across, several, within
from alignscope.nn.methods.base import Batch, Method, pairs
from alignscope.nn.objectives.contrastive import info_nce
from alignscope.nn.objectives.correlation import barlow_twins
from alignscope.nn.samples import unit

Contrast = Literal["info_nce", "barlow_twins"]
CONTRASTS: tuple[Contrast, ...] = get_args(Contrast)


class CrossSelf(Method):
    """One cross-modal term plus one within-modality term each.

        L = w_cross mean_{v, i<j} O(z_i^v, z_j^v) + w_self sum_m O(z_m^1, z_m^2),     O: InfoNCE or Barlow Twins

    v runs over both augmented views. The cross term alone rewards nothing but what the other modality
    has; the self terms reward all that survives the augmentations. They compete for the same dimensions.

    With `alignable` the cross term is of what each modality predicts of the other (`alignscope.nn.Alignable`), the self
    terms of the whole embeddings. With the canonical variates a of z_i, b of z_j and their weights w, O across is

        InfoNCE:       logits sum_k w_k a_nk b_mk / (|a_n| |b_m| tau)
        Barlow Twins:  sum_k w_k (1 - C_kk)^2 + l sum_{k != l} sqrt(w_k w_l) C_kl^2,     C the correlations of a and b

    and directions of w = 0 have no gradient of it. |a|^2 = sum_k w_k a_k^2 + sg(sum_k (1 - w_k) a_k^2): lengths are
    those of whole variates, lest a cosine blow a block of little weight up to full strength. Both views are rows of
    the same moments. Behind heads the variates are those of the heads' outputs, which are what is to agree.

    Source: Mu et al. 2022 (SLIP), arXiv 2112.12750, which adds the self term to images only, behind a head of its
    own; here each modality has one, and both terms share a head. `alignable`: alignscope.

    Parameters
    ----------
    encoders : of two modalities or more, of one latent size unless `alignable`.
    objective : ``info_nce`` or ``barlow_twins``.
    alignable : whether only what can be predicted is aligned.
    samples : of the training set, which only `alignable` asks for; see `alignscope.nn.Alignable`.
    temperature : of the cosine similarities of ``info_nce``, above 0.
    self_weight, cross_weight : of each modality's own term and of the mean over pairs, at least 0.
    projector : width of the heads, 0 for none.
    products : whether the joint embedding of two modalities is [(z1 + z2) / 2, z1 * z2 / |z1||z2|] in place of both:
        the part of `CanonicalSplit` for how they fit, without its split.

    Raises
    ------
    AlignscopeError : E201 for fewer than two modalities, E304 for a setting or `samples` out of range, E305 for an
        unknown objective.
    """

    views: ClassVar[int] = 2

    def __init__(
        self,
        encoders: Sequence[Encoder],
        *,
        objective: Contrast = "info_nce",
        alignable: bool = False,
        samples: int | None = None,
        temperature: float = 0.1,
        self_weight: float = 1.0,
        cross_weight: float = 1.0,
        projector: int = 0,
        products: bool = False,
    ) -> None:
        super().__init__(several(encoders), projector=projector)
        self.objective = one_of("objective", OBJECTIVE_ALIASES.get(objective, objective), CONTRASTS)
        self.temperature = real("temperature", temperature, above=True)
        self.self_weight = real("self_weight", self_weight)
        self.cross_weight = real("cross_weight", cross_weight)
        self.products = products and len(encoders) == 2
        sizes = [e.components for e in encoders]
        self.alignables = nn.ModuleList(
            Alignable(sizes[i], sizes[j], samples=samples) for i, j in pairs(len(sizes)) if alignable
        )

    def loss(self, batch: Batch) -> Tensor:
        """Return the weighted sum of the cross-modal and within-modality terms, a scalar."""
        embeddings = [self.headed(zs, batch) for zs in self.encoded(batch)]
        cross = self._of_blocks(embeddings, batch) if self.alignables else across(embeddings, batch, self._contrast)
        return self.cross_weight * cross + self.self_weight * within(embeddings, batch, self._contrast)

    def fuse(self, embeddings: Sequence[Tensor]) -> Tensor:
        """Return the joint embedding, (N, M K)."""
        if not self.products:
            return super().fuse(embeddings)
        one, two = (z.float() for z in embeddings)
        return torch.cat([(one + two) / 2, unit(one) * unit(two)], dim=1)

    def _contrast(self, z1: Tensor, z2: Tensor, *, present: Tensor | None, weight: Tensor | None = None) -> Tensor:
        if self.objective == "barlow_twins":
            return barlow_twins(z1, z2, present=present, weight=weight)
        return info_nce(z1, z2, present=present, temperature=self.temperature)

    def _of_blocks(self, embeddings: Sequence[Sequence[Tensor]], batch: Batch) -> Tensor:
        """Return the objective on the alignable blocks, mean over views and pairs of modalities, a scalar."""
        terms = []
        for alignable, (i, j) in zip(self.alignables, pairs(len(self.encoders)), strict=True):
            both = batch.both(i, j)
            # One call for both views: the moments move once a step.
            z1, z2 = (torch.cat([zs[m] for zs in embeddings]) for m in (i, j))
            found: Canonical = alignable.canonical(z1, z2, None if both is None else both.repeat(self.views))
            # Barlow Twins scales each dimension to unit variance by itself, and takes the weights apart.
            pair = found.vectors() if self.objective == "info_nce" else (found.first, found.second)
            views = zip(*(z.chunk(self.views) for z in pair), strict=True)
            terms += [self._contrast(u, v, present=both, weight=found.weight) for u, v in views]
        return torch.stack(terms).mean()
