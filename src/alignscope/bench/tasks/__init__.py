"""What methods are compared on: data whose truth is known, drawn from a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alignscope.bench.spec import GaussianTask, TaskSpec
from alignscope.bench.tasks.columns import columns

if TYPE_CHECKING:
    from alignscope.bench.tasks.base import Task

__all__ = ["columns", "open_task"]


def open_task(spec: TaskSpec, seed: int, *, validation: bool = False) -> Task:
    """Return the data of a task for one seed: its pictures or rows, its mapping and its order of batches.

    Parameters
    ----------
    spec : the task.
    seed : whole number >= 0.
    validation : whether what is held out is the validation part, for tuning. The Gaussian task is scored on its
        population, and has none.

    Raises
    ------
    AlignscopeError : E107 without torch; E205, E304 for sizes that do not fit together.
    """
    if isinstance(spec, GaussianTask):
        from alignscope.bench.tasks.gaussian import Gaussian

        return Gaussian(spec, seed)
    from alignscope.bench.tasks.pictures import Pictures

    return Pictures(spec, seed, validation=validation)
