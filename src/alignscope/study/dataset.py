"""The rows of a study, made once and shared by every worker as memory-mapped files.

Training rows come first. Pictures are stored with the channel last, as convolutions read them fastest on a processor;
features are standardised by the mean and deviation of the training rows.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from alignscope._files import make_folder, reported, write_all
from alignscope.data.folder import TABLES, open_folder
from alignscope.data.labels import ClassRows, Target, first_rows
from alignscope.data.paired import Pair
from alignscope.data.rows import NpyRows, Rows, as_numpy
from alignscope.data.trifeature import PairView
from alignscope.errors import AlignscopeError
from alignscope.study.spec import DataSpec, FileData, TrifeatureData
from alignscope.study.store import npz_bytes

__all__ = ["Scaled", "StudyData", "fingerprinted", "open_data", "prepare"]

Say = Callable[[str, float], None]

_CHUNK = 1024
_GROUPS = " groups "  # stands among the targets; no target has spaces around its name
_FEWEST = 16  # rows of a part: fewer can be neither probed nor split into folds


class _Meta(msgspec.Struct, frozen=True):
    """What data.json holds: `targets` by modality, those asked first; `classes` of those that are labels."""

    train: int
    asked: tuple[tuple[str, ...], tuple[str, ...]]
    probed: tuple[tuple[str, ...], tuple[str, ...]]
    classes: dict[str, tuple[str, ...]]


class Scaled(NamedTuple):
    """Columns y scale - offset, (N, C) float32, and their offset (C,)."""

    values: np.ndarray
    offset: np.ndarray


@dataclass(frozen=True, eq=False)
class StudyData:
    """Two modalities, N rows of which the first `train` are trained on and the others held out.

    x : per modality (N, H, W, channels) uint8 pictures or (N, D) float32 features.
    targets : name -> (N,) integer codes, or (N, C) float32 numbers.
    asked, probed : per modality the targets that it is trained to predict, and all that it is probed for.
    classes : name -> the labels of the codes.
    groups : (N,) codes of rows that belong together, or None.
    """

    x: tuple[np.ndarray, np.ndarray]
    targets: Mapping[str, np.ndarray]
    train: int
    asked: tuple[tuple[str, ...], tuple[str, ...]]
    probed: tuple[tuple[str, ...], tuple[str, ...]]
    classes: Mapping[str, tuple[str, ...]]
    groups: np.ndarray | None = None

    def columns(self, target: str) -> np.ndarray:
        """Return a target as (N, C) float32 columns, classes one-hot."""
        values = self.targets[target]
        if target in self.classes:
            return np.eye(len(self.classes[target]), dtype=np.float32)[values]
        return values.astype(np.float32)

    def blocks(self, modality: int) -> dict[str, slice]:
        """Return asked target -> its columns in `asked_columns`."""
        edges = np.cumsum([0, *(self.columns(t).shape[1] for t in self.asked[modality])]).tolist()
        return {t: slice(a, b) for t, a, b in zip(self.asked[modality], edges[:-1], edges[1:], strict=True)}

    @cached_property
    def asked_columns(self) -> tuple[Scaled, Scaled]:
        """Y of both modalities, scaled as a block so that ||Y||^2 = N C over the training rows (THEORY 2)."""
        return self._scaled(0), self._scaled(1)

    def _scaled(self, modality: int) -> Scaled:
        y = np.hstack([self.columns(t) for t in self.asked[modality]]).astype(np.float64)
        mean = y[0] + (y[: self.train] - y[0]).mean(axis=0)  # of a constant column exactly its value
        energy = np.square(y[: self.train] - mean).sum()
        if energy == 0:
            raise AlignscopeError(
                "E206", f"target of modality {modality + 1}", "it does not vary among training rows", "Leave it out."
            )
        scale = np.sqrt(self.train * y.shape[1] / energy)
        return Scaled(((y - mean) * scale).astype(np.float32), mean * scale)


def fingerprinted(data: DataSpec, base: Path) -> DataSpec:
    """Return the data with a hash of its files, so that a cell's id says on what it was trained.

    Raises
    ------
    AlignscopeError : E101 for a file that cannot be read.
    """
    if isinstance(data, TrifeatureData):
        return data
    digest = hashlib.sha256()
    for path in _files(data, base):
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise AlignscopeError(
                "E101", str(path), f"cannot be read ({error.strerror})", "Correct the path."
            ) from None
    return msgspec.structs.replace(data, fingerprint=digest.hexdigest()[:16])


def prepare(data: DataSpec, out: Path, base: Path, say: Say = lambda what, share: None) -> Path:
    """Write the rows of a study below `out`, unless they are there, and return their folder.

    The folder's name is the hash of what it holds, and it appears whole or not at all.

    Raises
    ------
    AlignscopeError : E401 or E402 where it cannot be written, E205 for too few rows, E206 for a target that does not
        vary, and those of the readers.
    """
    name = hashlib.sha256(msgspec.json.encode(data, order="deterministic")).hexdigest()[:16]
    folder = out / "data" / name
    if folder.is_dir():
        _clear(folder)
        return folder
    temporary = folder.with_name(f".{name}.{secrets.token_hex(4)}.tmp")
    try:
        with reported(out):
            if isinstance(data, TrifeatureData):
                _render(data, temporary, say)
            else:
                _copy(data, temporary, base)
            open_data(temporary).asked_columns  # noqa: B018  # refuses targets that do not vary
            _into_place(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        for made in (folder.parent, out):
            with contextlib.suppress(OSError):  # not empty
                made.rmdir()
        raise
    _clear(folder)
    return folder


def _clear(folder: Path) -> None:
    """Remove what killed runs left under temporary names: the folder itself is whole."""
    for left in folder.parent.glob(f".{folder.name}.*.tmp"):
        shutil.rmtree(left, ignore_errors=True)


def _into_place(temporary: Path, folder: Path) -> None:
    try:
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(temporary, ignore_errors=True)  # another process was faster, with the same bytes


def open_data(folder: Path) -> StudyData:
    """Return the prepared rows, memory-mapped; pages that are written to are copied, never the files."""
    meta = msgspec.json.decode((folder / "data.json").read_bytes(), type=_Meta)
    with np.load(folder / "targets.npz", allow_pickle=False) as stored:
        targets = {name: stored[name] for name in stored.files}
    groups = targets.pop(_GROUPS, None)
    x1, x2 = (np.load(folder / f"x{i}.npy", mmap_mode="c", allow_pickle=False) for i in (1, 2))
    return StudyData((x1, x2), targets, meta.train, meta.asked, meta.probed, meta.classes, groups)


def _render(data: TrifeatureData, folder: Path, say: Say) -> None:
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
        say("rendering the pictures", start / len(index))
        for i, part in enumerate(view.inputs(index[start : start + _CHUNK])):
            if start == 0:
                maps.append(np.empty((len(index), data.size, data.size, part.shape[1]), np.uint8))
            maps[i][start : start + len(part)] = part.transpose(0, 2, 3, 1)
    labels = view.targets(index)
    asked = (("shape", "texture"), ("shape", "colour"))
    pose = {_pose(name): values.astype(np.float32)[:, None] for name, values in view.nuisance(index).items()}
    seen = tuple(tuple(name for name in pose if name.endswith(str(i))) for i in (1, 2))
    _store(folder, maps, {**labels, **pose}, len(train), asked, (asked[0] + seen[0], asked[1] + seen[1]), view.classes)


def _pose(name: str) -> str:
    """Return "x1" in words."""
    return f"{ {'x': 'horizontal place', 'y': 'vertical place'}.get(name[:-1], name[:-1]) } {name[-1]}"


def _copy(data: FileData, folder: Path, base: Path) -> None:
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
        if role == "y2" and pair.y2 is pair.y1:
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
    if pair.groups is not None:
        targets[_GROUPS] = np.asarray(pair.groups)[order]
    _store(folder, x, targets, train, (asked[0], asked[1]), (probed[0], probed[1]), classes)


def _store(
    folder: Path,
    x: list[np.ndarray],
    targets: Mapping[str, np.ndarray],
    train: int,
    asked: tuple[tuple[str, ...], tuple[str, ...]],
    probed: tuple[tuple[str, ...], tuple[str, ...]],
    classes: Mapping[str, tuple[str, ...]],
) -> None:
    meta = _Meta(train, asked, probed, dict(classes))
    make_folder(folder)
    for i, values in enumerate(x, 1):
        with (folder / f"x{i}.npy").open("xb") as file:
            np.save(file, values)
            file.flush()
            os.fsync(file.fileno())  # else the renamed folder could hold empty files after a power loss
    write_all(folder, {"targets.npz": npz_bytes(targets), "data.json": msgspec.json.encode(meta)})


def _open_pair(data: FileData, base: Path) -> Pair:
    given = {name: base / value for name in ("x1", "x2", "y1", "y2", "groups") if (value := getattr(data, name))}
    if data.pair is not None:
        return open_folder(base / data.pair, **given)
    return Pair.of(given.pop("x1"), given.pop("x2"), **given)


def _files(data: FileData, base: Path) -> list[Path]:
    """Return the files that the data is read from; of a folder such as .zarr, all that is in it."""
    found = [base / v.partition(":")[0] for n in ("x1", "x2", "y1", "y2", "groups") if (v := getattr(data, n))]
    if data.pair is not None:
        folder = base / data.pair
        inside = sorted(folder.iterdir()) if folder.is_dir() else [folder]
        found += [p for p in inside if p.stem in TABLES or p.name == "pair.toml" or p == folder]
    return [f for p in found for f in (sorted(q for q in p.rglob("*") if q.is_file()) if p.is_dir() else [p])]


def _split(pair: Pair, data: FileData) -> tuple[np.ndarray, int]:
    """Return the order of rows, training rows first, and how many those are; groups are not torn apart."""
    units = np.arange(pair.n) if pair.groups is None else np.asarray(pair.groups)
    distinct, place = np.unique(units, return_inverse=True)
    shuffled = np.random.default_rng(data.seed).permutation(len(distinct))
    held = np.zeros(len(distinct), dtype=bool)
    held[shuffled[: max(1, round(data.test * len(distinct)))]] = True
    out = held[place]
    train, test = np.flatnonzero(~out), np.flatnonzero(out)
    if min(len(train), len(test)) < _FEWEST:
        found = f"{len(train)} training and {len(test)} held-out rows of {pair.n}"
        raise AlignscopeError("E205", "data", found, f"At least {_FEWEST} of each: give more rows, or change `test`.")
    return np.concatenate([train, test]), len(train)


def _inputs(rows: Rows, order: np.ndarray, train: int) -> np.ndarray:
    """Return uint8 pictures (N, channels, H, W) with the channel last, and all else as standardised features."""
    if isinstance(rows, NpyRows) and rows.dtype == "uint8" and len(rows.item) == 3:
        pictures: np.ndarray = as_numpy(rows.read(0, rows.shape[0])).reshape(-1, *rows.item)[order]
        return np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))
    return _standardised(rows, order, train)


def _standardised(rows: Rows, order: np.ndarray, train: int) -> np.ndarray:
    x = _numbers(rows, rows.name)[order]
    x -= x[0]  # the deviation of a constant column is then exactly 0
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
