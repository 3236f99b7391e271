"""What methods are compared on: data whose truth is known, drawn from a seed, and a user's own pairs."""

from alignscope.bench.tasks.gaussian import GaussianTask
from alignscope.bench.tasks.kind import Column, Kind, TrainingSpec
from alignscope.bench.tasks.pair import PairTask
from alignscope.bench.tasks.pictures import PicturesTask

__all__ = ["Column", "GaussianTask", "Kind", "PairTask", "PicturesTask", "TrainingSpec"]
