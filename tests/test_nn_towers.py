"""Two towers: the losses are what they say, many models at once are each model alone, and who learns in which step."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

import tensor_helpers
from alignscope.errors import AlignscopeError
from alignscope.nn import RegressionAlignment, TwoTowers, initialise
from alignscope.nn.encoders import ConvEncoder, LinearEncoder, MLPEncoder
from alignscope.nn.towers import TASKS, task_loss
from alignscope.nn.whitening import GAUGES

SIZES = (3, 4)


normal = partial(tensor_helpers.normal, dtype=torch.float32)


def towers(seed: int = 0, **choices: str) -> TwoTowers:
    align = {"gauge": choices.pop("gauge", "normalised"), "direction": choices.pop("direction", "1to2")}
    model = TwoTowers(
        ConvEncoder(1, 3, widths=(4, 5), patch=2),
        MLPEncoder(6, 4, hidden=(5,)),
        SIZES,
        SIZES,
        RegressionAlignment(3, 4, **align),
        **choices,
    )
    initialise(model, seed)
    return model


def batch(task: str) -> tuple[torch.Tensor, ...]:
    embeddings = torch.stack([torch.arange(12) % size for size in SIZES], dim=1)
    y = embeddings if task == "cross_entropy" else normal(2, 12, sum(SIZES))
    return normal(0, 12, 1, 6, 6), normal(1, 12, 6), y, y.flip(0)


def test_the_squared_loss_is_a_sum_over_columns_and_a_mean_over_samples() -> None:
    output, y = normal(0, 5, 3), normal(1, 5, 3)
    slow = np.mean(
        [sum((a - b) ** 2 for a, b in zip(r, s, strict=True)) for r, s in zip(output.numpy(), y.numpy(), strict=True)]
    )
    assert task_loss(output, y, (3,), "squared").item() == pytest.approx(slow, rel=1e-6)


def test_the_cross_entropy_is_a_sum_over_factors_and_a_mean_over_samples() -> None:
    output, y = normal(0, 5, 7).double().numpy(), np.array([[0, 3], [1, 2], [2, 1], [2, 0], [0, 0]])
    slow = 0.0
    for row, embeddings in zip(output, y, strict=True):
        for block, code in zip(np.split(row, [3]), embeddings, strict=True):
            slow -= np.log(np.exp(block[code]) / np.exp(block).sum()) / 5
    found = task_loss(torch.from_numpy(output), torch.from_numpy(y), SIZES, "cross_entropy")
    assert found.item() == pytest.approx(slow, rel=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_the_losses_are_those_of_the_outputs(task: str) -> None:
    model = towers(task=task).eval()
    x1, x2, y1, y2 = batch(task)
    out = model(x1, x2)
    assert [tuple(o.shape) for o in out] == [(12, 3), (12, 4), (12, 7), (12, 7)]
    torch.testing.assert_close(out.y1, out.z1 @ model.tower1.head.weight.T + model.tower1.head.bias)
    losses = model.losses(x1, x2, y1, y2)
    torch.testing.assert_close(losses.task1, task_loss(out.y1, y1, SIZES, task))
    torch.testing.assert_close(losses.task2, model.tower2.loss(x2, y2))
    torch.testing.assert_close(losses.alignment, model.alignment(out.z1, out.z2))


class Losses(torch.nn.Module):
    """A model whose call gives the losses, as `functional_call` wants it."""

    def __init__(self, model: TwoTowers) -> None:
        super().__init__()
        self.model = model

    def forward(self, *data: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.model.losses(*data)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("gauge", GAUGES)
def test_many_models_at_once_are_each_model_alone(gauge: str, task: str, training: bool) -> None:
    """Losses, gradients and running statistics, of three seeds with three lambdas."""
    models = [Losses(towers(seed, gauge=gauge, direction="both", task=task)).train(training) for seed in range(3)]
    lambdas, data = torch.tensor([0.0, 1.0, 30.0]), batch(task)

    def objective(parameters: dict, buffers: dict, lam: torch.Tensor) -> torch.Tensor:
        first, second, align = functional_call(models[0], (parameters, buffers), data)
        return first + second + lam * align

    parameters, buffers = stack_module_state(models)
    gradients, values = vmap(grad_and_value(objective))(parameters, buffers, lambdas)
    for i, (model, lam) in enumerate(zip(models, lambdas, strict=True)):
        first, second, align = model(*data)
        (first + second + lam * align).backward()
        torch.testing.assert_close(values[i], (first + second + lam * align).detach(), rtol=1e-4, atol=1e-4)
        for name, p in model.named_parameters():
            torch.testing.assert_close(gradients[name][i], p.grad, rtol=1e-3, atol=1e-3, msg=name)
        for name, b in model.named_buffers():
            torch.testing.assert_close(buffers[name][i], b, msg=name)


@pytest.mark.parametrize("gauge", GAUGES)
def test_one_model_that_diverges_leaves_the_others_alone(gauge: str) -> None:
    z1, z2 = normal(0, 2, 12, 3), normal(1, 2, 12, 4)
    z1[1], z2[1] = torch.nan, torch.inf
    align = RegressionAlignment(3, 4, gauge=gauge, direction="both")
    gradients, losses = vmap(grad_and_value(align, argnums=(0, 1)))(z1, z2)
    assert losses[1].isnan()
    torch.testing.assert_close(losses[0], align(z1[0], z2[0]).detach())
    assert all(g[0].isfinite().all() for g in gradients)


@pytest.mark.parametrize(
    ("direction", "modality", "learns"),
    [
        ("1to2", 2, {"tower2"}),
        ("1to2", 1, {"tower1", "alignment"}),
        ("2to1", 1, {"tower1"}),
        ("2to1", 2, {"tower2", "alignment"}),
    ],
)
def test_one_modality_learns_and_the_other_stays_as_it_is(direction: str, modality: int, learns: set[str]) -> None:
    model = towers(direction=direction)
    parameters = model.train_modality(modality)
    assert {name.split(".")[0] for name in parameters} == learns
    assert parameters.keys() == {n for n, _ in model.named_parameters() if n.split(".")[0] in learns}
    before = copy.deepcopy(model.state_dict())
    first, second, align = model.losses(*batch("squared"))
    (first + second + align).backward()
    assert all((p.grad is not None) == (n in parameters) for n, p in model.named_parameters())
    moved = {n.split(".")[0] for n, v in model.state_dict().items() if not torch.equal(v, before[n])}
    assert moved == {f"tower{modality}"}, "running statistics"


@pytest.mark.parametrize("direction", ["1to2", "2to1"])
@pytest.mark.parametrize("gauge", GAUGES)
def test_the_learner_sees_what_the_whole_would_give(direction: str, gauge: str) -> None:
    model = towers(gauge=gauge, direction=direction)
    x1, x2, y1, y2 = batch("squared")
    learner = 1 if direction == "1to2" else 2
    model.train_modality(learner)
    target = model.target(x2 if learner == 1 else x1)
    assert not target.requires_grad
    whole = model.losses(x1, x2, y1, y2)
    task, align = model.learner_losses(*((x1, y1) if learner == 1 else (x2, y2)), target)
    torch.testing.assert_close((task, align), (whole[learner - 1], whole.alignment))


def test_losses_are_full_precision_under_autocast() -> None:
    model = towers(task="cross_entropy").eval()
    data = batch("cross_entropy")
    expected = model.losses(*data)
    with torch.autocast("cpu", torch.bfloat16):
        found = model.losses(*data)
        outputs = model.tower1.predict(normal(0, 5, 3).bfloat16())
    assert {loss.dtype for loss in found} == {torch.float32}
    torch.testing.assert_close(outputs, model.tower1.head(normal(0, 5, 3).bfloat16().float()))
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.02)


def refused_task() -> TwoTowers:
    return TwoTowers(LinearEncoder(2, 2), LinearEncoder(2, 2), 1, 1, RegressionAlignment(2, 2), task="hinge")


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (refused_task, r"^task: 'hinge' is not known\. Use one of squared, cross_entropy, binary\. \[E305\]$"),
        (lambda: towers(direction="both").train_modality(1), r"^direction: 'both' aligns each to the other.*\[E305\]$"),
        (lambda: towers(direction="both").target(normal(0, 2, 6)), r"^direction: 'both' aligns each.*\[E305\]$"),
    ],
)
def test_what_cannot_be_is_refused(call: Callable[[], object], match: str) -> None:
    with pytest.raises(AlignscopeError, match=match):
        call()
