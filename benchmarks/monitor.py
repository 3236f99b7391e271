"""What the monitor costs, against the training step that it looks at."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from alignscope.nn import RegressionAlignment, TwoTowers, initialise
from alignscope.nn.encoders import ConvEncoder, MLPEncoder
from alignscope.nn.monitor.monitor import Monitor
from benchmarks._result import Claim, Result, in_turn, median

BATCH = 256


def measure(quick: bool = False) -> Result:
    """Return the time of the monitor, over an epoch, as a share of the training step."""
    epoch, repeats = (4, 1) if quick else (64, 9)
    size = 16 if quick else 64
    conv = [ConvEncoder(3, components=64), ConvEncoder(3, components=64)]
    mlp = [MLPEncoder(64, 32), MLPEncoder(64, 32)]
    cases = {
        f"two ConvEncoders, {size} px, K = 64": (conv, (3, size, size), 64, 1, 4),
        "two MLPEncoders, 64 inputs, K = 32": (mlp, (64,), 32, 1, 32),
        "the same, every = 8": (mlp, (64,), 32, 8, 32),
    }
    rows, shares = [], []
    for name, (encoders, shape, components, every, steps) in cases.items():
        steps = min(steps, epoch)
        works = _works(encoders, shape, components, every, steps, epoch)
        trained, added, ended = in_turn(works, repeats)
        ratios = [(a + e) / epoch / (t / steps) for t, a, e in zip(trained, added, ended, strict=True)]
        shares.append(median(ratios))
        rows.append(
            [
                name,
                median(trained) / steps * 1e3,
                median(added) / epoch * 1e3,
                median(ended) * 1e3,
                f"{median(ratios):.2%}",
            ]
        )
    return Result(
        name="monitor",
        title="The monitor beside a training step",
        setting=f"Batch {BATCH}, float32; forward, losses, backward and AdamW of both towers with the whitened "
        f"alignment; next to it {epoch} batches of three targets of 10 classes through `Monitor.add`, and "
        f"one `end_epoch`. In turn, {repeats} times; medians, and the median of the ratios.",
        columns=["what", "training step, ms", "add, ms a step", "end_epoch, ms", "monitor, share of the step"],
        rows=rows,
        claims=[
            Claim("under 2% of a convolutional step", rows[0][-1], None if quick else shares[0] < 0.02),
            Claim("under 2% of an MLP step, with every = 8", rows[2][-1], None if quick else shares[2] < 0.02),
        ],
        notes=[f"`end_epoch` is shared out over {epoch} steps; over longer epochs its share falls"],
    )


def _works(
    encoders: list[nn.Module], shape: tuple[int, ...], components: int, every: int, steps: int, epoch: int
) -> list[Callable[[], None]]:
    align = RegressionAlignment(components, components, gauge="whitened")
    towers = TwoTowers(*encoders, (10, 10), (10,), align, task="cross_entropy")
    initialise(towers, seed=0)
    optimiser = torch.optim.AdamW(towers.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    x1, x2 = (torch.randn(BATCH, *shape, generator=generator) for _ in range(2))
    y = torch.randint(10, (BATCH, 3), generator=generator)
    monitor = Monitor({"shape": 10, "texture": 10, "colour": 10}, every=every)
    embeddings: list[tuple[Tensor, Tensor]] = []

    def train() -> None:
        embeddings.clear()
        for _ in range(steps):
            out = towers(x1, x2)
            task = nn.functional.cross_entropy(out.y1[:, :10], y[:, 0]) + nn.functional.cross_entropy(out.y2, y[:, 2])
            optimiser.zero_grad()
            (task + 0.1 * align(out.z1, out.z2)).backward()
            optimiser.step()
            embeddings.append((out.z1, out.z2))

    def add() -> None:
        targets = {"shape": y[:, 0], "texture": y[:, 1], "colour": y[:, 2]}
        for step in range(epoch):
            z1, z2 = embeddings[step % steps]
            monitor.add(z={"first": z1, "second": z2}, y=targets)

    def end() -> None:
        monitor.end_epoch()

    works: list[Callable[[], None]] = [train, add, end]
    for work in works:  # once before they are timed
        work()
    return works
