"""How long an epoch over satellite patches takes: both encoders, forward and backward, and the optimiser's step."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from alignscope.study.data.dataset import prepare
from alignscope.study.data.prepared import StudyData, open_data
from alignscope.study.data.treesatai import TreeSatAIData
from alignscope.study.encoders import OmniSatSpec
from alignscope.study.spec import OptimiserSpec, StudySpec, SweepSpec, cells_of
from alignscope.study.training.cell import train_cells
from benchmarks._result import Claim, Result, median, seconds

PATCHES = 1000
SIDES = ((300, 32), (150, 32), (60, 12))


def measure(quick: bool = False) -> Result:
    """Return seconds an epoch of 1,000 patches, by the size of what is read; worked out from fewer where quick."""
    sides, patches, most, repeats = (SIDES[-1:], 200, 32, 1) if quick else (SIDES, 900, 512, 3)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for side, dates in sides:
            spec = TreeSatAIData(generated=patches, most=most, aerial_side=side, dates=dates)
            data = open_data(prepare(spec, Path(folder), Path()))
            times = [epoch(spec, data) for _ in range(repeats)]
            rows.append([f"{side} px", dates, 1000 * median(times) / most, PATCHES * median(times) / most])
    told = f"{rows[0][-1]:.1f} s at {rows[0][0]} and {rows[0][1]} dates, one thread"
    return Result(
        name="satellite_epoch",
        title="An epoch over satellite patches",
        setting="The tiny encoders of aerial pictures and Sentinel-2 series, trained together (λ = 1, batches of 32) "
        f"on {most} generated patches; two epochs less one, so that preparing and scoring fall out. One process, one "
        f"thread, torch {torch.__version__.split('+')[0]}; medians of {repeats}.",
        columns=["aerial side", "dates", "ms a patch", "s for 1,000 patches"],
        rows=rows,
        claims=[Claim("1,000 patches in under 60 s on two cores", told, None if quick else float(rows[0][-1]) < 60)],
    )


def epoch(data_spec: TreeSatAIData, data: StudyData) -> float:
    """Return the seconds that one more epoch takes."""
    times = []
    for epochs in (2, 1):
        sweep = SweepSpec(lambdas=(0.0, 1.0), components=(16,), epochs=(epochs,))
        spec = StudySpec(
            data=data_spec, encoder=OmniSatSpec(), task="binary", sweep=sweep, optimiser=OptimiserSpec(batch=32)
        )
        cell = next(c for c in cells_of(spec) if c.lambda_ > 0)
        times.append(seconds(lambda cell=cell: train_cells([cell], data)))
    return times[0] - times[1]
