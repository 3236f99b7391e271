"""What is to be said of the rasters: what was decided on reading them, and what in their chips looks like no data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from alignscope.pair.notes import Note, coded
from alignscope.report.words import count, number, percent
from alignscope.scenes.chips import Scene
from alignscope.scenes.rasters import SceneRaster
from alignscope.scenes.spec import SceneSpec

FILLS = (-9999.0, -99999.0, -999.0, -32768.0, -32767.0, 65535.0)
"""Values that stand for no data more often than not."""

LEAST_ZEROS = 0.01
"""Share of pixels, 0 in every channel, from which they are spoken of."""

_SHIFT = 1000.0  # what Sentinel-2 adds to all digital numbers from processing baseline 04.00 on
_MOST = 20_000.0  # of the median digital number of such a scene


def source_notes(spec: SceneSpec, scenes: Sequence[Scene]) -> list[Note]:
    """What was decided about every source, and where its scenes differ; the same sentence of many scenes once."""
    said = []
    for field_, source in spec.sources.items():
        label = f"{field_} ({source.path})"
        mine = {scene.name: scene.rasters[field_] for scene in scenes}
        said += _of_scenes(label, {name: raster.notes for name, raster in mine.items()})
        said += _types(label, mine)
    return said + _unplaced(scenes)


def _of_scenes(label: str, notes: dict[str, list[Note]]) -> list[Note]:
    names: dict[Note, list[str]] = {}
    for scene, found in notes.items():
        for note in dict.fromkeys(found):
            names.setdefault(note, []).append(scene)
    said = []
    for note, those in names.items():
        some = (
            "" if len(those) == len(notes) else f" ({count(len(those))} of {count(len(notes))} scenes, as {those[0]})"
        )
        said.append(Note(f"{label}: {note.removesuffix('.')}{some}.", note.code))
    return said


def _types(label: str, rasters: dict[str, SceneRaster]) -> list[Note]:
    """Scenes of one source that are stored as different types, such as reflectance as numbers and as fractions."""
    first: dict[str, str] = {}
    for name, raster in rasters.items():
        first.setdefault(str(raster.dtype), name)
    if len(first) < 2:
        return []
    named = " and ".join(f"{dtype} (as {name})" for dtype, name in first.items())
    text = f"{label}: its scenes are stored as {named}: if their units differ, say so in their tags (gdal_edit -scale)."
    return [Note(text, "AS122")]


def _unplaced(scenes: Sequence[Scene]) -> list[Note]:
    """Rasters that do not say where they lie, next to others that do."""
    found: dict[str, tuple[str, str, int]] = {}
    for scene in scenes:
        placed = next((r for r in scene.rasters.values() if r.grid.transform is not None), None)
        for name, raster in scene.rasters.items():
            if placed is not None and raster.grid.transform is None:
                where, other, n = found.get(name, (raster.where, placed.where, 0))
                found[name] = where, other, n + 1
    return [
        Note(
            f"{name} ({where}): it has no georeference, and is taken to cover the ground of {other}, "
            f"since its pixels fit{f' (so in {count(n)} scenes)' if n > 1 else ''}."
        )
        for name, (where, other, n) in found.items()
    ]


@dataclass(frozen=True, eq=False)
class Look:
    """What chips of one strip look like: arrays by row and column of chips.

    still : (rows, columns, C) channels of one value in all pixels. value : (rows, columns) of the first channel.
    zeros : (rows, columns) pixels that are 0 in all channels. fills : of every value of `FILLS` its pixels.
    levels : (2, C) percentile 1 and median of some pixels of every channel.
    """

    still: np.ndarray
    value: np.ndarray
    zeros: np.ndarray
    fills: dict[float, np.ndarray]
    levels: np.ndarray


def look(chips: np.ndarray, flat: np.ndarray, sample: int) -> Look:
    """Look at chips (rows, columns, C, side, side); flat : (C,) channels whose pixels are no smaller than a chip."""
    low, high = np.fmin.reduce(chips, axis=(3, 4)), np.fmax.reduce(chips, axis=(3, 4))
    zeros = np.zeros(low.shape[:2], np.int64)
    if chips.shape[2] > 1 and (some := ((low <= 0) & (high >= 0)).all(axis=2)).any():
        zeros[some] = (chips[some] == 0).all(axis=1).sum(axis=(1, 2))
    fills = {}
    for value in FILLS:
        if (some := ((low == value) | (high == value)).any(axis=2)).any():
            fills[value] = np.zeros(low.shape[:2], np.int64)
            fills[value][some] = (chips[some] == value).sum(axis=(1, 2, 3))
    some_pixels = chips.transpose(2, 0, 1, 3, 4).reshape(chips.shape[2], -1)
    some_pixels = some_pixels[:, :: some_pixels.shape[1] // sample | 1]
    return Look((low == high) & ~flat, low[:, :, 0], zeros, fills, _levels(some_pixels))


def _levels(pixels: np.ndarray) -> np.ndarray:
    """Percentile 1 and median of every channel; NaN where a channel has no valid pixel."""
    out = np.full((2, len(pixels)), np.nan)
    for c, values in enumerate(pixels):
        values = values[np.isfinite(values)]
        if values.size:
            out[:, c] = np.quantile(values, (0.01, 0.5))
    return out


@dataclass
class Doubts:
    """What looks like no data, though nothing declares it, in the chips of a modality that stay."""

    name: str
    n: int = 0
    pixels: int = 0
    values: dict[float, int] = field(default_factory=dict)
    still: np.ndarray | None = None
    zeros: int = 0
    fills: dict[float, int] = field(default_factory=dict)
    levels: dict[int, np.ndarray] = field(default_factory=dict)

    def add(self, scene: int, seen: Look, kept: np.ndarray, side: int) -> None:
        """Count the chips of a strip that stay; kept : (rows, columns)."""
        whole = seen.still.all(axis=2) & kept
        for value, times in zip(*np.unique(seen.value[whole], return_counts=True), strict=True):
            self.values[float(value)] = self.values.get(float(value), 0) + int(times)
        part = seen.still[kept & ~whole].sum(axis=0)
        self.still = part if self.still is None else self.still + part
        self.n += int(kept.sum())
        self.pixels += int(kept.sum()) * side**2
        self.zeros += int(seen.zeros[kept & ~whole].sum())
        for fill, pixels in seen.fills.items():
            self.fills[fill] = self.fills.get(fill, 0) + int(pixels[kept].sum())
        low = self.levels.get(scene, np.full_like(seen.levels, np.nan))
        self.levels[scene] = np.fmin(low, seen.levels)

    def notes(self, channels: Sequence[str], scenes: Sequence[str], digital: bool) -> tuple[Note, ...]:
        """What is said of them; digital : whether all pixels are 16-bit whole numbers as stored."""
        said = [*self._constant(), *self._still(channels), *self._unsaid()]
        return coded(said + self._shifted(scenes) if digital and len(channels) > 2 else said)

    def _constant(self) -> Iterable[Note]:
        if total := sum(self.values.values()):
            value = max(self.values, key=lambda v: self.values[v])
            yield Note(
                f"{self.name}: {count(total)} of {count(self.n)} chips have the same value in every pixel "
                f"({number(value)} in {count(self.values[value])} of them), and count like any other. If that stands "
                "for no data, declare it: `nodata`.",
                "AS119",
            )

    def _still(self, channels: Sequence[str]) -> Iterable[Note]:
        if self.still is not None and self.still.any():
            most = np.argsort(-self.still, kind="stable")[:3]
            named = ", ".join(f"{channels[c]} in {count(int(self.still[c]))}" for c in most if self.still[c])
            yield Note(
                f"{self.name}: channels with one value in all pixels of a chip: {named} of {count(self.n)}.", "AS119"
            )

    def _unsaid(self) -> Iterable[Note]:
        if self.zeros > LEAST_ZEROS * self.pixels:
            share = percent(self.zeros / self.pixels)
            text = f"{share} of the pixels are 0 in every channel, next to constant chips, and are read as data"
            yield Note(f"{self.name}: {text}. If they are no data, declare it: `nodata = 0`.", "AS121")
        for fill, times in self.fills.items():
            if times:
                text = f"values of {fill:g}, which often stands for no data, are read as data: {count(times)}"
                yield Note(f"{self.name}: {text}. If so, declare it: `nodata = {fill:g}`.", "AS121")

    def _shifted(self, scenes: Sequence[str]) -> list[Note]:
        """Digital numbers that begin at 1,000 in some scenes only, as those of Sentinel-2 from baseline 04.00 on."""
        levels = {scenes[k]: found for k, found in self.levels.items() if np.isfinite(found).all()}
        levels = {name: found for name, found in levels.items() if np.median(found[1]) < _MOST}
        above = [name for name, found in levels.items() if found[0].min() >= _SHIFT]
        below = [name for name, found in levels.items() if found[0].min() < 0.8 * _SHIFT]
        if not above or not below:
            return []
        text = (
            f"{self.name}: nearly all pixels are above 1,000 in {count(len(above))} scenes (as {above[0]}) and not in "
            f"{count(len(below))} (as {below[0]}). Sentinel-2 adds 1,000 from processing baseline 04.00 on: if so, say "
            "it in their tags (gdal_edit -offset -1000)."
        )
        return [Note(text, "AS122")]
