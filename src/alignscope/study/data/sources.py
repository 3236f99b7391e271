"""From pictures drawn here, or from the user's own pair, to the rows of a study."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alignscope._lib.types import Progress
from alignscope.datasets.trifeature.pairs import PairView
from alignscope.errors import AlignscopeError
from alignscope.pair.folder import TABLES, open_folder
from alignscope.pair.labels import ClassRows, Target, first_rows
from alignscope.pair.paired import Pair
from alignscope.pair.readers.rows import NpyRows, Rows, as_numpy
from alignscope.study.data.prepared import Targets, write_data
from alignscope.study.data.spec import FileData, TrifeatureData

__all__ = ["FEWEST", "files_of", "write_pair", "write_pictures"]


_CHUNK = 1024
FEWEST = 16
"""Rows of a part: fewer can be neither probed nor split into folds."""


def write_pictures(data: TrifeatureData, folder: Path, progress: Progress) -> None:
    """Draw the pictures of a study into a new folder."""
    view = PairView.paper(
        size=data.size,
        seed=data.seed,
        values=data.values,
        correlation=data.correlation,
        rotation=data.rotation,
        jitter=data.jitter,
        noise=data.noise,
        occlusion=data.occlusion,
        difficulty=data.difficulty,
        held_out=data.held_out,
    )
    train, _, test = view.split(data.train, 0, data.test)
    index = np.concatenate([train, test])
    maps: list[np.ndarray] = []
    for start in range(0, len(index), _CHUNK):
        progress("rendering the pictures", start / len(index))
        for i, part in enumerate(view.inputs(index[start : start + _CHUNK])):
            if start == 0:
                maps.append(np.empty((len(index), data.size, data.size, part.shape[1]), np.uint8))
            maps[i][start : start + len(part)] = part.transpose(0, 2, 3, 1)
    labels = view.targets(index)
    asked = (("shape", "texture"), ("shape", "colour"))
    pose = {_pose(name): values.astype(np.float32)[:, None] for name, values in view.nuisance(index).items()}
    seen = tuple(tuple(name for name in pose if name.endswith(str(i))) for i in (1, 2))
    probed = (asked[0] + seen[0], asked[1] + seen[1])
    meta = Targets(train=len(train), trained_on=asked, probed=probed, classes=dict(view.classes))
    write_data(folder, maps, {**labels, **pose}, meta, None)


def _pose(name: str) -> str:
    """Return "x1" in words."""
    return f"{ {'x': 'horizontal place', 'y': 'vertical place'}.get(name[:-1], name[:-1]) } {name[-1]}"


def write_pair(data: FileData, folder: Path, base: Path) -> None:
    """Copy a pair into a new folder, training rows first."""
    pair = _open_pair(data, base)
    if pair.present1 is not None or pair.present2 is not None:
        found, way = "rows that lack a modality", "A study trains on complete rows: leave them out of every input."
        raise AlignscopeError("E203", str(data.pair), found, way)
    if pair.weights is not None:
        raise AlignscopeError("E306", "data.pair", "it holds weights, which a study does not use", "Remove them.")
    if pair.y1.kind == "modality":
        raise AlignscopeError("E306", "data.pair", "it holds no target", "Put y1 there: what a modality should know.")
    order, train = _split(pair, data)
    x = [_inputs(rows, order, train) for rows in (pair.x1, pair.x2)]
    targets: dict[str, np.ndarray] = {}
    classes: dict[str, tuple[str, ...]] = {}
    asked: list[tuple[str, ...]] = []
    for role, target in (("y1", pair.y1), ("y2", pair.y2)):
        if role == "y2" and _same(pair.y1, pair.y2):
            asked.append(asked[0])
            continue
        names = _named(role, target, set(targets))
        asked.append(tuple(names))
        if isinstance(target.rows, ClassRows):
            classes[names[0]] = target.names
            targets[names[0]] = target.rows.codes[order].astype(np.int64)
        else:
            values = _numbers(target.rows, role)[order].astype(np.float32)
            targets |= {name: values[:, [i]] for i, name in enumerate(names)}
    every = tuple(targets)
    probed = tuple(mine + tuple(t for t in every if t not in mine) for mine in asked)
    groups = None if pair.groups is None else np.asarray(pair.groups)[order]
    meta = Targets(train=train, trained_on=(asked[0], asked[1]), probed=(probed[0], probed[1]), classes=classes)
    write_data(folder, x, targets, meta, groups)


def _same(one: Target, two: Target) -> bool:
    """Say if both modalities are asked for the same columns, whether or not they were given twice."""
    if one is two:
        return True
    if type(one.rows) is not type(two.rows) or one.names != two.names:
        return False
    if isinstance(one.rows, ClassRows) and isinstance(two.rows, ClassRows):
        return np.array_equal(one.rows.codes, two.rows.codes)
    return np.array_equal(_numbers(one.rows, "y1"), _numbers(two.rows, "y2"))


def files_of(data: FileData, base: Path) -> list[Path]:
    """Return the files that a pair is read from; of a folder such as .zarr, all that is in it."""
    found = [base / v.partition(":")[0] for n in ("x1", "x2", "y1", "y2", "groups") if (v := getattr(data, n))]
    if data.pair is not None:
        folder = base / data.pair
        inside = sorted(folder.iterdir()) if folder.is_dir() else [folder]
        found += [p for p in inside if p.stem in TABLES or p.name == "pair.toml" or p == folder]
    return [f for p in found for f in (sorted(q for q in p.rglob("*") if q.is_file()) if p.is_dir() else [p])]


def _open_pair(data: FileData, base: Path) -> Pair:
    given = {name: base / value for name in ("x1", "x2", "y1", "y2", "groups") if (value := getattr(data, name))}
    if data.pair is not None:
        return open_folder(base / data.pair, **given)
    return Pair.of(given.pop("x1"), given.pop("x2"), **given)


def _split(pair: Pair, data: FileData) -> tuple[np.ndarray, int]:
    """Return the order of rows, training rows first, and how many those are; groups are not torn apart."""
    units = np.arange(pair.n) if pair.groups is None else np.asarray(pair.groups)
    distinct, place = np.unique(units, return_inverse=True)
    shuffled = np.random.default_rng(data.seed).permutation(len(distinct))
    held = np.zeros(len(distinct), dtype=bool)
    held[shuffled[: max(1, round(data.test * len(distinct)))]] = True
    out = held[place]
    train, test = np.flatnonzero(~out), np.flatnonzero(out)
    if min(len(train), len(test)) < FEWEST:
        found = f"{len(train)} training and {len(test)} held-out rows of {pair.n}"
        raise AlignscopeError("E205", "data", found, f"At least {FEWEST} of each: give more rows, or change `test`.")
    return np.concatenate([train, test]), len(train)


def _inputs(rows: Rows, order: np.ndarray, train: int) -> np.ndarray:
    """Return pictures (N, channels, H, W) with the channel last, and all else as standardised features.

    Pictures of bytes stay as they are; others are standardised channel by channel.
    """
    if not isinstance(rows, NpyRows) or len(rows.item) != 3:
        return _standardised(_numbers(rows, rows.name)[order], train)
    if rows.dtype == "uint8":
        pictures: np.ndarray = as_numpy(rows.read(0, rows.shape[0])).reshape(-1, *rows.item)[order]
        return np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))
    channels, height, width = rows.item
    pixels = _numbers(rows, rows.name)[order].reshape(-1, channels, height * width).transpose(0, 2, 1)
    each = _standardised(pixels.reshape(-1, channels), train * height * width)
    return each.reshape(-1, height, width, channels)


def _standardised(x: np.ndarray, train: int) -> np.ndarray:
    x = x - x[0]  # the deviation of a constant column is then exactly 0
    deviation = x[:train].std(axis=0)
    return ((x - x[:train].mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)).astype(np.float32)


def _numbers(rows: Rows, name: str) -> np.ndarray:
    """Return all rows as (N, D) float64. Raises E203 for NaN or infinity."""
    n, d = rows.shape
    x = as_numpy(rows.read(0, n)).reshape(n, d).astype(np.float64)
    bad = np.asarray(~np.isfinite(x).all(axis=1))
    if bad.any():
        way = "A study trains on complete rows: leave them out of every input."
        raise AlignscopeError("E203", name, f"NaN or infinity ({first_rows(bad)})", way)
    return x


def _named(role: str, target: Target, taken: set[str]) -> list[str]:
    names = [role] if isinstance(target.rows, ClassRows) else list(target.names)
    return [f"{role}: {name}" if name in taken else name for name in names]
