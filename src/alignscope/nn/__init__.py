"""Towers that are aligned, the budget of the alignment and its monitor, in torch (extra ``[train]``).

Encoders are in `alignscope.nn.encoders`, objectives in `alignscope.nn.objectives`, methods that preserve what one
modality alone predicts in `alignscope.nn.methods`, the report of a monitor in `alignscope.nn.monitor`.

>>> import torch
>>> from alignscope.nn import Budget, Monitor, RegressionAlignment, TwoTowers, initialise
>>> from alignscope.nn.encoders import LinearEncoder
>>> towers = TwoTowers(LinearEncoder(6, 4), LinearEncoder(5, 4), 3, 2, RegressionAlignment(4, 4, gauge="whitened"))
>>> initialise(towers, seed=0)
>>> monitor, budget = Monitor({"own": 3}), Budget(epsilon=0.05)  # no target may lose more than 5%
>>> x1, x2, y1, y2 = (torch.randn(512, width) for width in (6, 5, 3, 2))
>>> task1, task2, alignment = towers.losses(x1, x2, y1, y2)
>>> (task1 + task2 + budget.weight * alignment).backward()
>>> monitor.add(z={"optical": towers.tower1.encoder(x1), "radar": towers.tower2.encoder(x2)}, y={"own": y1})
>>> budget.update(monitor.end_epoch()) >= 0  # each epoch: the weight of the next
True

With ``gauge="alignable"`` a network is aligned only to what can be predicted; `Alignable` does so for others.
`latent_size` reads off an audit how many components leave nothing to lose.
"""

from alignscope.errors import AlignscopeError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise AlignscopeError(
        "E107", "alignscope.nn", "it needs torch, which is not installed", 'Run pip install "alignscope[train]".'
    ) from error

from alignscope.nn.alignable import Alignable
from alignscope.nn.alignment import RegressionAlignment
from alignscope.nn.budget import Budget
from alignscope.nn.capacity import latent_size
from alignscope.nn.encoders.basic import initialise
from alignscope.nn.monitor.monitor import Monitor
from alignscope.nn.towers import TwoTowers

__all__ = ["Alignable", "Budget", "Monitor", "RegressionAlignment", "TwoTowers", "initialise", "latent_size"]
