"""The budget: the alignment weight that costs every monitored target at most a stated share of its R^2.

    max alignment   subject to   R2_t >= (1 - epsilon) reference_t   for every target t

With a multiplier mu on the constraint that binds, the Lagrangian is alignment - mu * task, which is the training loss
task + w * alignment at w = 1 / mu. Dual ascent on log mu (multiplicative, so that mu > 0) is then a walk of log w along
the slack that is left:

    slack = min_t (R2_t / reference_t - (1 - epsilon)) / epsilon           1: nothing lost; 0: at the budget; < 0: over
    log w <- log w + log(step) / (1 + n)^(3/4) * clip(slack + 3 trend, -1, 1), but never against the sign of the slack

with n how often the slack has changed its sign, and trend its change since the last update. Where R2_t does not rise
with w (THEORY 4, item 1), neither does the slack, and there is one point to settle: where it crosses 0, or a limit.
The gain falls only when the walk has stepped over that point (Kesten's rule), so it is reached from any start, and kept
with noise and without. The trend is what a loop in training needs: encoders take many steps to follow a new weight, and
dual ascent alone then swings between far too much and far too little. The weight is clipped, so nothing winds up.
It says how much is aligned, the target scaling ``gauge="alignable"`` what; the two combine.
Source: THEORY 5 (budget); Kesten, Annals of Mathematical Statistics 29 (1958) for the gain; Stooke et al. (2020),
arXiv 2007.03964, for the swings of dual ascent and their damping.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from alignscope._lib.checks import real, whole
from alignscope._lib.constants import KNOWN_R2
from alignscope.errors import AlignscopeError
from alignscope.nn.monitor.report import MonitorReport

DAMPING = 3.0
"""How many updates ahead the slack is looked at. Measured in examples/monitor_plain_loop.py, epochs 46 to 80: with 0
the weight swings between 1.1 and 4.2, with 3 it lies between 2.31 and 2.47; 2 and 5 differ little from 3."""


class Budget:
    """The weight of an alignment term, held at what the budget allows.

    Multiply the alignment term by `weight`; call `update` with held-out R^2 after every epoch, or as often as there
    are new figures. It takes some tens of updates to settle to a few percent of the weight.

    Parameters
    ----------
    epsilon : the share of its reference R^2 that a target may lose, in 0..1, both excluded.
    reference : R^2 of every target without alignment, at the same length of training: by name, or a report of the
        monitor. A target below 0.05 is not protected: it would be compared with its own noise. None: the first `warmup`
        updates are without alignment (`weight` is 0), and the R^2 of the last of them are the reference; take as many
        as the R^2 need to stop rising. It goes on until some target has R^2 0.05.
    weight : where it starts (> 0).
    step : the most that one update multiplies or divides the weight by (> 1).
    least, most : limits of the weight. Where even `most` is within the budget, it stays there.
    warmup : see `reference`.

    Attributes
    ----------
    weight : what to multiply the alignment term by now.
    binding : the target with the least slack at the last update, or None.
    slack : that slack: 1 where nothing is lost, 0 at the budget, negative beyond it; NaN before there is one.

    Raises
    ------
    AlignscopeError : E304 for a number out of range, or where no reference reaches R^2 0.05; E203 for a reference that
        is no number.

    Example
    -------
    >>> budget = Budget(epsilon=0.05, reference={"species": 0.80})
    >>> budget.update({"species": 0.80})  # nothing lost: twice as much
    2.0
    >>> budget.update({"species": 0.70}), budget.binding  # 12.5% lost: back
    (1.32..., 'species')
    """

    def __init__(
        self,
        epsilon: float = 0.05,
        *,
        reference: Mapping[str, float] | MonitorReport | None = None,
        weight: float = 1.0,
        step: float = 2.0,
        least: float = 1e-4,
        most: float = 1e4,
        warmup: int = 5,
    ) -> None:
        self.epsilon = real("epsilon", epsilon, 0.0, 1.0, above=True, below=True)
        self.step = real("step", step, 1.0, above=True)
        self.least = real("least", least, above=True)
        self.most = real("most", most, least)
        self.binding: str | None = None
        self.slack = math.nan
        self._weight = real("weight", weight, least, most)
        self._last = math.nan
        self._sign = 0
        self._turns = 0
        self._warmup = whole("warmup", warmup, 1) if reference is None else 0
        self._reference = {} if reference is None else _usable(_figures("reference", reference))

    @property
    def weight(self) -> float:
        """What to multiply the alignment term by; 0 while the reference is being found."""
        return self._weight if self._warmup == 0 else 0.0

    @property
    def reference(self) -> dict[str, float]:
        """R^2 without alignment by target."""
        return dict(self._reference)

    def update(self, r2: Mapping[str, float | None] | MonitorReport) -> float:
        """Take the held-out R^2 of now, and return the new weight.

        Parameters
        ----------
        r2 : of every target, under the names of the reference; or a report of the monitor. Where one is None (too few
            samples for it), that is no news: the weight stays as it is.

        Raises
        ------
        AlignscopeError : E203 for an R^2 that is NaN or infinite, E210 where the targets are not those of the
            reference.
        """
        given = r2 if isinstance(r2, Mapping) else r2.r2
        if any(value is None for value in given.values()):
            return self.weight
        now = _figures("r2", given)
        if self._reference and now.keys() != self._reference.keys():
            others = ", ".join(sorted(now.keys() ^ self._reference.keys()))
            raise AlignscopeError("E210", "r2", f"not in both it and the reference: {others}", "Give the same targets.")
        if self._warmup:
            self._learn(now)
        else:
            self._walk(now)
        return self.weight

    def _learn(self, now: dict[str, float]) -> None:
        # The last, not the best: a random start carries much that the task alone would drop.
        known = max(now.values(), default=0.0) >= KNOWN_R2
        self._warmup -= known or self._warmup > 1
        self._reference = now

    def _walk(self, now: Mapping[str, float]) -> None:
        slacks = {
            name: (now[name] / known - (1 - self.epsilon)) / self.epsilon
            for name, known in self._reference.items()
            if known >= KNOWN_R2
        }
        self.binding = min(slacks, key=lambda name: slacks[name])
        self.slack = slacks[self.binding]
        sign = (self.slack > 0) - (self.slack < 0)
        self._turns += sign * self._sign < 0
        self._sign = sign or self._sign
        gain = math.log(self.step) / (1 + self._turns) ** 0.75
        ahead = self.slack + (0.0 if math.isnan(self._last) else DAMPING * (self.slack - self._last))
        self._last = self.slack
        # Never against the slack: where nothing lags, every second update would otherwise undo the one before.
        drive = ahead if ahead * self.slack > 0 else 0.0
        moved = self._weight * math.exp(gain * max(-1.0, min(1.0, drive)))
        self._weight = max(self.least, min(self.most, moved))

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds; plain numbers and names."""
        return {
            "weight": self._weight,
            "last": self._last,
            "sign": self._sign,
            "turns": self._turns,
            "warmup": self._warmup,
            "reference": dict(self._reference),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._weight, self._last = state["weight"], state["last"]
        self._sign, self._turns = state["sign"], state["turns"]
        self._warmup, self._reference = state["warmup"], dict(state["reference"])


def _figures(where: str, given: Mapping[str, float | None] | MonitorReport) -> dict[str, float]:
    """Return finite R^2 by target."""
    figures = {}
    for name, value in (given if isinstance(given, Mapping) else given.r2).items():
        if value is None or not math.isfinite(value):
            raise AlignscopeError(
                "E203", where, f"R2 of {name} is {value}", "Give a number; a training that diverged has none."
            )
        figures[name] = value
    return figures


def _usable(reference: dict[str, float]) -> dict[str, float]:
    """Return a reference by which something can be lost."""
    best = max(reference.values(), default=math.nan)
    if not best >= KNOWN_R2:
        way_out = f"No target has R2 of {KNOWN_R2}: there is nothing to retain."
        raise AlignscopeError("E304", "reference", f"{best:g}", way_out)
    return reference
