"""The first reading of every pixel: which chips stay, what is true of them, and how channels are scaled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignscope._lib.types import Progress
from alignscope.errors import AlignscopeError
from alignscope.pair.notes import Note, coded
from alignscope.scenes.chips import Scene, Strip, stacked
from alignscope.scenes.doubts import Doubts, Look, look, source_notes
from alignscope.scenes.ground import merge_overlapping
from alignscope.scenes.rasters import SceneRaster
from alignscope.scenes.spec import SceneSpec
from alignscope.scenes.targets import Counted, columns_of, counted

SAMPLE = 1024
"""Pixels of every channel that a strip adds to the sample from which channels are scaled."""

_ROUND = 1e-9  # of shares, which are compared with round numbers such as 0.9


@dataclass(frozen=True)
class Form:
    """The chips of a modality: `channels` by name, pixels a `side`; whether they are bytes, or 16-bit as stored."""

    channels: tuple[str, ...]
    side: int
    integral: bool
    digital: bool


@dataclass(frozen=True, eq=False)
class Chips:
    """The chips that stay, N of them, by scene, row and column.

    scene, row, column : (N,) places in the list of scenes and in the layout. block : (N,) unique over scenes, but for
    those on the same ground.
    """

    scene: np.ndarray
    row: np.ndarray
    column: np.ndarray
    block: np.ndarray


@dataclass(frozen=True, eq=False)
class Survey:
    """What the first reading found.

    kept : of every scene a mask (rows, columns). dropped : of every scene, why chips were left out, and how many.
    columns, values : of every modality the names and (N, C) float32 values of its targets. constant : those left out
    because they do not vary.
    scales : of every modality centre and spread (C,), by which channels are scaled; 0 and 1 where they are not.
    notes : what was decided on reading the rasters, and what looks like no data.
    """

    scenes: Sequence[Scene]
    forms: tuple[Form, Form]
    kept: list[np.ndarray]
    dropped: list[dict[str, int]]
    chips: Chips
    columns: tuple[list[str], list[str]]
    values: tuple[np.ndarray, np.ndarray]
    constant: tuple[list[str], list[str]]
    scales: tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    notes: tuple[Note, ...]

    @property
    def n(self) -> int:
        """The number of chips."""
        return len(self.chips.scene)


def scan(spec: SceneSpec, scenes: Sequence[Scene], progress: Progress) -> Survey:
    """Read everything once.

    Raises
    ------
    AlignscopeError : E212 where no chip is left, E208 where all are in one block, E206 where no column of a modality's
        targets varies, E211 for scenes whose chips have other sizes, and those of `counted` and of reading.
    """
    one, two = (_form(scenes, i) for i in (0, 1))
    _check_shown(spec, (one, two))
    parts: list[list[Counted]] = [[] for _ in spec.target]
    samples: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    kept, dropped = [], []
    doubts = tuple(Doubts(modality.name) for modality in spec.modalities)
    for k, scene in enumerate(scenes):
        progress("scanning the rasters", 0.5 * k / len(scenes))
        keep = scene.layout.blocks() >= 0
        why = Counter({"between blocks": int((~keep).sum())})
        for strip in scene.strips():
            mine = keep[strip.first : strip.last]  # a view, in which chips are dropped
            seen = _drop_by_modalities(spec, strip, mine, why, samples)
            _drop_by_targets(spec, strip, mine, why, parts)
            for doubt, its, form in zip(doubts, seen, (one, two), strict=True):
                doubt.add(k, its, mine, form.side)
        kept.append(keep)
        dropped.append({reason: n for reason, n in why.items() if n})
    if not any(keep.any() for keep in kept):
        raise _none_left(scenes, dropped)
    targets = [columns_of(target, part) for target, part in zip(spec.target, parts, strict=True)]
    (c1, v1, gone1), (c2, v2, gone2) = (_varying(spec, targets, i) for i in (1, 2))
    scale1, scale2 = (
        _scale(modality.scale, pool, form.channels)
        for modality, pool, form in zip(spec.modalities, samples, (one, two), strict=True)
    )
    chips = _chips(scenes, kept)
    notes = source_notes(spec, scenes)
    for doubt, form in zip(doubts, (one, two), strict=True):
        notes += doubt.notes(form.channels, [scene.name for scene in scenes], form.digital)
    return Survey(
        scenes, (one, two), kept, dropped, chips, (c1, c2), (v1, v2), (gone1, gone2), (scale1, scale2), coded(notes)
    )


def _drop_by_modalities(
    spec: SceneSpec, strip: Strip, mine: np.ndarray, why: Counter[str], samples: tuple[list[np.ndarray], ...]
) -> list[Look]:
    seen = []
    for modality, rasters, pool in zip(spec.modalities, strip.scene.modalities, samples, strict=True):
        chips = stacked(strip, rasters)
        valid = np.isfinite(chips).mean(axis=(3, 4)).min(axis=2)
        _drop(mine, mine & (valid < modality.least_valid - _ROUND), f"invalid pixels of {modality.name}", why)
        if modality.scale == "robust" and mine.any():
            pixels = chips[mine].swapaxes(0, 1).reshape(chips.shape[2], -1)
            pool.append(pixels[:, :: pixels.shape[1] // SAMPLE | 1])  # odd, so that no column of chips is preferred
        sides = [strip.scene.layout.chip // strip.scene.factors[r] for r in rasters for _ in r.names]
        seen.append(look(chips, np.array(sides) == 1, SAMPLE))
    return seen


def _drop_by_targets(
    spec: SceneSpec, strip: Strip, mine: np.ndarray, why: Counter[str], parts: list[list[Counted]]
) -> None:
    before = mine.copy()
    found = []
    for target, raster in zip(spec.target, strip.scene.targets, strict=True):
        part = counted(target, strip.chips(raster)[before], raster.where)
        low = np.zeros_like(mine)
        low[before] = part.valid < target.least_valid - _ROUND
        _drop(mine, mine & low, f"invalid pixels of the target {target.name}", why)
        found.append(part)
    stay = mine[before]
    for part, pool in zip(found, parts, strict=True):
        pool.append(Counted(part.values[stay], part.valid[stay], part.codes))


def _drop(mine: np.ndarray, low: np.ndarray, reason: str, why: Counter[str]) -> None:
    mine[low] = False
    why[reason] += int(low.sum())


def _form(scenes: Sequence[Scene], modality: int) -> Form:
    """Return the form of a modality. Raises E211 or E201 for a scene with another."""
    forms = [_form_of(scene, scene.modalities[modality]) for scene in scenes]
    for scene, form in zip(scenes, forms, strict=True):
        where = scene.modalities[modality][0].where
        if form.side != forms[0].side:
            found = f"its chips have {form.side} pixels per side, and those of {scenes[0].name} {forms[0].side}"
            raise AlignscopeError("E211", where, found, "Bring all scenes to one resolution, as with gdalwarp -tr.")
        if len(form.channels) != len(forms[0].channels):
            found = f"{len(form.channels)} channels, and scene {scenes[0].name} has {len(forms[0].channels)}"
            raise AlignscopeError("E201", where, found, "Choose the same ones of every scene with `channels`.")
    integral, digital = (all(getattr(form, name) for form in forms) for name in ("integral", "digital"))
    return Form(forms[0].channels, forms[0].side, integral, digital)


def _form_of(scene: Scene, rasters: list[SceneRaster]) -> Form:
    names = [name for raster in rasters for name in raster.names]
    if len(set(names)) < len(names):
        names = [f"raster {k} {name}" for k, raster in enumerate(rasters) for name in raster.names]
    side = max(scene.layout.chip // scene.factors[raster] for raster in rasters)
    return Form(tuple(names), side, all(r.integral for r in rasters), all(r.digital for r in rasters))


def _check_shown(spec: SceneSpec, forms: tuple[Form, Form]) -> None:
    for i, (modality, form) in enumerate(zip(spec.modalities, forms, strict=True), 1):
        most = max(modality.show or (0,))
        if most >= len(form.channels):
            found = f"channel {most} of {len(form.channels)}, counted from 0"
            raise AlignscopeError("E306", f"modality{i}.show", found, "Correct it.")


def _none_left(scenes: Sequence[Scene], dropped: list[dict[str, int]]) -> AlignscopeError:
    total: Counter[str] = Counter()
    for why in dropped:
        total.update(why)
    reasons = ", ".join(f"{n:,} for {reason}" for reason, n in total.items())
    layout, finest = scenes[0].layout, scenes[0].finest
    if not reasons:
        reasons = f"a chip of {layout.chip} pixels is larger than the {finest.height} x {finest.width} of the rasters"
    way = "Look at `nodata` and `least_valid`, or choose smaller chips."
    return AlignscopeError("E212", scenes[0].finest.where, f"no chip is left: {reasons}", way)


def _chips(scenes: Sequence[Scene], kept: list[np.ndarray]) -> Chips:
    """Return where chips are. Raises E208 where all are in one block."""
    places = [np.nonzero(keep) for keep in kept]
    scene = np.repeat(np.arange(len(scenes)), [len(rows) for rows, _ in places])
    local = np.concatenate([s.layout.blocks()[at] for s, at in zip(scenes, places, strict=True)])
    _, block = np.unique(np.stack([scene, local]), axis=1, return_inverse=True)
    row, column = (np.concatenate([at[axis] for at in places]) for axis in (0, 1))
    block = merge_overlapping(scenes, scene, row, column, block.reshape(-1))
    if block.max() == 0:
        found = "all chips are in one block, so none can be held out from its neighbours"
        raise AlignscopeError("E208", "block", found, "Choose a smaller `block`, or give more scenes.")
    return Chips(scene, row, column, block)


def _varying(
    spec: SceneSpec, targets: list[tuple[list[str], np.ndarray]], modality: int
) -> tuple[list[str], np.ndarray, list[str]]:
    """Return the names and values of the target columns of a modality that vary, and the names of the others."""
    mine = [found for target, found in zip(spec.target, targets, strict=True) if target.modality in (modality, "both")]
    names = [name for columns, _ in mine for name in columns]
    if not names:
        return [], np.zeros((0, 0), np.float32), []
    values = np.concatenate([v for _, v in mine], axis=1).astype(np.float32)
    varies = np.ptp(values, axis=0) > 0
    if not varies.any():
        found = f"none of the targets varies ({', '.join(names)})"
        raise AlignscopeError("E206", f"targets of modality {modality}", found, "Choose others, or other scenes.")
    gone = [name for name, v in zip(names, varies, strict=True) if not v]
    return [name for name, v in zip(names, varies, strict=True) if v], values[:, varies], gone


def _scale(kind: str, pool: list[np.ndarray], channels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    if kind == "none" or not pool:
        return np.zeros(len(channels)), np.ones(len(channels))
    low, centre, high = np.nanquantile(np.concatenate(pool, axis=1), (0.25, 0.5, 0.75), axis=1)
    spread = 0.7413 * (high - low)  # the standard deviation of a normal variable
    return centre, np.where(spread > 0, spread, 1.0)
