"""Where the chips of a scene lie, which block each is in, and their pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.scenes.grids import Grid, require_one_grid
from alignscope.scenes.rasters import SceneRaster
from alignscope.scenes.sources import Arrays, open_source
from alignscope.scenes.spec import RasterSpec, SceneSpec

STRIP = 1 << 22
"""Pixels, times channels, that are read at once where a row of chips is not larger."""


@dataclass(frozen=True)
class ChipLayout:
    """Chips of one scene on its finest grid, in pixels.

    chip, step : the side of a chip, and from one to the next. rows, columns : of chips.
    block, gap : chips a side of a block (0: the scene is one), and chips left out between blocks.
    """

    chip: int
    step: int
    rows: int
    columns: int
    block: int
    gap: int

    def blocks(self) -> np.ndarray:
        """Return the block of every chip, (rows, columns) from 0, and -1 in the gaps."""
        if self.block == 0:
            return np.zeros((self.rows, self.columns), np.int64)
        down, right = (np.divmod(np.arange(n), self.block + self.gap) for n in (self.rows, self.columns))
        codes = down[0][:, None] * (right[0].max(initial=0) + 1) + right[0]
        inside = (down[1] < self.block)[:, None] & (right[1] < self.block)
        return np.where(inside, codes, -1)


@dataclass(frozen=True, eq=False)
class Strip:
    """Some rows of chips of a scene: rows `first` to `last` (excluded) of its layout."""

    scene: Scene
    first: int
    last: int

    def chips(self, raster: SceneRaster) -> np.ndarray:
        """Return the chips of a raster as (rows, columns, channels, side, side) float64, a view of few copies."""
        layout, factor = self.scene.layout, self.scene.factors[raster]
        chip, step = layout.chip // factor, layout.step // factor
        pixels = raster.read(self.first * step, (self.last - 1) * step + chip)
        windows = np.lib.stride_tricks.sliding_window_view(pixels, (chip, chip), axis=(1, 2))[:, ::step, ::step]
        return windows[:, :, : layout.columns].transpose(1, 2, 0, 3, 4)


@dataclass(frozen=True, eq=False)
class Scene:
    """One scene: its rasters by the field of the specification, and its chips.

    finest : the grid on which chips are laid out. factors : of every raster, pixels of that grid per side of its own.
    """

    name: str
    rasters: dict[str, SceneRaster]
    finest: Grid
    factors: dict[SceneRaster, int]
    layout: ChipLayout

    @property
    def modalities(self) -> tuple[list[SceneRaster], list[SceneRaster]]:
        """The rasters of both."""
        one, two = ([r for f, r in self.rasters.items() if f.startswith(f"modality{i}.")] for i in (1, 2))
        return one, two

    @property
    def targets(self) -> list[SceneRaster]:
        """The rasters of the targets."""
        return [r for f, r in self.rasters.items() if f.startswith("target")]

    def strips(self) -> Iterator[Strip]:
        """Yield the scene from north to south."""
        width = sum(len(r.names) * self.finest.width // self.factors[r] ** 2 for r in self.rasters.values())
        rows = max(1, STRIP // max(1, width * self.layout.step))
        for first in range(0, self.layout.rows, rows):
            yield Strip(self, first, min(first + rows, self.layout.rows))


def stacked(strip: Strip, rasters: Sequence[SceneRaster]) -> np.ndarray:
    """Return the chips of a modality, (rows, columns, channels, side, side): coarser rasters repeat their pixels."""
    parts = [strip.chips(raster) for raster in rasters]
    side = max(part.shape[-1] for part in parts)
    return np.concatenate([p.repeat(side // p.shape[-1], -1).repeat(side // p.shape[-2], -2) for p in parts], axis=2)


def open_scenes(spec: SceneSpec, root: Path) -> list[Scene]:
    """Return the scenes of a specification, in the order of its first source.

    Raises
    ------
    AlignscopeError : E204 for sources with different scenes, E211 for rasters that do not lie on one grid, E306 for a
        chip that is no whole number of pixels, and those of `open_source`.
    """
    arrays = Arrays()
    sources = {field: open_source(source, root, arrays) for field, source in spec.sources.items()}
    first = next(iter(sources))
    names = list(sources[first])
    identified = any(source.match or source.ids for source in spec.sources.values())
    if not identified and all(len(found) == 1 for found in sources.values()):
        return [_scene(spec, names[0], {field: next(iter(found.values())) for field, found in sources.items()})]
    for field, found in sources.items():
        if found.keys() != sources[first].keys():
            raise _differing(field, spec.sources[field], set(found), first, set(names))
    return [_scene(spec, name, {field: found[name] for field, found in sources.items()}) for name in names]


def _differing(field: str, source: RasterSpec, mine: set[str], first: str, others: set[str]) -> AlignscopeError:
    parts = [f"{len(mine)} scenes there and {len(others)} in {first}"]
    for kind, only in (("only there", mine - others), (f"only in {first}", others - mine)):
        if only:
            parts.append(f"{kind} {', '.join(sorted(only)[:3])}{', ...' if len(only) > 3 else ''}")
    way = "Give every source the same scenes; set `match` to a regular expression for the id in the files' names."
    return AlignscopeError("E204", f"{field} ({source.path})", "; ".join(parts), way)


def _scene(spec: SceneSpec, name: str, rasters: dict[str, SceneRaster]) -> Scene:
    grids = [raster.grid for raster in rasters.values()]
    finest, factors = require_one_grid(grids)
    chip, step = (_pixels(spec, field, size, finest) for field, size in (("chip", spec.chip), ("stride", spec.step)))
    for grid, factor in zip(grids, factors, strict=True):
        for field, size in (("chip", chip), ("stride", step)):
            if size % factor:
                found = f"{size} pixels of {finest.where} are {size / factor:g} of {grid.where}"
                raise AlignscopeError("E306", field, found, f"Choose a multiple of {factor} pixels.")
    rows, columns = (max(0, (size - chip) // step + 1) for size in (finest.height, finest.width))
    block = 0 if spec.block == "scene" else spec.block
    layout = ChipLayout(chip, step, rows, columns, block, spec.spared)
    return Scene(name, rasters, finest, dict(zip(rasters.values(), factors, strict=True)), layout)


def _pixels(spec: SceneSpec, field: str, size: float, finest: Grid) -> int:
    if spec.unit == "pixel":
        return int(size)
    if finest.crs is None or not finest.crs.is_projected or finest.crs.linear_units_factor[1] != 1:
        found = f"{size:g} metres, and {finest.where} has no CRS in metres"
        raise AlignscopeError("E306", field, found, 'Give pixels (unit = "pixel"), or reproject.')
    pixels = size / finest.pixel
    if abs(pixels - round(pixels)) > 1e-6 * pixels or round(pixels) < 1:
        found = f"{size:g} metres are {pixels:g} pixels of {finest.where}"
        raise AlignscopeError("E306", field, found, f"Choose a multiple of {finest.pixel:g} metres.")
    return round(pixels)
