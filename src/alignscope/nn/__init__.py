"""Encoders, the regression alignment in its gauges, and the model of two towers, in torch (extra ``[train]``)."""

from alignscope.errors import AlignscopeError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise AlignscopeError(
        "E107", "alignscope.nn", "it needs torch, which is not installed", 'Run pip install "alignscope[train]".'
    ) from error

from alignscope.nn.alignment import DIRECTIONS, GAUGES, RegressionAlignment, gauge_target, regression_loss
from alignscope.nn.encoders import ConvEncoder, Encoder, LinearEncoder, MLPEncoder, initialise
from alignscope.nn.towers import TASKS, Losses, Outputs, Tower, TwoTowers, task_loss

__all__ = [
    "DIRECTIONS",
    "GAUGES",
    "TASKS",
    "ConvEncoder",
    "Encoder",
    "LinearEncoder",
    "Losses",
    "MLPEncoder",
    "Outputs",
    "RegressionAlignment",
    "Tower",
    "TwoTowers",
    "gauge_target",
    "initialise",
    "regression_loss",
    "task_loss",
]
