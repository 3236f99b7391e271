"""Contrast of patches: what shows the same patch in another modality, as OmniSat aligns its tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from alignscope._lib.checks import real, whole
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods._terms import several
from alignscope.nn.methods.base import Batch, Method
from alignscope.nn.objectives.multimodal import mil_nce


class PatchContrast(Method):
    """MIL-NCE over patches and modalities (OmniSat), without its reconstruction term.

        L = (1/(M N P)) sum_i [ logsumexp over all tokens outside i's own (modality, sample) of s_i. / tau
                                - logsumexp over the same patch in other modalities of s_i. / tau ],   s the cosine

    Tokens are those of `Encoder.tokens`, projected like the embedding: z is their mean. Modalities must show the same
    patches; of encoders without patches P = 1: InfoNCE with those of all other samples in all modalities as negatives.
    Source: Astruc et al. 2024 (OmniSat), arXiv 2404.08351.

    Parameters
    ----------
    encoders : of two modalities or more, of one latent size and one number of patches.
    temperature : tau > 0.
    patches : how many patches, drawn anew at every step, are contrasted at most: memory and time grow with their
        square.

    Raises
    ------
    AlignscopeError : E201 for fewer than two modalities, and in use for patches that differ in number; E304.
    """

    def __init__(self, encoders: Sequence[Encoder], *, temperature: float = 0.1, patches: int = 4) -> None:
        super().__init__(several(encoders))
        self.temperature = real("temperature", temperature, above=True)
        self.patches = whole("patches", patches, 1)

    def loss(self, batch: Batch) -> Tensor:
        """Return the objective of the first view, a scalar."""
        tokens = [self._tokens(m, batch) for m in range(len(self.encoders))]
        most = max(z.shape[1] for z in tokens)
        tokens = [z.expand(-1, most, -1) if self._nobody(m, batch) else z for m, z in enumerate(tokens)]
        chosen = torch.randperm(tokens[0].shape[1], device=tokens[0].device)[: self.patches]
        if len({z.shape[1] for z in tokens}) == 1:  # else the objective says what is wrong
            tokens = [z[:, chosen] for z in tokens]
        return mil_nce(tokens, present=batch.present, temperature=self.temperature)

    def _tokens(self, m: int, batch: Batch) -> Tensor:
        """Return the projected tokens of one modality, (N, P, K); those of absent samples are 0."""
        encoder, x, has = self.encoders[m], batch.views[0][m], batch.has(m)
        if has is None:
            return encoder.project(encoder.tokens(x)).float()
        if self._nobody(m, batch):
            return torch.zeros(len(x), 1, encoder.components, device=x.device).requires_grad_()
        seen = encoder.project(encoder.tokens(x[has])).float()
        return torch.zeros(len(x), *seen.shape[1:], device=seen.device).index_put((has,), seen)

    @staticmethod
    def _nobody(m: int, batch: Batch) -> bool:
        has = batch.has(m)
        return has is not None and not bool(has.any())
