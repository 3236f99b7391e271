"""How single pictures are drawn, and which factors each sample has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import array_api_compat
import array_api_compat.numpy
import numpy as np
import numpy.typing as npt

from alignscope._lib.checks import real, whole
from alignscope._lib.types import Array, Codes, Vector
from alignscope.datasets.counter_random import below, cos_sin, hashed, key, uniform
from alignscope.datasets.trifeature.paint import BOX, COLOURS, DARK, Painter, PaintInput
from alignscope.datasets.trifeature.shapes import SHAPES
from alignscope.datasets.trifeature.textures import TEXTURES
from alignscope.errors import AlignscopeError

FACTORS = ("shape", "texture", "colour")
NAMES: Mapping[str, tuple[str, ...]] = {
    "shape": tuple(SHAPES),
    "texture": tuple(TEXTURES),
    "colour": tuple(COLOURS),
}
"""Names of the values of every factor, in the order of their codes."""

_POSE = ("x", "y", "rotation", "phase_a", "phase_b", "bar")


@dataclass(frozen=True, eq=False)
class Factors:
    """What pictures show, known without drawing them. One entry per image.

    Attributes
    ----------
    shape, texture, colour : (N,) codes, see `NAMES`.
    x, y : (N,) centre of the shape as a share of the side, 0..1, from the left and from the top.
    rotation : (N,) in degrees, clockwise as seen.
    phase_a, phase_b : (N,) where on its tile the texture starts, 0..1.
    bar : (N,) where the occluding bar stands, 0 (left in the box) .. 1 (right).
    noise_key : (N,) int64, key of the pixel noise.
    """

    shape: Codes
    texture: Codes
    colour: Codes
    x: Vector
    y: Vector
    rotation: Vector
    phase_a: Vector
    phase_b: Vector
    bar: Vector
    noise_key: Codes


@dataclass(frozen=True)
class Trifeature:
    """How pictures are drawn, and single pictures with all three factors.

    A shape stands in the disc that fits a box of 128/224 of the side, on a grey ground (128). Its texture is drawn in
    its colour and in a dark tone of it (a quarter), and turns with it.

    Attributes
    ----------
    size : side of the image in pixels, 16..1024. Textures are made for 64 and above.
    seed : of every draw, 0..2^63 - 1.
    values : how many shapes, textures and colours occur, 2..10 each: the first ones of `NAMES`.
    correlation : (texture with shape, colour with shape, colour with texture), each 0..1, the last two together at
        most 1. With that probability a code is copied from the other factor's (modulo its own number of values), and
        else drawn uniformly. With equal numbers of values and correlation (a, b, c), every canonical correlation
        between the one-hot codes is a (texture and shape), b + a c (colour and shape), c + a b (colour and texture).
    rotation : the most that a shape turns either way, in degrees, 0..180; uniform.
    jitter : 0 (always in the middle) .. 1 (anywhere where the box is in the image); uniform.
    noise : standard deviation of the pixel noise as a share of 255, 0..1; independent a pixel and channel, near normal
        (the sum of three uniform numbers), then clipped to 0..255.
    occlusion : 0..1, share of the box's width hidden by a bar of the ground's grey, as high as the box, anywhere in it.
    difficulty : of (shape, texture, colour), 0 (as drawn) .. 1 (all values look alike). The signed distance of a
        shape is blended with the circle's, a texture with an even middle tone, a colour with the mean colour.

    Raises
    ------
    AlignscopeError
        E304 a field out of its range.

    Examples
    --------
    >>> pictures = Trifeature(size=32)
    >>> pictures.render([0, 1, 7]).shape
    (3, 3, 32, 32)
    """

    size: int = 64
    seed: int = 0
    values: tuple[int, int, int] = (10, 10, 10)
    correlation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation: float = 45.0
    jitter: float = 1.0
    noise: float = 0.0
    occlusion: float = 0.0
    difficulty: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        whole("size", self.size, 16, 1024)
        whole("seed", self.seed, 0, 2**63 - 1)
        for name in ("values", "correlation", "difficulty"):
            object.__setattr__(self, name, _three(name, getattr(self, name)))
        for factor, count, blend in zip(FACTORS, self.values, self.difficulty, strict=True):
            whole(f"values ({factor})", count, 2, len(NAMES[factor]))
            real(f"difficulty ({factor})", blend, 0, 1)
        for where in ("jitter", "noise", "occlusion"):
            real(where, getattr(self, where), 0, 1)
        for chance in self.correlation:
            real("correlation", chance, 0, 1)
        real("correlation of the colour, summed", self.correlation[1] + self.correlation[2], 0, 1)
        real("rotation", self.rotation, 0, 180)

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """Names of the values in use, by factor."""
        return {factor: NAMES[factor][:count] for factor, count in zip(FACTORS, self.values, strict=True)}

    def factors(self, index: npt.ArrayLike) -> Factors:
        """Return what the samples of these indices (N,) show. Raises E304 for what is no index."""
        codes = self.codes(FACTORS, index)
        return self.posed(1, index, *codes.values())

    def render(self, index: npt.ArrayLike, *, xp: Any = None, device: Any = None) -> Array:
        """Return images of the samples, uint8 (N, 3, S, S).

        xp : None (numpy), or the namespace to draw in: ``torch`` draws tensors, on `device` where given. The pixels
        are the same.
        """
        return self.draw(self.factors(index), xp=xp, device=device)

    def draw(
        self, factors: Factors, *, texture: bool = True, colour: bool = True, xp: Any = None, device: Any = None
    ) -> Array:
        """Return images of given factors, uint8 (N, C, S, S): C is 3, or without `colour` 1, in white.

        Without `texture` shapes are solid. `xp` and `device` as for `render`.
        """
        namespace = array_api_compat.numpy if xp is None else array_api_compat.array_namespace(xp.zeros(1))
        painter = Painter(self.size, *self.difficulty[:2], self.occlusion, self.noise)
        ink = self._palette()[factors.colour] if colour else np.full((len(factors.shape), 1), 255)
        cosine, sine = cos_sin(factors.rotation)
        given = PaintInput(
            shape=factors.shape,
            texture=factors.texture if texture else np.zeros_like(factors.texture),
            ink=ink,
            dark=np.floor(ink * DARK + 0.5).astype(np.int64),
            x=factors.x,
            y=factors.y,
            cosine=cosine,
            sine=sine,
            phase_a=factors.phase_a,
            phase_b=factors.phase_b,
            bar=factors.bar,
            noise_key=factors.noise_key,
        )
        return painter.paint(given, namespace, device)

    def codes(self, names: tuple[str, ...], index: npt.ArrayLike) -> dict[str, Codes]:
        """Return the codes (N,) of named factors, such as "texture" or, of a scene with several, "texture2".

        A name is a stream of random numbers of its own. For `correlation`, the i-th texture goes with the i-th shape,
        and the i-th colour with the i-th shape and texture; where there are fewer, with the last.
        """
        rows = sample_indices(index)
        drawn: dict[str, Codes] = {}
        for name in sorted(names, key=lambda name: (FACTORS.index(kind_of(name)), name)):
            count = self.values[FACTORS.index(kind_of(name))]
            codes = below(count, key(self.seed, name), rows)
            luck = uniform(key(self.seed, name, "follows"), rows)
            for parent, low, high in self._followed(name, tuple(drawn)):
                codes = np.where((luck >= low) & (luck < high), drawn[parent] % count, codes)
            drawn[name] = codes
        return {name: drawn[name] for name in names}

    def _followed(self, name: str, drawn: tuple[str, ...]) -> list[tuple[str, float, float]]:
        """Return the factors that a factor may copy, and between which numbers in 0..1 it does."""
        a, b, c = self.correlation
        chances = {"shape": [], "texture": [("shape", 0.0, a)], "colour": [("shape", 0.0, b), ("texture", b, b + c)]}
        kind = kind_of(name)
        before = sum(kind_of(other) == kind for other in drawn)
        found = []
        for parent, low, high in chances[kind]:
            candidates = [other for other in drawn if kind_of(other) == parent]
            if candidates:
                found.append((candidates[min(before, len(candidates) - 1)], low, high))
        return found

    def posed(self, modality: int, index: npt.ArrayLike, shape: Codes, texture: Codes, colour: Codes) -> Factors:
        """Return given codes (N,) with the poses that the samples have in a modality, 1..4."""
        rows, stream = sample_indices(index), f"modality {modality}"
        drawn = {name: uniform(key(self.seed, stream, name), rows) for name in _POSE}
        for name in ("x", "y"):
            drawn[name] = 0.5 + (drawn[name] - 0.5) * (self.jitter * (1.0 - BOX))
        drawn["rotation"] = (2.0 * drawn["rotation"] - 1.0) * self.rotation
        return Factors(shape, texture, colour, **drawn, noise_key=hashed(key(self.seed, stream, "noise"), rows))

    def _palette(self) -> np.ndarray:
        full = np.array(list(COLOURS.values()), dtype=np.float64)
        mean = sum(full) / len(full)
        blend = self.difficulty[2]
        return np.floor((1.0 - blend) * full + blend * mean + 0.5).astype(np.int64)


def kind_of(name: str) -> str:
    """Return the factor that a numbered one is of: that of "texture2" is "texture"."""
    return name.rstrip("0123456789")


def sample_indices(index: npt.ArrayLike) -> Codes:
    """Return sample indices as (N,) int64. Raises E304 where they are not whole numbers of at least 0."""
    rows = np.atleast_1d(np.asarray(index))
    if rows.ndim != 1 or (rows.size and (rows.dtype.kind not in "iu" or rows.min() < 0)):
        raise AlignscopeError("E304", "index", "not whole numbers of at least 0", "Give sample indices, (N,).")
    return rows.astype(np.int64)


def _three(where: str, given: Any) -> tuple[Any, Any, Any]:
    try:
        first, second, third = given
    except (TypeError, ValueError):
        raise AlignscopeError("E304", where, f"{given!r}", "Give three numbers.") from None
    return first, second, third
