"""Transformer blocks over tokens that stand on the 6 x 6 grid of 10 m sub-patches.

Attention is written out: a bias of its own for every head, masks, and stacks of models (`torch.func.vmap`) all take
the same few lines, and of 36 or 144 tokens nothing faster was measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

GRID = 6
"""Sub-patches along each side."""

PATCHES = GRID * GRID
"""Tokens of a modality, row by row from the north-west corner."""


def mlp(widths: Sequence[int]) -> nn.Sequential:
    """Return linear layers of these widths with GELU between them."""
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.GELU()]
    return nn.Sequential(*layers[:-1])


class RelativeBias(nn.Module):  # type: ignore[misc]
    """The part of the logits that the offset between two patches alone decides, one table of 11 x 11 a head.

    With M modalities, the offset decides it together with the pair of modalities of the query and the key.
    """

    def __init__(self, heads: int, modalities: int = 1) -> None:
        super().__init__()
        self.heads = heads
        self.offsets = nn.Embedding((2 * GRID - 1) ** 2, heads)
        self.pairs = nn.Embedding(modalities**2, heads) if modalities > 1 else None
        self.modalities = modalities

    def forward(self) -> Tensor:
        """Return (heads, M P, M P); the logit of query patch q and key patch k has the entry of the offset q - k."""
        table = self.offsets.weight.view(2 * GRID - 1, 2 * GRID - 1, self.heads)
        # Windows of 6 start at the query's row and column; read backwards they run over the key's.
        windows = table.unfold(0, GRID, 1).unfold(1, GRID, 1).flip(-2, -1)
        patches = windows.permute(2, 0, 1, 3, 4).reshape(self.heads, 1, PATCHES, 1, PATCHES)
        m = self.modalities
        if self.pairs is not None:
            patches = patches + self.pairs.weight.view(m, m, self.heads).permute(2, 0, 1)[:, :, None, :, None]
        return patches.reshape(self.heads, m * PATCHES, m * PATCHES)


def attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, keys: Tensor | None) -> Tensor:
    """Return softmax(q k' / sqrt(d) + bias) v of (N, heads, P, d), side by side: (N, P, heads d).

    `keys`, (N, P) bool, says which keys there are. Without any the weights are equal: finite, and free of the queries.
    """
    logits = q @ k.mT / math.sqrt(q.shape[-1])
    if bias is not None:
        logits = logits + bias
    if keys is not None:
        logits = logits.masked_fill(~keys[:, None, None], torch.finfo(logits.dtype).min)
    return (logits.softmax(-1).to(v.dtype) @ v).transpose(1, 2).flatten(2)


class Block(nn.Module):  # type: ignore[misc]
    """A pre-norm transformer block.

        t <- t + attention(LN t),    t <- t + MLP(LN t)

    Parameters
    ----------
    width : of the tokens, a multiple of `heads`; the MLP is four times as wide.
    heads : of the attention.
    modalities : M, how many modalities' grids the tokens are, one behind the other.
    """

    def __init__(self, width: int, heads: int, modalities: int = 1) -> None:
        super().__init__()
        self.heads = heads
        self.bias = RelativeBias(heads, modalities)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = mlp([width, 4 * width, width])

    def forward(self, tokens: Tensor, keys: Tensor | None = None) -> Tensor:
        """Return the tokens (N, M P, width), mixed; `keys`, (N, M P) bool, says which of them may be attended to."""
        q, k, v = self.qkv(self.norm1(tokens)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        tokens = tokens + self.out(attention(q, k, v, self.bias(), keys))
        return tokens + self.mlp(self.norm2(tokens))


class Mixer(nn.Module):  # type: ignore[misc]
    """Blocks one after the other, and a normalisation behind the last."""

    def __init__(self, width: int, heads: int, blocks: int, modalities: int = 1) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads, modalities) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, keys: Tensor | None = None) -> Tensor:
        """Return the tokens (N, M P, width), mixed and normalised."""
        for block in self.blocks:
            tokens = block(tokens, keys)
        return self.norm(tokens)


class ClassQuery(nn.Module):  # type: ignore[misc]
    """One learnt query that attends to all tokens: what the published combiner ends with.

    z = attention(c, t, t),    z <- z + MLP(LN z)                            c learnt; t normalised beforehand
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Embedding(1, width)
        self.kv, self.out = nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.norm, self.mlp = nn.LayerNorm(width), mlp([width, 4 * width, width])

    def forward(self, tokens: Tensor, keys: Tensor | None = None) -> Tensor:
        """Return what the query gathers, (N, width)."""
        k, v = self.kv(tokens).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q = self.query.weight.view(1, self.heads, 1, -1).to(k.dtype)
        z = self.out(attention(q, k, v, None, keys))[:, 0]
        return z + self.mlp(self.norm(z))
