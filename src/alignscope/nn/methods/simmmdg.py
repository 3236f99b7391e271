"""SimMMDG: shared and specific halves, with labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from alignscope._lib.checks import real
from alignscope._lib.types import Supervision
from alignscope.errors import AlignscopeError
from alignscope.nn.alignment import regression_loss
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods._terms import mlp, several, split
from alignscope.nn.methods.base import Batch, Method
from alignscope.nn.methods.supervised import LinearHeads, any_modality, target_loss
from alignscope.nn.objectives.contrastive import sup_con
from alignscope.nn.samples import available


class SimMMDG(Method):
    """z = [s, p]: classes align s across modalities, p is contrasted with s, each z predicts the others.

        L = sum_t CE(W_t [z_1 ... z_M], y_t) + w_c mean_t SupCon({s_m}, y_t)
            + w_s mean_m E (margin - ||s_m - p_m||)_+ + w_t mean_{i != j} E ||T_ij(z_i) - z_j||^2 / K

    SupCon takes the s of all modalities as one set: positives share the label, whatever modality they come from;
    where a target holds floats, they are the same sample in the other modalities. In the distance s and p are scaled to
    unit length, so that it is at most 2.

    Source: Dong et al. 2023, arXiv 2310.19795. There the distance term is -||s - p||^2 without bound, which length
    alone can lower for ever; the hinge on unit vectors ends that. T are MLPs of two layers, as there.

    Parameters
    ----------
    encoders : of two modalities or more, of one even latent size K.
    classes : number of classes of each target that is learnt, or of its columns where it holds floats (squared loss).
    contrast_weight, separation_weight, translation_weight : w_c, w_s, w_t, at least 0.
    margin : distance from which s and p are distant enough, in [0, 2]; sqrt(2) is orthogonal.
    temperature : of the cosine similarities, above 0.

    Raises
    ------
    AlignscopeError : E201 for fewer than two modalities, different latent sizes or an odd one, E301 for K = 1, E304 for
        no target or a setting out of range; in use, E305 for a target without labels.
    """

    supervision: ClassVar[Supervision] = "labels"

    def __init__(
        self,
        encoders: Sequence[Encoder],
        *,
        classes: Mapping[str, int],
        contrast_weight: float = 1.0,
        separation_weight: float = 1.0,
        translation_weight: float = 0.1,
        margin: float = 2**0.5,
        temperature: float = 0.1,
    ) -> None:
        super().__init__(several(encoders))
        k = encoders[0].components
        self.shared = split(encoders, 0.5, "shared")
        if k % 2:
            raise AlignscopeError("E201", "encoders", f"latent size {k}", "Give an even one: the halves are compared.")
        self.contrast_weight = real("contrast_weight", contrast_weight)
        self.separation_weight = real("separation_weight", separation_weight)
        self.translation_weight = real("translation_weight", translation_weight)
        self.margin = real("margin", margin, 0.0, 2.0)
        self.temperature = real("temperature", temperature, above=True)
        self.readout = LinearHeads(k * len(encoders), classes)
        self.ordered = list(permutations(range(len(encoders)), 2))
        self.translators = nn.ModuleList(mlp(k, k) for _ in self.ordered)

    def loss(self, batch: Batch) -> Tensor:
        """Return the sum of the terms, a scalar."""
        embeddings = [available(z, batch.has(m)).float() for m, z in enumerate(self.encoded(batch)[0])]
        prediction = target_loss(self.readout(self.fuse(embeddings)), batch.labels, any_modality(batch))
        return (
            prediction
            + self.contrast_weight * self._contrast(embeddings, batch)
            + self.separation_weight * self._separation(embeddings, batch)
            + self.translation_weight * self._translation(embeddings, batch)
        )

    def _contrast(self, embeddings: Sequence[Tensor], batch: Batch) -> Tensor:
        stacked = torch.cat([z[:, : self.shared] for z in embeddings])
        present = None if batch.present is None else batch.present.mT.reshape(-1)
        terms = []
        for target in self.readout.targets:
            y = (batch.labels or {})[target]  # target_loss has refused a batch without it
            y = torch.arange(len(y), device=y.device) if y.is_floating_point() else y
            terms.append(sup_con(stacked, y.repeat(len(embeddings)), temperature=self.temperature, present=present))
        return torch.stack(terms).mean()

    def _separation(self, embeddings: Sequence[Tensor], batch: Batch) -> Tensor:
        gaps = torch.stack([self.margin - self._distance(z) for z in embeddings], dim=1).relu()
        present = torch.ones_like(gaps, dtype=torch.bool) if batch.present is None else batch.present
        means = torch.where(present, gaps, 0.0).sum(0) / present.sum(0).clamp(min=1)
        return means.mean()

    def _distance(self, z: Tensor) -> Tensor:
        s, p = normalize(z[:, : self.shared], dim=1), normalize(z[:, self.shared :], dim=1)
        # The root is kept off 0, where its gradient is infinite.
        return (s - p).square().sum(1).clamp(min=1e-12).sqrt()

    def _translation(self, embeddings: Sequence[Tensor], batch: Batch) -> Tensor:
        return torch.stack(
            [
                regression_loss(translator(embeddings[i]), embeddings[j], batch.both(i, j)) / embeddings[j].shape[1]
                for translator, (i, j) in zip(self.translators, self.ordered, strict=True)
            ]
        ).mean()
