"""A user's own pair as a task: its targets, the columns that they give, and which rows are held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np
from msgspec import Meta
from msgspec.structs import replace

from alignscope._lib.toml import invalid
from alignscope._lib.types import Progress
from alignscope.bench.tasks.kind import Column, Kind, NotNegative, Part, TrainingSpec, View
from alignscope.errors import AlignscopeError
from alignscope.report.words import short
from alignscope.study.data.dataset import prepare
from alignscope.study.data.files import FileData, PairFiles
from alignscope.study.data.kind import FEWEST
from alignscope.study.data.prepared import StudyData, open_data
from alignscope.study.encoders import ConvSpec, EncoderSpec

_MOST = 6  # targets of a pair that a column's text names


class PairTask(PairFiles, Kind, frozen=True, kw_only=True, tag="pair"):
    """A user's own pair: features, embeddings or pictures of the same samples, and the targets of each modality.

    A share `validation` of the groups (of the rows, where there are none) is the same for all seeds: settings are
    tuned on it, and it is never tested on. Each seed holds out a share `test` of all groups, drawn from the others,
    and trains on the rest.

    Attributes
    ----------
    pair, ..., dequantize : the files and how they are read, as `PairFiles` has it.
    encoder : of modality 1, and of modality 2 unless `encoder2` is given.
    noise : augmentation: standard deviation of what is added to every number, inputs being standardised.
    gain : augmentation of pictures: standard deviation of the logarithm of each channel's factor.
    turns : augmentation of pictures: turned by quarters and mirrored, both modalities of a sample alike, so that the
        same patch stays the same patch.
    fingerprint : hash of the files, worked out when the bench begins.
    """

    own: ClassVar[bool] = True
    view: ClassVar[View] = "pair"

    name: str
    training: TrainingSpec
    test: Part = 0.25
    validation: Part = 0.15
    encoder: EncoderSpec = ConvSpec()
    encoder2: EncoderSpec | None = None
    components: Annotated[int, Meta(ge=4)] = 32
    noise: NotNegative = 0.25
    gain: NotNegative = 0.1
    turns: bool = True
    fingerprint: str = ""

    @property
    def title(self) -> str:
        """Return what the page calls it."""
        return f"your pair “{short(self.name, 30)}”"

    @property
    def data(self) -> FileData:
        """Return the pair as a study takes it; what is held out is the task's own affair."""
        given = {name: getattr(self, name) for name in PairFiles.__struct_fields__}
        return FileData(fingerprint=self.fingerprint, **given)

    def check(self, where: str) -> None:
        """Raise ValidationError for files that are given twice or not at all, and for shares that leave no rows."""
        self.check_given(where)
        if self.test + self.validation >= 1:
            raise invalid(f"With `test` {self.test} nothing is left to train on", f"{where}.validation")
        if self.fingerprint:
            raise invalid("It is worked out from the files, not given", f"{where}.fingerprint")

    def tiny(self) -> Self:
        """Return the same for one step on few samples."""
        return replace(self, training=self.training.one_step())

    def fingerprinted(self, base: Path) -> Self:
        """Return the same with the hash of its files."""
        return replace(self, fingerprint=self.data.fingerprinted(base).fingerprint)

    def prepare(self, out: Path, base: Path, progress: Progress) -> Path:
        """Write its rows below `out` and return their folder."""
        return prepare(self.data, out, base, progress).resolve()

    def rows(self, folder: Path | None) -> StudyData:
        """Return the rows that `prepare` wrote to a folder."""
        if folder is None:
            raise ValueError(f"the rows of the task '{self.name}' have not been prepared")
        return open_data(folder)

    def columns(self, folder: Path | None = None) -> tuple[Column, ...]:
        """Return how well both embeddings predict each modality's targets, then how well its own alone does."""
        data = self.rows(folder)
        known = targets_of(data)
        return tuple(
            self._column(side, [known[name] for name in data.trained_on[modalities[0]]], embedding)
            for side, modalities in sides(data).items()
            for embedding in ("fused", *(str(m + 1) for m in modalities))
        )

    def _column(self, side: str, targets: Sequence[PairTarget], embedding: str) -> Column:
        classes = targets[0].classes > 1
        score = "Balanced accuracy of a logistic probe" if classes else "R^2 of a linear probe"
        fused = embedding == "fused"
        title = "both" if fused else f"embedding {embedding}"
        source = "both embeddings" if fused else f"the embedding of {self.modality_texts()[int(embedding) - 1]} alone"
        return Column(
            key=f"{self.name}.{side}.{title.replace(' ', '')}",
            task=self.name,
            title=f"{side} from {title}",
            text=f"{score}: {_named([t.name for t in targets], side)}, from {source}.",
            targets=tuple((t.name, embedding) for t in targets),
            role="yours" if fused else "own",
            chance=sum(t.chance for t in targets) / len(targets),
            unit="percent" if classes else "R^2",
        )


@dataclass(frozen=True, eq=False)
class PairTarget:
    """One target: `classes` 2 or more and `values` (N,) whole numbers from 0, or 1 and `values` (N,) floats."""

    name: str
    classes: int
    values: np.ndarray

    @property
    def chance(self) -> float:
        """What guessing scores: of classes balanced accuracy, of numbers R^2."""
        return 1 / self.classes if self.classes > 1 else 0.0

    def scorable(self, rows: np.ndarray) -> bool:
        """Return whether the target varies among these rows."""
        return bool(np.any(self.values[rows] != self.values[rows[0]]))


def sides(data: StudyData) -> dict[str, tuple[int, ...]]:
    """Return "y1" and "y2" with the modality (from 0) whose targets they are; "y" with both where they are the same."""
    return {"y": (0, 1)} if data.trained_on[0] == data.trained_on[1] else {"y1": (0,), "y2": (1,)}


def targets_of(data: StudyData) -> dict[str, PairTarget]:
    """Return the targets of a pair by name.

    Columns that hold nothing but 0 and 1 are two classes each, unless the same modality has targets of numbers too.
    """
    found: dict[str, PairTarget] = {}
    for names in data.trained_on:
        flags = all(name in data.classes or _is_flag(data.targets[name]) for name in names)
        for name in names:
            values = data.targets[name]
            if name in data.classes:
                found[name] = PairTarget(name, len(data.classes[name]), values)
            elif flags:
                found[name] = PairTarget(name, 2, values[:, 0].astype(np.int64))
            else:
                found[name] = PairTarget(name, 1, values[:, 0].astype(np.float64))
    return found


def split(
    spec: PairTask, groups: np.ndarray | None, rows: int, seed: int, *, validation: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the rows to train on and of those held out; no group is in both.

    Parameters
    ----------
    groups : (N,) codes of rows that belong together, or None.
    rows : N.
    seed : draws the test groups among those that are not for validation.
    validation : whether the validation groups are held out, the same for all seeds; else they are trained on.

    Raises
    ------
    AlignscopeError : E205 for fewer than 16 rows in a part.
    """
    distinct, place = np.unique(np.arange(rows) if groups is None else groups, return_inverse=True)
    order = np.random.default_rng(0).permutation(len(distinct))
    tuned = max(1, round(spec.validation * len(distinct)))
    held_out = order[:tuned]
    if not validation:
        others = np.random.default_rng([seed, 3]).permutation(order[tuned:])
        held_out = others[: max(1, round(spec.test * len(distinct)))]
    out = np.isin(place, held_out)
    train, test = np.flatnonzero(~out), np.flatnonzero(out)
    if min(len(train), len(test)) < FEWEST:
        found = f"{len(train)} training and {len(test)} held-out rows in {len(distinct)} groups"
        way = f"At least {FEWEST} of each: give more rows or groups, or change `test` and `validation`."
        raise AlignscopeError("E205", f"the pair of the task '{spec.name}'", found, way)
    return train, test


def _is_flag(values: np.ndarray) -> bool:
    return bool(np.isin(values, (0, 1)).all())


def _named(names: Sequence[str], side: str) -> str:
    """Write "mean over the 9 targets of y1 (water, trees, ...)"."""
    if len(names) == 1:
        return names[0]
    some = ", ".join(names[:_MOST]) + (", ..." if len(names) > _MOST else "")
    return f"mean over the {len(names)} targets of {side} ({some})"
