"""Encoders of the OmniSat family: aerial pictures and satellite series of one site, as 36 tokens on one 6 x 6 grid.

Point by point against the published architecture: docs/omnisat.md. Source: Astruc et al. 2024 (OmniSat), arXiv
2404.08351. The fused combiner is `OmniSatFusion`, training without labels `OmniSatPretraining`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from alignscope._lib.checks import one_of, whole
from alignscope.nn.encoders.aerial_tokens import AerialTokens
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.encoders.ltae import SeriesTokens
from alignscope.nn.encoders.token_blocks import Mixer

SizeName = Literal["tiny", "small", "base"]


@dataclass(frozen=True)
class Size:
    """How large the networks are.

    Attributes
    ----------
    width : F, of tokens and features. heads : of the attention between tokens.
    blocks : transformer blocks of one modality. fusion_blocks : of the combiner of all modalities.
    aerial : channels of the stem and of each residual block. kernel, cells : of the stem, see `AerialTokens`.
    dates : widths of the MLP of a date. queries, keys : heads and d_k of the temporal attention.
    """

    width: int
    heads: int
    blocks: int
    fusion_blocks: int
    aerial: tuple[int, ...]
    kernel: int
    cells: int
    dates: tuple[int, ...]
    queries: int
    keys: int


SIZES: Mapping[str, Size] = {
    "tiny": Size(64, 4, 1, 2, (16, 32), 5, 10, (32, 64), 4, 8),
    "small": Size(128, 8, 1, 4, (32, 64, 128), 5, 10, (32, 128), 8, 8),
    "base": Size(256, 16, 2, 6, (256, 256, 256, 256), 3, 25, (32, 128, 256), 16, 8),
}
"""From one that trains on a processor to the published widths."""


class TokenEncoder(Encoder):
    """An embedding of 36 sub-patches and the transformer that mixes them; the abstract base of the two encoders.

        tokens = mix(embed(x)),    features = the mean of the tokens,    z = features P + p

    Parameters
    ----------
    embedding : module, inputs -> (N, 36, F).
    components : K, the latent size.
    size : of the transformer.
    """

    def __init__(self, embedding: nn.Module, components: int, size: Size) -> None:
        super().__init__(nn.Sequential(embedding, Mixer(size.width, size.heads, size.blocks)), size.width, components)

    def embed(self, x: Tensor) -> Tensor:
        """Return the tokens before they are mixed, each of its own sub-patch alone, (N, 36, F)."""
        return self.trunk[0](x)

    def mix(self, tokens: Tensor) -> Tensor:
        """Return what the transformer makes of embedded tokens, (N, 36, F)."""
        return self.trunk[1](tokens)

    def tokens(self, x: Tensor) -> Tensor:
        """Return the features of the 36 sub-patches, row by row from the north-west corner, (N, 36, F)."""
        return self.mix(self.embed(x))

    def features(self, x: Tensor) -> Tensor:
        """Return the mean of the tokens, (N, F)."""
        return self.tokens(x).mean(1)


class AerialEncoder(TokenEncoder):
    """Aerial pictures of 60 m: a residual network on every 10 m sub-patch, then a transformer over the 6 x 6 tokens.

    Any resolution will do, such as 300, 150 or 60 px. Nothing depends on the other samples of a batch.

    Parameters
    ----------
    components : K, the latent size.
    channels : C, of pictures (N, C, H, H), floats around -0.5..0.5, with H a multiple of 6.
    size : a key of `SIZES`.

    Raises
    ------
    AlignscopeError : E301 for a count below 1; E305 for another size; in use, E201 for another shape.

    Example
    -------
    >>> encoder = AerialEncoder(16)
    >>> encoder(torch.zeros(2, 4, 60, 60)).shape, encoder.tokens(torch.zeros(2, 4, 60, 60)).shape
    (torch.Size([2, 16]), torch.Size([2, 36, 64]))
    """

    def __init__(self, components: int, *, channels: int = 4, size: SizeName = "tiny") -> None:
        s = size_named(size)
        embedding = AerialTokens(
            whole("channels", channels, 1, code="E301"), s.aerial, s.width, kernel=s.kernel, cells=s.cells
        )
        super().__init__(embedding, components, s)


class SeriesEncoder(TokenEncoder):
    """Satellite series of 6 x 6 pixels of 10 m: light temporal attention on each, then a transformer over the tokens.

    The input is one packed tensor (N, T, C + 1, 6, 6). Channel 0 is the day of the year (1..366) where that pixel is
    valid on that date, else 0; the others are normalised values. What stands where channel 0 is 0 (padding, cloud,
    NaN) changes nothing, and neither do the other samples of a batch. T may differ from call to call.

    Parameters
    ----------
    components : K, the latent size.
    channels : C, without the day.
    size : a key of `SIZES`.

    Raises
    ------
    AlignscopeError : E301 for a count below 1; E305 for another size; in use, E201 for another shape.

    Example
    -------
    >>> encoder = SeriesEncoder(16, channels=10)
    >>> encoder(torch.zeros(2, 30, 11, 6, 6)).shape
    torch.Size([2, 16])
    """

    def __init__(self, components: int, *, channels: int, size: SizeName = "tiny") -> None:
        s = size_named(size)
        embedding = SeriesTokens(
            whole("channels", channels, 1, code="E301"), s.dates, s.width, heads=s.queries, keys=s.keys
        )
        super().__init__(embedding, components, s)


def omnisat_encoder(channels: int, series: bool, components: int, size: SizeName = "tiny") -> TokenEncoder:
    """Return the encoder of a series or of an aerial picture.

    Parameters
    ----------
    channels : C; of a series without the day.
    series : whether it is one.
    components : K, the latent size.
    size : a key of `SIZES`.

    Raises
    ------
    AlignscopeError : E301 for a count below 1; E305 for another size.
    """
    made = SeriesEncoder if series else AerialEncoder
    return made(components, channels=channels, size=size)


def size_named(name: str) -> Size:
    """Return a size by its name.

    Raises
    ------
    AlignscopeError : E305 for another name.
    """
    return SIZES[one_of("size", name, tuple(SIZES))]
