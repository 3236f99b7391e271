"""Towers that are aligned, the budget of the alignment and its monitor, in torch (extra ``[train]``).

Encoders are in `alignscope.nn.encoders`, objectives in `alignscope.nn.objectives`, methods that preserve what one
modality alone predicts in `alignscope.nn.methods`, the records of a monitor in `alignscope.nn.monitor`.
"""

from alignscope.errors import AlignscopeError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise AlignscopeError(
        "E107", "alignscope.nn", "it needs torch, which is not installed", 'Run pip install "alignscope[train]".'
    ) from error

from alignscope.nn.alignment import RegressionAlignment
from alignscope.nn.budget import Budget
from alignscope.nn.capacity import LatentSize, latent_size
from alignscope.nn.encoders.basic import initialise
from alignscope.nn.monitor.monitor import Monitor
from alignscope.nn.towers import Losses, Outputs, Tower, TwoTowers, task_loss

__all__ = [
    "Budget",
    "LatentSize",
    "Losses",
    "Monitor",
    "Outputs",
    "RegressionAlignment",
    "Tower",
    "TwoTowers",
    "initialise",
    "latent_size",
    "task_loss",
]
