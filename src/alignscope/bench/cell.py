"""Train one method on one task from one seed: plain torch, deterministic from the cell alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from msgspec.structs import replace
from torch import Tensor, nn

from alignscope._lib.threads import one_blas_thread
from alignscope.bench.entries import Entry
from alignscope.bench.registry import entry, own_line
from alignscope.bench.results import BenchRecord
from alignscope.bench.spec import SCHEMA, BenchCell, TaskSpec
from alignscope.bench.tasks.data.base import Task, measures
from alignscope.bench.tasks.data.opening import open_task
from alignscope.bench.tasks.kind import TrainingSpec
from alignscope.errors import AlignscopeError
from alignscope.nn.encoders.basic import initialise
from alignscope.nn.methods.base import Batch, Method
from alignscope.nn.training import learning_rates, one_thread

_PARTS = 10  # of a training, whose mean loss is recorded
_LARGEST_GRADIENT = 1.0  # norm over all parameters, beyond which a gradient is scaled down


def train_cell(cell: BenchCell, device: str = "cpu", folder: Path | None = None) -> BenchRecord:
    """Train a cell and score it on held-out samples.

    Every method starts from the same encoders and sees the same rows in the same order; only those that learn from
    labels, or steer by them, are given any. A loss that is no longer finite ends the training, as "diverged". On a
    processor one thread is used: cells are many, and run side by side in processes.

    Parameters
    ----------
    cell : what to train.
    device : a torch device.
    folder : where the rows of a user's own pair have been prepared.

    Raises
    ------
    AlignscopeError : those of the task and of the method; E305 for a method that is not registered.
    """
    with one_thread(), one_blas_thread(), torch.random.fork_rng([]):
        torch.manual_seed(cell.seed)
        task = open_task(cell.task, cell.seed, folder, validation=cell.validation)
        method = entry(cell.method, cell.code).build(task.encoders(), task.facts, **cell.settings)
        initialise(method, cell.seed)
        losses = train(method.to(device), task, cell.task.training)
        return _scored(cell, task, method, losses)


def try_method(e: Entry, spec: TaskSpec, folder: Path | None = None) -> None:
    """Train a method of the user's own for one step on a few samples, so that what is wrong is said at once.

    Raises
    ------
    AlignscopeError : E308, naming the method and, where that is in its file, the line.
    """
    settings = e.choices()[0]
    cell = BenchCell(task=spec.tiny(), method=e.name, settings=settings, seed=0, validation=True, code=e.code)
    try:
        train_cell(cell, folder=folder)
    except Exception as error:
        found = f"{type(error).__name__}: {error}" if not isinstance(error, AlignscopeError) else error.found
        line = own_line(error, e.code)
        where = f"the method '{e.name}'" + (f", line {line}" if line else "")
        way = error.way_out if isinstance(error, AlignscopeError) else "Correct it; a first step of training failed."
        raise AlignscopeError("E308", where, found, way) from error


def train(method: Method, task: Task, spec: TrainingSpec) -> tuple[float, ...]:
    """Train a method, and return the mean loss of each tenth of the steps; one that is not finite is the last.

    AdamW with a warm-up and a cosine decay; gradients are clipped at norm 1.
    """
    device = next(method.parameters()).device
    low = torch.autocast(device.type, dtype=torch.bfloat16, enabled=spec.precision == "bfloat16")
    parameters = [p for p in method.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        parameters, lr=spec.learning_rate, weight_decay=spec.weight_decay, fused=device.type != "mps"
    )
    batches = _given(task.batches(method.views), method, device)
    rates = learning_rates(spec.learning_rate, spec.steps, warmup=spec.warmup)
    method.train()
    losses: list[float] = []
    for part in np.array_split(np.arange(spec.steps), min(_PARTS, spec.steps)):
        total = torch.zeros((), device=device)
        for _ in part:
            for group in optimiser.param_groups:
                group["lr"] = next(rates)
            with low:
                loss = method.loss(next(batches))
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, _LARGEST_GRADIENT)
            optimiser.step()
            method.after_step()
            total += loss.detach()
        losses.append(float(total) / len(part))
        if not np.isfinite(losses[-1]):
            break
    return tuple(losses)


def _scored(cell: BenchCell, task: Task, method: Method, losses: tuple[float, ...]) -> BenchRecord:
    finite = tuple(loss for loss in losses if np.isfinite(loss))
    record = BenchRecord(schema=SCHEMA, id=cell.id, cell=cell, status="diverged", loss=finite)
    if len(finite) < len(losses):
        parts = min(_PARTS, cell.task.training.steps)
        return replace(record, reason=f"the loss was not finite in part {len(losses)} of {parts} of the training")
    fitted, held_out = task.encoded(method)
    if not (fitted.finite and held_out.finite):
        return replace(record, reason="the embeddings after training are not finite")
    return replace(record, status="finished", scores=task.scores(fitted, held_out), measures=measures(fitted, held_out))


def _given(batches: Iterator[Batch], method: Method, device: torch.device) -> Iterator[Batch]:
    """Yield batches on the device, without labels for a method that works without."""
    blind = method.supervision == "none"

    def moved(x: Tensor) -> Tensor:
        return x.to(device, non_blocking=True)

    for batch in batches:
        views = tuple(tuple(moved(x) for x in view) for view in batch.views)
        labels = None if blind or batch.labels is None else {k: moved(y) for k, y in batch.labels.items()}
        yield Batch(views, labels)
