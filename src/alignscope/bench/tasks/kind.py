"""What a kind of task is: a frozen type of a specification that says what its columns score. Needs no torch.

A new kind is a module here with one class derived from `Kind`, a module of the same name in `data` that opens it with
torch, and its name in `alignscope.bench.spec.TaskSpec` and `alignscope.bench.tasks.data.opening`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from alignscope._lib.toml import invalid
from alignscope._lib.types import Progress

Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Part = Annotated[float, Meta(gt=0, lt=1)]
NotNegative = Annotated[float, Meta(ge=0)]

View = Literal["comm", "paper", "three", "gaussian", "pair"]
"""What a task shows: that of pictures, "gaussian", or "pair" for a user's own."""

Role = Literal["shared", "pairwise", "unique", "synergy", "yours", "own"]
"""What a target is to the modalities. Of a user's own pair that is not known: "yours", and "own" from the
embedding of the modality whose target it is."""


class TrainingSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The budget of every method alike: AdamW with a warm-up and a cosine decay, over `steps` batches."""

    steps: Count
    batch: Annotated[int, Meta(ge=2)] = 256
    learning_rate: Annotated[float, Meta(gt=0)] = 2e-3
    weight_decay: NotNegative = 1e-4
    warmup: Share = 0.05
    precision: Literal["float32", "bfloat16"] = "bfloat16"

    def one_step(self) -> Self:
        """Return the same for a single step on few samples."""
        return replace(self, steps=1, batch=16)


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column of the leaderboard: the mean of some scores of one task.

    Attributes
    ----------
    key : such as "comm.R". task : name of the task. title : such as "Redundancy". text : what exactly is scored.
    targets : (target, embedding) that are averaged. role : see `Role`. chance : of the mean.
    unit : "percent" (balanced accuracy), "R^2", or "share of the ceiling" (Gaussian: value / best).
    """

    key: str
    task: str
    title: str
    text: str
    targets: tuple[tuple[str, str], ...]
    role: Role
    chance: float
    unit: str

    @property
    def read_alike(self) -> bool:
        """Whether every method is read out alike: not where synergy is read from joint embeddings as they are.

        Only those that hold products can have it; the column that multiplies the embeddings of every method is alike.
        """
        return self.role != "synergy" or all(embedding == "products" for _, embedding in self.targets)


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """A task of a specification; the abstract base. Every kind has a `name`, a `training` and a `view` too."""

    own: ClassVar[bool] = False
    """Whether it is a user's own pair: nobody has planted its truth, and a target may have no score for a seed."""

    @property
    def title(self) -> str:
        """Return what the page calls it."""
        raise NotImplementedError

    def check(self, where: str) -> None:
        """Raise ValidationError, which carries the path that begins with `where`, for what types cannot say."""
        raise NotImplementedError

    def columns(self, folder: Path | None = None) -> tuple[Column, ...]:
        """Return the columns that it gives to the leaderboard; `folder` is what `prepare` returned."""
        raise NotImplementedError

    def tiny(self) -> Self:
        """Return the same for one step on few samples, to try a method out."""
        raise NotImplementedError

    def fingerprinted(self, base: Path) -> Self:
        """Return the same with a hash of its files, of which paths are relative to `base`; most kinds have none."""
        return self

    def prepare(self, out: Path, base: Path, progress: Progress) -> Path | None:
        """Write its rows below `out` and return their folder; None where they are drawn from the seed."""
        return None


def check_batch(training: TrainingSpec, train: int, where: str) -> None:
    """Raise ValidationError for a batch of more samples than there are."""
    if training.batch > train:
        raise invalid("A batch is larger than the training set", f"{where}.training.batch")
