"""The data of a task, by its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from alignscope.bench.spec import TaskSpec
from alignscope.bench.tasks.data.base import Task
from alignscope.bench.tasks.data.gaussian import Gaussian
from alignscope.bench.tasks.data.pair import OwnPair
from alignscope.bench.tasks.data.pictures import Pictures
from alignscope.bench.tasks.gaussian import GaussianTask
from alignscope.bench.tasks.pair import PairTask
from alignscope.bench.tasks.pictures import PicturesTask

_DATA: Mapping[type, Callable[..., Task]] = {PicturesTask: Pictures, GaussianTask: Gaussian, PairTask: OwnPair}


def open_task(spec: TaskSpec, seed: int, folder: Path | None = None, *, validation: bool = False) -> Task:
    """Return the data of a task for one seed: its pictures or rows, its mapping and its order of batches.

    Parameters
    ----------
    spec : the task.
    seed : whole number >= 0.
    folder : where the rows of a user's own pair have been prepared; only such a task has one.
    validation : whether what is held out is the validation part, for tuning. The Gaussian task is scored on its
        population, and has none.

    Raises
    ------
    AlignscopeError : E107 without torch; E205, E304, E306 for sizes that do not fit together.
    """
    return _DATA[type(spec)](spec, seed, folder, validation=validation)
