"""What methods are compared on: data whose truth is known, drawn from a seed, and a user's own pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alignscope.bench.spec import GaussianTask, PairTask, TaskSpec
from alignscope.bench.tasks.pictures import columns

if TYPE_CHECKING:
    from alignscope.bench.tasks.data.base import Task

__all__ = ["columns", "open_task"]


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
    if isinstance(spec, GaussianTask):
        from alignscope.bench.tasks.data.gaussian import Gaussian

        return Gaussian(spec, seed)
    if isinstance(spec, PairTask):
        from alignscope.bench.tasks.data.pair import OwnPair

        if folder is None:
            raise ValueError(f"the rows of the task '{spec.name}' have not been prepared")
        return OwnPair(spec, seed, folder, validation=validation)
    from alignscope.bench.tasks.data.pictures import Pictures

    return Pictures(spec, seed, validation=validation)
