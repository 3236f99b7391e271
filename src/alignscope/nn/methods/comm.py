"""Methods that contrast one fused embedding with itself under augmentations and masks: CoMM and InfMasking."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from alignscope._lib.checks import real, whole
from alignscope.errors import AlignscopeError
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods.base import Batch, Method, head
from alignscope.nn.methods.fusion import Fusion
from alignscope.nn.objectives.contrastive import info_nce
from alignscope.nn.samples import full_precision, mask, nothing, positive, unit


class CoMM(Method):
    """Contrast the joint embedding of all modalities with that of each alone, over two augmentations (CoMM).

        L = 1/(M+1) [ NCE(z', z'') + sum_m 1/2 (NCE(z'_m, z'') + NCE(z''_m, z')) ]

    z', z'' are the joint embeddings (`Fusion`) of the two augmented views of all modalities, z'_m and z''_m those of
    modality m alone. The first term asks for everything that survives augmentation, synergy included; the others retain
    what each modality has alone. The joint embedding is what is probed: it has sum K_m dimensions, as many as the
    embeddings side by side. A sample without m has no part in m's terms, one without any modality in none.

    Differs from the paper in that a modality is one token, its embedding, where the paper has a sequence of them, and
    in the mean over the M + 1 terms where the paper has their sum, which only scales the step.

    Source: Dufumier et al. 2025 (arXiv 2409.07402).

    Parameters
    ----------
    encoders : one a modality.
    temperature : of the contrast, > 0.
    heads, layers : of the transformer; the heads divide sum K_m.
    projector : width of the head between the joint embedding and the loss; 0 for none.

    Raises
    ------
    AlignscopeError : E301 for heads that do not divide sum K_m, E304 for the temperature.
    """

    views = 2

    def __init__(
        self,
        encoders: Sequence[Encoder],
        *,
        temperature: float = 0.1,
        heads: int = 4,
        layers: int = 1,
        projector: int = 0,
    ) -> None:
        super().__init__(encoders)
        widths = [e.components for e in encoders]
        self.temperature = real("temperature", temperature, above=True)
        self.fusion = Fusion(widths, sum(widths), heads=heads, layers=layers)
        self.head = head(sum(widths), projector)

    def fuse(self, embeddings: Sequence[Tensor], present: Tensor | None = None) -> Tensor:
        """Return the joint embedding (N, sum K_m) of the modalities present, (N, M) bool; by default of all."""
        return self.fusion(embeddings, present)

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean over the masks, a scalar."""
        embeddings = self.encoded(batch)
        there = _there(batch, embeddings[0])
        return self._contrast(self._joint(embeddings[0], there), self._joint(embeddings[1], there), there)

    def _joint(self, embeddings: Sequence[Tensor], there: Tensor) -> list[Tensor]:
        """Return what the loss sees of each modality alone, and last of all together."""
        alone = torch.eye(len(embeddings), dtype=torch.bool, device=there.device)
        return [
            self.head(self.fuse(embeddings, there & chosen).float()) for chosen in (*alone, torch.ones_like(alone[0]))
        ]

    def _contrast(self, one: Sequence[Tensor], two: Sequence[Tensor], there: Tensor) -> Tensor:
        masks = (*there.unbind(1), there.any(1))
        terms = [
            info_nce(z, whole, temperature=self.temperature, present=has)
            for zs, whole in ((one, two[-1]), (two, one[-1]))
            for z, has in zip(zs, masks, strict=True)
        ]
        return torch.stack(terms).mean()


class InfMasking(CoMM):
    """CoMM, and the joint embedding contrasted with those of heavily masked modalities (InfMasking).

        L = L_CoMM + w/2 [ B(z', z''~) + B(z'', z'~) ]

    z~ is the joint embedding after each feature of each embedding was set to 0 with probability 1 - `keep`, drawn anew
    a sample, a feature and a draw; B is `infinite_mask_bound`, which stands for infinitely many draws. What an
    embedding says must then be predicted by many small parts of the modalities together.

    Differs from the paper in that features of the one token a modality are masked, where the paper masks tokens; and
    the Gaussian's moments are those of `draws` masks of the step at hand. Masks come from torch's global generator.

    Source: Wen et al. 2025 (arXiv 2509.25270).

    Parameters
    ----------
    encoders, temperature, heads, layers, projector : as in `CoMM`.
    keep : share of the features that a mask lets through, in [0, 1]; 1 makes every draw the same.
    draws : masks a step and view, at least 2; each costs one pass of the fusion.
    weight : w >= 0.

    Raises
    ------
    AlignscopeError : E301 as in `CoMM`; E304 for a setting out of range.
    """

    def __init__(
        self,
        encoders: Sequence[Encoder],
        *,
        temperature: float = 0.1,
        heads: int = 4,
        layers: int = 1,
        projector: int = 0,
        keep: float = 0.3,
        draws: int = 4,
        weight: float = 1.0,
    ) -> None:
        super().__init__(encoders, temperature=temperature, heads=heads, layers=layers, projector=projector)
        self.keep = real("keep", keep, 0.0, 1.0)
        self.draws = whole("draws", draws, 2)
        self.weight = real("weight", weight)

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of CoMM and the weighted bound, a scalar."""
        embeddings = self.encoded(batch)
        there = _there(batch, embeddings[0])
        one, two = (self._joint(view, there) for view in embeddings)
        bounds = [
            infinite_mask_bound(z, self._masked(view, there), temperature=self.temperature, present=there.any(1))
            for z, view in ((one[-1], embeddings[1]), (two[-1], embeddings[0]))
        ]
        return self._contrast(one, two, there) + self.weight * torch.stack(bounds).mean()

    def _masked(self, embeddings: Sequence[Tensor], there: Tensor) -> Tensor:
        """Return joint embeddings of masked embeddings, (draws, N, F)."""
        rows = [z.repeat(self.draws, 1) for z in embeddings]
        thinned = [torch.where(torch.rand_like(z) < self.keep, z, 0.0) for z in rows]
        return self.head(self.fuse(thinned, there.repeat(self.draws, 1)).float()).unflatten(0, (self.draws, -1))


def infinite_mask_bound(
    anchor: Tensor, masked: Tensor, *, temperature: float = 0.1, present: Tensor | None = None
) -> Tensor:
    """Return an upper bound of the mean InfoNCE (one direction) over all masks of the other side, a scalar, from 0.

        E_k NCE = mean_i [ -a_i.m_i / t + E_k log sum_j exp(a_i.u_jk / t) ]
               <= mean_i [ -a_i.m_i / t + log sum_j E_k exp(a_i.u_jk / t) ]                                  (Jensen)
                = mean_i [ -a_i.m_i / t + log sum_j exp(a_i.m_j / t + a_i' S_j a_i / (2 t^2)) ]   u_j ~ Normal(m_j, S_j)

    a and u are anchor and masked embeddings scaled to unit norm, m_j and S_j the mean and unbiased covariance over the
    D draws of sample j's masked embedding. The second line always holds; the third equals it for Gaussian masked
    embeddings, as the paper assumes, which embeddings on the sphere are not quite. Equal draws give InfoNCE itself. No
    S_j is formed: a' S_j a is the variance over draws of a.u_j.

    Source: InfMasking (arXiv 2509.25270).

    Parameters
    ----------
    anchor : (N, F) unmasked embeddings.
    masked : (D, N, F) embeddings of the same samples under D >= 2 masks.
    temperature : t > 0.
    present : (N,) bool; the others have no influence, whatever they hold. Of fewer than two samples the value is 0.

    Raises
    ------
    AlignscopeError : E201 for shapes that do not fit, E304 for fewer than two draws or a temperature out of range.
    """
    if masked.ndim != 3 or masked.shape[1:] != anchor.shape:
        raise AlignscopeError(
            "E201", "masked", f"shape {tuple(masked.shape)} to {tuple(anchor.shape)}", "Give (draws, N, F) to (N, F)."
        )
    whole("draws", len(masked), 2)
    positive("temperature", temperature)
    if present is not None:
        anchor, masked = anchor[mask(present, len(anchor))], masked[:, present]
    if len(anchor) < 2:
        return nothing(anchor, masked)
    with full_precision(anchor):
        scores = unit(anchor) @ unit(masked).mT / temperature  # (D, N, N)
        mean, variance = scores.mean(0), scores.var(0)
        return ((mean + variance / 2).logsumexp(1) - mean.diagonal()).mean()


def _there(batch: Batch, embeddings: Sequence[Tensor]) -> Tensor:
    if batch.present is not None:
        return batch.present
    return torch.ones(len(embeddings[0]), len(embeddings), dtype=torch.bool, device=embeddings[0].device)
