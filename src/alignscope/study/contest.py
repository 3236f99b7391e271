"""The forecast of a study next to rules of one line, as records of results.json."""

from __future__ import annotations

import msgspec

from alignscope._lib.interval import Interval
from alignscope.study.spec import Variant


class Score(msgspec.Struct, frozen=True):
    """How near a prediction of retention comes.

    Attributes
    ----------
    error : mean absolute difference to the measured retention.
    rank : Spearman's correlation with it; 0 for a prediction that is the same everywhere, which puts nothing in order.
    missed, false_alarms : how many measured losses above 5% it does not predict, and how many it predicts wrongly.
    """

    name: str
    error: float
    rank: float
    missed: int
    false_alarms: int


class Contest(msgspec.Struct, frozen=True, kw_only=True):
    """The forecast next to rules of one line, which need no encoders, on the same measured retentions.

    Attributes
    ----------
    gauge, direction, training : the variant of alignment.
    unit, units : what is resampled, such as targets x seeds, and how many of them there are.
    points, losses : how many retentions were measured, and how many of them are below 95%.
    forecast, rules : their scores.
    error, rank : by how much the forecast is better than the best rule, the best chosen anew in every resample; without
        ends where there are too few units or a single seed.
    """

    gauge: str = ""
    direction: str = ""
    training: str = ""
    unit: str
    units: int
    points: int
    losses: int
    forecast: Score
    rules: tuple[Score, ...]
    error: Interval
    rank: Interval

    @property
    def variant(self) -> Variant:
        """The variant of alignment."""
        return Variant(self.gauge, self.direction, self.training)

    @property
    def by_error(self) -> Score:
        """The rule with the smallest error."""
        return min(self.rules, key=lambda s: s.error)

    @property
    def by_rank(self) -> Score:
        """The rule with the largest rank correlation."""
        return max(self.rules, key=lambda s: s.rank)

    @property
    def beaten(self) -> bool:
        """Whether the forecast beats every rule: both intervals lie above 0."""
        return self.error.sign > 0 and self.rank.sign > 0

    @property
    def used(self) -> str:
        """What a page goes by: the forecast where it beats every rule, else the rule with the smallest error."""
        return self.forecast.name if self.beaten else self.by_error.name
