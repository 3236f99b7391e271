"""Supervised methods at stated alignment weights, as `benchmarks.alignable_rivals` puts them on the bench."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from alignscope.bench import register
from alignscope.bench.entries import TaskFacts
from alignscope.nn import Budget, Monitor
from alignscope.nn.methods import Batch, PredictionFirst, SupervisedAlignment, TargetRemedy

ALONE, UPDATES = 0.3, 20  # of the budget: share of the steps without alignment, and updates in the others


def own(facts: TaskFacts) -> list[dict[str, int]]:
    """Return the classes of what each modality shows by itself."""
    return [{target: facts.classes[target] for target in seen} for seen in facts.per_modality]


class Aligned(SupervisedAlignment):
    """The paper's objective, and the alignable target."""

    def __init__(self, encoders: Any, *, facts: TaskFacts, **settings: Any) -> None:
        super().__init__(encoders, classes=own(facts), direction="both", **settings)


class Remedy(TargetRemedy):
    """The target remedy."""

    def __init__(self, encoders: Any, *, facts: TaskFacts, **settings: Any) -> None:
        super().__init__(encoders, classes=own(facts), **settings)


class First(PredictionFirst):
    """Prediction first."""

    def __init__(self, encoders: Any, *, facts: TaskFacts, **settings: Any) -> None:
        super().__init__(encoders, classes=own(facts), **settings)


class Budgeted(Aligned):
    """The paper's objective, its weight set by a budget of 5% of what linear readouts find without alignment."""

    def __init__(self, encoders: Any, *, facts: TaskFacts) -> None:
        super().__init__(encoders, facts=facts)
        self.names = [f"{t} from {m}" for m, seen in enumerate(facts.per_modality, start=1) for t in seen]
        self.targets = {t: facts.classes[t] for seen in facts.per_modality for t in seen}
        self.first, self.every = round(ALONE * facts.steps), max(1, round((1 - ALONE) * facts.steps / UPDATES))
        self.monitor, self.budget, self.step = Monitor(self.targets, window=2048), Budget(0.05, warmup=1), 0

    def prediction(self, zs: Sequence[Tensor], batch: Batch) -> Tensor:
        """Return the prediction losses, and show the monitor what they are taken of."""
        if self.training and batch.labels is not None:
            seen = {str(m): z for m, z in enumerate(zs, start=1)}
            self.monitor.add(seen, {t: batch.labels[t] for t in self.targets})
        return super().prediction(zs, batch)

    def loss(self, batch: Batch) -> Tensor:
        """Return the prediction losses plus the budget's weight times the alignment, a scalar."""
        self.alignment_weight = self.budget.weight
        return super().loss(batch)

    def after_step(self) -> None:
        """Set the alignment weight, where it is time to."""
        self.step += 1
        if self.step >= self.first and (self.step - self.first) % self.every == 0:
            found = self.monitor.end_epoch().r2
            self.budget.update({name: found[name] for name in self.names})


for weight in (0.0, 0.1, 1.0, 10.0):
    register(Aligned, name=f"whole_{weight:g}", settings={"alignment_weight": weight}, runs_on=("paper",))
for weight in (1.0, 10.0):
    register(
        Aligned,
        name=f"alignable_{weight:g}",
        settings={"alignment_weight": weight, "gauge": "alignable"},
        runs_on=("paper",),
    )
register(Remedy, name="remedy_10", settings={"alignment_weight": 10.0}, runs_on=("paper",))
register(First, name="first_10", settings={"alignment_weight": 10.0}, runs_on=("paper",))
register(Budgeted, name="budget_5", runs_on=("paper",))
