"""Alignment within a budget: its weight follows what the embeddings retain of every monitored target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from alignscope._lib.checks import real, whole
from alignscope._lib.types import Supervision
from alignscope.errors import AlignscopeError
from alignscope.nn.budget import Budget
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods._terms import across, per_modality, several, within
from alignscope.nn.methods.base import Batch, Method
from alignscope.nn.monitor.monitor import Monitor
from alignscope.nn.objectives.contrastive import info_nce


class BudgetedAlignment(Method):
    """Cross + Self, with the alignment weight of the cross-modal term set by a budget.

        L = sum_m NCE(z_m^1, z_m^2) + w mean_{v, i<j} NCE(z_i^v, z_j^v)

    The first steps are without alignment (w = 0); what linear readouts then find of every monitored target, held out
    from the readout, is its reference. After that w grows as long as every target retains (1 - epsilon) of it, and
    falls where one does not (`alignscope.nn.Budget`, `alignscope.nn.Monitor`). Labels steer w; no gradient comes from
    them.

    Parameters
    ----------
    encoders : of two modalities or more.
    classes : for each modality, the number of classes of the targets that its embedding should retain, or of their
        columns.
    steps : of the whole training, at least 1.
    epsilon : the share of its reference that a target may lose, in (0, 1).
    alone : share of the steps without alignment, in (0, 1).
    updates : how often w is set in the remaining steps R, at least 1: after every floor(R / updates) of them.
    temperature : tau > 0. projector : as for `Method`.

    Raises
    ------
    AlignscopeError : E201 for fewer than two modalities or where `classes` does not have one entry a modality, E304 for
        a setting out of range or no target. In use, E305 for a target without labels; E203 where too few samples came
        since the last update for K dimensions; E304 where no target has R^2 0.05 by the end of the steps without
        alignment.
    """

    views: ClassVar[int] = 2
    supervision: ClassVar[Supervision] = "monitor"

    def __init__(
        self,
        encoders: Sequence[Encoder],
        *,
        classes: Sequence[Mapping[str, int]],
        steps: int,
        epsilon: float = 0.05,
        alone: float = 0.3,
        updates: int = 20,
        temperature: float = 0.1,
        projector: int = 0,
    ) -> None:
        super().__init__(several(encoders), projector=projector)
        self.temperature = real("temperature", temperature, above=True)
        whole("updates", updates, 1)
        per_modality("classes", classes, encoders)
        self.first = max(1, round(real("alone", alone, 0.0, 1.0, above=True, below=True) * whole("steps", steps, 1)))
        self.every = max(1, (steps - self.first) // int(updates))
        self.monitored = [f"{target} from {m}" for m, own in enumerate(classes, start=1) for target in own]
        self.targets = {target: n for own in classes for target, n in own.items()}
        if not self.targets:
            raise AlignscopeError(
                "E304", "classes", "no target", "Give the number of classes of each target to monitor."
            )
        self.monitor = Monitor(self.targets, window=2048)
        self.budget = Budget(epsilon, weight=0.1, warmup=1)
        self.step = 0

    def loss(self, batch: Batch) -> Tensor:
        """Return the sum of the terms, a scalar."""
        embeddings = self.encoded(batch)
        if self.training:
            seen = {str(m): z for m, z in enumerate(embeddings[0], start=1)}
            self.monitor.add(seen, {t: self._labels(t, batch) for t in self.targets}, present=batch.present)
        headed = [self.headed(zs, batch) for zs in embeddings]
        total = within(headed, batch, info_nce, temperature=self.temperature)
        weight = self.budget.weight
        if not weight:
            return total
        return total + weight * across(headed, batch, info_nce, temperature=self.temperature)

    def get_extra_state(self) -> dict[str, Any]:
        """Return what a checkpoint holds next to the parameters: the step and the budget."""
        return {"step": self.step, "budget": self.budget.state_dict()}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.step = state["step"]
        self.budget.load_state_dict(state["budget"])

    def _labels(self, target: str, batch: Batch) -> Tensor:
        if batch.labels is None or target not in batch.labels:
            raise AlignscopeError("E305", f"labels of '{target}'", "not among those of the batch", "Add them.")
        return batch.labels[target]

    def after_step(self) -> None:
        """Set the alignment weight, where it is time to."""
        self.step += 1
        if self.step == self.first or (self.step > self.first and (self.step - self.first) % self.every == 0):
            found = self.monitor.end_epoch().r2
            r2 = {name: found[name] for name in self.monitored}
            self.budget.update(r2)
