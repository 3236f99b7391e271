"""From parameters to pixels: two look-ups and an integer blend, in any array namespace.

Shapes and textures are drawn once a size, anti-aliased, on atlases eight times finer than the pixels. The place on an
atlas that a pixel shows is an affine map of its column and row, so its index is one number of the column plus one
number of the row: an addition a pixel. Only the square that the shape can touch is computed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np

from alignscope._lib.types import Array
from alignscope.datasets.counter_random import hashed
from alignscope.datasets.trifeature.shapes import SHAPES
from alignscope.datasets.trifeature.textures import TEXTURES, TILE

BOX = 128 / 224
"""Side of the box that holds the shape, as a share of the image's."""
BACKGROUND = 128
DARK = 0.25
"""Tone of the dark parts of a texture, as a share of the colour."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (230, 20, 20),
    "green": (30, 180, 40),
    "blue": (30, 50, 235),
    "yellow": (250, 235, 30),
    "pink": (255, 130, 195),
    "cyan": (50, 235, 240),
    "purple": (135, 30, 175),
    "ocean": (0, 100, 130),
    "orange": (255, 140, 0),
    "white": (255, 255, 255),
}
"""Red, green and blue in 0..255; the order is that of the codes."""

_ONE = 128  # full cover and full tone: the largest power of two whose product with 255 is an int16
CHUNK_PIXELS = 2**16  # pixels of boxes at once on a CPU: temporaries stay in the second-level cache
_CHUNK_PIXELS_DEVICE = 2**24
CHUNKS = 16  # chunks planned together: what is small is worked out for many images at once
_FIELDS = 127 | 127 << 21 | 127 << 42


@dataclass(frozen=True, eq=False)
class PaintInput:
    """What to paint, one entry per image, and the same on every machine.

    Attributes
    ----------
    shape, texture : (N,) codes.
    ink, dark : (N, C) int64 the full colour and the dark tone, 0..255.
    x, y : (N,) centre of the shape as a share of the side.
    cosine, sine : (N,) of the rotation, clockwise as seen.
    phase_a, phase_b : (N,) where on its tile the texture starts, as a share of the tile, 0..1.
    bar : (N,) left edge of the occluding bar as a share of what the bar leaves free, 0..1.
    noise_key : (N,) int64 keys of the pixel noise.
    """

    shape: Array
    texture: Array
    ink: Array
    dark: Array
    x: Array
    y: Array
    cosine: Array
    sine: Array
    phase_a: Array
    phase_b: Array
    bar: Array
    noise_key: Array

    def part(self, rows: slice, xp: Any, device: Any) -> PaintInput:
        """Return some images' entries in another namespace."""
        return PaintInput(*(xp.asarray(getattr(self, f.name)[rows], device=device) for f in fields(self)))


@dataclass(frozen=True, eq=False)
class _Plan:
    """Where each picture looks in the atlases and what it does with what it finds; shaped to broadcast."""

    x0: Array
    y0: Array
    shape_rows: Array
    shape_columns: Array
    texture_rows: Array
    texture_columns: Array
    kept: Array
    dark: Array
    rise: Array
    noise_key: Array

    def part(self, rows: slice) -> _Plan:
        return _Plan(*(getattr(self, f.name)[rows, ...] for f in fields(self)))


@dataclass(frozen=True)
class Painter:
    """Everything about the pictures that is the same for all of them.

    Attributes
    ----------
    size : side S in pixels.
    blend_shape, blend_texture : 0 as drawn .. 1 all values alike (a circle; a flat middle tone).
    occlusion : share of the box's width that a bar hides.
    noise : standard deviation of the pixel noise, as a share of 255.
    """

    size: int
    blend_shape: float = 0.0
    blend_texture: float = 0.0
    occlusion: float = 0.0
    noise: float = 0.0

    def paint(self, given: PaintInput, xp: Any, device: Any = None) -> Array:
        """Return uint8 images (N, C, S, S) in the namespace `xp`, on `device`."""
        n, channels = given.ink.shape
        out = xp.empty((n, channels, self.size, self.size), dtype=xp.uint8, device=device)
        atlases = _atlases(self.size, self.blend_shape, self.blend_texture, xp, device)
        budget = CHUNK_PIXELS if str(_device(out)) == "cpu" else _CHUNK_PIXELS_DEVICE
        touched = self._block() ** 2 if self.noise == 0 else 8 * self.size**2  # noise keeps 8 bytes for every pixel
        step = max(1, budget // touched)
        for start in range(0, n, CHUNKS * step):
            many = slice(start, min(start + CHUNKS * step, n))
            plan = self._plan(given.part(many, xp, device), xp)
            for first in range(0, many.stop - start, step):
                rows = slice(first, min(first + step, many.stop - start))
                self._chunk(plan.part(rows), *atlases, out[many, ...][rows, ...], xp)
        return out

    def _block(self) -> int:
        """Side of the square of pixels that a shape can touch, wherever it stands."""
        return min(self.size, (4 * self.size + 6) // 7 + 2)

    def _plan(self, s: PaintInput, xp: Any) -> _Plan:
        """Work out where in the atlases every column and row of a box looks."""
        block, wide = self._block(), _resolution(self.size)
        x0, y0 = (self._corner(place, block, xp) for place in (s.x, s.y))
        along = xp.arange(block, dtype=xp.float64, device=_device(s.x)) + 0.5
        dx = along[None, :] + (x0 - s.x * self.size)[:, None]
        dy = along[None, :] + (y0 - s.y * self.size)[:, None]
        scale = wide / self.size
        column_u, column_v = _whole(dx, scale * s.cosine, xp), _whole(dx, -scale * s.sine, xp)
        row_u, row_v = _whole(dy, scale * s.sine, xp), _whole(dy, scale * s.cosine, xp)
        middle = (s.shape * (wide * wide) + (wide // 2) * (wide + 1))[:, None]
        tile = wide // 2 - 1  # a mask: the tile's side is a power of two
        phase_u, phase_v = (
            xp.astype(xp.floor(p * (wide / 2) + 0.5), xp.int64)[:, None] for p in (s.phase_a, s.phase_b)
        )
        rows = ((row_v + phase_v) & tile) * wide + ((row_u + phase_u) & tile)
        return _Plan(
            x0=xp.astype(x0, xp.int64),
            y0=xp.astype(y0, xp.int64),
            shape_rows=(row_v * wide + row_u + middle)[:, :, None],
            shape_columns=(column_v * wide + column_u)[:, None, :],
            texture_rows=(rows + (s.texture * (wide * wide))[:, None])[:, :, None],
            texture_columns=((column_v & tile) * wide + (column_u & tile))[:, None, :],
            kept=self._kept(dx, s.bar, xp)[:, None, :],
            dark=xp.astype(s.dark - BACKGROUND, xp.int16)[:, :, None, None],
            rise=xp.astype(s.ink - s.dark, xp.int16)[:, :, None, None],
            noise_key=s.noise_key,
        )

    def _chunk(self, plan: _Plan, shapes: Array, textures: Array, out: Array, xp: Any) -> None:
        cover = xp.astype(shapes[plan.shape_rows + plan.shape_columns], xp.int16)
        lit = xp.astype(textures[plan.texture_rows + plan.texture_columns], xp.int16)
        if self.occlusion > 0:
            cover = (cover * plan.kept + _ONE // 2) >> 7
        lit *= cover
        lit += _ONE // 2
        lit >>= 7
        blend = cover[:, None, :, :] * plan.dark
        blend += lit[:, None, :, :] * plan.rise
        blend += BACKGROUND * _ONE + _ONE // 2
        blend >>= 7
        out[...] = BACKGROUND
        _place(out, xp.astype(blend, xp.uint8), plan.x0, plan.y0, xp)
        if self.noise > 0:
            out[...] = self._noisy(out, plan.noise_key, xp)

    def _corner(self, place: Array, block: int, xp: Any) -> Array:
        first = xp.floor(place * self.size - block / 2 + 0.5)
        return xp.clip(first, 0.0, float(self.size - block))

    def _kept(self, dx: Array, bar: Array, xp: Any) -> Array:
        """Share 0..128 of each column that a bar as high as the box and `occlusion` of its width leaves."""
        box = BOX * self.size + 2.0  # with the pixels that a smooth edge reaches beyond it
        left = (bar * (box * (1.0 - self.occlusion)) - box / 2)[:, None]
        right = left + box * self.occlusion
        hidden = xp.clip(xp.minimum(dx + 0.5, right) - xp.maximum(dx - 0.5, left), 0.0, 1.0)
        return xp.astype(xp.floor((1.0 - hidden) * _ONE + 0.5), xp.int16)

    def _noisy(self, image: Array, keys: Array, xp: Any) -> Array:
        """Add `noise` x 255 x (the sum of three uniform numbers of 7 bits, less its mean, over its sd 64)."""
        _, channels, size, _ = image.shape
        pixel = xp.arange(size * size, dtype=xp.int64, device=_device(image))
        bits = hashed(keys[:, None], pixel[None, :])
        # Nine numbers of 7 bits in one word; three words added, and every channel has 21 bits for its sum.
        sums = (bits & _FIELDS) + ((bits >> 7) & _FIELDS) + ((bits >> 14) & _FIELDS)
        amplitude = int(np.floor(self.noise * 255.0 * 128.0 + 0.5))
        planes = [xp.astype((sums >> (21 * c)) & 511, xp.int32) for c in range(channels)]
        noise = ((2 * xp.stack(planes, axis=1) - 381) * amplitude + 2**13) >> 14
        return xp.astype(xp.clip(xp.astype(image, xp.int32) + xp.reshape(noise, image.shape), 0, 255), xp.uint8)


def _device(a: Array) -> Any:
    return getattr(a, "device", None)


def _whole(offset: Array, factor: Array, xp: Any) -> Array:
    """Round offset x factor to whole numbers, one factor an image."""
    return xp.astype(xp.floor(offset * factor[:, None] + 0.5), xp.int64)


def _place(frames: Array, blocks: Array, x0: Array, y0: Array, xp: Any) -> None:
    """Write each block into its frame at its corner."""
    n, channels, side, _ = blocks.shape
    if isinstance(frames, np.ndarray):
        windows = np.lib.stride_tricks.sliding_window_view(frames, (side, side), axis=(2, 3), writeable=True)
        windows[np.arange(n), :, y0, x0] = blocks
        return
    size = frames.shape[-1]
    step = xp.arange(side, dtype=xp.int64, device=_device(frames))
    planes = xp.arange(n * channels, dtype=xp.int64, device=_device(frames)) * (size * size)
    corner = xp.reshape(planes, (n, channels)) + (y0 * size + x0)[:, None]
    index = corner[:, :, None, None] + (step * size)[:, None] + step
    xp.reshape(frames, (-1,))[index] = blocks


def _resolution(size: int) -> int:
    """Side of the atlases: a power of two, 4.5 to 9 samples per pixel."""
    return 1 << (9 * size // 2 - 1).bit_length()


@lru_cache(maxsize=4)
def _atlases(size: int, blend_shape: float, blend_texture: float, xp: Any, device: Any) -> tuple[Array, Array]:
    drawn = _shape_atlas(size, blend_shape), _texture_atlas(size, blend_texture)
    shapes, textures = (xp.asarray(atlas, device=device) for atlas in drawn)
    return shapes, textures


@lru_cache(maxsize=4)
def _shape_atlas(size: int, blend: float) -> np.ndarray:
    """Cover 0..128 of every shape at every sub-pixel place, flat, the image's side across.

    An empty plane follows the last shape: for images under 32 px the corners of a box can fall outside of an atlas,
    and then read emptiness, from a neighbour's border or from here.
    """
    wide = _resolution(size)
    radius = BOX / 2 * size
    atlas = np.zeros((len(SHAPES) + 1, wide, wide), dtype=np.uint8)
    touched = np.abs(np.arange(wide) - wide // 2) * (size / wide) <= radius + 1.0
    inside = slice(int(np.argmax(touched)), int(wide - np.argmax(touched[::-1])))
    at = (np.arange(wide) - wide // 2)[inside] * (size / wide / radius)
    x, y = at[None, :], at[:, None]
    circle = SHAPES["circle"](x, y)
    for plane, shape in zip(atlas, SHAPES.values(), strict=False):
        distance = (1.0 - blend) * shape(x, y) + blend * circle
        plane[inside, inside] = _levels(np.clip(0.5 - distance * radius, 0.0, 1.0))
    return atlas.reshape(-1)


@lru_cache(maxsize=4)
def _texture_atlas(size: int, blend: float) -> np.ndarray:
    """Tone 0..128 of every texture, flat; the tile is laid twice both ways, so that sums of offsets need no wrap."""
    tile = _resolution(size) // 2
    at = (np.arange(tile) + 0.5) * (TILE / tile)
    period = size / 2 / TILE
    planes = [(1.0 - blend) * draw(at[None, :], at[:, None], period) + blend * 0.5 for draw in TEXTURES.values()]
    return np.tile(_levels(np.stack(planes)), (1, 2, 2)).reshape(-1)


def _levels(share: np.ndarray) -> np.ndarray:
    return np.floor(share * _ONE + 0.5).astype(np.uint8)
