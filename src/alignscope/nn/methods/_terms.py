"""Terms, networks and checks that several methods share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from alignscope._lib.checks import real
from alignscope.errors import AlignscopeError
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods.base import Batch
from alignscope.nn.objectives.multimodal import over_pairs


def across(
    embeddings: Sequence[Sequence[Tensor]], batch: Batch, objective: Callable[..., Tensor], **options: Any
) -> Tensor:
    """Return an objective of two modalities in the same view, mean over views and pairs; embeddings[v][m] is (N, K)."""
    return torch.stack([over_pairs(objective, zs, present=batch.present, **options) for zs in embeddings]).mean()


def within(
    embeddings: Sequence[Sequence[Tensor]], batch: Batch, objective: Callable[..., Tensor], **options: Any
) -> Tensor:
    """Return an objective between two views of one modality, summed over modalities, a scalar."""
    return sum(
        objective(z1, z2, present=batch.has(m), **options)
        for m, (z1, z2) in enumerate(zip(embeddings[0], embeddings[1], strict=True))
    )


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    """Return Linear, LayerNorm, ReLU, Linear, twice as wide inside as the wider end; rows do not see each other."""
    width = 2 * max(inputs, outputs)
    return nn.Sequential(nn.Linear(inputs, width), nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, outputs))


def several(encoders: Sequence[Encoder]) -> Sequence[Encoder]:
    """Return encoders of two modalities or more; else raise E201."""
    if len(encoders) < 2:
        raise AlignscopeError("E201", "encoders", f"{len(encoders)}", "Give one a modality, of two modalities or more.")
    return encoders


def per_modality(name: str, given: Sequence[object], encoders: Sequence[Encoder]) -> None:
    """Raise E201 unless there is one entry a modality."""
    if len(given) != len(encoders):
        found = f"{len(given)} for {len(encoders)} modalities"
        raise AlignscopeError("E201", name, found, "Give the targets of each modality.")


def split(encoders: Sequence[Encoder], share: float, name: str) -> int:
    """Return how many of the K dimensions of an embedding are shared: round(share K), at least 1, at most K - 1.

    Raises
    ------
    AlignscopeError : E304 for a share outside (0, 1), E201 for latent sizes that differ, E301 for K = 1.
    """
    sizes = {e.components for e in encoders}
    if len(sizes) > 1:
        raise AlignscopeError("E201", "encoders", f"latent sizes {sorted(sizes)}", "Give all modalities the same.")
    k = sizes.pop()
    if k < 2:
        raise AlignscopeError("E301", "components", "1", "An embedding that is split in two needs at least 2.")
    return min(max(round(real(name, share, 0.0, 1.0, above=True, below=True) * k), 1), k - 1)
