"""One token for every 10 m sub-patch of an aerial picture, from a small residual network that sees no more."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from alignscope.errors import AlignscopeError
from alignscope.nn.encoders.token_blocks import GRID, PATCHES

_GROUPS = 4  # of channels that are normalised together, as published


def sub_patches(x: Tensor) -> Tensor:
    """Return (N, C, H, W) cut into the grid, (N 36, C, H / 6, W / 6), row by row from the north-west corner."""
    n, c, h, w = x.shape
    cut = x.reshape(n, c, GRID, h // GRID, GRID, w // GRID)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(n * PATCHES, c, h // GRID, w // GRID)


class AerialTokens(nn.Module):  # type: ignore[misc]
    """Sub-patches (36 of H / 6 px) -> tokens: a strided convolution, residual blocks at half the size each, pooling.

        stem -> [max pool 2 -> residual block] for every further width -> (maximum, mean) over the rest -> linear

    Nothing of a neighbouring sub-patch enters a token. Normalisation is by groups of channels of one sub-patch, in the
    branches only, so that brightness passes through the skips, and no sample depends on the batch.

    Parameters
    ----------
    channels : of the picture.
    widths : channels of the stem and of each residual block, multiples of 4.
    width : of the tokens.
    kernel : edge of the stem's convolution in pixels.
    cells : about how many pixels a side the stem leaves of a sub-patch: its stride is H / 6 / cells, at least 1, at
        most the kernel. So 0.2 m and 1 m pixels take about the same time.
    """

    def __init__(self, channels: int, widths: Sequence[int], width: int, *, kernel: int, cells: int) -> None:
        super().__init__()
        self.channels = channels
        self.cells = cells
        self.stem = nn.Conv2d(channels, widths[0], kernel)
        self.blocks = nn.ModuleList(_Residual(a, b) for a, b in pairwise(widths))
        self.out = nn.Linear(2 * widths[-1], width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens of pictures (N, C, H, H) in -0.5..0.5, (N, 36, width)."""
        square = x.ndim == 4 and x.shape[2] == x.shape[3] > 0 and x.shape[2] % GRID == 0
        if not square or x.shape[1] != self.channels:
            raise AlignscopeError(
                "E201",
                "AerialEncoder",
                f"an input of shape {tuple(x.shape)}",
                f"Give pictures (N, {self.channels}, H, H) with H a multiple of {GRID}.",
            )
        h = functional.gelu(self._stem(sub_patches(x)))
        for block in self.blocks:
            h = block(functional.max_pool2d(h, 2, ceil_mode=True))
        pooled = torch.cat([h.amax((2, 3)), h.mean((2, 3))], dim=1)
        return self.out(pooled).unflatten(0, (-1, PATCHES))

    def _stem(self, x: Tensor) -> Tensor:
        kernel, side = self.stem.kernel_size[0], x.shape[-1]
        stride = min(kernel, max(1, side // self.cells))
        # Enough at the rim that the last step still reaches the last pixel.
        missing = (-(-side // stride) - 1) * stride + kernel - side
        return functional.conv2d(x, self.stem.weight, self.stem.bias, stride, padding=(missing + 1) // 2)


class _Residual(nn.Module):  # type: ignore[misc]
    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm1, self.norm2 = nn.GroupNorm(_GROUPS, width), nn.GroupNorm(_GROUPS, width)
        self.skip = nn.Identity() if before == width else nn.Conv2d(before, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = functional.gelu(self.norm1(self.conv1(x)))
        return functional.gelu(self.skip(x) + self.norm2(self.conv2(h)))
