"""Encoders of one modality: features of the trunk, and their linear projection to the K components of the latent.

    z = f(x) = features(x) P + p,      features: (N, ...) -> (N, F),  P: (F, K)

The trunk does not depend on K, so encoders of several latent sizes can be compared at the same features.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from alignscope._lib.checks import whole
from alignscope.errors import AlignscopeError


class BatchNorm(nn.BatchNorm1d):  # type: ignore[misc]
    """Batch normalisation of rows (N, F); a single row, which has no batch, is normalised by the running statistics."""

    def forward(self, x: Tensor) -> Tensor:
        """Return normalised rows."""
        if len(x) > 1:
            return super().forward(x)
        return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class Encoder(nn.Module):  # type: ignore[misc]
    """A trunk and a linear projection; the abstract base of the encoders.

    Parameters
    ----------
    trunk : module (N, ...) -> (N, F).
    n_features : F, the width of the features.
    components : K, the latent size, at least 1.

    Raises
    ------
    AlignscopeError : E301 for a latent size below 1.
    """

    def __init__(self, trunk: nn.Module, n_features: int, components: int) -> None:
        super().__init__()
        self.n_features = n_features
        self.components = whole("components", components, 1, code="E301")
        self.trunk = trunk
        self.projection = nn.Linear(n_features, components)

    def features(self, x: Tensor) -> Tensor:
        """Return what the trunk makes of the inputs, (N, F)."""
        return self.trunk(x)

    def tokens(self, x: Tensor) -> Tensor:
        """Return the features of P patches, (N, P, F), whose mean over patches is `features`; P = 1 without patches."""
        return self.features(x)[:, None]

    def project(self, h: Tensor) -> Tensor:
        """Return the latent of features, z = h P + p, (N, K)."""
        return self.projection(h)

    def forward(self, x: Tensor) -> Tensor:
        """Return the latent of inputs, (N, K)."""
        return self.project(self.features(x))


class ConvEncoder(Encoder):
    """A compact convolutional encoder: patches, strided 3 x 3 convolutions, the average over positions.

    A convolution of kernel and stride `patch`, then one of stride 2 for every further width, each with batch
    normalisation and ReLU; global average pooling; F = widths[-1]. The patch stem takes the resolution down at
    once, which is where a small network spends most of its time otherwise.

    Parameters
    ----------
    channels : channels of the images, which are (N, channels, H, W) floats with H, W >= patch.
    components : K, the latent size.
    widths : channels after every convolution.
    patch : edge of a patch in pixels; rows and columns beyond a multiple of it are not looked at.

    Raises
    ------
    AlignscopeError : E301 for a size below 1; in use, E201 for images of other channels or smaller than a patch.

    Example
    -------
    >>> encoder = ConvEncoder(3, components=16)
    >>> encoder(torch.zeros(2, 3, 64, 64)).shape, encoder.n_features
    (torch.Size([2, 16]), 128)
    """

    def __init__(
        self, channels: int, components: int, *, widths: Sequence[int] = (32, 64, 128), patch: int = 4
    ) -> None:
        sizes = [whole("channels", channels, 1, code="E301"), *(whole("widths", w, 1, code="E301") for w in widths)]
        patch = whole("patch", patch, 1, code="E301")
        convolutions = [
            nn.Conv2d(a, b, patch, stride=patch, bias=False)
            if i == 0
            else nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False)
            for i, (a, b) in enumerate(pairwise(sizes))
        ]
        blocks = [nn.Sequential(c, nn.BatchNorm2d(c.out_channels), nn.ReLU(inplace=True)) for c in convolutions]
        super().__init__(nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten()), sizes[-1], components)
        self._least = (channels, patch)

    def features(self, x: Tensor) -> Tensor:
        """Return the pooled features of images, (N, F)."""
        return self.trunk(self._checked(x))

    def tokens(self, x: Tensor) -> Tensor:
        """Return the features of the patches of the last convolution, (N, P, F), row by row."""
        return self.trunk[:-2](self._checked(x)).flatten(2).mT

    def _checked(self, x: Tensor) -> Tensor:
        channels, patch = self._least
        if x.ndim != 4 or x.shape[1] != channels or min(x.shape[2:]) < patch:
            raise AlignscopeError(
                "E201",
                "ConvEncoder",
                f"an input of shape {tuple(x.shape)}",
                f"Give images (N, {channels}, H, W) of at least {patch} x {patch} pixels.",
            )
        return x


class MLPEncoder(Encoder):
    """Fully connected blocks, each Linear, batch normalisation, ReLU; F = hidden[-1].

    Parameters
    ----------
    inputs : numbers a sample; inputs of any shape are flattened to (N, inputs).
    components : K, the latent size.
    hidden : widths of the blocks.
    """

    def __init__(self, inputs: int, components: int, *, hidden: Sequence[int] = (256, 256)) -> None:
        sizes = [whole("inputs", inputs, 1, code="E301"), *(whole("hidden", w, 1, code="E301") for w in hidden)]
        blocks = [nn.Sequential(nn.Linear(a, b, bias=False), BatchNorm(b), nn.ReLU()) for a, b in pairwise(sizes)]
        super().__init__(nn.Sequential(nn.Flatten(), *blocks), sizes[-1], components)


class LinearEncoder(Encoder):
    """z = x V + v, the encoder of the linear theory; its features are the flattened inputs themselves, F = `inputs`.

    Trained by the bilevel variant of `TwoTowers` it reaches the closed form of `alignscope.linear`.
    """

    def __init__(self, inputs: int, components: int) -> None:
        super().__init__(nn.Flatten(), whole("inputs", inputs, 1, code="E301"), components)


def initialise(module: nn.Module, seed: int) -> None:
    """Set every parameter and buffer to its start, which depends on the seed and on the parameter's name alone.

        weight ~ Normal(0, 1 / fan_in),   bias = 0,   embedding ~ Normal(0, 1 / width)
        normalisation: scale 1, shift 0, fresh statistics

    Each name has its own stream of random numbers, filled row by row. So two models of one seed that differ in
    latent size, alignment weight or target scaling start from the same trunks, and the projection to a larger K begins
    with the rows of the smaller. The numbers are drawn on the CPU in float64: the start is the same on every device.
    The gain is 1 since batch normalisation undoes any other.

    Parameters
    ----------
    module : built from Linear, convolution, embedding and normalisation layers and layers without parameters. A
        parameter of its own that is a single number (such as a temperature) keeps its value.
    seed : whole number >= 0.
    """
    for prefix, layer in module.named_modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm):
            layer.reset_parameters()
        elif isinstance(layer, nn.Linear | nn.Conv2d | nn.Embedding):
            _draw(layer.weight, seed, f"{prefix}.weight")
            if getattr(layer, "bias", None) is not None:
                nn.init.zeros_(layer.bias)
        elif any(p.numel() > 1 for p in layer.parameters(recurse=False)):
            raise TypeError(f"{prefix}: no rule to initialise a {type(layer).__name__}")


def _draw(weight: Tensor, seed: int, name: str) -> None:
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    numbers = np.random.default_rng([seed, key]).standard_normal(tuple(weight.shape))
    with torch.no_grad():
        weight.copy_(torch.from_numpy(numbers / math.sqrt(weight[0].numel())))
