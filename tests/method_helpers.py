"""Methods of every kind on small encoders, batches for them, and what one step or a short training does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

import tensor_helpers
from alignscope.nn import initialise
from alignscope.nn.encoders import Encoder, LinearEncoder
from alignscope.nn.methods import (
    Aligned,
    Batch,
    BudgetedAlignment,
    CanonicalSplit,
    CoMM,
    Concatenation,
    CrossSelf,
    DeCUR,
    DisentangledSSL,
    FactorCL,
    InfMasking,
    LateFusion,
    Method,
    NoAlignment,
    PredictionFirst,
    PrivateSubspace,
    SimMMDG,
    SingleModality,
    SupervisedAlignment,
    TargetRemedy,
)
from alignscope.nn.methods.aligned import OBJECTIVES

torch.set_num_threads(1)  # matrices here are small: threads only get in each other's way

WIDTHS = (6, 5, 7)
CLASSES = {"shape": 3, "size.mm": 2}
"""Three classes, and two columns of floats."""
ONE_COLUMN = {"shape": 3, "size": 1}

Build = Callable[[list[Encoder]], Method]


def in_force(method: BudgetedAlignment) -> BudgetedAlignment:
    """The method with a weight, as after its first steps."""
    method.budget.update(dict.fromkeys(method.monitored, 0.5))
    assert method.budget.weight > 0
    return method


def second_step(encoders: list[Encoder]) -> DisentangledSSL:
    method = DisentangledSSL(encoders, steps=1)
    method.after_step()
    return method


METHODS: dict[str, Build] = {
    **{name: lambda e, name=name: Aligned(e, name) for name in OBJECTIVES},
    "info_nce behind heads": lambda e: Aligned(e, projector=8),
    "none": NoAlignment,
    "none behind heads": lambda e: NoAlignment(e, projector=8),
    "single": lambda e: SingleModality(e, modality=1),
    "cross + self": CrossSelf,
    "cross + self, alignable": lambda e: CrossSelf(e, alignable=True),
    "cross + self, barlow": lambda e: CrossSelf(e, objective="barlow_twins"),
    "cross + self, barlow, alignable": lambda e: CrossSelf(e, objective="barlow_twins", alignable=True),
    "decur": DeCUR,
    "private": PrivateSubspace,
    "private, hsic": lambda e: PrivateSubspace(e, independence="hsic"),
    "private, decoder": lambda e: PrivateSubspace(e, independence="none", decoder=True),
    "private behind heads": lambda e: PrivateSubspace(e, decoder=True, projector=8),
    "simmmdg": lambda e: SimMMDG(e, classes=CLASSES),
    "concatenation": lambda e: Concatenation(e, classes=CLASSES),
    "late fusion": lambda e: LateFusion(e, classes=CLASSES),
    "supervised alignment": lambda e: SupervisedAlignment(e, classes=[CLASSES] * len(e)),
    "supervised alignment, alignable": lambda e: SupervisedAlignment(
        e, classes=[CLASSES] * len(e), gauge="alignable", direction="both"
    ),
    "comm": CoMM,
    "comm behind a head": lambda e: CoMM(e, projector=8),
    "infmasking": lambda e: InfMasking(e, keep=0.5, draws=3),
    "factorcl": lambda e: FactorCL(e, hidden=8),
    "disentangled, step 1": lambda e: DisentangledSSL(e, steps=1000),
    "disentangled, step 2": second_step,
    "canonical": CanonicalSplit,
    "canonical, side by side": lambda e: CanonicalSplit(e, products=False),
    "canonical, one block": lambda e: CanonicalSplit(e, blocks=1),
    "target remedy": lambda e: TargetRemedy(e, classes=[ONE_COLUMN] * len(e)),
    "target remedy, alignable": lambda e: TargetRemedy(e, classes=[ONE_COLUMN] * len(e), gauge="alignable"),
    "prediction first": lambda e: PredictionFirst(e, classes=[ONE_COLUMN] * len(e)),
    "prediction first, alignable": lambda e: PredictionFirst(e, classes=[ONE_COLUMN] * len(e), gauge="alignable"),
    "budget, before": lambda e: BudgetedAlignment(e, classes=[ONE_COLUMN] * len(e), steps=100),
    "budget": lambda e: in_force(BudgetedAlignment(e, classes=[ONE_COLUMN] * len(e), steps=100)),
}
PLAIN = [name for name in METHODS if "head" not in name]
"""Those whose rows do not see each other in a batch normalisation."""


normal = partial(tensor_helpers.normal, dtype=torch.float32)


def linear(modalities: int = 2, components: int = 4) -> list[Encoder]:
    return [LinearEncoder(w, components) for w in WIDTHS[:modalities]]


def started(method: Method, seed: int = 0) -> Method:
    initialise(method, seed)
    return method


def built(name: str, modalities: int = 2, components: int = 4, seed: int = 0) -> Method:
    return started(METHODS[name](linear(modalities, components)), seed)


def a_batch(n: int, modalities: int = 2, *, present: Tensor | None = None, same: bool = False) -> Batch:
    """Two views that share half of their variance; with `same`, one row again and again."""
    centre = [normal(m, n, w) for m, w in enumerate(WIDTHS[:modalities])]
    views = [[c + normal(10 + 10 * v + m, *c.shape) for m, c in enumerate(centre)] for v in range(2)]
    if same:
        views = [[x[:1].expand_as(x) for x in xs] for xs in views]
    labels = {
        "shape": torch.from_numpy(np.random.default_rng(5).integers(0, 3, n)),
        "size.mm": normal(6, n, 2),
        "size": normal(6, n, 1),
        "of nobody": normal(7, n, 2),
    }
    return Batch(tuple(tuple(xs) for xs in views), labels, present)


def backward(method: Method, batch: Batch) -> tuple[Tensor, dict[str, Tensor | None]]:
    """The loss of one step and the gradients of all that learns."""
    method.zero_grad()
    torch.manual_seed(0)  # the bottleneck draws its embedding, InfMasking its masks, the canonical split its parts
    loss = method.loss(batch)
    loss.backward()
    return loss.detach(), {name: p.grad for name, p in method.named_parameters() if p.requires_grad}


def finite(gradients: dict[str, Tensor | None]) -> bool:
    return all(g is None or bool(g.isfinite().all()) for g in gradients.values())


def plain_embeddings(method: Method, batch: Batch) -> list[list[Tensor]]:
    return [[e(x).detach().double() for e, x in zip(method.encoders, xs, strict=True)] for xs in batch.views]


def trained(method: Method, batches: Callable[[int], Batch], steps: int, rate: float) -> tuple[Method, list[float]]:
    """The method after a training with Adam, in evaluation mode, and the loss of every step."""
    initialise(method, 0)
    torch.manual_seed(0)
    optimiser = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=rate)
    losses = []
    for step in range(steps):
        loss = method.loss(batches(step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        method.after_step()
        losses.append(loss.item())
    return method.eval(), losses


def held_out(z: Tensor, y: Tensor) -> np.ndarray:
    """R^2 of each column of y from a linear map of z, fitted on the first half, scored on the second."""
    n = len(z) // 2
    x = np.hstack([z.numpy(), np.ones((len(z), 1))]).astype(np.float64)
    left = y[n:].numpy() - x[n:] @ np.linalg.lstsq(x[:n], y[:n].numpy().astype(np.float64), rcond=None)[0]
    return 1 - left.var(axis=0) / y[n:].numpy().var(axis=0)
