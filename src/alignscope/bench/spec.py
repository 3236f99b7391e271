"""The specification of a bench: a TOML file as frozen types, and its cells.

A cell is one training of one method on one task from one seed. Its id is the hash of everything that decides its
result, the source of a method that is not alignscope's own included.
"""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from alignscope._lib.toml import check_finite, check_unique, convert, invalid, parse, read_text
from alignscope.bench.tasks.gaussian import GaussianTask
from alignscope.bench.tasks.kind import Count
from alignscope.bench.tasks.pair import PairTask
from alignscope.bench.tasks.pictures import PicturesTask

SCHEMA = 1
"""Version of cells and results; part of every cell's id."""

_GUIDE = "bench guide"

Scale = Literal["quick", "full"]

Seed = Annotated[int, Meta(ge=0, lt=2**31)]
Setting = bool | int | float | str


TaskSpec = PicturesTask | GaussianTask | PairTask


class TuningSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The tuning effort of every method alike: each of its few settings is trained once, on one task and another seed.

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
        """Return 16 hexadecimal digits that identify this cell."""
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
    check_unique(names, "tasks[{}].name")
    check_unique(spec.seeds, "seeds[{}]")
    check_unique(spec.methods, "methods[{}]")
    check_finite(spec)
    for i, task in enumerate(spec.tasks):
        if not re.fullmatch(r"[\w -]+", task.name):
            raise invalid(f"`{task.name}`: use letters, digits, spaces, `_` and `-`", f"tasks[{i}].name")
        task.check(f"tasks[{i}]")
    if spec.tuning is not None and spec.tuning.task not in names:
        raise invalid(f"`{spec.tuning.task}` is none of the tasks", "tuning.task")
    if spec.tuning is not None and spec.tuning.seed in spec.seeds:
        raise invalid(f"{spec.tuning.seed} is among the seeds; tuning needs one of its own", "tuning.seed")
