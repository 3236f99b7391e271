"""Cross + Self: what the modalities share, and what each of them has alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from alignscope._lib.checks import real
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods._terms import across, several, within
from alignscope.nn.methods.base import Batch, Method
from alignscope.nn.samples import unit


class CrossSelf(Method):
    """Cross-modal InfoNCE plus one within-modality InfoNCE each.

        L = w_cross mean_{v, i<j} NCE(z_i^v, z_j^v) + w_self sum_m NCE(z_m^1, z_m^2)

    v runs over both augmented views. The cross term alone rewards nothing but what the other modality
    has; the self terms reward all that survives the augmentations. They compete for the same dimensions.

    Source: Mu et al. 2022 (SLIP), arXiv 2112.12750, which adds the self term to images only, behind a head of its
    own; here each modality has one, and both terms share a head.

    Parameters
    ----------
    encoders : of two modalities or more, of one latent size.
    temperature : of the cosine similarities, above 0.
    self_weight, cross_weight : of each modality's own term and of the mean over pairs, at least 0.
    projector : width of the heads, 0 for none.
    products : whether the joint embedding of two modalities is [(z1 + z2) / 2, z1 * z2 / |z1||z2|] in place of both:
        the part of `CanonicalSplit` for how they fit, without its split.

    Raises
    ------
    AlignscopeError : E201 for fewer than two modalities, E304 for a setting out of range.
    """

    views: ClassVar[int] = 2

    def __init__(
        self,
        encoders: Sequence[Encoder],
        *,
        temperature: float = 0.1,
        self_weight: float = 1.0,
        cross_weight: float = 1.0,
        projector: int = 0,
        products: bool = False,
    ) -> None:
        super().__init__(several(encoders), projector=projector)
        self.temperature = real("temperature", temperature, above=True)
        self.self_weight = real("self_weight", self_weight)
        self.cross_weight = real("cross_weight", cross_weight)
        self.products = products and len(encoders) == 2

    def loss(self, batch: Batch) -> Tensor:
        """Return the weighted sum of cross-modal and within-modality InfoNCE, a scalar."""
        embeddings = [self.headed(zs, batch) for zs in self.encoded(batch)]
        cross, own = across(embeddings, batch, self.temperature), within(embeddings, batch, self.temperature)
        return self.cross_weight * cross + self.self_weight * own

    def fuse(self, embeddings: Sequence[Tensor]) -> Tensor:
        """Return the joint embedding, (N, M K)."""
        if not self.products:
            return super().fuse(embeddings)
        one, two = (z.float() for z in embeddings)
        return torch.cat([(one + two) / 2, unit(one) * unit(two)], dim=1)
