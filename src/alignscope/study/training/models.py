"""The untrained model of a cell, and what its training minimises, as modules that can be stacked."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from alignscope.nn.alignment import RegressionAlignment
from alignscope.nn.encoders.basic import initialise
from alignscope.nn.encoders.masked import OmniSatPretraining
from alignscope.nn.fused import FusedTowers
from alignscope.nn.towers import TwoTowers
from alignscope.study.data.prepared import StudyData
from alignscope.study.spec import CellSpec
from alignscope.study.training.terms import Term, term

Towers = TwoTowers | FusedTowers


def build(cell: CellSpec, data: StudyData) -> Towers:
    """Return the untrained model of a cell, at its seed's start."""
    k = cell.components
    outputs1, outputs2 = (
        [len(data.classes[t]) for t in targets] if cell.task == "cross_entropy" else [y.values.shape[1]]
        for y, targets in zip(data.target_columns, data.trained_on, strict=True)
    )
    encoder1, encoder2 = (cell.encoder.build(x.shape[1:], k) for x in data.x)
    towers: Towers
    if cell.training in ("concatenation", "late_fusion", "attention"):
        towers = FusedTowers(
            encoder1,
            encoder2,
            outputs1,
            outputs2,
            cell.training,
            task=cell.task,
            size=getattr(cell.encoder, "size", "tiny"),
        )
    else:
        alignment: nn.Module = _Nothing()
        if cell.objective:
            alignment = term(cell.objective, (encoder1, encoder2))
        elif cell.gauge != "none" and cell.direction != "none":
            alignment = RegressionAlignment(k, k, gauge=cell.gauge, direction=cell.direction, samples=data.train)
        towers = TwoTowers(encoder1, encoder2, outputs1, outputs2, alignment, task=cell.task)
    initialise(towers, cell.seed)
    return towers


class Joint(nn.Module):  # type: ignore[misc]
    """The three terms of the joint objective."""

    def __init__(self, towers: Towers) -> None:
        super().__init__()
        self.towers = towers

    def forward(self, x1: Tensor, x2: Tensor, y1: Tensor, y2: Tensor) -> Tensor:
        """Return the terms (3,)."""
        return torch.stack(list(self.towers.losses(x1, x2, y1, y2)))


class WithObjective(Joint):
    """The three terms with an objective in place of the regression; without targets, the objective alone."""

    @property
    def term(self) -> Term:
        """Return the objective."""
        found: Term = self.towers.alignment
        return found

    def forward(self, x1: Tensor, x2: Tensor, *y: Tensor) -> Tensor:
        """Return the terms (3,)."""
        self.term.see(x1, x2)
        if y:
            return super().forward(x1, x2, *y)
        loss = self.term(self.towers.tower1.encoder(x1), self.towers.tower2.encoder(x2))
        zero = torch.zeros_like(loss)
        return torch.stack([zero, zero, loss])


class Alone(Joint):
    """One modality learns its task."""

    def __init__(self, towers: TwoTowers, modality: int) -> None:
        super().__init__(towers)
        self.modality = modality

    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        """Return the terms (3,)."""
        loss = (self.towers.tower1 if self.modality == 1 else self.towers.tower2).loss(x, y)
        zero = torch.zeros_like(loss)
        return torch.stack([loss, zero, zero] if self.modality == 1 else [zero, loss, zero])


class Learner(Alone):
    """One modality learns its task, and to predict the frozen target of the other."""

    def forward(self, x: Tensor, y: Tensor, target: Tensor) -> Tensor:  # type: ignore[override]
        """Return the terms (3,)."""
        loss, alignment = self.towers.learner_losses(x, y, target)
        zero = torch.zeros_like(loss)
        return torch.stack([loss, zero, alignment] if self.modality == 1 else [zero, loss, alignment])


class Pretrained(nn.Module):  # type: ignore[misc]
    """The terms of pre-training: each modality's reconstruction of hidden patches, and the alignment; no labels.

    What is hidden depends on the seed and on the step alone.
    """

    def __init__(self, towers: TwoTowers, cell: CellSpec, steps: int) -> None:
        super().__init__()
        assert cell.pretraining
        self.towers, self.steps, self.done = towers, steps, 0
        objective = cell.pretraining.objective if cell.lambda_ > 0 else "none"
        self.regression = objective == "regression"
        self.terms = OmniSatPretraining(
            towers.tower1.encoder,
            towers.tower2.encoder,
            "none" if objective == "regression" else objective,
            mask=cell.pretraining.mask,
        )
        initialise(self.terms, cell.seed)
        self.generator = torch.Generator().manual_seed(cell.seed)

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Return the terms (3,)."""
        self1, self2, cross = self.terms(x1, x2, self.generator)
        if self.regression:
            z = [t.encoder(x) for t, x in ((self.towers.tower1, x1), (self.towers.tower2, x2))]
            cross = self.towers.alignment(*z)
        return torch.stack([self1, self2, cross])

    def after_step(self) -> None:
        """Move the teachers, where there are any."""
        self.done += 1
        self.terms.after_step(self.done / self.steps)


class _Nothing(nn.Module):  # type: ignore[misc]
    """No alignment, for lambda = 0."""

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        return z1.new_zeros((), dtype=torch.float32)


class Stack:
    """One objective, or several of one shape as a stack of parameters with the model as first dimension."""

    def __init__(self, objectives: list[nn.Module], chosen: dict[str, nn.Parameter] | None = None) -> None:
        self.base = objectives[0]
        self.alone = len(objectives) == 1
        if self.alone:
            self.parameters = list((chosen or dict(self.base.named_parameters())).values())
            return
        self.state, self.buffers = stack_module_state(objectives)
        self.parameters = list(self.state.values())
        self.base = copy.deepcopy(self.base).to("meta")

    def __call__(self, rows: list[Tensor], shared: bool) -> Tensor:
        """Return the terms of every model, (models, 3); `rows` have the models in front unless they are shared."""
        if self.alone:
            return self.base(*rows)[None]

        def one(state: dict[str, Tensor], buffers: dict[str, Tensor], *mine: Tensor) -> Tensor:
            return functional_call(self.base, (state, buffers), mine)

        return vmap(one, in_dims=(0, 0, *[None if shared else 0] * len(rows)))(self.state, self.buffers, *rows)

    def groups(self) -> list[dict[str, Any]]:
        """Return what an optimiser is given; a single number, such as a temperature, is not decayed."""
        scalars = [p for p in self.parameters if self.alone and p.ndim == 0]
        rest = [p for p in self.parameters if not any(p is s for s in scalars)]
        return [{"params": rest}, *([{"params": scalars, "weight_decay": 0.0}] if scalars else [])]

    def train(self, frozen: int) -> None:
        """Set training mode; a frozen modality stays as it is."""
        self.base.train()
        if frozen:
            (self.base.towers.tower1 if frozen == 1 else self.base.towers.tower2).eval()

    def load(self, k: int, towers: Towers) -> Towers:
        """Return the towers of model k, brought up to date."""
        if not self.alone:
            state = {**self.state, **self.buffers}
            with torch.no_grad():  # by name: parameters that two modules share are in the state once
                for name, held in [*towers.named_parameters(), *towers.named_buffers()]:
                    held.copy_(state[f"towers.{name}"][k])
        return towers


def targets_of(cell: CellSpec, data: StudyData) -> list[Tensor]:
    """Return what the loss compares with: scaled columns, columns of 0 and 1, or class codes (N, factors)."""
    if cell.task == "squared":
        return [torch.from_numpy(y.values) for y in data.target_columns]
    if cell.task == "binary":
        return [torch.from_numpy(np.hstack([data.columns(t) for t in targets])) for targets in data.trained_on]
    return [torch.from_numpy(np.stack([data.targets[t] for t in targets], axis=1)) for targets in data.trained_on]
