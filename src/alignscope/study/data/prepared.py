"""The rows of a study as every worker opens them: memory-mapped, training rows first.

Pictures are stored with the channel last, as convolutions read them fastest on a processor; features are standardised
by the mean and deviation of the training rows.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import msgspec
import numpy as np

from alignscope._lib.contents import npz_bytes
from alignscope._lib.files import make_folder, write_all
from alignscope.errors import AlignscopeError

_GROUPS = " groups "  # stands among the targets; no target has spaces around its name


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """What data.json holds: names of targets by modality, those trained on first; `classes` of those that are labels.

    `notes` are findings on the way in, one sentence each.
    """

    train: int
    trained_on: tuple[tuple[str, ...], tuple[str, ...]]
    probed: tuple[tuple[str, ...], tuple[str, ...]]
    classes: dict[str, tuple[str, ...]] = {}
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        train: int,
        trained_on: tuple[tuple[str, ...], tuple[str, ...]],
        names: Iterable[str],
        classes: dict[str, tuple[str, ...]],
        notes: Iterable[str] = (),
    ) -> Self:
        """Return it with every target probed of both modalities."""
        every = tuple(names)
        first, second = (mine + tuple(t for t in every if t not in mine) for mine in trained_on)
        return cls(train=train, trained_on=trained_on, probed=(first, second), classes=classes, notes=tuple(notes))


class Scaled(NamedTuple):
    """Columns y scale - offset, (N, C) float32, their offset (C,) and the scale."""

    values: np.ndarray
    offset: np.ndarray
    scale: float


@dataclass(frozen=True, eq=False)
class StudyData:
    """Two modalities, N rows of which the first `train` are trained on and the others held out.

    Attributes
    ----------
    x : per modality (N, H, W, channels) pictures, uint8 or float32; (N, D) float32 features; or (N, T, C + 1, 6, 6)
        float32 packed series (`alignscope.datasets.treesatai`).
    targets : name -> (N,) integer codes; or (N, C) float32 numbers, 0 or 1 where `classes` names the C labels.
    trained_on, probed : per modality the targets that it is trained to predict, and all that it is probed for.
    classes : name -> the labels of the codes.
    groups : (N,) codes of rows that belong together, or None.
    notes : findings on the way in.
    """

    x: tuple[np.ndarray, np.ndarray]
    targets: Mapping[str, np.ndarray]
    train: int
    trained_on: tuple[tuple[str, ...], tuple[str, ...]]
    probed: tuple[tuple[str, ...], tuple[str, ...]]
    classes: Mapping[str, tuple[str, ...]]
    groups: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def columns(self, target: str) -> np.ndarray:
        """Return a target as (N, C) float32 columns, classes one-hot."""
        values = self.targets[target]
        if target in self.classes and not self.multilabel(target):
            return np.eye(len(self.classes[target]), dtype=np.float32)[values]
        return values.astype(np.float32)

    def multilabel(self, target: str) -> bool:
        """Return whether several labels of a target may be present at once."""
        return target in self.classes and self.targets[target].ndim == 2

    def blocks(self, modality: int) -> dict[str, slice]:
        """Return target trained on -> its columns in `target_columns`."""
        edges = np.cumsum([0, *(self.columns(t).shape[1] for t in self.trained_on[modality])]).tolist()
        return {t: slice(a, b) for t, a, b in zip(self.trained_on[modality], edges[:-1], edges[1:], strict=True)}

    @cached_property
    def target_columns(self) -> tuple[Scaled, Scaled]:
        """Y of both modalities, scaled as a block so that ||Y||^2 = N C over the training rows (THEORY 2)."""
        return self._scaled(0), self._scaled(1)

    def _scaled(self, modality: int) -> Scaled:
        y = np.hstack([self.columns(t) for t in self.trained_on[modality]]).astype(np.float64)
        mean = y[0] + (y[: self.train] - y[0]).mean(axis=0)  # of a constant column exactly its value
        energy = np.square(y[: self.train] - mean).sum()
        if energy == 0:
            raise AlignscopeError(
                "E206", f"target of modality {modality + 1}", "it does not vary among training rows", "Leave it out."
            )
        scale = np.sqrt(self.train * y.shape[1] / energy)
        return Scaled(((y - mean) * scale).astype(np.float32), mean * scale, float(scale))


def open_data(folder: Path) -> StudyData:
    """Return the prepared rows, memory-mapped; pages that are written to are copied, never the files.

    Raises E103 where their record is damaged, or of a version of alignscope that named its keys otherwise.
    """
    record = folder / "data.json"
    try:
        meta = msgspec.json.decode(record.read_bytes(), type=Targets)
    except msgspec.MsgspecError as error:
        way = "Rows of another version of alignscope, or damaged: remove that folder, or give another for the results."
        raise AlignscopeError("E103", str(record), f"{error}", way) from None
    with np.load(folder / "targets.npz", allow_pickle=False) as stored:
        targets = {name: stored[name] for name in stored.files}
    groups = targets.pop(_GROUPS, None)
    x1, x2 = (np.load(folder / f"x{i}.npy", mmap_mode="c", allow_pickle=False) for i in (1, 2))
    return StudyData((x1, x2), targets, meta.train, meta.trained_on, meta.probed, meta.classes, groups, meta.notes)


def write_data(
    folder: Path, x: Sequence[np.ndarray], targets: Mapping[str, np.ndarray], meta: Targets, groups: np.ndarray | None
) -> None:
    """Write the rows of both modalities and their targets to a new folder."""
    make_folder(folder)
    for i, values in enumerate(x, 1):
        with (folder / f"x{i}.npy").open("xb") as file:
            np.save(file, values)
            file.flush()
            os.fsync(file.fileno())  # else the renamed folder could hold empty files after a power loss
    write_targets(folder, targets, meta, groups)


def write_targets(folder: Path, targets: Mapping[str, np.ndarray], meta: Targets, groups: np.ndarray | None) -> None:
    """Write all but the rows themselves."""
    stored = dict(targets) if groups is None else {**targets, _GROUPS: groups}
    write_all(folder, {"targets.npz": npz_bytes(stored), "data.json": msgspec.json.encode(meta)})
