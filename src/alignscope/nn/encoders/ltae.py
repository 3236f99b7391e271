"""Light temporal attention: one token for the series of every pixel, from its valid dates alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from alignscope.errors import AlignscopeError
from alignscope.nn.encoders.token_blocks import GRID, mlp

_YEAR = 367.0  # the longest wave of the day encoding, as published


def values(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return values (N, 36, T, C) and days (N, 36, T) of a packed series (N, T, C + 1, 6, 6).

    The day is 0 where a date is not valid; whatever stands there, even NaN, is replaced by 0.
    """
    pixels = x.flatten(3).permute(0, 3, 1, 2)
    day = pixels[..., 0]
    return torch.where(day[..., None] > 0, pixels[..., 1:], 0.0), day


def days(day: Tensor, width: int) -> Tensor:
    """Return the sine and cosine of the day of the year in `width` / 2 waves, (..., width).

    e_2i = sin(day / 367^(2i / width)),    e_2i+1 = cos(day / 367^(2i / width))
    """
    even = torch.arange(0, width, 2, device=day.device, dtype=torch.float32)
    angle = day[..., None] / _YEAR ** (even / width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)


class SeriesTokens(nn.Module):  # type: ignore[misc]
    """Series (T dates of C values) of 36 pixels -> tokens, by a light temporal attention encoder (LTAE).

        e_t = LN MLP(x_t) + days(t),     a_h = softmax over valid t of q_h . K_h e_t / sqrt(d_k)
        token = LN MLP([sum_t a_ht e_t[group h]] over heads h)

    Every head has one learnt query q_h, and gathers its own group of channels. Dates that are not valid have weight 0,
    so tokens depend neither on the batch, nor on the padding, nor on what stands there. A pixel without any valid date
    gets a learnt token of its own. Source: Garnot and Landrieu 2020 (2007.00586).

    Parameters
    ----------
    channels : C.
    widths : of the MLP of a date; the last one is divided among the heads, evenly into even parts.
    width : of the tokens.
    heads, keys : how many queries, and d_k, their width.
    """

    def __init__(self, channels: int, widths: Sequence[int], width: int, *, heads: int, keys: int) -> None:
        super().__init__()
        self.channels, inner = channels, widths[-1]
        self.dates = nn.Sequential(mlp([channels, *widths]), nn.LayerNorm(inner))
        self.query = nn.Embedding(heads, keys)
        self.key = nn.Linear(inner, heads * keys, bias=False)  # a bias would cancel in the softmax
        self.out = nn.Sequential(mlp([inner, 2 * width, width]), nn.LayerNorm(width))
        self.nothing = nn.Embedding(1, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens of packed series (N, T, C + 1, 6, 6), (N, 36, width)."""
        if x.ndim != 5 or x.shape[1] == 0 or tuple(x.shape[2:]) != (self.channels + 1, GRID, GRID):
            raise AlignscopeError(
                "E201",
                "SeriesEncoder",
                f"an input of shape {tuple(x.shape)}",
                f"Give series (N, T, {self.channels + 1}, {GRID}, {GRID}), the day of the year ahead of the values.",
            )
        given, day = values(x)
        heads, keys = self.query.weight.shape
        e = self.dates(given).unflatten(-1, (heads, -1))
        e = e + days(day, e.shape[-1]).to(e.dtype)[..., None, :]
        # q . K e = (K' q) . e: one product of width d a head and date instead of d_k.
        queries = torch.einsum("hk,hkd->hd", self.query.weight, self.key.weight.unflatten(0, (heads, keys)))
        logits = e.flatten(-2) @ queries.to(e.dtype).mT / math.sqrt(keys)
        gathered = torch.einsum("npth,npthd->nphd", self._weights(logits, day), e).flatten(-2)
        return torch.where((day > 0).any(-1)[..., None], self.out(gathered), self.nothing.weight[0])

    @staticmethod
    def _weights(logits: Tensor, day: Tensor) -> Tensor:
        """Return the share (N, 36, T, heads) of every valid date; equal ones, which nobody reads, without any."""
        hidden = (day <= 0)[..., None]
        return logits.masked_fill(hidden, torch.finfo(logits.dtype).min).softmax(-2).to(logits.dtype)
