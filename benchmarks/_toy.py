"""Two modalities that share a class and each have something slow of their own, and small networks trained on them.

Modality i shows a class of ten, which both share, and two exclusive-ors of hidden bits, its own: x_i = c[class] +
B (2 bits - 1) + noise, 64 columns. Its targets are the class and the two exclusive-ors (a class of 4), one-hot, 14
columns scaled as a block to energy 14. Exclusive-ors take a network longer to learn than the class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from alignscope.measures.probes import linear_probes
from alignscope.measures.similarity import shared_directions
from alignscope.measures.spectrum import spectrum
from alignscope.nn.alignment import RegressionAlignment
from alignscope.nn.training import learning_rates, one_thread

TRAIN, TEST, COLUMNS, CLASSES, OWN = 6000, 3000, 64, 10, 4
LATENT, BATCH = 32, 100


@dataclass(frozen=True)
class Setting:
    """One training.

    Attributes
    ----------
    gauge : target scaling of `RegressionAlignment`. lambda_ : alignment weight.
    noise : unpredictable dimensions of a frozen target; None where the target is the latent of a second network.
    schedule : "constant"; "first": no alignment in the first third of the training; "ramp": lambda grows linearly.
    training : "joint", or "bilevel": the second network is trained first, then frozen.
    """

    gauge: str = "whitened"
    lambda_: float = 0.0
    width: int = 256
    epochs: int = 30
    seed: int = 0
    noise: int | None = None
    optimiser: str = "AdamW"
    batch_norm: bool = True
    training: str = "joint"
    schedule: str = "constant"


@dataclass(frozen=True)
class Rows:
    """Inputs and scaled targets of both modalities, training rows first; `shared` is the whitened class, (N, 9)."""

    x: tuple[Tensor, Tensor]
    y: tuple[Tensor, Tensor]
    shared: Tensor


def rows(seed: int) -> Rows:
    """Return the rows of one seed."""
    rng, n = np.random.default_rng(seed), TRAIN + TEST
    shared = rng.integers(0, CLASSES, n)
    sides = [_side(rng, shared) for _ in range(2)]
    one_hot = np.eye(CLASSES)[shared]
    one_hot -= one_hot[:TRAIN].mean(axis=0)
    _, s, vt = np.linalg.svd(one_hot[:TRAIN], full_matrices=False)
    whitened = one_hot @ vt[: CLASSES - 1].T / s[: CLASSES - 1] * np.sqrt(TRAIN)
    return Rows((sides[0][0], sides[1][0]), (sides[0][1], sides[1][1]), _tensor(whitened))


def _side(rng: np.random.Generator, shared: np.ndarray) -> tuple[Tensor, Tensor]:
    n = len(shared)
    bits = rng.integers(0, 2, (n, 4))
    own = (bits[:, 0] ^ bits[:, 1]) + 2 * (bits[:, 2] ^ bits[:, 3])
    x = rng.normal(size=(CLASSES, COLUMNS))[shared] + (2 * bits - 1) @ rng.normal(size=(4, COLUMNS))
    y = np.hstack([np.eye(CLASSES)[shared], np.eye(OWN)[own]])
    y -= y[:TRAIN].mean(axis=0)
    y *= np.sqrt(y.shape[1] * TRAIN / np.square(y[:TRAIN]).sum())
    return _tensor(x + 0.5 * rng.normal(size=(n, COLUMNS))), _tensor(y)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))


def network(setting: Setting) -> nn.Sequential:
    """Return an untrained perceptron of two hidden layers."""
    layers: list[nn.Module] = []
    for inputs in (COLUMNS, setting.width):
        layers += [nn.Linear(inputs, setting.width), *([nn.BatchNorm1d(setting.width)] * setting.batch_norm), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(setting.width, LATENT))


def train(setting: Setting) -> dict[str, float]:
    """Train, and return held-out figures: R^2 of what is a modality's own and of what is shared, and alignment."""
    data = rows(setting.seed)
    torch.manual_seed(setting.seed)
    with one_thread():
        if setting.noise is None:
            return _two(setting, data)
        return _one(setting, data)


def _one(setting: Setting, data: Rows) -> dict[str, float]:
    """Train one network towards a frozen target: the shared class and dimensions that nothing predicts."""
    assert setting.noise is not None
    noise = torch.randn(TRAIN + TEST, setting.noise, generator=torch.Generator().manual_seed(setting.seed + 1000))
    target = torch.cat([data.shared, noise], dim=1)
    encoder, head = network(setting), nn.Linear(LATENT, data.y[0].shape[1])
    align = RegressionAlignment(LATENT, target.shape[1], gauge="alignable" if setting.gauge == "alignable" else "raw")

    def loss(chosen: Tensor, weight: float) -> Tensor:
        z = encoder(data.x[0][chosen])
        return _squares(head(z), data.y[0][chosen]) + weight * (align(z, target[chosen]) if weight else 0.0)

    _fit(setting, nn.ModuleList([encoder, head, align]), loss)
    return _figures(data, [_latent(encoder, data.x[0])], target.numpy().astype(np.float64))


def _two(setting: Setting, data: Rows) -> dict[str, float]:
    """Train two networks together, or the second one first."""
    encoders = [network(setting) for _ in range(2)]
    heads = [nn.Linear(LATENT, y.shape[1]) for y in data.y]
    align = RegressionAlignment(LATENT, LATENT, gauge=setting.gauge)  # type: ignore[arg-type]

    def task(i: int, chosen: Tensor) -> tuple[Tensor, Tensor]:
        z = encoders[i](data.x[i][chosen])
        return z, _squares(heads[i](z), data.y[i][chosen])

    def together(chosen: Tensor, weight: float) -> Tensor:
        (z1, task1), (z2, task2) = task(0, chosen), task(1, chosen)
        return task1 + task2 + weight * (align(z1, z2) if weight else 0.0)

    if setting.training == "bilevel":
        _fit(setting, nn.ModuleList([encoders[1], heads[1]]), lambda chosen, _: task(1, chosen)[1])
        frozen = torch.from_numpy(_latent(encoders[1], data.x[1]).astype(np.float32))
        target = align.target(frozen[:TRAIN])

        def towards(chosen: Tensor, weight: float) -> Tensor:
            z, loss = task(0, chosen)
            return loss + weight * (align.towards(z, target[chosen]) if weight else 0.0)

        _fit(setting, nn.ModuleList([encoders[0], heads[0], align]), towards)
    else:
        _fit(setting, nn.ModuleList([*encoders, *heads, align]), together)
    z1, z2 = (_latent(e, x) for e, x in zip(encoders, data.x, strict=True))
    return _figures(data, [z1, z2], z2)


def _fit(setting: Setting, learns: nn.Module, loss: Callable[[Tensor, float], Tensor]) -> None:
    steps = TRAIN // BATCH
    total = steps * setting.epochs
    if setting.optimiser == "AdamW":
        peak = 1e-3
        optimiser: Any = torch.optim.AdamW(learns.parameters(), lr=peak, weight_decay=1e-4, fused=True)
    else:
        peak = 1e-2
        optimiser = torch.optim.SGD(learns.parameters(), lr=peak, momentum=0.9, weight_decay=1e-4)
    learns.train()
    for step, rate in enumerate(learning_rates(peak, total, warmup=0.05)):
        if step % steps == 0:
            order = torch.randperm(TRAIN)
        for group in optimiser.param_groups:
            group["lr"] = rate
        done = step / total
        share = {"constant": 1.0, "first": float(done >= 1 / 3), "ramp": done}[setting.schedule]
        optimiser.zero_grad()
        loss(order[step % steps * BATCH :][:BATCH], setting.lambda_ * share).backward()
        if setting.optimiser == "SGD":
            nn.utils.clip_grad_norm_(learns.parameters(), 5.0)  # else a lambda of 30 diverges at the first steps
        optimiser.step()


def _squares(predicted: Tensor, y: Tensor) -> Tensor:
    return (predicted - y).square().sum(1).mean()


def _latent(encoder: nn.Module, x: Tensor) -> np.ndarray:
    encoder.eval()
    with torch.no_grad():
        latent: np.ndarray = encoder(x).numpy().astype(np.float64)
    return latent


def _figures(data: Rows, zs: list[np.ndarray], target: np.ndarray) -> dict[str, float]:
    """Return figures of the latents: targets from each, and how well the first is aligned to the (whitened) target."""
    found: dict[str, float] = {}
    for i, z in enumerate(zs, start=1):
        y = data.y[i - 1].numpy().astype(np.float64)
        parts = {f"shared{i}": y[:, :CLASSES], f"own{i}": y[:, CLASSES:]}
        probes = linear_probes(
            z[:TRAIN], {k: v[:TRAIN] for k, v in parts.items()}, z[TRAIN:], {k: v[TRAIN:] for k, v in parts.items()}
        )
        found |= {name: float(probe.r2) for name, probe in probes.items()}
        found[f"rank{i}"] = spectrum(z[TRAIN:]).effective_rank
    for part, scored in {"train": slice(0, TRAIN), "test": slice(TRAIN, None)}.items():
        fit, rest = (zs[0][:TRAIN], target[:TRAIN]), (zs[0][scored], target[scored])
        found[f"correlated_{part}"] = shared_directions(*fit, test=rest)
    return found
