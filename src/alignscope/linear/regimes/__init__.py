"""Which kind of information the modalities share: redundant, unique or synergistic, with intervals."""

from alignscope.linear.regimes.regimes import regime
from alignscope.linear.regimes.types import Bounds, Regime, RegimeInput

__all__ = [
    "Bounds",
    "Regime",
    "RegimeInput",
    "regime",
]
