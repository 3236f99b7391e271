"""A figure with its 95% interval: the one type of audit, study and bench."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Self

import msgspec
import numpy as np

Answer = Literal["yes", "no", "undecided"]

LEVEL = 0.95
"""Confidence of every interval."""


class Interval(msgspec.Struct, frozen=True):
    """A figure with its 95% confidence interval; without one (None) where a single seed was trained.

    Study and bench extend it with the seeds that it rests on.
    """

    value: float
    low: float | None
    high: float | None

    @classmethod
    def over_seeds(cls, values: Sequence[float], **more: object) -> Self:
        """Return the mean of one value per seed with its interval (Student's t); `more` are fields of a subclass."""
        x = np.asarray(values, dtype=np.float64)
        mean = float(x.mean())
        if len(x) < 2:
            return cls(mean, None, None, **more)
        from scipy.special import stdtrit  # scipy takes a while, and pages of finished runs need none of it

        half = float(stdtrit(len(x) - 1, (1 + LEVEL) / 2) * x.std(ddof=1) / math.sqrt(len(x)))
        return cls(mean, mean - half, mean + half, **more)

    @property
    def sign(self) -> int:
        """1 or -1 where the whole interval lies above or below 0, else 0."""
        if self.low is None or self.high is None:
            return 0
        return 1 if self.low > 0 else -1 if self.high < 0 else 0

    @property
    def significant(self) -> bool:
        """Whether there is an interval and it excludes 0."""
        return self.sign != 0

    @property
    def ends(self) -> tuple[float, float]:
        """low and high; the value itself where there is no interval."""
        return (self.value if self.low is None else self.low, self.value if self.high is None else self.high)

    def __neg__(self) -> Self:
        low, high = (None if end is None else -end for end in (self.high, self.low))
        return msgspec.structs.replace(self, value=-self.value, low=low, high=high)

    def exceeds(self, threshold: float = 0.0) -> Answer:
        """Return whether the figure exceeds a threshold, or that the interval does not decide."""
        if self.low is not None and self.low > threshold:
            return "yes"
        return "no" if self.high is not None and self.high <= threshold else "undecided"

    def to_dict(self) -> dict[str, float | None]:
        """Return the fields by name."""
        return msgspec.structs.asdict(self)
