"""Small benches for tests: specifications, methods of a user's own, and trainings that are made up."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from alignscope.bench.results import BenchRecord, Measures, Score
from alignscope.bench.spec import SCHEMA, BenchCell

SPEC = """\
name = "tiny"
seeds = [0, 1, 2]
methods = ["none", "cross", "cross_self", "concatenation"]

[tuning]
task = "comm"
seed = 1000
steps = 2

[[tasks]]
kind = "pictures"
name = "comm"
view = "comm"
size = 28
train = 128
probe = 64
test = 64
shift = 2
widths = [4, 8]
[tasks.training]
steps = 4
batch = 32

[[tasks]]
kind = "gaussian"
name = "gaussian"
train = 128
[tasks.training]
steps = 5
batch = 32
learning_rate = 1e-2
precision = "float32"
"""

GAUSSIAN = SPEC[: SPEC.index("[tuning]")] + SPEC[SPEC.index('[[tasks]]\nkind = "gaussian"') :]
"""Without pictures and tuning: trained in an instant."""

OWN = '''\
"""Methods of a user's own."""

import torch
from alignscope.bench import register
from alignscope.nn.methods.base import Method


@register(title="Distance", note="Squared distance.", grid=({"power": 2.0}, {"power": 1.0}))
def distance(z1, z2, *, power):
    return (z1 - z2).abs().pow(power).mean()


@register
class Quiet(Method):
    def __init__(self, encoders, *, facts):
        super().__init__(encoders)
        self.weight = 1 / facts.components

    def loss(self, batch):
        assert batch.labels is None
        return self.weight * sum(z.square().mean() for z in self.encoded(batch)[0])
'''


@dataclass
class FakeTraining:
    """Stands for `train_cell`: scores that depend on the cell alone.

    Attributes
    ----------
    worth : added to the scores of a method, by name. better : the setting whose tuning scores best, by method.
    diverge, fail : which cells give no figures, as (method, task name, seed).
    """

    worth: dict[str, float] = field(default_factory=dict)
    better: dict[str, dict[str, object]] = field(default_factory=dict)
    diverge: set[tuple[str, str, int]] = field(default_factory=set)
    fail: set[tuple[str, str, int]] = field(default_factory=set)
    begun: Counter[str] = field(default_factory=Counter)
    cells: list[BenchCell] = field(default_factory=list)

    def __call__(self, cell: BenchCell, device: str = "cpu", folder: Path | None = None) -> BenchRecord:
        self.begun[cell.id] += 1
        self.cells.append(cell)
        key = cell.method, cell.task.name, cell.seed
        if key in self.fail:
            raise RuntimeError(f"no luck with {cell.method}")
        record = BenchRecord(schema=SCHEMA, id=cell.id, cell=cell, status="diverged", reason="made up", loss=(1.0,))
        return record if key in self.diverge else made(cell, self._worth(cell))

    def _worth(self, cell: BenchCell) -> float:
        chosen = self.better.get(cell.method, {}).items()
        best = bool(chosen) and all(cell.settings.get(name) == value for name, value in chosen)
        return self.worth.get(cell.method, 0.0) + (0.2 if cell.validation and best else 0.0)


def made(cell: BenchCell, worth: float = 0.0, aligned: float | None = None) -> BenchRecord:
    """A record with figures, a function of what is trained and not of the sources, which every change would move."""
    draw = np.random.default_rng(int(replace(cell, alignscope="").id, 16))
    scores = tuple(
        Score(
            target=target,
            role=column.role,
            embedding=code,
            value=float(0.5 + worth + 0.02 * draw.standard_normal()),
            chance=column.chance,
            best=0.8 if column.unit == "share of the ceiling" else None,
        )
        for column in cell.task.columns()
        for target, code in column.targets
    )
    r2 = float(draw.uniform(0.2, 0.9)) if aligned is None else aligned
    measures = Measures(alignment_r2=r2, cka=0.5, gap=0.1, effective_rank=(4.0, 5.0))
    return BenchRecord(
        schema=SCHEMA, id=cell.id, cell=cell, status="finished", loss=(2.0, 1.0), scores=scores, measures=measures
    )


def files(folder: Path, *names: str) -> dict[str, bytes]:
    """Every file below a folder, or below some of its folders."""
    roots = [folder / name for name in names] or [folder]
    return {
        os.fspath(p.relative_to(folder)): p.read_bytes() for r in roots for p in sorted(r.rglob("*")) if p.is_file()
    }
