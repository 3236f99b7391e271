"""Which kind of information the modalities share: redundant, unique or synergistic, with intervals.

>>> from alignscope.datasets import example_pair
>>> from alignscope.linear.regimes import RegimeInput, regime
>>> field = example_pair()
>>> x1, x2, y = (block - block.mean(axis=0) for block in (field.x1, field.x2, field.y1))
>>> total = RegimeInput(x1.T @ x1, x1.T @ x2, x2.T @ x2, x1.T @ y, x2.T @ y, y.T @ y, len(y))
>>> found = regime(total)
>>> found.verdict, found.shared
('predict', 2)
>>> found.delta_ca.low <= found.delta_ca.value  # `Bounds` of a ratio
True

`Regime` is the type of what is returned.
"""

from alignscope.linear.regimes.regimes import regime
from alignscope.linear.regimes.types import Bounds, Regime, RegimeInput

__all__ = [
    "Bounds",
    "Regime",
    "RegimeInput",
    "regime",
]
