"""The specification of a study: a TOML file as frozen types, and the cells that it stands for.

A cell is one training: one (lambda, seed, K, gauge, direction, training, epochs). Its id is the hash of everything
that decides its result, so that a cell is found again whatever else the study around it contains.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from alignscope._toml import convert, invalid, parse, read_text

__all__ = [
    "SCHEMA",
    "CellSpec",
    "ConvSpec",
    "DataSpec",
    "EncoderSpec",
    "FileData",
    "LinearSpec",
    "MLPSpec",
    "OptimiserSpec",
    "StudySpec",
    "SweepSpec",
    "TrifeatureData",
    "cells_of",
    "checked_spec",
    "parse_spec",
    "read_spec",
]

SCHEMA = 1
"""Version of cells and results; part of every cell's id."""

_GUIDE = "study guide"

Gauge = Literal["raw", "stop_gradient", "normalised", "whitened"]
Direction = Literal["1to2", "2to1", "both"]
Training = Literal["joint", "bilevel"]
Task = Literal["squared", "cross_entropy"]

Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Strength = Annotated[float, Meta(ge=0)]
Seed = Annotated[int, Meta(ge=0, lt=2**31)]


class TrifeatureData(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="trifeature"
):
    """Pictures with three generative factors, rendered here: the paper's pairs.

    Modality 1 shows shape and texture in grey, modality 2 the same shape in a solid colour. Texture and colour are
    independent; each modality has its own place and rotation.
    """

    size: Annotated[int, Meta(ge=16, le=512)] = 64
    train: Annotated[int, Meta(ge=16)] = 8192
    test: Annotated[int, Meta(ge=16)] = 2048
    seed: Seed = 0
    values: tuple[Count, Count, Count] = (10, 10, 10)
    correlation: tuple[Share, Share, Share] = (0.0, 0.0, 0.0)
    rotation: Annotated[float, Meta(ge=0, le=180)] = 45.0
    jitter: Share = 1.0
    noise: Share = 0.0
    occlusion: Share = 0.0
    difficulty: tuple[Share, Share, Share] = (0.0, 0.0, 0.0)
    held_out: Literal["samples", "combinations"] = "samples"


class FileData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="files"):
    """A user's own paired arrays: `pair` (a folder as `alignscope audit --pair` reads it), or x1, x2, y1 and y2.

    Paths are relative to the specification. A share `test` of the rows, or of the groups, is held out.
    """

    pair: str | None = None
    x1: str | None = None
    x2: str | None = None
    y1: str | None = None
    y2: str | None = None
    groups: str | None = None
    test: Annotated[float, Meta(gt=0, lt=1)] = 0.25
    seed: Seed = 0
    fingerprint: str = ""


DataSpec = TrifeatureData | FileData


class ConvSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="conv"):
    """A compact convolutional encoder: a patch stem, then 3 x 3 convolutions of stride 2."""

    widths: Annotated[tuple[Count, ...], Meta(min_length=1)] = (32, 64, 128)
    patch: Count = 4


class MLPSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="mlp"):
    """A multilayer perceptron."""

    hidden: Annotated[tuple[Count, ...], Meta(min_length=1)] = (256, 256)


class LinearSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="linear"):
    """A linear encoder, for which the theory is exact."""


EncoderSpec = ConvSpec | MLPSpec | LinearSpec


class OptimiserSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """AdamW with a warm-up and a cosine decay, or without either."""

    learning_rate: Annotated[float, Meta(gt=0)] = 2e-3
    weight_decay: Strength = 1e-4
    batch: Annotated[int, Meta(ge=2)] = 128
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Share = 0.05
    precision: Literal["float32", "bfloat16"] = "float32"


class SweepSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is varied; a cell for every combination. lambda = 0 is the baseline, trained once for all gauges."""

    lambdas: Annotated[tuple[Strength, ...], Meta(min_length=1)]
    seeds: Annotated[tuple[Seed, ...], Meta(min_length=1)] = (0,)
    components: Annotated[tuple[Count, ...], Meta(min_length=1)]
    gauges: Annotated[tuple[Gauge, ...], Meta(min_length=1)] = ("normalised",)
    directions: Annotated[tuple[Direction, ...], Meta(min_length=1)] = ("1to2",)
    trainings: Annotated[tuple[Training, ...], Meta(min_length=1)] = ("joint",)
    epochs: Annotated[tuple[Count, ...], Meta(min_length=1)] = (30,)


class StudySpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A study: one data set, one encoder, one task, and what is varied."""

    name: str = "study"
    data: DataSpec
    encoder: EncoderSpec = ConvSpec()
    task: Task = "squared"
    optimiser: OptimiserSpec = OptimiserSpec()
    sweep: SweepSpec
    marks: tuple[Count, ...] = ()
    """Epochs after which a cell is scored, besides its last."""


class CellSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"lambda_": "lambda"}):
    """One training. At lambda = 0 nothing is aligned, and gauge, direction and training are "none"."""

    data: DataSpec
    encoder: EncoderSpec
    task: Task
    optimiser: OptimiserSpec
    lambda_: float
    seed: int
    components: int
    gauge: Gauge | Literal["none"]
    direction: Direction | Literal["none"]
    training: Training | Literal["none"]
    epochs: int
    marks: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits: the hash of the whole cell and of `SCHEMA`."""
        body = msgspec.json.encode((SCHEMA, self), order="deterministic")
        return hashlib.sha256(body).hexdigest()[:16]

    @property
    def cost(self) -> float:
        """How long it takes, in epochs."""
        return self.epochs


def read_spec(path: str | Path) -> StudySpec:
    """Read a study from a TOML file.

    Raises
    ------
    AlignscopeError : E101 for a file that cannot be read, E307 for one that is not TOML, E306 for a field that is
        unknown, of the wrong type, out of range or twice the same; the message names file, line and field.
    """
    return parse_spec(read_text(path), str(path))


def parse_spec(text: str, where: str = "spec") -> StudySpec:
    """Return the study that a TOML text describes; errors as for `read_spec`."""
    return parse(text, where, StudySpec, _check, _GUIDE)


def checked_spec(spec: StudySpec) -> StudySpec:
    """Return a specification made in Python as the same one from TOML would be: 15 for a float field becomes 15.0.

    Raises
    ------
    AlignscopeError : E306, as for `read_spec`.
    """
    tree = msgspec.to_builtins(spec)
    tree["data"].pop("fingerprint", None)  # that of a study that was run; it is worked out anew
    return convert(tree, "spec", StudySpec, _check, _GUIDE)


def cells_of(spec: StudySpec) -> list[CellSpec]:
    """Return the cells of a study, each once, in the order in which they are best computed.

    Long trainings and baselines come first: the last cells to finish are then short ones.
    """
    return sorted(set(_cells(spec)), key=lambda c: (-c.epochs, c.lambda_ > 0, c.seed, c.components, c.lambda_, c.id))


def _cells(spec: StudySpec) -> Iterator[CellSpec]:
    s = spec.sweep
    for lam, seed, k, gauge, direction, training, epochs in itertools.product(
        s.lambdas, s.seeds, s.components, s.gauges, s.directions, s.trainings, s.epochs
    ):
        aligned = lam > 0
        yield CellSpec(
            data=spec.data,
            encoder=spec.encoder,
            task=spec.task,
            optimiser=spec.optimiser,
            lambda_=abs(float(lam)),  # -0.0 is the same cell as 0.0
            seed=seed,
            components=k,
            gauge=gauge if aligned else "none",
            direction=direction if aligned else "none",
            training=training if aligned else "none",
            epochs=epochs,
            marks=tuple(sorted({m for m in spec.marks if m < epochs})),
        )


def _check(spec: StudySpec) -> None:
    """Raise ValidationError, which carries the path, for what types cannot say."""
    for field in msgspec.structs.fields(SweepSpec):
        values = getattr(spec.sweep, field.name)
        for i, value in enumerate(values):
            if value in values[:i]:
                raise invalid(f"`{value}` stands twice, which would be the same cell", f"sweep.{field.name}[{i}]")
    numbers = {f"sweep.lambdas[{i}]": lam for i, lam in enumerate(spec.sweep.lambdas)}
    numbers |= {f"optimiser.{name}": getattr(spec.optimiser, name) for name in ("learning_rate", "weight_decay")}
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise invalid("Expected a finite number", name)
    if 0.0 not in spec.sweep.lambdas:
        raise invalid("It lacks 0, the baseline that every cost is relative to", "sweep.lambdas")
    if "bilevel" in spec.sweep.trainings and "both" in spec.sweep.directions:
        raise invalid("A bilevel training freezes one modality, so the direction cannot be `both`", "sweep.directions")
    data = spec.data
    if isinstance(data, FileData):
        _check_files(data)
    elif isinstance(spec.encoder, ConvSpec) and data.size // spec.encoder.patch < 2 ** (len(spec.encoder.widths) - 1):
        raise invalid(f"Too many halvings for pictures of {data.size} pixels", "encoder.widths")
    if spec.optimiser.batch > getattr(data, "train", spec.optimiser.batch):
        raise invalid("A batch is larger than the training set", "optimiser.batch")


def _check_files(data: FileData) -> None:
    given = [name for name in ("x1", "x2", "y1") if getattr(data, name) is not None]
    if (data.pair is None) == (not given) or (given and given != ["x1", "x2", "y1"]):
        raise invalid("Expected either `pair`, or all of `x1`, `x2` and `y1`", "data")
    if data.fingerprint:
        raise invalid("It is worked out from the files, not given", "data.fingerprint")
