"""A small convolutional network on Trifeature pictures: is every factor there to be seen?"""

from __future__ import annotations

import numpy as np

from alignscope.datasets.trifeature import PairView
from alignscope.datasets.trifeature.pictures import FACTORS
from benchmarks._result import Claim, Result

BATCH = 128
SIZES = {32: 2, 64: 4, 128: 8, 224: 14}
"""Side of the pictures in pixels -> side of the patches of the network's first layer."""


def measure(quick: bool = False) -> Result:
    """Return held-out accuracies per factor and size."""
    steps, test = (2, 64) if quick else (2_000, 4_096)
    sizes = dict(list(SIZES.items())[:1]) if quick else SIZES
    found = {size: accuracies(size, patch, steps, test) for size, patch in sizes.items()}
    low = min(found[64].values()) if 64 in found else None
    return Result(
        name="recognition",
        title="Every factor of the pictures can be recognised",
        setting=f"`PairView.single`, combinations of factors held out; {steps:,} steps on {BATCH} images each, drawn "
        f"when they are needed and never twice, and {test:,} test images. ConvEncoder (patches of 1/16 of the side, "
        "widths 32, 64, 128, 128), one linear head a factor, summed cross-entropy, Adam 8e-3 with a warm-up and a "
        "cosine decay, bfloat16, seed 0. Accuracy on the test images; chance is 0.1.",
        columns=["size", *FACTORS],
        rows=[[f"{size} px", *(f"{accuracy[name]:.3f}" for name in FACTORS)] for size, accuracy in found.items()],
        claims=[
            Claim(
                "at 64 px every factor is recognised in at least 9 of 10 images",
                "not measured" if low is None else f"least accuracy {low:.3f}",
                None if low is None else low >= 0.9,
            )
        ],
    )


def accuracies(size: int, patch: int, steps: int, n_test: int) -> dict[str, float]:
    """Train once and return the held-out accuracy per factor."""
    import torch

    from alignscope.nn import initialise
    from alignscope.nn.encoders import ConvEncoder

    view = PairView.single(size=size, held_out="combinations")
    train, _, test = view.split(steps * BATCH, 0, n_test)
    net = ConvEncoder(3, 30, widths=(32, 64, 128, 128), patch=patch)
    initialise(net, 0)
    net = net.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(net.parameters(), lr=8e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 8e-3, total_steps=max(steps, 100), pct_start=0.1)

    def batch(index: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        codes = np.stack(list(view.targets(index).values()), axis=1)
        images = view.inputs(index, xp=torch)[0].float() / 127.5 - 1
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=net.training):
            scores = net(images.contiguous(memory_format=torch.channels_last)).reshape(-1, 10, 3)
        return scores.float(), torch.from_numpy(codes)

    for index in train.reshape(steps, BATCH):
        loss = 3 * torch.nn.functional.cross_entropy(*batch(index))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    net.eval()
    with torch.no_grad():
        found = [batch(index) for index in np.array_split(test, max(1, n_test // 512))]
    right = torch.cat([scores.argmax(1) == codes for scores, codes in found]).double().mean(0)
    return dict(zip(view.scene, right.tolist(), strict=True))
