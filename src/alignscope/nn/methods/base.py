"""What a method is: encoders of M modalities, a loss on a batch, and the embeddings that it leaves behind.

A new method is one class: give it a `loss`, and `fuse` if its joint embedding is more than the embeddings side by side.
The bench (`alignscope bench --method yours.py`) trains it next to all others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import torch
from torch import Tensor, nn

from alignscope._lib.types import Supervision
from alignscope.errors import AlignscopeError
from alignscope.nn.encoders.basic import BatchNorm, Encoder


@dataclass(frozen=True)
class Batch:
    """N samples of M modalities.

    Attributes
    ----------
    views : views[v][m] is augmented view v of modality m, (N, ...). Views of one sample are drawn independently.
    labels : targets by name, class codes (N,) or floats (N, C); only methods whose `supervision` is not "none" may
        look.
    present : (N, M) bool, or None where every sample has every modality.
    """

    views: tuple[tuple[Tensor, ...], ...]
    labels: Mapping[str, Tensor] | None = None
    present: Tensor | None = None

    def both(self, i: int, j: int) -> Tensor | None:
        """Return the samples (N,) that have modalities i and j, or None where all have."""
        return None if self.present is None else self.present[:, i] & self.present[:, j]

    def has(self, i: int) -> Tensor | None:
        """Return the samples (N,) that have modality i, or None where all have."""
        return None if self.present is None else self.present[:, i]


class Method(nn.Module):  # type: ignore[misc]
    """Encoders of M modalities that learn together; the abstract base.

    Attributes
    ----------
    views : how many augmented views of each sample `loss` looks at, 1 or 2.
    supervision : "none"; "monitor" where labels only steer the alignment weight; "labels" where the loss learns from
        them.

    Parameters
    ----------
    encoders : one a modality, (N, ...) -> (N, K_m).
    projector : width of the head between embedding and loss, an MLP of two layers that is thrown away after training;
        0 for none: then it is the embedding itself that is aligned.
    """

    views: ClassVar[int] = 1
    supervision: ClassVar[Supervision] = "none"

    def __init__(self, encoders: Sequence[Encoder], *, projector: int = 0) -> None:
        super().__init__()
        if not encoders:
            raise AlignscopeError("E201", "encoders", "none", "Give one a modality.")
        self.encoders = nn.ModuleList(encoders)
        self.heads = nn.ModuleList(head(e.components, projector) for e in encoders)

    def loss(self, batch: Batch) -> Tensor:
        """Return what is minimised, a scalar."""
        raise NotImplementedError

    def after_step(self) -> None:
        """Do what follows every step of the optimiser, such as moving a teacher."""

    def embeddings(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Return the embedding of each modality, (N, K_m)."""
        return [encoder(x) for encoder, x in zip(self.encoders, xs, strict=True)]

    def fuse(self, embeddings: Sequence[Tensor]) -> Tensor:
        """Return the joint embedding that is probed, (N, F); by default the embeddings side by side."""
        return torch.cat(tuple(embeddings), dim=1)

    def viewed(self, batch: Batch) -> tuple[tuple[Tensor, ...], ...]:
        """Return views[v][m] of a batch that this method looks at. Raises E201 where there are fewer."""
        if len(batch.views) < self.views:
            raise AlignscopeError("E201", "views", f"{len(batch.views)}", f"{type(self).__name__} needs {self.views}.")
        return batch.views[: self.views]

    def featured(self, batch: Batch) -> list[list[Tensor]]:
        """Return features[v][m], (N, F_m), of the views that this method looks at; each trunk runs once.

        Rows that are absent are never shown to a network: theirs are 0.
        """
        columns = []
        for m, (encoder, xs) in enumerate(zip(self.encoders, zip(*self.viewed(batch), strict=True), strict=True)):
            has = batch.has(m)
            seen = None if has is None else has.repeat(self.views)
            columns.append(rows(encoder.features, torch.cat(xs), seen, encoder.n_features).chunk(self.views))
        return [list(features) for features in zip(*columns, strict=True)]

    def encoded(self, batch: Batch) -> list[list[Tensor]]:
        """Return embeddings[v][m], (N, K_m), of the views that this method looks at."""
        return [
            [encoder.project(h) for encoder, h in zip(self.encoders, features, strict=True)]
            for features in self.featured(batch)
        ]

    def headed(self, embeddings: Sequence[Tensor], batch: Batch | None = None) -> list[Tensor]:
        """Return the embeddings behind the heads, in float32; with the batch, only of the rows present, else 0."""
        return [
            rows(head, z.float(), None if batch is None else batch.has(m), z.shape[1])
            for m, (head, z) in enumerate(zip(self.heads, embeddings, strict=True))
        ]


def rows(network: Callable[[Tensor], Tensor], x: Tensor, present: Tensor | None, width: int) -> Tensor:
    """Return a network's output (N, width) with only the rows present (N,) sent through it; the others are 0.

    So what an absent row holds reaches neither the statistics of a normalisation nor a gradient, even if it is NaN.
    """
    if present is None:
        return network(x)
    empty = torch.zeros(len(x), width, device=x.device)
    if not present.any():
        # A leaf that wants a gradient: with nothing there at all, `backward` still has somewhere to go.
        return empty.requires_grad_()
    out = network(x[present])
    return empty.to(out.dtype).index_put((present,), out)


def pairs(modalities: int) -> list[tuple[int, int]]:
    """Return all pairs of modalities."""
    return list(combinations(range(modalities), 2))


def head(components: int, width: int) -> nn.Module:
    """Return a projection head of one hidden layer; width 0 leaves embeddings as they are."""
    if width == 0:
        return nn.Identity()
    return nn.Sequential(nn.Linear(components, width), BatchNorm(width), nn.ReLU(), nn.Linear(width, components))
