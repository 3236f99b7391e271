"""Train the cells of a study: plain torch, short, deterministic from the cell alone.

Cells that differ in lambda and seed alone can be trained at once, as one stack of models (`torch.func`): the loop is
the same, with one more dimension in front. Their start, and the order in which they see the rows, depend on the seed
alone, so that differences between lambdas, gauges and latent sizes are paired.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from alignscope._threads import one_blas_thread
from alignscope.nn import (
    ConvEncoder,
    Encoder,
    LinearEncoder,
    MLPEncoder,
    RegressionAlignment,
    TwoTowers,
    initialise,
)
from alignscope.nn.training import learning_rates, one_thread
from alignscope.study.dataset import StudyData
from alignscope.study.results import CellRecord, Epoch, Mark
from alignscope.study.scoring import Outputs, Scorer
from alignscope.study.spec import SCHEMA, CellSpec, ConvSpec, MLPSpec

__all__ = ["build", "shape_of", "stackable", "train_cells"]

_SCORING_BATCH = 1024

Finished = tuple[CellRecord, dict[str, np.ndarray] | None]


def train_cells(cells: Sequence[CellSpec], data: StudyData, device: str = "cpu") -> list[Finished]:
    """Train cells together and return each one's record, and for lambda = 0 the held-out features of both encoders.

    Parameters
    ----------
    cells : one, or several for which `stackable` holds.
    data : the prepared rows.
    device : a torch device.

    On a processor one thread is used: cells are many, and run side by side in processes. A cell whose loss is no
    longer finite stops being recorded, with the status "diverged".
    """
    if len(cells) > 1 and not stackable(cells):
        raise ValueError("cells of different shapes cannot be stacked")
    with one_thread(), one_blas_thread():
        return _Trainer(cells, data, torch.device(device)).run()


def stackable(cells: Sequence[CellSpec]) -> bool:
    """Return whether cells differ in lambda and seed alone, and train both modalities together."""
    return "bilevel" not in {c.training for c in cells} and len({shape_of(c) for c in cells}) == 1


def shape_of(cell: CellSpec) -> object:
    """Return what cells of one stack have in common: all but lambda and seed, and whether they are aligned at all."""
    return msgspec.structs.replace(cell, lambda_=float(cell.lambda_ > 0), seed=0)


def build(cell: CellSpec, data: StudyData) -> TwoTowers:
    """Return the untrained model of a cell, at its seed's start."""
    k = cell.components
    alignment: nn.Module = _Nothing()
    if cell.gauge != "none" and cell.direction != "none":
        alignment = RegressionAlignment(k, k, gauge=cell.gauge, direction=cell.direction)
    outputs1, outputs2 = (
        [y.values.shape[1]] if cell.task == "squared" else [len(data.classes[t]) for t in asked]
        for y, asked in zip(data.asked_columns, data.asked, strict=True)
    )
    encoder1, encoder2 = (_encoder(cell, x) for x in data.x)
    towers = TwoTowers(encoder1, encoder2, outputs1, outputs2, alignment, task=cell.task)
    initialise(towers, cell.seed)
    return towers


@dataclass
class _Progress:
    """What has been recorded of one cell so far."""

    cell: CellSpec
    curve: list[Epoch]
    marks: list[Mark]
    diverged: int | None = None
    features: dict[str, np.ndarray] | None = None


class _Trainer:
    """The loop over epochs and batches, for one model or for a stack of them."""

    def __init__(self, cells: Sequence[CellSpec], data: StudyData, device: torch.device) -> None:
        self.cells, self.data, self.device = list(cells), data, device
        self.first = self.cells[0]
        self.towers = [build(cell, data).to(device) for cell in self.cells]
        if len(self.cells) == 1 and isinstance(self.first.encoder, ConvSpec):
            self.towers[0].to(memory_format=torch.channels_last)
        self.x = [torch.from_numpy(x).to(device) for x in data.x]
        self.y = [y.to(device) for y in _targets(self.first, data)]
        self.scorer = Scorer(data, self.first.task)
        self.progress = [_Progress(cell, [], []) for cell in self.cells]

    def run(self) -> list[Finished]:
        """Train, and return every cell's record and features."""
        if self.first.training == "bilevel":
            self._bilevel()
        else:
            self._fit(_Stack([_Joint(t) for t in self.towers]), [*self.x, *self.y], [1.0, 1.0, math.nan])
        return [self._finished(k) for k in range(len(self.cells))]

    def _bilevel(self) -> None:
        """Train the modality that is aligned to, freeze it, then the one that learns."""
        towers = self.towers[0]
        learner = 2 if self.first.direction == "2to1" else 1
        other = 3 - learner
        chosen = towers.train_modality(other)
        alone = _Alone(towers, other)
        self._fit(_Stack([alone], chosen), [self.x[other - 1], self.y[other - 1]], [1.0, 1.0, 0.0], record=False)
        frozen = torch.from_numpy(self._outputs(towers).z[other - 1][: self.data.train])
        target = towers.alignment.target(frozen).to(self.device)
        chosen = towers.train_modality(learner)
        pulled = _Pulled(towers, learner)
        rows = [self.x[learner - 1], self.y[learner - 1], target]
        self._fit(_Stack([pulled], chosen), rows, [1.0, 1.0, math.nan], frozen=other)

    def _fit(
        self, stack: _Stack, rows: Sequence[Tensor], weights: list[float], *, record: bool = True, frozen: int = 0
    ) -> None:
        """Minimise the weighted terms; a weight of NaN stands for each cell's lambda."""
        spec = self.first.optimiser
        lambdas = torch.tensor([c.lambda_ for c in self.cells], device=self.device)
        strength = torch.stack([lambdas if math.isnan(w) else torch.full_like(lambdas, w) for w in weights], dim=1)
        optimiser = torch.optim.AdamW(
            stack.parameters, lr=spec.learning_rate, weight_decay=spec.weight_decay, fused=self.device.type != "mps"
        )
        batch = min(spec.batch, self.data.train)
        steps = self.data.train // batch
        rates = learning_rates(
            spec.learning_rate,
            steps * self.first.epochs,
            warmup=spec.warmup,
            cosine=spec.schedule == "cosine",
        )
        for epoch in range(1, self.first.epochs + 1):
            stack.train(frozen)
            sums = torch.zeros_like(strength)
            order = self._order(epoch)
            for step in range(steps):
                chosen = order[..., step * batch : (step + 1) * batch]
                for group in optimiser.param_groups:
                    group["lr"] = next(rates)
                with self._precision():
                    terms = stack([self._input(r[chosen]) for r in rows], self._shared)
                optimiser.zero_grad()
                (terms * strength).sum().backward()
                optimiser.step()
                sums += terms.detach()
            if record:
                self._record(epoch, (sums / steps).cpu().double().numpy(), strength.cpu().double().numpy(), stack)
            if all(p.diverged for p in self.progress):
                return

    def _record(self, epoch: int, terms: np.ndarray, strength: np.ndarray, stack: _Stack) -> None:
        due = epoch in self.first.marks or epoch == self.first.epochs
        for k, progress in enumerate(self.progress):
            if progress.diverged:
                continue
            values = terms[k].tolist()
            loss = float(terms[k] @ strength[k])
            if not math.isfinite(loss):
                progress.diverged = epoch
                continue
            progress.curve.append(Epoch(epoch=epoch, loss=loss, task1=values[0], task2=values[1], alignment=values[2]))
            if due:
                self._mark(k, epoch, stack)

    def _mark(self, k: int, epoch: int, stack: _Stack) -> None:
        outputs = self._outputs(stack.load(k, self.towers[k]))
        if not outputs.finite:
            self.progress[k].diverged = epoch
            return
        self.progress[k].marks.append(self.scorer.mark(epoch, outputs, reverse=self.first.direction == "2to1"))
        if self.cells[k].lambda_ == 0 and epoch == self.first.epochs:
            self.progress[k].features = {f"h{i + 1}": h[self.data.train :] for i, h in enumerate(outputs.h)}

    def _outputs(self, towers: TwoTowers) -> Outputs:
        """Return features, latents and predictions of both modalities for all rows."""
        towers.eval()
        made = []
        with torch.no_grad():
            for tower, x in zip((towers.tower1, towers.tower2), self.x, strict=True):
                parts = []
                for start in range(0, len(x), _SCORING_BATCH):
                    h = tower.encoder.features(self._input(x[start : start + _SCORING_BATCH]))
                    z = tower.encoder.project(h)
                    parts.append((h, z, tower.predict(z)))
                made.append([torch.cat(p).cpu().numpy() for p in zip(*parts, strict=True)])
        (h1, z1, y1), (h2, z2, y2) = made
        return Outputs((h1, h2), (z1, z2), (y1, y2))

    def _input(self, x: Tensor) -> Tensor:
        """Return rows as an encoder takes them: pictures from -0.5 to 0.5 with the channel in front."""
        if x.dtype != torch.uint8:
            return x
        low = self.first.optimiser.precision == "bfloat16" and torch.is_grad_enabled()
        scaled = x.to(torch.bfloat16 if low else torch.float32).div_(255).sub_(0.5)
        return scaled.movedim(-1, -3)

    def _order(self, epoch: int) -> Tensor:
        """Return (N,) row numbers, or (cells, N) where the seeds of a stack differ."""
        orders = {
            seed: torch.randperm(self.data.train, generator=torch.Generator().manual_seed(seed * 100_003 + epoch))
            for seed in {c.seed for c in self.cells}
        }
        if self._shared:
            return orders[self.first.seed].to(self.device)
        return torch.stack([orders[c.seed] for c in self.cells]).to(self.device)

    @property
    def _shared(self) -> bool:
        return len({c.seed for c in self.cells}) == 1

    def _precision(self) -> torch.autocast:
        low = self.first.optimiser.precision == "bfloat16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=low)

    def _finished(self, k: int) -> Finished:
        p = self.progress[k]
        record = CellRecord(
            schema=SCHEMA,
            id=p.cell.id,
            cell=p.cell,
            status="diverged" if p.diverged else "finished",
            reason=f"the loss was not finite in epoch {p.diverged}" if p.diverged else None,
            curve=tuple(p.curve),
            marks=tuple(p.marks),
        )
        return record, p.features


class _Joint(nn.Module):  # type: ignore[misc]
    """The three terms of the joint objective."""

    def __init__(self, towers: TwoTowers) -> None:
        super().__init__()
        self.towers = towers

    def forward(self, x1: Tensor, x2: Tensor, y1: Tensor, y2: Tensor) -> Tensor:
        return torch.stack(list(self.towers.losses(x1, x2, y1, y2)))


class _Alone(_Joint):
    """One modality learns its task."""

    def __init__(self, towers: TwoTowers, modality: int) -> None:
        super().__init__(towers)
        self.modality = modality

    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        loss = (self.towers.tower1 if self.modality == 1 else self.towers.tower2).loss(x, y)
        zero = torch.zeros_like(loss)
        return torch.stack([loss, zero, zero] if self.modality == 1 else [zero, loss, zero])


class _Pulled(_Alone):
    """One modality learns its task, and to predict the frozen target of the other."""

    def forward(self, x: Tensor, y: Tensor, target: Tensor) -> Tensor:  # type: ignore[override]
        loss, alignment = self.towers.learner_losses(x, y, target)
        zero = torch.zeros_like(loss)
        return torch.stack([loss, zero, alignment] if self.modality == 1 else [zero, loss, alignment])


class _Nothing(nn.Module):  # type: ignore[misc]
    """No alignment, for lambda = 0."""

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        return z1.new_zeros((), dtype=torch.float32)


class _Stack:
    """One objective, or several of one shape as a stack of parameters with the model as first dimension."""

    def __init__(self, objectives: list[_Joint], chosen: dict[str, nn.Parameter] | None = None) -> None:
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

    def train(self, frozen: int) -> None:
        """Set training mode; a frozen modality stays as it is."""
        self.base.train()
        if frozen:
            (self.base.towers.tower1 if frozen == 1 else self.base.towers.tower2).eval()

    def load(self, k: int, towers: TwoTowers) -> TwoTowers:
        """Return the towers of model k, brought up to date."""
        if not self.alone:
            state = {**self.state, **self.buffers}
            towers.load_state_dict({name.removeprefix("towers."): v[k].detach() for name, v in state.items()})
        return towers


def _encoder(cell: CellSpec, x: np.ndarray) -> Encoder:
    spec = cell.encoder
    if isinstance(spec, ConvSpec):
        return ConvEncoder(x.shape[-1], cell.components, widths=spec.widths, patch=spec.patch)
    inputs = math.prod(x.shape[1:])
    if isinstance(spec, MLPSpec):
        return MLPEncoder(inputs, cell.components, hidden=spec.hidden)
    return LinearEncoder(inputs, cell.components)


def _targets(cell: CellSpec, data: StudyData) -> list[Tensor]:
    """Return what the loss compares with: scaled columns, or class codes (N, factors)."""
    if cell.task == "squared":
        return [torch.from_numpy(y.values) for y in data.asked_columns]
    return [torch.from_numpy(np.stack([data.targets[t] for t in asked], axis=1)) for asked in data.asked]
