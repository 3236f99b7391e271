"""The two remedies of the theory in training, and alignment within a budget: formulas, gradients, limits."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from alignscope.errors import AlignscopeError
from alignscope.nn import RegressionAlignment
from alignscope.nn.encoders import LinearEncoder, MLPEncoder
from alignscope.nn.methods import (
    Batch,
    BudgetedAlignment,
    CrossSelf,
    PredictionFirst,
    SupervisedAlignment,
    TargetRemedy,
)
from alignscope.nn.methods.remedies import usable_part
from alignscope.nn.objectives import gauge_target
from method_helpers import ONE_COLUMN, WIDTHS, a_batch, backward, built, linear, normal, started, trained
from strategies import seeds

# The target remedy


def usable_twin(target: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Least squares with the ridge as extra rows, column by column."""
    o, t = outputs - outputs.mean(0), target - target.mean(0)
    ridge = 1e-3 * np.mean([float(c @ c) for c in o.T])
    a = np.vstack([o, math.sqrt(ridge) * np.eye(o.shape[1])])
    columns = []
    for column in t.T:
        solved = np.linalg.lstsq(a, np.concatenate([column, np.zeros(o.shape[1])]), rcond=None)[0]
        columns.append(o @ solved)
    return np.stack(columns, axis=1)


@given(seeds, st.integers(3, 30), st.integers(1, 4), st.integers(1, 5))
def test_the_usable_part_is_a_projection(seed: int, n: int, k: int, c: int) -> None:
    target, outputs = normal(seed, n, k).double() + 2, normal(seed + 1, n, c).double() * 3 - 1
    found = usable_part(target, outputs)
    np.testing.assert_allclose(found, usable_twin(target.numpy(), outputs.numpy()), atol=1e-8)
    assert found.square().sum() <= (target - target.mean(0)).square().sum() + 1e-9
    wide = usable_part(target, normal(seed, 3, c).double().repeat(n, 1)[:n])
    assert wide.isfinite().all()


def test_the_usable_part_is_idempotent_up_to_the_ridge_and_ignores_absent_rows() -> None:
    target, outputs = normal(0, 40, 3), normal(1, 40, 2)
    once = usable_part(target, outputs)
    torch.testing.assert_close(usable_part(once, outputs), once, rtol=3e-3, atol=1e-4)
    torch.testing.assert_close(usable_part(outputs, outputs), outputs - outputs.mean(0), rtol=3e-3, atol=3e-3)
    present = torch.arange(40) % 4 != 0
    spoilt = [torch.where(present[:, None], x, torch.nan) for x in (target, outputs)]
    found = usable_part(*spoilt, present)
    torch.testing.assert_close(found[present], usable_part(target[present], outputs[present]))
    assert not found[~present].any()


@pytest.mark.parametrize("outputs", [torch.full((5, 2), 3.0), torch.zeros(5, 2)])
def test_constant_outputs_reach_nothing(outputs: Tensor) -> None:
    assert not usable_part(normal(0, 5, 3), outputs).any()
    assert not usable_part(normal(0, 1, 3), normal(1, 1, 2)).any()
    assert not usable_part(normal(0, 5, 3), outputs, torch.zeros(5, dtype=torch.bool)).any()


def test_a_divergence_of_the_outputs_stays_visible_in_the_usable_part() -> None:
    assert usable_part(normal(0, 5, 3), torch.full((5, 2), torch.nan)).isnan().all()


def test_no_gradient_of_the_usable_part_reaches_the_outputs() -> None:
    target, outputs = normal(0, 9, 3).requires_grad_(), normal(1, 9, 2).requires_grad_()
    usable_part(target, outputs).square().sum().backward()
    assert target.grad.any()
    assert outputs.grad is None


def test_the_target_remedy_equals_its_formula() -> None:
    method, batch = (
        started(TargetRemedy(linear(3, 6), classes=[ONE_COLUMN] * 3, alignment_weight=0.7), 2),
        a_batch(15, 3),
    )
    embeddings = method.embeddings(batch.views[0])
    labels = batch.labels
    columns = np.hstack([np.eye(3)[labels["shape"].numpy()], labels["size"].numpy()])
    terms = []
    for align, (i, j) in zip(method.alignments, combinations(range(3), 2), strict=True):
        reached = usable_twin(gauge_target(embeddings[j], "whitened").detach().numpy(), columns)
        predicted = (embeddings[i] @ align.q12.weight.T + align.q12.bias).detach().numpy()
        terms.append(sum(float(np.sum((p - t) ** 2)) for p, t in zip(predicted, reached, strict=True)) / 15)
    prediction, alignment = method.losses(batch)
    assert alignment.item() == pytest.approx(np.mean(terms), rel=1e-4)
    paper = started(SupervisedAlignment(linear(3, 6), classes=[ONE_COLUMN] * 3), 2)
    torch.testing.assert_close(prediction, paper.losses(batch)[0])
    torch.testing.assert_close(method.loss(batch), prediction + 0.7 * alignment)


def test_only_the_modality_that_learns_is_aligned_by_the_target_remedy() -> None:
    method, batch = started(TargetRemedy(linear(2, 6), classes=[ONE_COLUMN] * 2)), a_batch(15)
    method.losses(batch)[1].backward()
    assert method.encoders[0].projection.weight.grad.any()
    assert method.encoders[1].projection.weight.grad is None


@pytest.mark.parametrize("kind", [TargetRemedy, PredictionFirst, SupervisedAlignment])
def test_labels_of_absent_samples_may_be_anything_and_embeddings_of_any_width(kind: type[SupervisedAlignment]) -> None:
    present = (torch.arange(15) % 4 != 0)[:, None].expand(-1, 2)
    batch = a_batch(15, present=present)
    rest = {key: y[present[:, 0]] for key, y in batch.labels.items()}
    batch.labels["shape"][::4] = torch.tensor([-1, 99, 3, -7])
    batch.labels["size"][::4] = torch.nan
    batch.labels["shape"] = batch.labels["shape"].int()
    method = started(kind(linear(2, 6), classes=[ONE_COLUMN] * 2))
    expected = method.loss(Batch(tuple(tuple(x[present[:, 0]] for x in xs) for xs in batch.views), rest))
    torch.testing.assert_close(method.loss(batch), expected, rtol=1e-4, atol=1e-5)


def test_towards_takes_the_target_that_target_makes() -> None:
    align = RegressionAlignment(4, 3, gauge="whitened")
    z1, z2, present = normal(0, 9, 4), normal(1, 9, 3).requires_grad_(), torch.arange(9) != 3
    target = align.target(z2, present)
    assert torch.equal(target, gauge_target(z2, "whitened", present))
    torch.testing.assert_close(align.towards(z1, target, present), align(z1, z2, present))
    target.square()[:, 0].sum().backward()
    assert z2.grad is not None
    assert not align.target(z2.detach()).requires_grad


def supervised_data() -> tuple[Batch, list[dict[str, int]]]:
    """Modality 1 also sees the colour that modality 2 must tell: with K = 2, to align to it is to lose the texture."""
    n = 100
    factors = [normal(i, n, 1) for i in range(4)]
    shape, texture, colour, own = ((f - f.mean()) / f.std(correction=0) for f in factors)
    mixing = [torch.linalg.qr(normal(9 + m, 6, 6))[0][:3] for m in range(2)]
    x1 = torch.cat([shape, texture, colour], 1) @ mixing[0] + 0.05 * normal(11, n, 6)
    x2 = torch.cat([shape, colour, own], 1) @ mixing[1] + 0.05 * normal(12, n, 6)
    labels = {"shape": shape, "texture": texture, "colour": colour}
    return Batch(((x1, x2),), labels), [{"shape": 1, "texture": 1}, {"shape": 1, "colour": 1}]


def task_loss_of(kind: type[SupervisedAlignment], alignment_weight: float, components: int = 2) -> float:
    batch, classes = supervised_data()
    encoders = [LinearEncoder(6, components) for _ in range(2)]
    method, _ = trained(
        kind(encoders, classes=classes, alignment_weight=alignment_weight), lambda step: batch, 150, 5e-2
    )
    return method.losses(batch)[0].item()


def test_the_target_remedy_costs_nothing_below_the_capacity_where_plain_alignment_does() -> None:
    free = task_loss_of(TargetRemedy, 0.0)
    assert free < 0.05
    assert task_loss_of(TargetRemedy, 5.0) < free + 0.02
    assert task_loss_of(SupervisedAlignment, 5.0) > free + 0.5


# Prediction first


def test_prediction_first_is_the_same_at_every_weight_to_the_last_bit() -> None:
    states = {}
    for alignment_weight in (0.0, 100.0):
        encoders = [MLPEncoder(w, 6, hidden=(8,)) for w in WIDTHS[:2]]
        method = PredictionFirst(encoders, classes=[ONE_COLUMN] * 2, alignment_weight=alignment_weight)
        trained(method, lambda step: a_batch(16), 12, 1e-2)
        states[alignment_weight] = method.state_dict()
    a = method.sizes[0]
    assert method.sizes == (3, 3), "two for three classes, one for a column"
    moved = []
    for key, value in states[0.0].items():
        other = states[100.0][key]
        if key.startswith("encoders") and "projection" in key:
            assert torch.equal(value[:a], other[:a]), key
            moved.append(not torch.equal(value[a:], other[a:]))
        elif key.startswith("alignments"):
            moved.append(not torch.equal(value, other))
        else:
            assert torch.equal(value, other), key
    assert any(moved)


def test_prediction_first_equals_its_formula() -> None:
    method, batch = (
        started(PredictionFirst(linear(2, 6), classes=[{"shape": 3}] * 2, alignment_weight=0.3), 1),
        a_batch(11),
    )
    embeddings = method.embeddings(batch.views[0])
    prediction = 0.0
    for z, readout in zip(embeddings, method.readouts, strict=True):
        head = readout.heads[0]
        outputs = z[:, :2] @ head.weight[:, :2].T + head.bias
        prediction = prediction + nn.functional.cross_entropy(outputs, batch.labels["shape"])
    found, alignment = method.losses(batch)
    torch.testing.assert_close(found, prediction)
    torch.testing.assert_close(alignment, method.alignments[0](*embeddings))
    torch.testing.assert_close(method.loss(batch), found + 0.3 * alignment)


@pytest.mark.parametrize(
    ("classes", "components", "size"),
    [({"shape": 10}, 16, 9), ({"shape": 10}, 4, 3), ({"a": 1, "b": 1}, 6, 2), ({"a": 2}, 2, 1), (ONE_COLUMN, 6, 3)],
)
def test_the_part_of_the_task_has_the_rank_of_its_targets(classes: dict, components: int, size: int) -> None:
    method = PredictionFirst(linear(2, components), classes=[classes] * 2)
    assert method.sizes == (size, size)


# The budgeted method


def test_the_weight_starts_after_its_share_of_the_steps_and_is_set_as_often_as_wanted() -> None:
    method = started(BudgetedAlignment(linear(2, 6), classes=[ONE_COLUMN] * 2, steps=50, alone=0.2, updates=8))
    calls, update = [], method.budget.update
    method.budget.update = lambda r2: calls.append((method.step, r2)) or update(r2)
    batch, weights = a_batch(64), []
    for _ in range(50):
        method.loss(batch)
        weights.append(method.budget.weight)
        method.after_step()
    assert weights[:10] == [0.0] * 10
    assert weights[10] == 0.1
    assert [step for step, _ in calls] == list(range(10, 51, 5)), "the reference, then eight"
    names = {"shape from 1", "size from 1", "shape from 2", "size from 2"}
    assert all(r2.keys() == names for _, r2 in calls)
    assert method.budget.reference == calls[0][1]


def test_the_budgeted_loss_is_cross_and_self_at_the_weight() -> None:
    method, batch = built("budget", components=6), a_batch(20)
    weight = method.budget.weight
    twin = started(CrossSelf(linear(2, 6), cross_weight=weight))
    torch.testing.assert_close(method.loss(batch), twin.loss(batch))
    twin.cross_weight = 0.0
    torch.testing.assert_close(built("budget, before", components=6).loss(batch), twin.loss(batch))


def test_labels_steer_the_weight_but_give_no_gradient() -> None:
    batch = a_batch(64)
    other = {**batch.labels, "shape": batch.labels["shape"].flip(0), "size": -2 * batch.labels["size"].flip(0)}
    results = [backward(built("budget", components=6), Batch(batch.views, labels)) for labels in (batch.labels, other)]
    assert torch.equal(results[0][0], results[1][0])
    for key, gradient in results[0][1].items():
        assert torch.equal(gradient, results[1][1][key]), key


def test_the_budgeted_method_is_deterministic_and_evaluating_is_not_watched() -> None:
    ends = []
    for _ in range(2):
        method = BudgetedAlignment(linear(2, 6), classes=[ONE_COLUMN] * 2, steps=20, alone=0.25, updates=3)
        trained(method, lambda step: a_batch(64), 20, 1e-2)
        ends.append((method.budget.weight, method.state_dict()["encoders.0.projection.weight"]))
    assert ends[0][0] == ends[1][0] != 0
    assert torch.equal(ends[0][1], ends[1][1])
    method.loss(a_batch(64))
    with pytest.raises(AlignscopeError, match=r"end_epoch\(\): no samples.*E205"):
        method.monitor.end_epoch()


def test_too_few_samples_for_a_figure_leave_the_weight_as_it_is() -> None:
    method = started(BudgetedAlignment(linear(2, 6), classes=[ONE_COLUMN] * 2, steps=3))
    method.loss(a_batch(4))
    method.after_step()
    assert method.budget.weight == 0 and method.step == 1


def test_a_checkpoint_of_the_budget_goes_on_where_it_was() -> None:
    method = started(BudgetedAlignment(linear(2, 6), classes=[ONE_COLUMN] * 2, steps=10, alone=0.3, updates=7))
    for _ in range(6):
        method.loss(a_batch(300))
        method.after_step()
    again = started(BudgetedAlignment(linear(2, 6), classes=[ONE_COLUMN] * 2, steps=10, alone=0.3, updates=7))
    again.load_state_dict(method.state_dict())
    assert again.step == 6
    assert again.budget.state_dict() == method.budget.state_dict()
    assert again.budget.weight == method.budget.weight
