"""What a method is to the bench, and what it is given of a task."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from alignscope._lib.types import Supervision
from alignscope.bench.spec import Setting, TaskSpec
from alignscope.bench.tasks.kind import View
from alignscope.errors import AlignscopeError

if TYPE_CHECKING:
    from alignscope.nn.methods.base import Method

MOST_SETTINGS = 3
"""How many settings a method may have tuned: the same effort for all."""


@dataclass(frozen=True)
class TaskFacts:
    """What a method is given of a task when it is built.

    Parameters
    ----------
    modalities : how many, M. components : size of each one's embedding, K.
    steps : of the whole training.
    classes : how many classes every target has; of a target of numbers, how many columns.
    per_modality : the targets that each modality shows.
    """

    modalities: int
    components: int
    steps: int
    classes: Mapping[str, int]
    per_modality: tuple[tuple[str, ...], ...]


Build = Callable[..., "Method"]
"""build(encoders, facts, **settings): a method whose parameters are still to be drawn."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A method as the bench runs it.

    Parameters
    ----------
    name : short, as in tables and on the command line: letters, digits, "_", "+", "-" and ".".
    title, family, note, source : for the page. `family` groups methods; `note` is a sentence on what it does.
    build : ``build(encoders, facts, **settings)`` makes it; `Sequence[Encoder]`, `TaskFacts` -> `Method`.
    settings : what is fixed. grid : what is tuned: one to three sets of settings, the first by default.
    supervision : "none"; "monitor" where labels only steer the alignment weight; "labels" where the loss learns them.
    ours : whether alignscope proposes it.
    part_of : of a method with something left out or put in elsewhere, to see what a part does: the method whose part it
        is. It is not ranked.
    runs_on : the views on which it can run.
    code : hash of the file that it comes from; "" for those of alignscope.

    Raises
    ------
    AlignscopeError : E308 for a name, a grid or settings that cannot be used.
    """

    name: str
    title: str
    family: str
    build: Callable[..., Method] = field(repr=False)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    grid: Sequence[Mapping[str, Setting]] = ({},)
    note: str = ""
    source: str = ""
    supervision: Supervision = "none"
    ours: bool = False
    part_of: str = ""
    runs_on: Sequence[View] = get_args(View)
    code: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w+.-]+", self.name):
            raise _unusable(self.name, "the name has other characters", "Use letters, digits, '_', '+', '-' and '.'.")
        if not 1 <= len(self.grid) <= MOST_SETTINGS:
            way = f"Give one to {MOST_SETTINGS}: the effort of tuning is the same for all."
            raise _unusable(self.name, f"grid holds {len(self.grid)} settings", way)
        for name, value in [item for some in (self.settings, *self.grid) for item in some.items()]:
            if not isinstance(value, bool | int | float | str) or (
                isinstance(value, float) and not math.isfinite(value)
            ):
                way = "Use bool, int, str or a finite float: they are part of what identifies a training."
                raise _unusable(self.name, f"the setting {name} is {value!r}", way)
        if self.supervision not in get_args(Supervision):
            way = f"Use one of {', '.join(get_args(Supervision))}."
            raise _unusable(self.name, f"supervision is {self.supervision!r}", way)
        unknown = sorted(set(self.runs_on) - set(get_args(View)))
        if unknown or not self.runs_on:
            way = f"Use some of {', '.join(get_args(View))}."
            raise _unusable(self.name, f"runs_on is {', '.join(unknown) or 'empty'}", way)

    def runs(self, task: TaskSpec) -> bool:
        """Return whether it can run on a task."""
        return task.view in self.runs_on

    def choices(self) -> list[dict[str, Setting]]:
        """Return all settings that tuning may choose from, each with what is fixed."""
        return [{**self.settings, **some} for some in self.grid]


def _unusable(name: str, found: str, way: str) -> AlignscopeError:
    return AlignscopeError("E308", f"the method '{name}'", found, way)
