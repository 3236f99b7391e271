"""The encoders that a study can train, as specified. A new one is a subclass, and its name in `EncoderSpec`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from alignscope._lib.toml import invalid
from alignscope.errors import AlignscopeError

if TYPE_CHECKING:
    from alignscope.nn.encoders.basic import Encoder

Count = Annotated[int, Meta(ge=1)]
Shape = tuple[int, ...]

_LINEAR_INPUTS = 4096


class EncoderKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """A table `encoder` of a specification, what it can take, and the network that it stands for.

    patches : whether it has patches (tokens), which attention and pre-training need.
    channels_last : whether it reads pictures fastest with the channel last.
    hidden_layers : whether it has any; else its features are the inputs, and say nothing of a training.
    needs : what samples must be, for messages.
    """

    patches: ClassVar[bool] = False
    channels_last: ClassVar[bool] = False
    hidden_layers: ClassVar[bool] = True
    needs: ClassVar[str] = ""

    def check_pictures(self, side: int) -> None:
        """Raise ValidationError, which carries the path, for square pictures that it cannot take."""

    def check_series(self) -> None:
        """Raise ValidationError where it takes no series of pictures."""

    def takes(self, shape: Shape) -> bool:
        """Return whether samples of this shape, channels last, can be its input."""
        return True

    def check_sample(self, shape: Shape, which: str, field: str = "encoder") -> None:
        """Raise E306 for samples of a shape that it cannot take. `which` samples, such as "a sample"."""
        if not self.takes(shape):
            found = f"'{self.__struct_config__.tag}', but {which} has the shape {shape}, channels last"
            raise AlignscopeError("E306", f"{field}.kind", found, f"Give {self.needs}; or use mlp or linear.")

    def check_features(self, shape: Shape, which: str) -> None:
        """Raise E306 where its features would be too many for a forecast, which is quadratic in their number."""

    def build(self, shape: Shape, components: int) -> Encoder:
        """Return the untrained network for samples of this shape, with K outputs."""
        raise NotImplementedError


class ConvSpec(EncoderKind, frozen=True, kw_only=True, tag="conv"):
    """A compact convolutional encoder: a patch stem, then 3 x 3 convolutions of stride 2."""

    channels_last: ClassVar[bool] = True
    needs: ClassVar[str] = "larger pictures as .npy (N, channels, H, W), a smaller patch or fewer widths"

    widths: Annotated[tuple[Count, ...], Meta(min_length=1)] = (32, 64, 128)
    patch: Count = 4

    def check_pictures(self, side: int) -> None:
        """Raise ValidationError for pictures that would be halved to nothing."""
        if not self.takes((side, side, 1)):
            raise invalid(f"Too many halvings for pictures of {side} pixels", "encoder.widths")

    def check_series(self) -> None:
        """Raise ValidationError: it takes none."""
        raise invalid("`conv` takes no series: use `omnisat`, `mlp` or `linear`", "encoder.kind")

    def takes(self, shape: Shape) -> bool:
        """Return whether these are pictures that can be halved as often as there are widths."""
        return len(shape) == 3 and min(shape[:2]) // self.patch >= 2 ** (len(self.widths) - 1)

    def build(self, shape: Shape, components: int) -> Encoder:
        """Return the network."""
        from alignscope.nn.encoders.basic import ConvEncoder  # torch, which specifications do without

        return ConvEncoder(shape[-1], components, widths=self.widths, patch=self.patch)


class MLPSpec(EncoderKind, frozen=True, kw_only=True, tag="mlp"):
    """A multilayer perceptron."""

    hidden: Annotated[tuple[Count, ...], Meta(min_length=1)] = (256, 256)

    def build(self, shape: Shape, components: int) -> Encoder:
        """Return the network."""
        from alignscope.nn.encoders.basic import MLPEncoder  # torch, which specifications do without

        return MLPEncoder(math.prod(shape), components, hidden=self.hidden)


class LinearSpec(EncoderKind, frozen=True, kw_only=True, tag="linear"):
    """A linear encoder, for which the theory is exact."""

    hidden_layers: ClassVar[bool] = False

    def check_features(self, shape: Shape, which: str) -> None:
        """Raise E306 for too many inputs: all of them are features."""
        if (inputs := math.prod(shape)) > _LINEAR_INPUTS:
            found = f"'linear', but {which} holds {inputs:,} numbers, which would all be features"
            way = f"At most {_LINEAR_INPUTS:,}: give smaller pictures or fewer dates, or use conv, mlp or omnisat."
            raise AlignscopeError("E306", "encoder.kind", found, way)

    def build(self, shape: Shape, components: int) -> Encoder:
        """Return the network."""
        from alignscope.nn.encoders.basic import LinearEncoder  # torch, which specifications do without

        return LinearEncoder(math.prod(shape), components)


class OmniSatSpec(EncoderKind, frozen=True, kw_only=True, tag="omnisat"):
    """Encoders of satellite samples: sub-patches or temporal attention, then a transformer over the 6 x 6 patches."""

    patches: ClassVar[bool] = True
    needs: ClassVar[str] = (
        "packed series, or square pictures as .npy (N, channels, H, W) whose side is a multiple of 6; or use conv"
    )

    size: Literal["tiny", "small", "base"] = "tiny"

    def check_pictures(self, side: int) -> None:
        """Raise ValidationError for pictures that cannot be cut into 6 x 6 patches."""
        if not self.takes((side, side, 1)):
            raise invalid("`omnisat` sees 6 x 6 patches: the side of pictures must be a multiple of 6", "data.size")

    def takes(self, shape: Shape) -> bool:
        """Return whether these are pictures, or packed series (T, C + 1, 6, 6), of 6 x 6 patches."""
        if len(shape) == 4:
            return shape[2:] == (6, 6)
        return len(shape) == 3 and shape[0] == shape[1] and shape[0] % 6 == 0

    def build(self, shape: Shape, components: int) -> Encoder:
        """Return the network of a series or of a picture."""
        from alignscope.nn.encoders.omnisat import omnisat_encoder  # torch, which specifications do without

        series = len(shape) == 4
        return omnisat_encoder(shape[1] - 1 if series else shape[-1], series, components, self.size)


EncoderSpec = ConvSpec | MLPSpec | LinearSpec | OmniSatSpec
