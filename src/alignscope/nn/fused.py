"""Both modalities to one prediction: what a model of all inputs reaches.

    concatenation:  output_j = [z1 z2] W_j                       trained together
    late fusion:    output_j = (z1 A_1j + z2 A_2j) / 2           each modality trained alone on all targets
    attention:      output_j = fusion(tokens 1, tokens 2) W_j    the combiner of OmniSat

Source: Audebert et al. 2018, arXiv 1711.08681 (the first two); Astruc et al. 2024, arXiv 2404.08351 (the third).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from alignscope._lib.checks import one_of
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.encoders.omnisat_fusion import OmniSatFusion
from alignscope.nn.samples import full_precision
from alignscope.nn.towers import Losses, Reading, Task, task_loss

Fusion = Literal["concatenation", "late_fusion", "attention"]
FUSIONS: tuple[Fusion, ...] = ("concatenation", "late_fusion", "attention")


class FusedTowers(nn.Module):  # type: ignore[misc]
    """Two encoders that predict together; the baseline that alignment is compared with. Nothing is aligned.

    Parameters
    ----------
    encoder1, encoder2 : encoders of the modalities, of latent sizes K1 and K2.
    outputs1, outputs2 : target columns, or numbers of classes of every factor, of each modality's targets.
    fusion : how they are joined.
    task : ``squared``, ``cross_entropy`` or ``binary``.
    size : of the combiner, for ``attention`` alone, which takes encoders of `alignscope.nn.encoders.omnisat`.

    Raises
    ------
    AlignscopeError : E305 for an unknown fusion.
    """

    def __init__(
        self,
        encoder1: Encoder,
        encoder2: Encoder,
        outputs1: Sequence[int],
        outputs2: Sequence[int],
        fusion: Fusion,
        *,
        task: Task = "squared",
        size: Literal["tiny", "small", "base"] = "tiny",
    ) -> None:
        super().__init__()
        self.fusion, self.task = one_of("fusion", fusion, FUSIONS), task
        self.sizes = tuple(outputs1), tuple(outputs2)
        self.encoders = nn.ModuleList([encoder1, encoder2])
        width = sum(self.sizes[0]) + sum(self.sizes[1])
        k1, k2 = encoder1.components, encoder2.components
        if fusion == "late_fusion":
            self.heads = nn.ModuleList([nn.Linear(k1, width), nn.Linear(k2, width)])
        elif fusion == "concatenation":
            self.heads = nn.ModuleList([nn.Linear(k1 + k2, width)])
        else:
            self.combiner = OmniSatFusion([encoder1, encoder2], k1, size=size)
            self.heads = nn.ModuleList([nn.Linear(k1, width)])

    def readings(self, x1: Tensor, x2: Tensor) -> tuple[Reading, Reading]:
        """Return features and latents of each modality, with the joint outputs for its targets.

        Under ``attention`` the one embedding that there is stands for both modalities.
        """
        features, latents = self._encoded(x1, x2)
        outputs = self._split(torch.stack(self._outputs(self._inputs(latents))).mean(dim=0))
        first, second = (Reading(*parts) for parts in zip(features, latents, outputs, strict=True))
        return first, second

    def losses(self, x1: Tensor, x2: Tensor, y1: Tensor, y2: Tensor) -> Losses:
        """Return the two prediction losses; in late fusion, the mean of those of each modality alone."""
        each = [
            [task_loss(part, y, n, self.task) for part, y, n in zip(self._split(o), (y1, y2), self.sizes, strict=True)]
            for o in self._outputs(self._inputs(self._encoded(x1, x2)[1]))
        ]
        first, second = (torch.stack(column).mean() for column in zip(*each, strict=True))
        return Losses(first, second, torch.zeros_like(first))

    def _encoded(self, x1: Tensor, x2: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return features and latents of each modality."""
        if self.fusion == "attention":  # which does not use the encoders' own transformers
            features = self.combiner.features([x1, x2])
            return [features] * 2, [self.combiner.project(features)] * 2
        each = [encoder.features(x) for encoder, x in zip(self.encoders, (x1, x2), strict=True)]
        return each, [encoder.project(h) for encoder, h in zip(self.encoders, each, strict=True)]

    def _inputs(self, latents: list[Tensor]) -> list[Tensor]:
        """Return the input of each head."""
        if self.fusion == "concatenation":
            return [torch.cat(latents, dim=1)]
        return latents[:1] if self.fusion == "attention" else latents

    def _outputs(self, embeddings: list[Tensor]) -> list[Tensor]:
        """Return the outputs that are averaged, (N, all columns) each, at full precision even under autocast."""
        with full_precision(embeddings[0]):
            return [head(z.to(head.weight.dtype)) for head, z in zip(self.heads, embeddings, strict=True)]

    def _split(self, output: Tensor) -> tuple[Tensor, ...]:
        return output.split([sum(sizes) for sizes in self.sizes], dim=1)
