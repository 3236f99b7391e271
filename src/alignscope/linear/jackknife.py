"""Intervals of held-out figures: all fits are made again without each unit of rows in turn.

The delete-a-group jackknife for units of unequal weight m_j, h_j = 1 / m_j (Busing, Meijer & van der Leeden 1999):

    theta~ = J theta - sum_j (1 - m_j) theta_(j)
    v = (1 / J) sum_j (h_j theta - (h_j - 1) theta_(j) - theta~)^2 / (h_j - 1)

and theta -+ t(0.975; J_eff - 1) sqrt(v), with J_eff = 1 / sum_j m_j^2. Fitting is repeated, so the interval is for a
predictor fitted on rows like these and scored on new ones (of new groups, where units are groups). The numbers of
detectable directions are kept: an interval is for as many directions as were detected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from alignscope._lib.interval import LEVEL, Interval
from alignscope._lib.types import Vector

_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Jackknife:
    """The weights of the units that were left out in turn, and whether intervals may be given at all.

    Attributes
    ----------
    shares : (J,) the weight of every unit as a share of all.
    valid : False where rows depend on each other in a way that units do not respect.
    widening : what standard errors are multiplied by.
    """

    shares: Vector
    valid: bool = True
    widening: float = 1.0

    def error(self, value: float, replicates: Vector) -> float:
        """Return the standard error of a figure from its replicates (J,), one without each unit."""
        share, units = self.shares, len(self.shares)
        finite = np.isfinite(replicates)
        left = np.where(finite, replicates, value)
        centre = units * value - float(np.sum((1 - share) * left))
        pseudo = value / share - (1 / share - 1) * left - centre
        return self.widening * float(np.sqrt(np.mean(np.square(pseudo) / (1 / share - 1))))

    def interval(
        self, value: float, replicates: Vector, low: float = -np.inf, high: float = np.inf, among: int = 1
    ) -> Interval:
        """Return the 95% interval of a figure, clipped to what it can be; none where a replicate is no number.

        among : how many figures it was chosen from; the interval then holds for all of them at once (Bonferroni).
        """
        clipped = _rounded(np.clip(value, low, high))
        if not self.valid or len(self.shares) < 2 or not np.isfinite(replicates).all():
            return Interval(clipped, None, None)
        half = self.quantile(among) * self.error(value, replicates)
        return Interval(clipped, *(_rounded(np.clip(end, low, high)) for end in (value - half, value + half)))

    def quantile(self, among: int = 1) -> float:
        """Return how many standard errors an interval extends to either side."""
        effective = 1 / float(np.square(self.shares).sum())
        return float(stdtrit(max(effective - 1, 1.0), 1 - (1 - LEVEL) / 2 / among))


def _rounded(figure: float) -> float:
    """Return a figure, 0 where it is rounding: differences of equal sums must not look like a tiny loss."""
    return 0.0 if abs(figure) < _ROUNDING else float(figure)
