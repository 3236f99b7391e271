"""The canonical split: its parts of patches, its formula, and where its gradients go."""

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
from alignscope.nn import initialise
from alignscope.nn.encoders import ConvEncoder, Encoder, LinearEncoder, MLPEncoder
from alignscope.nn.methods import Batch, CanonicalSplit
from method_helpers import a_batch, backward, linear, normal, plain_embeddings, started


class Patches(Encoder):
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
def test_the_mean_over_patches_is_the_features(
    encoder: Encoder, shape: tuple[int, ...], patches: int, training: bool
) -> None:
    initialise(encoder.train(training), 0)
    x = normal(0, 5, *shape)
    tokens = encoder.tokens(x)
    assert tokens.shape == (5, patches, encoder.n_features)
    torch.testing.assert_close(tokens.mean(1), encoder.features(x))
    torch.testing.assert_close(encoder.project(tokens).mean(1), encoder(x))


def test_patches_are_in_the_order_of_the_picture() -> None:
    encoder = ConvEncoder(1, 4, widths=(3,), patch=2).eval()
    initialise(encoder, 0)  # at some starts no feature sees a single pixel
    x = torch.zeros(1, 1, 4, 6)
    x[0, 0, 2, 3] = 1.0  # second row, second column of patches
    found = (encoder.tokens(x) - encoder.tokens(torch.zeros_like(x))).abs().sum(-1)[0]
    assert found.nonzero().flatten().tolist() == [4]
    with pytest.raises(AlignscopeError, match=r"ConvEncoder: an input of shape \(1, 2, 4, 6\).*E201"):
        encoder.tokens(torch.zeros(1, 2, 4, 6))


def parts(patches: int, keep: float, n: int = 40) -> list[Tensor]:
    """The share (N, P) of each place in the part of each view."""
    encoder = Patches(patches, patches)
    with torch.no_grad():
        encoder.projection.weight.copy_(torch.eye(patches))
        encoder.projection.bias.zero_()
    method = CanonicalSplit([encoder, Patches(patches, patches)], keep=keep, blocks=1)
    return [p.detach() for p in method._parts(encoder, torch.eye(patches).expand(2 * n, -1, -1))]


@given(st.integers(1, 10).map(lambda k: 2 * k))
def test_at_one_half_the_parts_of_the_views_share_no_patch_and_leave_none_out(patches: int) -> None:
    one, two = parts(patches, 0.5)
    assert not (one * two).any()
    torch.testing.assert_close((one + two) / 2, torch.full_like(one, 1 / patches))


@given(st.integers(2, 9), st.floats(0, 1))
def test_a_part_is_a_mean_over_patches(patches: int, keep: float) -> None:
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


# The loss, against its formula


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


def as_arrays(method: CanonicalSplit, batch: Batch) -> list[list[np.ndarray]]:
    return [[z.numpy() for z in zs] for zs in plain_embeddings(method, batch)]


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
    expected = canonical_twin(method, batch, as_arrays(method, batch))
    assert method.loss(batch).item() == pytest.approx(expected, rel=1e-4)


def test_parts_enter_the_blocks_and_nothing_else() -> None:
    """With one place kept of two, the parts are the patches themselves."""
    method = started(CanonicalSplit([Patches(4, 6), Patches(4, 6)], keep=0.5), 1)
    views = tuple(tuple(normal(10 * v + m, 7, 2, 4) for m in range(2)) for v in range(2))
    torch.manual_seed(4)
    found = method.loss(Batch(views)).item()
    torch.manual_seed(4)
    part: list[list[np.ndarray]] = [[], []]
    for m, encoder in enumerate(method.encoders):
        order = torch.rand(7, 2).argsort(1)
        for v, place in enumerate((order[:, 0], order[:, 1])):
            part[v].append(encoder.project(views[v][m][torch.arange(7), place]).detach().double().numpy())
    expected = canonical_twin(method, Batch(views), as_arrays(method, Batch(views)), part)
    assert found == pytest.approx(expected, rel=1e-4)
    method.keep = 1.0
    assert method.loss(Batch(views)).item() != pytest.approx(found, rel=1e-3)


def rows_of(settings: dict) -> tuple[Tensor, Tensor]:
    """The gradient of the projection of modality 1, its shared and its private rows."""
    method = started(CanonicalSplit(linear(2, 6), **settings))
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


def test_a_block_is_given_those_before_it_without_moving_them() -> None:
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


def test_the_joint_embedding_holds_the_mean_the_private_parts_and_the_products() -> None:
    method = started(CanonicalSplit(linear(2, 6)))
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


def test_reading_the_joint_embedding_and_evaluating_leave_the_scales_alone() -> None:
    method, batch = started(CanonicalSplit(linear(2, 6))), a_batch(12)
    method.loss(batch)
    before = {key: value.clone() for key, value in method.state_dict().items()}
    method.fuse(method.embeddings(batch.views[0]))
    method.eval().loss(batch)
    for key, value in method.state_dict().items():
        assert torch.equal(value, before[key]), key
    method.train().loss(batch)
    assert not torch.equal(method.scales[0].running_mean, before["scales.0.running_mean"])
