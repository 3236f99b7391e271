"""A small transformer that turns the embeddings of M modalities, some perhaps missing, into a joint one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from alignscope.errors import AlignscopeError


class Fusion(nn.Module):  # type: ignore[misc]
    """One token a modality and a class token, mixed by pre-norm transformer blocks; the class token is what is read.

        t_0 = c,   t_m = z_m A_m + a_m + e_m                  c, e: learnt embeddings of the class and the modalities
        t <- t + attention(LN t),   t <- t + MLP(LN t)        `layers` times; keys are the class and what is present
        z = LN t_0

    A modality that a sample lacks is no key, so neither its value nor its gradient has any part in the joint embedding,
    even where it holds NaN. A sample without any modality gets the joint embedding of nothing, the same for all.

    Source: Dosovitskiy et al. 2021 (arXiv 2010.11929) for the block; CoMM (arXiv 2409.07402) for the use.

    Parameters
    ----------
    widths : K_m, the widths of the embeddings.
    width : of the tokens and of the joint embedding, a multiple of `heads`.
    heads, layers : heads of the attention and number of blocks, at least 1 each.

    Raises
    ------
    AlignscopeError : E301 for sizes below 1, or a width that the heads do not divide; in use, E201 for embeddings of
        other number or widths.

    Example
    -------
    >>> fusion = Fusion([8, 4], width=16)
    >>> fusion([torch.randn(5, 8), torch.randn(5, 4)]).shape
    torch.Size([5, 16])
    """

    def __init__(self, widths: Sequence[int], width: int, *, heads: int = 4, layers: int = 1) -> None:
        super().__init__()
        if min(*widths, width, heads, layers) < 1 or width % heads:
            raise AlignscopeError(
                "E301",
                "Fusion",
                f"embeddings of {list(widths)}, width {width}, {heads} heads, {layers} layers",
                "Give positive sizes, and a width that the heads divide.",
            )
        self.width = width
        self.tokens = nn.ModuleList(nn.Linear(k, width) for k in widths)
        self.embedding = nn.Embedding(1 + len(widths), width)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, embeddings: Sequence[Tensor], present: Tensor | None = None) -> Tensor:
        """Return the joint embeddings (N, width) of embeddings (N, K_m) of the modalities `present`, (N, M) bool."""
        found, wanted = [tuple(z.shape[1:]) for z in embeddings], [(t.in_features,) for t in self.tokens]
        if found != wanted:
            raise AlignscopeError("E201", "embeddings", f"widths {found}", f"This fusion takes {wanted}.")
        if present is None:
            present = torch.ones(len(embeddings[0]), len(embeddings), dtype=torch.bool, device=embeddings[0].device)
        # A key of weight zero still spreads NaN, so what is absent is emptied as well.
        filled = [torch.where(present[:, m, None], z, 0.0) for m, z in enumerate(embeddings)]
        tokens = torch.stack([token(z) for token, z in zip(self.tokens, filled, strict=True)], dim=1)
        tokens = torch.cat([torch.zeros_like(tokens[:, :1]), tokens], dim=1) + self.embedding.weight
        keys = torch.cat([torch.ones_like(present[:, :1]), present], dim=1)
        for block in self.blocks:
            # Of the last block only the class token is read.
            tokens = block(tokens, keys, 1 if block is self.blocks[-1] else len(embeddings) + 1)
        return self.norm(tokens[:, 0])


class _Block(nn.Module):  # type: ignore[misc]
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens: Tensor, keys: Tensor, count: int) -> Tensor:
        """Return the first tokens, (N, count, width)."""
        n, t, width = tokens.shape
        q, k, v = self.qkv(self.norm1(tokens)).view(n, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(q[:, :, :count], k, v, attn_mask=keys[:, None, None, :])
        tokens = tokens[:, :count] + self.out(mixed.transpose(1, 2).reshape(n, count, width))
        return tokens + self.mlp(self.norm2(tokens))
