"""The canonical split, the two remedies and the budgeted method: formulas, gradients, masks, limits, what they keep."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from alignscope.errors import AlignscopeError
from alignscope.nn import initialise
from alignscope.nn import methods as preserving
from alignscope.nn.alignment import RegressionAlignment
from alignscope.nn.encoders import ConvEncoder, Encoder, LinearEncoder, MLPEncoder
from alignscope.nn.methods import (
    Batch,
    BudgetedAlignment,
    CanonicalSplit,
    CrossSelf,
    Method,
    PredictionFirst,
    SupervisedAlignment,
    TargetRemedy,
)
from alignscope.nn.methods.remedies import usable_part
from alignscope.nn.objectives import cross_covariance
from alignscope.nn.whitening import gauge_target
from strategies import seeds

torch.set_num_threads(1)  # matrices here are small: threads only get in each other's way

WIDTHS = (6, 5, 7)
CLASSES = {"shape": 3, "size": 1}
"""Three classes, and a column of floats."""

Build = Callable[[list[Encoder]], Method]

METHODS: dict[str, Build] = {
    "canonical": CanonicalSplit,
    "canonical, embeddings side by side": lambda e: CanonicalSplit(e, products=False),
    "canonical, one block": lambda e: CanonicalSplit(e, blocks=1),
    "target remedy": lambda e: TargetRemedy(e, classes=[CLASSES] * len(e)),
    "prediction first": lambda e: PredictionFirst(e, classes=[CLASSES] * len(e)),
    "budget, before": lambda e: BudgetedAlignment(e, classes=[CLASSES] * len(e), steps=100),
    "budget": lambda e: in_force(BudgetedAlignment(e, classes=[CLASSES] * len(e), steps=100)),
}
every_method = pytest.mark.parametrize("name", METHODS)
both_sizes = pytest.mark.parametrize("modalities", [2, 3])


def in_force(method: BudgetedAlignment) -> BudgetedAlignment:
    """The method with a weight, as after its first steps."""
    method.budget.update(dict.fromkeys(method.monitored, 0.5))
    assert method.budget.weight > 0
    return method


def normal(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def linear(modalities: int = 2, components: int = 6) -> list[Encoder]:
    return [LinearEncoder(w, components) for w in WIDTHS[:modalities]]


def started(method: Method, seed: int = 0) -> Method:
    initialise(method, seed)
    return method


def built(name: str, modalities: int = 2, components: int = 6) -> Method:
    return started(METHODS[name](linear(modalities, components)))


def a_batch(n: int, modalities: int = 2, *, present: Tensor | None = None, same: bool = False) -> Batch:
    """Two views that share half of their variance; with `same`, one row again and again."""
    centre = [normal(m, n, w) for m, w in enumerate(WIDTHS[:modalities])]
    views = [[c + normal(10 + 10 * v + m, *c.shape) for m, c in enumerate(centre)] for v in range(2)]
    if same:
        views = [[x[:1].expand_as(x) for x in xs] for xs in views]
    rng = np.random.default_rng(5)
    labels = {"shape": torch.from_numpy(rng.integers(0, 3, n)), "size": normal(6, n, 1), "of nobody": normal(7, n, 2)}
    return Batch(tuple(tuple(xs) for xs in views), labels, present)


def backward(method: Method, batch: Batch) -> tuple[Tensor, dict[str, Tensor | None]]:
    method.zero_grad()
    torch.manual_seed(0)  # the canonical split draws its parts
    loss = method.loss(batch)
    loss.backward()
    return loss.detach(), {name: p.grad for name, p in method.named_parameters()}


def finite(gradients: dict[str, Tensor | None]) -> bool:
    return all(g is None or bool(g.isfinite().all()) for g in gradients.values())


# What every method owes


@both_sizes
@every_method
def test_the_loss_is_a_finite_scalar_and_reaches_every_encoder(name: str, modalities: int) -> None:
    loss, gradients = backward(built(name, modalities), a_batch(24, modalities))
    assert loss.shape == ()
    assert loss.isfinite()
    assert finite(gradients)
    for m in range(modalities):
        assert gradients[f"encoders.{m}.projection.weight"].abs().max() > 1e-7


@both_sizes
@every_method
def test_the_joint_code_has_m_k_numbers(name: str, modalities: int) -> None:
    method = built(name, modalities)
    embeddings = method.embeddings(a_batch(5, modalities).views[0])
    assert method.fuse(embeddings).shape == (5, 6 * modalities)
    if modalities == 3:
        assert torch.equal(method.fuse(embeddings), torch.cat(embeddings, dim=1))


@pytest.mark.parametrize("n", [1, 2, 6])
@pytest.mark.parametrize("same", [False, True])
@every_method
def test_small_batches_and_identical_rows_are_defined(name: str, n: int, same: bool) -> None:
    loss, gradients = backward(built(name), a_batch(n, same=same))
    assert loss.isfinite()
    assert finite(gradients)


@pytest.mark.parametrize("kind", [lambda w: LinearEncoder(w, 6), lambda w: MLPEncoder(w, 6, hidden=(8,))])
@both_sizes
@every_method
def test_what_absent_rows_hold_has_no_influence(name: str, modalities: int, kind: Callable[[int], Encoder]) -> None:
    """Neither on the value nor on gradients, running statistics and figures of the monitor."""
    present = torch.from_numpy(np.random.default_rng(0).random((20, modalities)) < 0.7)
    results = []
    for filler in (0.0, torch.nan):
        method = started(METHODS[name]([kind(w) for w in WIDTHS[:modalities]]))
        batch = a_batch(20, modalities, present=present)
        for xs in batch.views:
            for m, x in enumerate(xs):
                x[~present[:, m]] = filler
        found = backward(method, batch)
        results.append((*found, {key: v for key, v in method.state_dict().items() if isinstance(v, Tensor)}))
        if isinstance(method, BudgetedAlignment):
            results[-1] += (method.monitor.end_epoch().r2,)
    (loss, gradients, state, *figures), (same, others, seen, *same_figures) = results
    assert loss.isfinite()
    assert torch.equal(same, loss)
    assert same_figures == figures
    for key, gradient in gradients.items():
        torch.testing.assert_close(others[key], gradient, rtol=0, atol=1e-6, msg=key)
    for key, value in state.items():
        assert value.isfinite().all(), key
        torch.testing.assert_close(seen[key], value, msg=key)


@every_method
def test_a_sample_that_no_modality_has_counts_for_nothing(name: str) -> None:
    present = torch.arange(14) % 3 != 0
    whole = a_batch(14, present=present[:, None].expand(-1, 2))
    labels = {key: y[present] for key, y in whole.labels.items()}
    rest = Batch(tuple(tuple(x[present] for x in xs) for xs in whole.views), labels)
    expected, _ = backward(built(name), rest)
    found, _ = backward(built(name), whole)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@every_method
def test_a_modality_absent_for_all_is_defined(name: str) -> None:
    batch = a_batch(12, present=torch.tensor([[False, True]]).expand(12, -1))
    for xs in batch.views:
        xs[0][:] = torch.nan
    loss, gradients = backward(built(name), batch)
    assert loss.isfinite()
    assert finite(gradients)
    absent = gradients["encoders.0.projection.weight"]
    assert absent is None or not absent.any()
    assert gradients["encoders.1.projection.weight"].any()


@every_method
def test_nothing_present_is_exactly_nothing(name: str) -> None:
    batch = a_batch(12, present=torch.zeros(12, 2, dtype=torch.bool))
    for xs in batch.views:
        for x in xs:
            x[:] = torch.nan
    loss, gradients = backward(built(name), batch)
    assert loss == 0
    assert all(g is None or not g.any() for g in gradients.values())


@every_method
def test_a_divergence_stays_visible(name: str) -> None:
    batch = a_batch(12)
    for xs in batch.views:
        xs[1][3] = torch.nan
    assert built(name).loss(batch).isnan()


@pytest.mark.parametrize("name", [n for n in METHODS if built(n).views == 2])
def test_a_missing_view_is_refused(name: str) -> None:
    batch = a_batch(8)
    with pytest.raises(AlignscopeError, match=r"views: 1\. .* needs 2\. \[E201\]"):
        built(name).loss(Batch(batch.views[:1], batch.labels))


@pytest.mark.parametrize("name", [n for n in METHODS if built(n).supervision != "none"])
def test_a_target_without_labels_is_refused(name: str) -> None:
    batch = a_batch(8)
    for labels in (None, {"size": batch.labels["size"]}):
        with pytest.raises(AlignscopeError, match=r"labels of 'shape': not among those of the batch.*Add them.*E305"):
            built(name).loss(Batch(batch.views, labels))


def budgeted(**settings: object) -> Callable[[], Method]:
    return lambda: BudgetedAlignment(linear(), **({"classes": [CLASSES] * 2, "steps": 9} | settings))


def canonical(components: int = 6, **settings: object) -> Callable[[], Method]:
    return lambda: CanonicalSplit(linear(2, components), **settings)


BAD = [
    (lambda: CanonicalSplit(linear(1)), r"encoders: 1\. .*two modalities or more.*E201"),
    (lambda: CanonicalSplit([LinearEncoder(6, 4), LinearEncoder(5, 3)]), r"latent sizes \[3, 4\].*the same.*E201"),
    (canonical(1), r"components: 1\. .*split in two needs at least 2.*E301"),
    (canonical(2), r"blocks: 2\. .*\[1, 1\].*E304"),
    (canonical(shared=0.0), r"shared: 0\.0.*\(0, 1\).*E304"),
    (canonical(shared=1.0), r"shared: 1\.0.*\(0, 1\).*E304"),
    (canonical(blocks=0), r"blocks: 0\. .*\[1, 4\].*E304"),
    (canonical(blocks=5), r"blocks: 5\. .*\[1, 4\].*E304"),
    (canonical(keep=1.1), r"keep: 1\.1.*\[0, 1\].*E304"),
    (canonical(keep=-0.1), r"keep: -0\.1.*E304"),
    (canonical(align_weight=-1.0), r"align_weight: -1\.0.*E304"),
    (canonical(whole_weight=math.inf), r"whole_weight: inf.*E304"),
    (canonical(independence_weight=math.nan), r"independence_weight: nan.*E304"),
    (canonical(align_temperature=0.0), r"align_temperature: 0\.0.*\(0, inf\).*E304"),
    (canonical(temperature=0.0), r"^temperature: 0\.0.*\(0, inf\).*E304"),
    (lambda: TargetRemedy(linear(1), classes=[CLASSES]), r"encoders: 1\. .*E201"),
    (lambda: TargetRemedy(linear(), classes=[CLASSES]), r"classes: 1 for 2 modalities.*E201"),
    (lambda: TargetRemedy(linear(), classes=[CLASSES] * 2, alignment_weight=-1.0), r"alignment_weight: -1\.0.*E304"),
    (lambda: TargetRemedy(linear(), classes=[CLASSES] * 2, gauge="free"), r"gauge: 'free'.*whitened.*E305"),
    (lambda: TargetRemedy(linear(), classes=[{}] * 2), r"classes: \{\}.*E304"),
    (lambda: PredictionFirst(linear(1), classes=[CLASSES]), r"encoders: 1\. .*E201"),
    (lambda: PredictionFirst(linear(2, 1), classes=[CLASSES] * 2), r"components: 1\. .*at least 2.*E301"),
    (lambda: PredictionFirst(linear(), classes=[CLASSES] * 3), r"classes: 3 for 2 modalities.*E201"),
    (
        lambda: PredictionFirst(linear(), classes=[CLASSES] * 2, alignment_weight=math.inf),
        r"alignment_weight: inf.*E304",
    ),
    (lambda: PredictionFirst(linear(), classes=[CLASSES] * 2, gauge="free"), r"gauge: 'free'.*E305"),
    (lambda: BudgetedAlignment(linear(1), classes=[CLASSES], steps=9), r"encoders: 1\. .*E201"),
    (budgeted(classes=[CLASSES]), r"classes: 1 for 2 modalities.*E201"),
    (budgeted(classes=[{}, {}]), r"classes: no target.*E304"),
    (budgeted(classes=[{"shape": 0}, {}]), r"shape: 0\. .*at least 1.*E304"),
    (budgeted(steps=0), r"steps: 0\. .*\[1, inf\].*E304"),
    (budgeted(epsilon=1.0), r"epsilon: 1\. .*E304"),
    (budgeted(alone=0.0), r"alone: 0\.0.*\(0, 1\).*E304"),
    (budgeted(updates=0), r"updates: 0\. .*\[1, inf\].*E304"),
    (budgeted(temperature=0.0), r"temperature: 0\.0.*\(0, inf\).*E304"),
    (lambda: CrossSelf(linear(1), products=True), r"encoders: 1\. .*E201"),
]


@pytest.mark.parametrize(("call", "match"), BAD)
def test_bad_settings_are_refused(call: Callable[[], Method], match: str) -> None:
    with pytest.raises(AlignscopeError, match=match):
        call()


# Patches


class Places(Encoder):
    """Takes the features of P patches as they are, (N, P, F)."""

    def __init__(self, n_features: int, components: int) -> None:
        super().__init__(nn.Identity(), n_features, components)

    def features(self, x: Tensor) -> Tensor:
        return self.tokens(x).mean(1)

    def tokens(self, x: Tensor) -> Tensor:
        return x


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("encoder", "shape", "patches"),
    [
        (ConvEncoder(3, 4), (3, 64, 64), 16),
        (ConvEncoder(1, 4, widths=(5,), patch=3), (1, 10, 7), 6),
        (ConvEncoder(2, 4, widths=(5, 6), patch=4), (2, 4, 4), 1),
        (MLPEncoder(12, 4, hidden=(5, 6)), (12,), 1),
        (MLPEncoder(12, 4, hidden=(5,)), (3, 4), 1),
        (LinearEncoder(12, 4), (2, 6), 1),
    ],
)
def test_the_mean_over_places_is_the_features(
    encoder: Encoder, shape: tuple[int, ...], patches: int, training: bool
) -> None:
    initialise(encoder.train(training), 0)
    x = normal(0, 5, *shape)
    tokens = encoder.tokens(x)
    assert tokens.shape == (5, patches, encoder.n_features)
    torch.testing.assert_close(tokens.mean(1), encoder.features(x))
    torch.testing.assert_close(encoder.project(tokens).mean(1), encoder(x))


def test_places_are_in_the_order_of_the_picture() -> None:
    encoder = ConvEncoder(1, 4, widths=(3,), patch=2).eval()
    x = torch.zeros(1, 1, 4, 6)
    x[0, 0, 2, 3] = 1.0  # second row, second column of patches
    found = (encoder.tokens(x) - encoder.tokens(torch.zeros_like(x))).abs().sum(-1)[0]
    assert found.nonzero().flatten().tolist() == [4]
    with pytest.raises(AlignscopeError, match=r"ConvEncoder: an input of shape \(1, 2, 4, 6\).*E201"):
        encoder.tokens(torch.zeros(1, 2, 4, 6))


def parts(patches: int, keep: float, n: int = 40) -> list[Tensor]:
    """The share (N, P) of each place in the part of each view."""
    encoder = Places(patches, patches)
    with torch.no_grad():
        encoder.projection.weight.copy_(torch.eye(patches))
        encoder.projection.bias.zero_()
    method = CanonicalSplit([encoder, Places(patches, patches)], keep=keep, blocks=1)
    return [p.detach() for p in method._parts(encoder, torch.eye(patches).expand(2 * n, -1, -1))]


@given(st.integers(1, 10).map(lambda k: 2 * k))
def test_at_one_half_the_parts_of_the_views_share_no_place_and_leave_none_out(patches: int) -> None:
    one, two = parts(patches, 0.5)
    assert not (one * two).any()
    torch.testing.assert_close((one + two) / 2, torch.full_like(one, 1 / patches))


@given(st.integers(2, 9), st.floats(0, 1))
def test_a_part_is_a_mean_over_places(patches: int, keep: float) -> None:
    kept = max(1, round(keep * patches))
    for part in parts(patches, keep):
        torch.testing.assert_close(part.sum(1), torch.ones(len(part)))
        assert ((part > 0).sum(1) == kept).all()
    one, two = parts(patches, keep)
    assert ((one * two > 0).sum(1) == max(0, 2 * kept - patches)).all()


def test_parts_are_drawn_anew_and_from_the_seed() -> None:
    torch.manual_seed(0)
    first, second = parts(8, 0.5)[0], parts(8, 0.5)[0]
    torch.manual_seed(0)
    assert torch.equal(parts(8, 0.5)[0], first)
    assert not torch.equal(first, second)
    assert len(first.unique(dim=0)) > 20, "every sample has its own"


# The canonical split, against its formula


def contrast(logits: np.ndarray) -> float:
    """The cross-entropy of the diagonal, the mean over rows and columns; nothing to tell below two samples."""
    total = 0.0
    for i in range(len(logits)):
        for line in (logits[i], logits[:, i]):
            total += math.log(sum(math.exp(v) for v in line)) - line[i]
    return total / (2 * len(logits)) if len(logits) > 1 else 0.0


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    table = np.zeros((len(a), len(b)))
    for i, x in enumerate(a):
        for k, y in enumerate(b):
            table[i, k] = x @ y / math.sqrt((x @ x) * (y @ y))
    return table


def canonical_twin(
    method: CanonicalSplit, batch: Batch, embeddings: list[list[np.ndarray]], part: list | None = None
) -> float:
    """The loss by loops over samples, blocks, views and modalities; embeddings[v][m] and part[v][m] are (N, K)."""
    s, tau, n_modalities = method.shared, method.temperature, len(embeddings[0])
    part = part or embeddings
    n = len(embeddings[0][0])
    there = np.ones((n, n_modalities), bool) if batch.present is None else batch.present.numpy()
    align = []
    for zs in embeddings:
        for i, j in combinations(range(n_modalities), 2):
            rows = there[:, i] & there[:, j]
            align.append(contrast(cosines(zs[i][rows, :s], zs[j][rows, :s]) / method.align_temperature))
    total = method.align_weight * float(np.mean(align))
    for m in range(n_modalities):
        rows = there[:, m]
        one, two = embeddings[0][m][rows], embeddings[1][m][rows]
        known = cosines(one[:, :s], two[:, :s]) / method.align_temperature
        total += method.whole_weight * contrast(known + cosines(one[:, s:], two[:, s:]) / tau)
        blocks = np.array_split(np.arange(s, one.shape[1]), method.blocks)
        for b in range(method.blocks):
            logits = known.copy()
            for earlier in blocks[: b + 1]:
                logits += cosines(part[0][m][rows][:, earlier], part[1][m][rows][:, earlier]) / tau
            total += contrast(logits)
        squares = [
            np.corrcoef(z[:, a], z[:, c])[0, 1] ** 2 for z in (one, two) for a in range(s) for c in range(s, z.shape[1])
        ]
        total += method.independence_weight * float(np.mean(squares))
    return total


def plain_embeddings(method: Method, batch: Batch) -> list[list[np.ndarray]]:
    return [[e(x).detach().double().numpy() for e, x in zip(method.encoders, xs, strict=True)] for xs in batch.views]


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize(
    ("modalities", "components", "settings"),
    [
        (2, 6, {}),
        (3, 7, {"blocks": 3, "shared": 0.3}),
        (2, 2, {"blocks": 1}),
        (
            2,
            5,
            {
                "shared": 0.6,
                "align_weight": 0.7,
                "whole_weight": 0.3,
                "independence_weight": 4.0,
                "align_temperature": 0.5,
                "temperature": 0.3,
            },
        ),
    ],
)
def test_the_canonical_split_equals_its_formula(
    modalities: int, components: int, settings: dict, missing: bool
) -> None:
    present = torch.from_numpy(np.random.default_rng(1).random((9, modalities)) < 0.8) if missing else None
    method = started(CanonicalSplit(linear(modalities, components), **settings), 3)
    batch = a_batch(9, modalities, present=present)
    expected = canonical_twin(method, batch, plain_embeddings(method, batch))
    assert method.loss(batch).item() == pytest.approx(expected, rel=1e-4)


def test_parts_enter_the_blocks_and_nothing_else() -> None:
    """With one place kept of two, the parts are the patches themselves."""
    method = started(CanonicalSplit([Places(4, 6), Places(4, 6)], keep=0.5), 1)
    views = tuple(tuple(normal(10 * v + m, 7, 2, 4) for m in range(2)) for v in range(2))
    torch.manual_seed(4)
    found = method.loss(Batch(views)).item()
    torch.manual_seed(4)
    part: list[list[np.ndarray]] = [[], []]
    for m, encoder in enumerate(method.encoders):
        order = torch.rand(7, 2).argsort(1)
        for v, place in enumerate((order[:, 0], order[:, 1])):
            part[v].append(encoder.project(views[v][m][torch.arange(7), place]).detach().double().numpy())
    expected = canonical_twin(method, Batch(views), plain_embeddings(method, Batch(views)), part)
    assert found == pytest.approx(expected, rel=1e-4)
    method.keep = 1.0
    assert method.loss(Batch(views)).item() != pytest.approx(found, rel=1e-3)


def rows_of(settings: dict) -> tuple[Tensor, Tensor]:
    """The gradient of the projection of modality 1, its shared and its private rows."""
    method = started(CanonicalSplit(linear(), **settings))
    _, gradients = backward(method, a_batch(20))
    grad = gradients["encoders.0.projection.weight"]
    return grad[: method.shared], grad[method.shared :]


def test_the_complement_and_the_independence_leave_s_alone_and_the_alignment_leaves_p_alone() -> None:
    shared, private = rows_of({"align_weight": 0.0, "independence_weight": 9.0})
    assert not shared.any()
    assert private.any()
    aligned, same = rows_of({"align_weight": 5.0, "independence_weight": 9.0})
    assert aligned.any()
    assert torch.equal(same, private)
    _, other = rows_of({"align_weight": 5.0, "independence_weight": 0.0})
    assert not torch.equal(other, private)


def test_a_block_is_given_those_before_it_without_pulling_them() -> None:
    """The first block's gradient is the same with and without a second."""
    grads = []
    for blocks in (1, 2):
        method = started(CanonicalSplit(linear(2, 6), shared=0.3, blocks=blocks, whole_weight=0.0))
        with torch.no_grad():
            for encoder in method.encoders:
                encoder.projection.weight[4:] = 0.0  # of two dimensions each; the second says nothing
        _, gradients = backward(method, a_batch(16))
        grads.append(gradients["encoders.0.projection.weight"])
    assert method.blocks == 2
    torch.testing.assert_close(grads[0][:4], grads[1][:4])
    assert grads[0][2:4].any()


def test_the_joint_code_holds_the_mean_the_private_parts_and_the_products() -> None:
    method = started(CanonicalSplit(linear()))
    for seed in range(3):
        batch = a_batch(30)
        method.loss(Batch(tuple(tuple(x + normal(seed, *x.shape) for x in xs) for xs in batch.views)))
    embeddings = [z.detach() for z in method.embeddings(batch.views[0])]
    joint = method.fuse(embeddings)
    scaled = [
        (z[:, :2] - scale.running_mean) / (scale.running_var + scale.eps).sqrt()
        for z, scale in zip(embeddings, method.scales, strict=True)
    ]
    torch.testing.assert_close(joint[:, :2], (scaled[0] + scaled[1]) / 2)
    assert torch.equal(joint[:, 2:10], torch.cat([z[:, 2:] for z in embeddings], dim=1))
    for n in range(30):
        u, v = (z[n, :2] / z[n, :2].norm() for z in embeddings)
        torch.testing.assert_close(joint[n, 10:], u * v)
    assert torch.equal(joint, method.eval().fuse(embeddings)), "the mode changes nothing"
    torch.testing.assert_close(method.train().fuse([z[:1] for z in embeddings]), joint[:1])


def test_reading_the_joint_code_and_evaluating_leave_the_scales_alone() -> None:
    method, batch = started(CanonicalSplit(linear())), a_batch(12)
    method.loss(batch)
    before = {key: value.clone() for key, value in method.state_dict().items()}
    method.fuse(method.embeddings(batch.views[0]))
    method.eval().loss(batch)
    for key, value in method.state_dict().items():
        assert torch.equal(value, before[key]), key
    method.train().loss(batch)
    assert not torch.equal(method.scales[0].running_mean, before["scales.0.running_mean"])


def test_cross_self_with_products() -> None:
    method, batch = started(CrossSelf(linear(), products=True)), a_batch(9)
    embeddings = method.embeddings(batch.views[0])
    joint = method.fuse(embeddings)
    for n in range(9):
        u, v = (z[n] / z[n].norm() for z in embeddings)
        torch.testing.assert_close(joint[n], torch.cat([(embeddings[0][n] + embeddings[1][n]) / 2, u * v]))
    three = started(CrossSelf(linear(3), products=True))
    embeddings = three.embeddings(a_batch(4, 3).views[0])
    assert torch.equal(three.fuse(embeddings), torch.cat(embeddings, dim=1))


# What the canonical split learns


def factor_sample(n: int, seed: int) -> tuple[Tensor, list[Tensor], tuple[tuple[Tensor, ...], ...]]:
    """Factors (N, 6), two shared and two of each modality; their noisy mixtures, and two views of those."""
    factors = normal(seed, n, 6)
    mixing = [torch.linalg.qr(normal(50 + m, 12, 12))[0][:4] for m in range(2)]
    own = ([0, 1, 2, 3], [0, 1, 4, 5])
    clean = [factors[:, own[m]] @ mixing[m] + 0.3 * normal(seed + 1 + m, n, 12) for m in range(2)]
    views = tuple(tuple(x + 0.3 * normal(seed + 10 * v + m + 3, n, 12) for m, x in enumerate(clean)) for v in range(2))
    return factors, clean, views


def trained(method: Method, batches: Callable[[int], Batch], steps: int, rate: float) -> Method:
    initialise(method, 0)
    torch.manual_seed(0)
    optimiser = torch.optim.Adam(method.parameters(), lr=rate)
    for step in range(steps):
        loss = method.loss(batches(step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        method.after_step()
    return method.eval()


def held_out(z: Tensor, y: Tensor) -> np.ndarray:
    """R^2 of each column of y from a linear map of z, fitted on the first half, scored on the second."""
    n = len(z) // 2
    x = np.hstack([z.numpy(), np.ones((len(z), 1))]).astype(np.float64)
    left = y[n:].numpy() - x[n:] @ np.linalg.lstsq(x[:n], y[:n].numpy().astype(np.float64), rcond=None)[0]
    return 1 - left.var(axis=0) / y[n:].numpy().var(axis=0)


def test_on_linear_factors_everything_is_kept_and_an_enforced_independence_parts_it() -> None:
    factors, clean, _ = factor_sample(2000, 7)
    ceiling = held_out(torch.cat(clean, dim=1), factors)
    apart = {}
    for weight in (0.0, 30.0):
        method = CanonicalSplit([LinearEncoder(12, 6) for _ in range(2)], independence_weight=weight)
        trained(method, lambda step: Batch(factor_sample(64, 100 * step + 1000)[2]), 100, 2e-2)
        with torch.no_grad():
            embeddings = method.embeddings(clean)
            joint = method.fuse(embeddings)
        assert (held_out(joint, factors) > ceiling - 0.02).all()
        shared, private = embeddings[0][:, :2], embeddings[0][:, 2:]
        assert held_out(shared, factors[:, 2:4]).max() < 0.05, "what one modality knows alone is not in s"
        assert held_out(shared, factors[:, :2]).min() > 0.85
        assert held_out(private, factors[:, 2:4]).min() > 0.85
        apart[weight] = (cross_covariance(private, shared).item(), held_out(private, factors[:, :2]).max())
    assert apart[30.0][0] < 0.02 < 0.05 < apart[0.0][0]
    assert apart[30.0][1] < 0.5 < apart[0.0][1]


def one_hot(embeddings: np.ndarray, rng: np.random.Generator) -> Tensor:
    noise = 0.2 * rng.normal(size=(len(embeddings), 4))
    return nn.functional.one_hot(torch.from_numpy(embeddings), 4).float() + torch.from_numpy(noise.astype(np.float32))


def test_the_products_tell_which_pairs_fit() -> None:
    """Trained on pairs of a fixed mapping only, asked of any pair whether it is one of them."""
    mapping = np.array([2, 0, 3, 1])
    draw = np.random.default_rng(0)

    def fitting(step: int) -> Batch:
        a = draw.integers(0, 4, 64)
        return Batch(tuple((one_hot(a, draw), one_hot(mapping[a], draw)) for _ in range(2)))

    method = trained(CanonicalSplit([LinearEncoder(4, 8) for _ in range(2)], shared=0.5), fitting, 100, 1e-2)
    rng = np.random.default_rng(1)
    a, fits = rng.integers(0, 4, 2000), rng.random(2000) < 0.5
    b = np.where(fits, mapping[a], (mapping[a] + rng.integers(1, 4, 2000)) % 4)
    xs, target = [one_hot(a, rng), one_hot(b, rng)], torch.from_numpy(2.0 * fits - 1)[:, None]
    with torch.no_grad():
        embeddings = method.embeddings(xs)
        joints = {"products": method.fuse(embeddings), "side by side": torch.cat(embeddings, dim=1)}
    right = {}
    for name, joint in joints.items():
        x = torch.cat([joint, torch.ones(2000, 1)], dim=1).double()
        found = x[1000:] @ torch.linalg.lstsq(x[:1000], target[:1000]).solution
        right[name] = ((found > 0) == (target[1000:] > 0)).double().mean().item()
    assert right["products"] > 0.9
    assert 0.43 < right["side by side"] < 0.57, "at chance"


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
    method, batch = started(TargetRemedy(linear(3), classes=[CLASSES] * 3, alignment_weight=0.7), 2), a_batch(15, 3)
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
    paper = started(SupervisedAlignment(linear(3), classes=[CLASSES] * 3), 2)
    torch.testing.assert_close(prediction, paper.losses(batch)[0])
    torch.testing.assert_close(method.loss(batch), prediction + 0.7 * alignment)


def test_only_the_modality_that_learns_is_pulled_by_the_target_remedy() -> None:
    method, batch = started(TargetRemedy(linear(), classes=[CLASSES] * 2)), a_batch(15)
    method.losses(batch)[1].backward()
    assert method.encoders[0].projection.weight.grad.any()
    assert method.encoders[1].projection.weight.grad is None


@pytest.mark.parametrize("kind", [TargetRemedy, PredictionFirst, SupervisedAlignment])
def test_labels_of_absent_samples_may_be_anything_and_codes_of_any_width(kind: type[SupervisedAlignment]) -> None:
    present = (torch.arange(15) % 4 != 0)[:, None].expand(-1, 2)
    batch = a_batch(15, present=present)
    rest = {key: y[present[:, 0]] for key, y in batch.labels.items()}
    batch.labels["shape"][::4] = torch.tensor([-1, 99, 3, -7])
    batch.labels["size"][::4] = torch.nan
    batch.labels["shape"] = batch.labels["shape"].int()
    method = started(kind(linear(), classes=[CLASSES] * 2))
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
    method = trained(kind(encoders, classes=classes, alignment_weight=alignment_weight), lambda step: batch, 150, 5e-2)
    return method.losses(batch)[0].item()


def test_the_target_remedy_costs_nothing_below_the_capacity_where_plain_alignment_does() -> None:
    free = task_loss_of(TargetRemedy, 0.0)
    assert free < 0.05
    assert task_loss_of(TargetRemedy, 5.0) < free + 0.02
    assert task_loss_of(SupervisedAlignment, 5.0) > free + 0.5


# Prediction first


def test_prediction_first_is_the_same_at_every_strength_to_the_last_bit() -> None:
    states = {}
    for alignment_weight in (0.0, 100.0):
        encoders = [MLPEncoder(w, 6, hidden=(8,)) for w in WIDTHS[:2]]
        method = PredictionFirst(encoders, classes=[CLASSES] * 2, alignment_weight=alignment_weight)
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
    method, batch = started(PredictionFirst(linear(), classes=[{"shape": 3}] * 2, alignment_weight=0.3), 1), a_batch(11)
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
    [({"shape": 10}, 16, 9), ({"shape": 10}, 4, 3), ({"a": 1, "b": 1}, 6, 2), ({"a": 2}, 2, 1), (CLASSES, 6, 3)],
)
def test_the_part_of_the_task_has_the_rank_of_its_targets(classes: dict, components: int, size: int) -> None:
    method = PredictionFirst(linear(2, components), classes=[classes] * 2)
    assert method.sizes == (size, size)


# The budgeted method


def test_the_weight_starts_after_its_share_of_the_steps_and_is_set_as_often_as_asked() -> None:
    method = started(BudgetedAlignment(linear(), classes=[CLASSES] * 2, steps=50, alone=0.2, updates=8))
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
    method, batch = built("budget"), a_batch(20)
    weight = method.budget.weight
    twin = started(CrossSelf(linear(), cross_weight=weight))
    torch.testing.assert_close(method.loss(batch), twin.loss(batch))
    twin.cross_weight = 0.0
    torch.testing.assert_close(built("budget, before").loss(batch), twin.loss(batch))


def test_labels_steer_the_weight_but_give_no_gradient() -> None:
    batch = a_batch(64)
    other = {**batch.labels, "shape": batch.labels["shape"].flip(0), "size": -2 * batch.labels["size"].flip(0)}
    results = [backward(built("budget"), Batch(batch.views, labels)) for labels in (batch.labels, other)]
    assert torch.equal(results[0][0], results[1][0])
    for key, gradient in results[0][1].items():
        assert torch.equal(gradient, results[1][1][key]), key


def test_the_budgeted_method_is_deterministic_and_evaluating_is_not_watched() -> None:
    ends = []
    for _ in range(2):
        method = BudgetedAlignment(linear(), classes=[CLASSES] * 2, steps=20, alone=0.25, updates=3)
        trained(method, lambda step: a_batch(64), 20, 1e-2)
        ends.append((method.budget.weight, method.state_dict()["encoders.0.projection.weight"]))
    assert ends[0][0] == ends[1][0] != 0
    assert torch.equal(ends[0][1], ends[1][1])
    method.loss(a_batch(64))
    with pytest.raises(AlignscopeError, match=r"end_epoch\(\): no samples.*E205"):
        method.monitor.end_epoch()


def test_too_few_samples_for_a_figure_leave_the_strength_as_it_is() -> None:
    method = started(BudgetedAlignment(linear(), classes=[CLASSES] * 2, steps=3))
    method.loss(a_batch(4))
    method.after_step()
    assert method.budget.weight == 0 and method.step == 1


def test_a_checkpoint_of_the_budget_goes_on_where_it_was() -> None:
    method = started(BudgetedAlignment(linear(), classes=[CLASSES] * 2, steps=10, alone=0.3, updates=7))
    for _ in range(6):
        method.loss(a_batch(300))
        method.after_step()
    again = started(BudgetedAlignment(linear(), classes=[CLASSES] * 2, steps=10, alone=0.3, updates=7))
    again.load_state_dict(method.state_dict())
    assert again.step == 6
    assert again.budget.state_dict() == method.budget.state_dict()
    assert again.budget.weight == method.budget.weight


# The page of the documentation

PAGE = (Path(__file__).parents[1] / "docs" / "preserving.md").read_text(encoding="utf-8")


def test_the_code_of_the_page_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 3
    torch.manual_seed(0)
    loop, sizes, own = ({} for _ in blocks)
    for block, names in zip(blocks, (loop, sizes, own), strict=True):
        names["__name__"] = "docs"
        exec(block, names)
    assert loop["joint"].shape == (512, 32)
    assert sizes["found"].within == 3
    present = torch.from_numpy(np.random.default_rng(0).random((20, 2)) < 0.7)
    loss, gradients = backward(started(own["HalfAligned"](linear())), a_batch(20, present=present))
    assert loss > 0
    assert finite(gradients)


def test_the_page_names_every_method() -> None:
    kinds = [name for name in preserving.__all__ if isinstance(getattr(preserving, name), type)]
    methods = [name for name in kinds if issubclass(getattr(preserving, name), Method) and name != "Method"]
    assert len(methods) > 10
    assert [name for name in methods if f"`{name}`" not in PAGE] == []
