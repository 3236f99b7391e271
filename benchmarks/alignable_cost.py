"""What the alignable target costs, against the training step that it is a part of."""

from __future__ import annotations

from collections.abc import Callable

import torch

from alignscope._lib.types import LatentGauge
from alignscope.nn import RegressionAlignment, TwoTowers, initialise
from alignscope.nn.encoders import ConvEncoder
from benchmarks._result import Claim, Result, in_turn, median

BATCH, SIZE, WIDTHS = 128, 64, (32, 64, 128, 128)  # those of examples/study-alignable.toml
MOST = {48: 0.05, 512: 0.10}
"""Promised: the largest share of a step, by latent size."""


def measure(quick: bool = False) -> Result:
    """Return the time of the alignment term, forward and backward, as a share of the whole training step."""
    steps, repeats = (2, 1) if quick else (32, 5)  # a multiple of the steps after which moments are updated
    rows, shares = [], {}
    for k in MOST:
        step, whitened, alignable = in_turn(_works(k, steps, 16 if quick else SIZE), repeats)
        times = [median(t) / steps * 1e3 for t in (step, whitened, alignable)]
        shares[k] = median([a / s for a, s in zip(alignable, step, strict=True)])
        rows.append([str(k), *times, f"{shares[k]:.1%}"])
    return Result(
        name="alignable_cost",
        title="The alignable target beside a training step",
        setting=f"Two convolutional encoders ({SIZE} px, batch {BATCH}, float32): forward, losses, backward and AdamW "
        "without alignment; and the alignment term alone, forward and backward to the latents. In turn, "
        f"{repeats} times; medians, and the median of the ratios.",
        columns=[
            "K",
            "training step, ms",
            "whitened target, ms",
            "alignable target, ms",
            "alignable, share of the step",
        ],
        rows=rows,
        claims=[
            Claim(f"under {most:.0%} of a step at K = {k}", f"{shares[k]:.1%}", None if quick else shares[k] < most)
            for k, most in MOST.items()
        ],
    )


def _works(k: int, steps: int, size: int) -> list[Callable[[], None]]:
    encoders = [ConvEncoder(3, k, widths=WIDTHS) for _ in range(2)]
    towers = TwoTowers(*encoders, 20, 20, RegressionAlignment(k, k))
    initialise(towers, seed=0)
    optimiser = torch.optim.AdamW(towers.parameters(), lr=1e-3, fused=True)
    generator = torch.Generator().manual_seed(0)
    x = [torch.randn(BATCH, 3, size, size, generator=generator) for _ in range(2)]
    y = torch.randn(BATCH, 20, generator=generator)

    def train() -> None:
        for _ in range(steps):
            optimiser.zero_grad()
            (towers.tower1.loss(x[0], y) + towers.tower2.loss(x[1], y)).backward()
            optimiser.step()

    def term(gauge: LatentGauge) -> Callable[[], None]:
        align = RegressionAlignment(k, k, gauge=gauge)
        latents = [torch.randn(BATCH, k, generator=generator).requires_grad_() for _ in range(2)]

        def work() -> None:
            for _ in range(steps):
                align(*latents).backward()

        return work

    works: list[Callable[[], None]] = [train, term("whitened"), term("alignable")]
    for work in works:  # once before they are timed
        work()
    return works
