"""The specification of a bench: a TOML file as frozen types, and the cells that it stands for.

A cell is one training of one method on one task from one seed. Its id is the hash of everything that decides its
result, the source of a method that is not alignscope's own included.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from alignscope._lib.toml import convert, invalid, parse, read_text
from alignscope.study.spec import ConvSpec, EncoderSpec, FileData

__all__ = [
    "SCHEMA",
    "BenchCell",
    "BenchSpec",
    "GaussianTask",
    "PairTask",
    "PicturesTask",
    "Scale",
    "TaskSpec",
    "TrainingSpec",
    "TuningSpec",
    "checked_spec",
    "parse_spec",
    "read_scale",
    "read_spec",
]

SCHEMA = 1
"""Version of cells and results; part of every cell's id."""

_GUIDE = "bench guide"

Scale = Literal["quick", "full"]

Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Part = Annotated[float, Meta(gt=0, lt=1)]
NotNegative = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Values = Annotated[int, Meta(ge=2, le=10)]
Seed = Annotated[int, Meta(ge=0, lt=2**31)]
Setting = bool | int | float | str


class TrainingSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The budget of every method alike: AdamW with a warm-up and a cosine decay, over `steps` batches."""

    steps: Count
    batch: Annotated[int, Meta(ge=2)] = 256
    learning_rate: Positive = 2e-3
    weight_decay: NotNegative = 1e-4
    warmup: Share = 0.05
    precision: Literal["float32", "bfloat16"] = "bfloat16"


class PicturesTask(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="pictures"
):
    """Trifeature pictures. Each seed draws pictures, mapping and start of its own.

    Attributes
    ----------
    view : "comm": two full images of one shape, each with a texture and a colour of its own. "paper": shape and texture
        in grey, and the same shape in a solid colour. "three": three full images; all share the shape, the first two a
        texture, the last two a colour.
    biased : for "comm", the share of pairs whose texture 1 and colour 2 are in the mapping; None for no bias.
    size : side of the drawing. Of it, the box of the shape (128/224 of the side) and `shift` pixels around are cut out.
    shift, noise, flip : the augmentation: a random place of the box in what was cut out, pixel noise (share of 255),
        left and right swapped half of the time.
    """

    name: str
    view: Literal["comm", "paper", "three"]
    training: TrainingSpec
    biased: Share | None = None
    size: Annotated[int, Meta(ge=16, le=448)] = 56
    rotation: Annotated[float, Meta(ge=0, le=180)] = 45.0
    values: tuple[Values, Values, Values] = (10, 10, 10)
    train: Annotated[int, Meta(ge=64, le=2**20)] = 8192
    probe: Annotated[int, Meta(ge=64)] = 4096
    test: Annotated[int, Meta(ge=64)] = 4096
    shift: Annotated[int, Meta(ge=0)] = 4
    noise: Share = 0.05
    flip: bool = True
    components: Annotated[int, Meta(ge=4)] = 48
    widths: Annotated[tuple[Count, ...], Meta(min_length=1)] = (32, 64, 128)
    patch: Count = 4


class GaussianTask(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="gaussian"
):
    """The linear-Gaussian factor model with linear encoders, whose ceilings are exact (THEORY 9).

    Each modality sees the `shared` factors and `unique` ones of its own, through noise, among `noise_features` further
    features without any factor. The augmentation adds noise of standard deviation `jitter` to every feature.
    """

    name: str
    training: TrainingSpec
    shared: Count = 4
    unique: Count = 4
    noise_features: Annotated[int, Meta(ge=0)] = 8
    signal: Annotated[float, Meta(gt=0, le=1000)] = 2.0
    train: Annotated[int, Meta(ge=64)] = 8192
    jitter: NotNegative = 0.5
    components: Annotated[int, Meta(ge=4)] = 8


class PairTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="pair"):
    """A user's own pair: features, embeddings or pictures of the same samples, and what each modality should know.

    A share `validation` of the groups (of the rows, where there are none) is the same for all seeds: settings are
    tuned on it, and it is never tested on. Each seed holds out a share `test` of all groups, drawn from the others,
    and trains on the rest.

    Attributes
    ----------
    pair : a folder as `alignscope audit --pair` reads it, relative to the specification; or x1, x2, y1, y2 and groups.
    encoder : of modality 1, and of modality 2 unless `encoder2` is given.
    noise : augmentation: standard deviation of what is added to every number, inputs being standardised.
    gain : augmentation of pictures: standard deviation of the logarithm of each channel's factor.
    turns : augmentation of pictures: turned by quarters and mirrored, both modalities of a sample alike, so that the
        same place stays the same place.
    fingerprint : hash of the files, worked out when the bench begins.
    """

    name: str
    training: TrainingSpec
    pair: str | None = None
    x1: str | None = None
    x2: str | None = None
    y1: str | None = None
    y2: str | None = None
    groups: str | None = None
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
    def files(self) -> FileData:
        """Return the pair as a study takes it; what is held out is the task's own affair."""
        names = ("pair", "x1", "x2", "y1", "y2", "groups", "fingerprint")
        return FileData(**{name: getattr(self, name) for name in names})


TaskSpec = PicturesTask | GaussianTask | PairTask


class TuningSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The tuning effort of every method alike: each of its few settings is trained once on one task, `seed` apart.

    The setting with the best mean over that task's columns, scored on validation samples, is then used everywhere.
    """

    task: str
    seed: Seed = 1000
    steps: Count


class BenchSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole bench. Without `methods`, all that are registered."""

    name: str
    tasks: Annotated[tuple[TaskSpec, ...], Meta(min_length=1)]
    seeds: Annotated[tuple[Seed, ...], Meta(min_length=2)] = (0, 1, 2, 3, 4)
    methods: tuple[str, ...] = ()
    tuning: TuningSpec | None = None


class BenchCell(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One training.

    Attributes
    ----------
    code : the hash of the file that a method of the user's own comes from, "" for ours.
    alignscope : that of the sources of alignscope that decide a result: figures of two versions are never mixed.
    """

    schema: int = SCHEMA
    task: TaskSpec
    method: str
    settings: dict[str, Setting] = {}
    seed: Seed
    validation: bool = False
    code: str = ""
    alignscope: str = ""

    @property
    def id(self) -> str:
        """Return 16 hexadecimal digits that stand for this cell."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:16]

    @property
    def cost(self) -> float:
        """Return how long it takes, in steps: for forecasts of the time left."""
        return float(self.task.training.steps)


def read_spec(path: str | Path) -> BenchSpec:
    """Read a bench from a TOML file.

    Raises
    ------
    AlignscopeError : E101 for a file that cannot be read, E307 for one that is not TOML, E306 for a field that is
        unknown, of the wrong type, out of range or twice the same; the message names file, line and field.
    """
    return parse_spec(read_text(path), str(path))


def read_scale(scale: Scale) -> BenchSpec:
    """Return the bench that comes with alignscope: "quick" takes some minutes on two cores, "full" about an hour."""
    name = f"{scale}.toml"
    return parse_spec((files("alignscope.bench") / "specs" / name).read_text(encoding="utf-8"), name)


def parse_spec(text: str, where: str = "spec") -> BenchSpec:
    """Return the bench that a TOML text describes; errors as for `read_spec`."""
    return parse(text, where, BenchSpec, _check, _GUIDE)


def checked_spec(spec: BenchSpec) -> BenchSpec:
    """Return a specification made in Python as the same one from TOML would be: 2 for a float field becomes 2.0.

    Raises
    ------
    AlignscopeError : E306, as for `read_spec`.
    """
    tree = msgspec.to_builtins(spec)
    for task in tree["tasks"]:
        task.pop("fingerprint", None)  # that of a bench that was run; it is worked out anew
    return convert(tree, "spec", BenchSpec, _check, _GUIDE)


def _check(spec: BenchSpec) -> None:
    """Raise ValidationError, which carries the path, for what types cannot say."""
    names = [task.name for task in spec.tasks]
    for values, field in ((names, "tasks[{}].name"), (spec.seeds, "seeds[{}]"), (spec.methods, "methods[{}]")):
        for i, value in enumerate(values):
            if value in values[:i]:
                raise invalid(f"`{value}` stands twice", field.format(i))
    for path in _infinite(msgspec.to_builtins(spec), ""):
        raise invalid("Expected a finite number", path)
    for i, task in enumerate(spec.tasks):
        if not isinstance(task, PairTask) and task.training.batch > task.train:
            raise invalid("A batch is larger than the training set", f"tasks[{i}].training.batch")
        if not re.fullmatch(r"[\w -]+", task.name):
            raise invalid(f"`{task.name}`: use letters, digits, spaces, `_` and `-`", f"tasks[{i}].name")
        if isinstance(task, PicturesTask):
            _check_pictures(task, f"tasks[{i}]")
        if isinstance(task, PairTask):
            _check_pair(task, f"tasks[{i}]")
    if spec.tuning is not None and spec.tuning.task not in names:
        raise invalid(f"`{spec.tuning.task}` is none of the tasks", "tuning.task")
    if spec.tuning is not None and spec.tuning.seed in spec.seeds:
        raise invalid(f"{spec.tuning.seed} is among the seeds; tuning needs one of its own", "tuning.seed")


def _check_pictures(task: PicturesTask, where: str) -> None:
    if task.biased is not None and task.view != "comm":
        raise invalid("Only the view `comm` has biased pairs", f"{where}.biased")
    box = round(128 / 224 * task.size)
    if box + 2 * task.shift > task.size:
        raise invalid(f"A box of {box} pixels and the shift around it exceed {task.size}", f"{where}.shift")
    if task.probe > task.train:
        raise invalid(f"Probes are fitted on training samples, of which there are {task.train}", f"{where}.probe")
    if box // task.patch < 2 ** (len(task.widths) - 1):
        raise invalid(f"Too many halvings for a box of {box} pixels", f"{where}.widths")


def _check_pair(task: PairTask, where: str) -> None:
    given = [name for name in ("x1", "x2", "y1") if getattr(task, name) is not None]
    if (task.pair is None) == (not given) or (given and given != ["x1", "x2", "y1"]):
        raise invalid("Expected either `pair`, or all of `x1`, `x2` and `y1`", where)
    if task.test + task.validation >= 1:
        raise invalid(f"With `test` {task.test} nothing is left to train on", f"{where}.validation")
    if task.fingerprint:
        raise invalid("It is worked out from the files, not given", f"{where}.fingerprint")


def _infinite(value: object, path: str) -> Iterator[str]:
    """Yield the paths of all numbers that are not finite."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _infinite(part, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list | tuple):
        for i, part in enumerate(value):
            yield from _infinite(part, f"{path}[{i}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield path
