"""Train the cells of a study: plain torch, short, deterministic from the cell alone.

Cells that differ in lambda and seed alone can be trained at once, as one stack of models (`torch.func`): the loop is
the same, with one more dimension in front. Their start, and the order in which they see the rows, depend on the seed
alone, so that differences between lambdas, target scalings and latent sizes are paired.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
import torch
from torch import Tensor

from alignscope._lib.threads import one_blas_thread
from alignscope.nn.towers import TwoTowers
from alignscope.nn.training import learning_rates, one_thread
from alignscope.study.data.prepared import StudyData
from alignscope.study.results import CellRecord, Epoch, Mark
from alignscope.study.spec import SCHEMA, CellSpec
from alignscope.study.training.models import (
    Alone,
    Joint,
    Learner,
    Pretrained,
    Stack,
    Towers,
    WithObjective,
    build,
    targets_of,
)
from alignscope.study.training.scoring import Outputs, Scorer

_SCORED_ROWS = 1024
_SCORED_BYTES = 2**26  # of one modality as floats: 46 rows of 300 px, 1024 of 64 px
_RESIDENT = 0.3  # the most of a GPU's free memory that the rows of one modality may take
_YEAR = 366

Finished = tuple[CellRecord, dict[str, np.ndarray] | None]


def train_cells(cells: Sequence[CellSpec], data: StudyData, device: str = "cpu") -> list[Finished]:
    """Train cells together and return each one's record, and for lambda = 0 features and latents of both encoders.

    Parameters
    ----------
    cells : one, or several of one `stack`.
    data : the prepared rows.
    device : a torch device.

    On a processor one thread is used: cells are many, and run side by side in processes. A cell whose loss is no
    longer finite stops being recorded, with the status "diverged".
    """
    if len({cell.stack for cell in cells}) > 1:
        raise ValueError("cells of different shapes cannot be stacked")
    with one_thread(), one_blas_thread():
        return _Trainer(cells, data, torch.device(device)).run()


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
        if len(self.cells) == 1 and self.first.encoder.channels_last:
            self.towers[0].to(memory_format=torch.channels_last)
        self.x = [_placed(x, device) for x in data.x]
        self.y = [y.to(device) for y in targets_of(self.first, data)]
        # Only trainings with an objective are shown with these, next to those without any alignment.
        compared = bool(self.first.objective) or (self.first.lambda_ == 0 and not self.first.baseline)
        self.scorer = Scorer(
            data,
            self.first.task,
            normalised=compared,
            trunk=compared and self.first.encoder.hidden_layers,
            heads=self.first.training != "contrastive",
        )
        self.progress = [_Progress(cell, [], []) for cell in self.cells]

    def run(self) -> list[Finished]:
        """Train, and return every cell's record and features."""
        if self.first.training == "bilevel":
            self._bilevel()
        elif self.first.pretraining:
            self._pretrain()
        elif self.first.objective:
            self._objective()
        else:
            self._fit(Stack([Joint(t) for t in self.towers]), [*self.x, *self.y], [1.0, 1.0, math.nan])
        return [self._finished(k) for k in range(len(self.cells))]

    def _pretrain(self) -> None:
        """Train without labels, score the encoders as they are, then train them on the task alone."""
        towers, spec = self._two_towers, self.first.pretraining
        assert spec
        objective = Pretrained(towers, self.first, spec.epochs * self._steps).to(self.device)
        stack = Stack([objective])
        self._fit(
            stack,
            self.x,
            [spec.self_weight, spec.self_weight, math.nan],
            epochs=spec.epochs,
            record=False,
            after_step=objective.after_step,
        )
        self._mark(0, 0, Stack([Joint(towers)]))
        if self.progress[0].diverged is None:
            self._fit(Stack([Joint(towers)]), [*self.x, *self.y], [1.0, 1.0, 0.0])

    def _objective(self) -> None:
        """Train with an objective in place of the regression, next to the task or alone."""
        objective, alone = WithObjective(self._two_towers), self.first.training == "contrastive"
        rows, weights = (self.x, [0.0, 0.0, math.nan]) if alone else ([*self.x, *self.y], [1.0, 1.0, math.nan])
        self._fit(Stack([objective]), rows, weights, after_step=objective.term.after_step)

    @property
    def _two_towers(self) -> TwoTowers:
        towers = self.towers[0]
        assert isinstance(towers, TwoTowers)
        return towers

    def _bilevel(self) -> None:
        """Train the modality that is aligned to, freeze it, then the one that learns."""
        towers = self._two_towers
        learner: Literal[1, 2] = 2 if self.first.direction == "2to1" else 1
        other: Literal[1, 2] = 1 if learner == 2 else 2
        chosen = towers.train_modality(other)
        alone = Alone(towers, other)
        self._fit(Stack([alone], chosen), [self.x[other - 1], self.y[other - 1]], [1.0, 1.0, 0.0], record=False)
        frozen = torch.from_numpy(self._outputs(towers).z[other - 1][: self.data.train])
        target = towers.alignment.target(frozen).to(self.device)
        chosen = towers.train_modality(learner)
        objective = Learner(towers, learner)
        rows = [self.x[learner - 1], self.y[learner - 1], target]
        self._fit(Stack([objective], chosen), rows, [1.0, 1.0, math.nan], frozen=other)

    def _fit(
        self,
        stack: Stack,
        rows: Sequence[Tensor],
        weights: list[float],
        *,
        epochs: int | None = None,
        record: bool = True,
        frozen: int = 0,
        after_step: Callable[[], None] = lambda: None,
    ) -> None:
        """Minimise the weighted terms; a weight of NaN stands for each cell's lambda."""
        spec, epochs = self.first.optimiser, epochs or self.first.epochs
        lambdas = torch.tensor([c.lambda_ for c in self.cells], device=self.device)
        weight = torch.stack([lambdas if math.isnan(w) else torch.full_like(lambdas, w) for w in weights], dim=1)
        optimiser = torch.optim.AdamW(
            stack.groups(), lr=spec.learning_rate, weight_decay=spec.weight_decay, fused=self.device.type != "mps"
        )
        batch, steps = min(spec.batch, self.data.train), self._steps
        rates = learning_rates(
            spec.learning_rate,
            steps * epochs,
            warmup=spec.warmup,
            cosine=spec.schedule == "cosine",
        )
        for epoch in range(1, epochs + 1):
            stack.train(frozen)
            sums = torch.zeros_like(weight)
            order = self._order(epoch)
            for step in range(steps):
                chosen = order[..., step * batch : (step + 1) * batch]
                rate = next(rates)
                for group in optimiser.param_groups:
                    group["lr"] = rate
                with self._precision():
                    terms = stack([self._input(r, chosen) for r in rows], self._shared)
                optimiser.zero_grad()
                (terms * weight).sum().backward()
                optimiser.step()
                after_step()
                sums += terms.detach()
            if record:
                self._record(epoch, (sums / steps).cpu().double().numpy(), weight.cpu().double().numpy(), stack)
            if all(p.diverged is not None for p in self.progress):
                return

    def _record(self, epoch: int, terms: np.ndarray, weight: np.ndarray, stack: Stack) -> None:
        due = epoch in self.first.marks or epoch == self.first.epochs
        for k, progress in enumerate(self.progress):
            if progress.diverged is not None:
                continue
            values = terms[k].tolist()
            loss = float(terms[k] @ weight[k])
            if not math.isfinite(loss):
                progress.diverged = epoch
                continue
            progress.curve.append(Epoch(epoch=epoch, loss=loss, task1=values[0], task2=values[1], alignment=values[2]))
            if due:
                self._mark(k, epoch, stack)

    def _mark(self, k: int, epoch: int, stack: Stack) -> None:
        outputs = self._outputs(stack.load(k, self.towers[k]))
        if not outputs.finite:
            self.progress[k].diverged = epoch
            return
        mark = self.scorer.mark(epoch, outputs, reverse=self.first.direction == "2to1")
        if self.first.objective and (learned := self._two_towers.alignment.learned()):
            mark = msgspec.structs.replace(mark, learned=learned)
        self.progress[k].marks.append(mark)
        if self.cells[k].lambda_ == 0 and not self.cells[k].baseline and epoch == self.first.epochs:
            self.progress[k].features = _stored(outputs, self.data.train)

    def _outputs(self, towers: Towers) -> Outputs:
        """Return features, latents and predictions of both modalities for all rows."""
        towers.eval()
        parts: list[list[list[Tensor]]] = [[[], [], []], [[], [], []]]
        largest = max(4 * math.prod(x.shape[1:]) for x in self.x)
        batch = max(1, min(_SCORED_ROWS, _SCORED_BYTES // largest))
        with torch.no_grad():
            for chosen in torch.arange(len(self.x[0])).split(batch):
                rows = [self._input(x, chosen) for x in self.x]
                for lists, reading in zip(parts, towers.readings(*rows), strict=True):
                    for values, mine in zip(lists, reading, strict=True):
                        values.append(mine)
        made = [[torch.cat(values).cpu().numpy() for values in lists] for lists in parts]
        (h1, z1, y1), (h2, z2, y2) = made
        return Outputs((h1, h2), (z1, z2), (y1, y2))

    def _input(self, rows: Tensor, chosen: Tensor) -> Tensor:
        """Return chosen rows as an encoder takes them: pictures with the channel in front, bytes from -0.5 to 0.5."""
        x = rows[chosen.to(rows.device)].to(self.device)
        if x.dtype == torch.uint8:
            low = self.first.optimiser.precision == "bfloat16" and torch.is_grad_enabled()
            x = x.to(torch.bfloat16 if low else torch.float32).div_(255).sub_(0.5)
        if rows.ndim == 5 and not self.first.encoder.patches:
            x[..., 0, :, :] /= _YEAR  # else the day, 1..366, outweighs all values
        return x.movedim(-1, -3) if rows.ndim == 4 else x

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
    def _steps(self) -> int:
        """Steps per epoch; what is left over is dropped."""
        return self.data.train // min(self.first.optimiser.batch, self.data.train)

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
            status="finished" if p.diverged is None else "diverged",
            reason=None if p.diverged is None else f"the loss was not finite {_during(p.diverged)}",
            curve=tuple(p.curve),
            marks=tuple(p.marks),
        )
        return record, p.features


def _during(epoch: int) -> str:
    return f"in epoch {epoch}" if epoch else "in pre-training"


def _placed(x: np.ndarray, device: torch.device) -> Tensor:
    """Return rows on the device; those that would fill a GPU stay mapped from the disk, and batches are sent."""
    rows = torch.from_numpy(x)
    if device.type == "cuda" and x.nbytes > _RESIDENT * torch.cuda.mem_get_info(device)[0]:
        return rows
    return rows.to(device)


def _stored(outputs: Outputs, train: int) -> dict[str, np.ndarray]:
    """Return features and latents of the held-out rows, and as ``train_h1``, ... those of the training rows."""
    named = {f"{name}{i}": rows for name in "hz" for i, rows in enumerate(getattr(outputs, name), start=1)}
    held_out = {name: rows[train:] for name, rows in named.items()}
    return held_out | {f"train_{name}": rows[:train] for name, rows in named.items()}
