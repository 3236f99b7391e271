"""A sweep of trainings, against the plain sequential PyTorch loop over the same cells at its defaults."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from alignscope._lib.threads import cores
from alignscope.study.data.dataset import prepare
from alignscope.study.data.prepared import StudyData, open_data
from alignscope.study.data.trifeature import TrifeatureData
from alignscope.study.running import run_study
from alignscope.study.spec import CellSpec, OptimiserSpec, StudySpec, SweepSpec, cells_of
from alignscope.study.training.models import build
from alignscope.study.training.scoring import Outputs, Scorer
from benchmarks._result import Claim, Result, in_turn, median

SCORED = 1024


def measure(quick: bool = False) -> Result:
    """Return the ratio of the times, and how far the curves of the two ways are apart."""
    spec = _spec(*((256, 1, 1, 1) if quick else (4096, 3, 2, 3)))
    repeats = 1
    with tempfile.TemporaryDirectory() as folder:
        data = open_data(prepare(spec.data, Path(folder), Path()))
        turns = iter(range(10_000))
        found: dict[str, list[list[float]]] = {}

        def ours(precision: Literal["float32", "bfloat16"], workers: int) -> Callable[[], None]:
            mine = msgspec.structs.replace(spec, optimiser=msgspec.structs.replace(spec.optimiser, precision=precision))

            def work() -> None:
                out = Path(folder) / f"run{next(turns)}"
                study = run_study(mine, out, workers=workers)
                figures = {_key(r.cell): _figures(r.last.test) for r in study.results.cells}
                found[f"{precision} {workers}"] = [figures[_key(cell)] for cell in _sorted(cells_of(spec))]

            return work

        def plain() -> None:
            found["plain"] = [train_plainly(cell, data) for cell in _sorted(cells_of(spec))]

        ways = {
            "plain loop": plain,
            "alignscope, one process, float32": ours("float32", 1),
            "alignscope, one process, bfloat16": ours("bfloat16", 1),
            f"alignscope, {cores()} processes, float32": ours("float32", cores()),
            f"alignscope, {cores()} processes, bfloat16": ours("bfloat16", cores()),
        }
        times = in_turn(list(ways.values()), repeats)
    ratios = {name: [a / b for a, b in zip(times[0], t, strict=True)] for name, t in zip(ways, times, strict=True)}
    best = ratios[f"alignscope, {cores()} processes, bfloat16"]
    apart, noise = _apart(found, spec)
    same = f"mean held-out R^2 differs by {apart:.3f} in the median; two seeds of the plain loop by {noise:.3f}"
    return Result(
        name="sweep",
        title="A sweep of trainings against the plain sequential loop",
        setting=f"{len(cells_of(spec))} cells (paper's pairs, 64 px, {spec.data.train} rows, {spec.sweep.epochs[0]} "
        "epochs; lambda 0 and 1, raw and whitened). The plain loop: one process with torch's own number of threads, "
        "TensorDataset and DataLoader, float32, default memory format, the same models, losses, optimiser and scoring. "
        f"alignscope: as `alignscope study`, start of the workers and rendering included. In turn, {repeats} times.",
        columns=["what", "times faster than the plain loop"],
        rows=[[name, median(r)] for name, r in ratios.items()],
        claims=[
            Claim(
                "at least 3 times the plain loop on two cores",
                f"{median(best):.2f} times",
                None if quick else median(best) >= 3,
            ),
            Claim("the same curves within seed noise", same, None if quick else apart <= noise),
        ],
        notes=[f"each ratio of the last row: {', '.join(f'{r:.2f}' for r in best)}"],
    )


def _spec(rows: int, epochs: int, seeds: int, lambdas: int) -> StudySpec:
    return StudySpec(
        data=TrifeatureData(size=64, train=rows, test=512, rotation=15, jitter=0.5),
        optimiser=OptimiserSpec(learning_rate=8e-3, batch=128),
        sweep=SweepSpec(
            lambdas=(0.0, 1.0, 3.0)[: max(lambdas, 2)],
            seeds=tuple(range(max(seeds, 2))),
            components=(24,),
            gauges=("raw", "whitened"),
            epochs=(epochs,),
        ),
    )


def train_plainly(cell: CellSpec, data: StudyData) -> list[float]:
    """Train one cell as one would write it down, and return its held-out figures."""
    torch.manual_seed(cell.seed)
    towers = build(cell, data)
    x = [torch.from_numpy(x.astype(np.float32) / 255 - 0.5).movedim(-1, 1).contiguous() for x in data.x]
    y = [torch.from_numpy(y.values) for y in data.target_columns]
    rows = TensorDataset(*(t[: data.train] for t in (*x, *y)))
    loader = DataLoader(rows, batch_size=cell.optimiser.batch, shuffle=True, drop_last=True)
    steps = cell.epochs * len(loader)
    optimiser = torch.optim.AdamW(
        towers.parameters(), lr=cell.optimiser.learning_rate, weight_decay=cell.optimiser.weight_decay
    )
    warmup = max(1, round(cell.optimiser.warmup * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min(1.0, (s + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * s / steps))
    )
    for _ in range(cell.epochs):
        towers.train()
        for batch in loader:
            task1, task2, alignment = towers.losses(*batch)
            optimiser.zero_grad()
            (task1 + task2 + cell.lambda_ * alignment).backward()
            optimiser.step()
            schedule.step()
    towers.eval()
    made: list[list[np.ndarray]] = []
    with torch.no_grad():
        for tower, images in zip((towers.tower1, towers.tower2), x, strict=True):
            parts = []
            for start in range(0, len(images), SCORED):
                h = tower.encoder.features(images[start : start + SCORED])
                z = tower.encoder.project(h)
                parts.append((h, z, tower.predict(z)))
            made.append([torch.cat(p).numpy() for p in zip(*parts, strict=True)])
    (h1, z1, y1), (h2, z2, y2) = made
    return _figures(Scorer(data, cell.task).mark(cell.epochs, Outputs((h1, h2), (z1, z2), (y1, y2))).test)


def _figures(scores: object) -> list[float]:
    return [t.probe_r2 for t in scores.targets if t.trained_on]  # type: ignore[attr-defined]


def _sorted(cells: Sequence[CellSpec]) -> list[CellSpec]:
    """Return cells with the seeds of one setting side by side."""
    return sorted(cells, key=_key)


def _key(cell: CellSpec) -> tuple[str, float, int]:
    return cell.gauge, cell.lambda_, cell.seed


def _apart(found: dict[str, list[list[float]]], spec: StudySpec) -> tuple[float, float]:
    """Return the median difference of our figures from the plain loop's, and that between two of its seeds."""
    plain = np.array(found["plain"])
    mine = np.array(found[f"bfloat16 {cores()}"])
    by_seed = plain.reshape(-1, len(spec.sweep.seeds), plain.shape[1])
    noise = np.abs(by_seed[:, 0] - by_seed[:, 1])
    return float(np.median(np.abs(plain - mine))), float(np.median(noise))
