"""What encoders of tokens learn without labels: hidden sub-patches from the others, and one modality from the other.

Point by point against the published objectives: docs/omnisat.md. Source: Astruc et al. 2024 (OmniSat), arXiv
2404.08351; Astruc et al. 2025 (AnySat), arXiv 2412.14123; He et al. 2022 (masked autoencoders), arXiv 2111.06377.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from alignscope._lib.checks import one_of, real, whole
from alignscope.nn.encoders.aerial_tokens import sub_patches
from alignscope.nn.encoders.ltae import days, values
from alignscope.nn.encoders.omnisat import AerialEncoder, TokenEncoder
from alignscope.nn.encoders.token_blocks import PATCHES, mlp
from alignscope.nn.objectives.distillation import EMATeacher, jepa
from alignscope.nn.objectives.multimodal import mil_nce
from alignscope.nn.samples import positive, same_rows

CrossObjective = Literal["mil_nce", "jepa", "anysat", "none"]
CROSS_OBJECTIVES: tuple[CrossObjective, ...] = get_args(CrossObjective)

_CELLS = 10  # a side, to which a sub-patch is averaged before it is to be predicted: 1 m


class PretrainingLosses(NamedTuple):
    """The terms of the pre-training, scalars: each modality's reconstruction, and what ties the two together."""

    self1: Tensor
    self2: Tensor
    cross: Tensor


class MaskedReconstruction(nn.Module):  # type: ignore[misc]
    """One modality without labels: the content of hidden sub-patches is predicted from the tokens of the others.

        t = embed(x),  t_p = [mask] at hidden p,  u = mix(t),  L = mean over hidden p of l(decode(u_p) - y_p)

    y_p of a picture: the sub-patch averaged to 10 x 10 cells, over all channels brought to mean 0 and variance 1 (an
    even sub-patch is 0); l is the square, so that guessing 0 costs 1. y_p of a series: the values at each of the
    pixel's valid dates, queried by the day of the year; l(e) is e^2 / 2 below 1 and |e| - 1/2 above. A pixel without
    any valid date has no part. The mean runs over numbers, not over samples.

    Parameters
    ----------
    encoder : an `AerialEncoder` or a `SeriesEncoder`; it learns with this module.
    mask : share of the 36 sub-patches that is hidden, inside 0..1; rounded, at least one patch is hidden and one left.

    Raises
    ------
    AlignscopeError : E304 for the share.

    Example
    -------
    >>> from alignscope.nn.encoders import AerialEncoder
    >>> masked = MaskedReconstruction(AerialEncoder(8))
    >>> loss = masked(torch.rand(4, 4, 60, 60) - 0.5, torch.Generator().manual_seed(0))
    """

    def __init__(self, encoder: TokenEncoder, *, mask: float = 0.75) -> None:
        super().__init__()
        self.encoder = encoder
        hidden = round(real("mask", mask, 0.0, 1.0, above=True, below=True) * PATCHES)
        self.hidden = min(PATCHES - 1, max(1, hidden))
        width, channels = encoder.n_features, encoder.trunk[0].channels
        self.mask = nn.Embedding(1, width)
        decoder = _AerialDecoder if isinstance(encoder, AerialEncoder) else _SeriesDecoder
        self.decoder = decoder(width, channels)

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss, a scalar; the generator, on the processor, draws what is hidden of each sample."""
        hidden = shuffled_patches(len(x), generator, x.device)[:, : self.hidden]
        return self.reconstruction(x, self.context(self.encoder.embed(x), hidden), hidden)

    def context(self, embedded: Tensor, hidden: Tensor) -> Tensor:
        """Return mixed tokens (N, 36, F) of embedded ones, of which the patches `hidden`, (N, H), are masked."""
        covered = torch.zeros(embedded.shape[:2], dtype=torch.bool, device=embedded.device).scatter(1, hidden, True)
        return self.encoder.mix(torch.where(covered[..., None], self.mask.weight[0].to(embedded.dtype), embedded))

    def reconstruction(self, x: Tensor, context: Tensor, hidden: Tensor) -> Tensor:
        """Return the loss of the hidden sub-patches predicted from the context, a scalar in full precision."""
        return self.decoder(x, _picked(context, hidden), hidden)


class OmniSatPretraining(nn.Module):  # type: ignore[misc]
    """Two modalities without labels: masked reconstruction of each, and a term across them.

    | objective | the term across |
    |---|---|
    | ``mil_nce`` | `mil_nce` of the embedded tokens, unmasked, at some patches drawn anew (OmniSat) |
    | ``jepa`` | an MLP predicts, from the masked tokens of each, those of the other's slow teacher |
    | ``anysat`` | the sum of both (AnySat): JEPA alone is free to make all tokens alike |
    | ``none`` | 0: each modality for itself |

    Patches are hidden from both ends of one order: up to a share of 1/2 none is hidden in both modalities.
    The teachers start as copies of the encoders at the first call, and are neither trained nor part of a loss.

    Parameters
    ----------
    encoder1, encoder2 : of one width for ``mil_nce``. They learn with this module: `initialise(this, seed)` starts
        everything, or load what was learnt before.
    objective : one of `CROSS_OBJECTIVES`.
    mask : share of the patches hidden, inside 0..1.
    patches : how many sub-patches a step are contrasted by ``mil_nce``; time and memory grow with its square.
    temperature : of ``mil_nce``, above 0.
    momentum : of the teachers at the start, in [0, 1).

    Raises
    ------
    AlignscopeError : E304 for a number out of range; E305 for an unknown objective; in use, E201 and E202 for inputs
        that do not fit.

    Example
    -------
    >>> from alignscope.nn import initialise
    >>> from alignscope.nn.encoders import AerialEncoder, SeriesEncoder
    >>> pretraining = OmniSatPretraining(AerialEncoder(8), SeriesEncoder(8, channels=2), "mil_nce")
    >>> initialise(pretraining, 0)
    >>> x1, x2 = torch.rand(4, 4, 60, 60) - 0.5, torch.zeros(4, 20, 3, 6, 6)
    >>> self1, self2, cross = pretraining(x1, x2, torch.Generator().manual_seed(0))
    """

    started: Tensor

    def __init__(
        self,
        encoder1: TokenEncoder,
        encoder2: TokenEncoder,
        objective: CrossObjective = "mil_nce",
        *,
        mask: float = 0.75,
        patches: int = 6,
        temperature: float = 0.1,
        momentum: float = 0.996,
    ) -> None:
        super().__init__()
        self.objective = one_of("objective", objective, CROSS_OBJECTIVES)
        self.patches, self.momentum = whole("patches", patches, 1, PATCHES), momentum
        self.temperature = positive("temperature", temperature)
        self.masked1 = MaskedReconstruction(encoder1, mask=mask)
        self.masked2 = MaskedReconstruction(encoder2, mask=mask)
        self.teaches = objective in ("jepa", "anysat")
        if self.teaches:
            f1, f2 = encoder1.n_features, encoder2.n_features
            self.predictor12, self.predictor21 = mlp([f1, 2 * f1, f2]), mlp([f2, 2 * f2, f1])
            self._start_teachers()
            self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def forward(self, x1: Tensor, x2: Tensor, generator: torch.Generator) -> PretrainingLosses:
        """Return the three terms, unweighted; the generator, on the processor, draws all that is random."""
        same_rows("x1, x2", (x1, x2))
        order = shuffled_patches(len(x1), generator, x1.device)
        # Drawn whether or not they are contrasted, so that all objectives hide the same patches in every step.
        chosen = torch.randperm(PATCHES, generator=generator)[: self.patches].to(x1.device)
        hidden1, hidden2 = order[:, : self.masked1.hidden], order.flip(1)[:, : self.masked2.hidden]
        embedded1, embedded2 = self.masked1.encoder.embed(x1), self.masked2.encoder.embed(x2)
        context1, context2 = self.masked1.context(embedded1, hidden1), self.masked2.context(embedded2, hidden2)
        self1 = self.masked1.reconstruction(x1, context1, hidden1)
        self2 = self.masked2.reconstruction(x2, context2, hidden2)
        cross = torch.zeros_like(self1)
        if self.objective in ("mil_nce", "anysat"):
            tokens = [embedded1[:, chosen], embedded2[:, chosen]]
            cross = cross + mil_nce(tokens, temperature=self.temperature)
        if self.teaches:
            cross = cross + self._jepa(x1, x2, context1, context2)
        return PretrainingLosses(self1, self2, cross)

    def after_step(self, progress: float = 0.0) -> None:
        """Move the teachers towards the encoders; their momentum rises to 1 with the progress of the training, 0..1."""
        if self.teaches:
            for teacher, masked in self._pairs():
                teacher.momentum = self.momentum + (1 - self.momentum) * min(progress, 1 - 1e-6)
                teacher.update(masked.encoder)

    def _jepa(self, x1: Tensor, x2: Tensor, context1: Tensor, context2: Tensor) -> Tensor:
        if not self.started:
            # Only now: since this was built, the encoders have been initialised, or loaded.
            self._start_teachers()
            self.started.fill_(True)
        with torch.no_grad():
            seen1, seen2 = self.teacher1.module.tokens(x1), self.teacher2.module.tokens(x2)
        forth = jepa(self.predictor12(context1).flatten(0, 1), seen2.flatten(0, 1))
        back = jepa(self.predictor21(context2).flatten(0, 1), seen1.flatten(0, 1))
        return (forth + back) / 2

    def _start_teachers(self) -> None:
        self.teacher1 = EMATeacher(self.masked1.encoder, self.momentum)
        self.teacher2 = EMATeacher(self.masked2.encoder, self.momentum)

    def _pairs(self) -> tuple[tuple[EMATeacher, MaskedReconstruction], ...]:
        return (self.teacher1, self.masked1), (self.teacher2, self.masked2)


def shuffled_patches(n: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Return an order of the 36 sub-patches for each sample, (N, 36); drawn on the processor, so alike everywhere."""
    return torch.rand(n, PATCHES, generator=generator).argsort(1).to(device)


def _picked(tokens: Tensor, patches: Tensor) -> Tensor:
    """Return the entries (N, H, ...) of (N, 36, ...) at the patches (N, H)."""
    return tokens[torch.arange(len(tokens), device=tokens.device)[:, None], patches]


class _AerialDecoder(nn.Module):  # type: ignore[misc]
    """From a token to the 10 x 10 cells of its sub-patch, linearly."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.out = nn.Linear(width, channels * _CELLS**2)

    def forward(self, x: Tensor, tokens: Tensor, hidden: Tensor) -> Tensor:
        cells = functional.adaptive_avg_pool2d(sub_patches(x.float()), _CELLS).view(len(x), PATCHES, -1)
        y = functional.layer_norm(_picked(cells, hidden), cells.shape[-1:], eps=1e-6)
        return functional.mse_loss(self.out(tokens).float(), y)


class _SeriesDecoder(nn.Module):  # type: ignore[misc]
    """From a token and a day of the year to the values on that day, by an MLP of two layers."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.width = width
        self.mlp = mlp([width, width, channels])

    def forward(self, x: Tensor, tokens: Tensor, hidden: Tensor) -> Tensor:
        y, day = (_picked(v, hidden) for v in values(x))
        queries = tokens[:, :, None] + days(day, self.width).to(tokens.dtype)
        # Clouds and snow that the masks have missed are rare and far away, and no context predicts them: not squared.
        error = functional.smooth_l1_loss(self.mlp(queries).float(), y, reduction="none").mean(-1)
        there = day > 0
        return torch.where(there, error, 0.0).sum() / there.sum().clamp(min=1)
