"""Methods that align only what can be predicted: the term, what it reaches, missing modalities, checkpoints."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from alignscope.errors import AlignscopeError
from alignscope.nn import Alignable
from alignscope.nn.encoders import LinearEncoder
from alignscope.nn.methods import Batch, CrossSelf, Method, SupervisedAlignment
from alignscope.nn.objectives import barlow_twins
from method_helpers import METHODS, WIDTHS, a_batch, backward, linear, normal, started

NAMES = [name for name in METHODS if "alignable" in name]
CROSS = [name for name in NAMES if name.startswith("cross")]
INPUTS = 6


def alike(n: int, shared: int, seed: int, modalities: int = 2) -> Batch:
    """Two views of modalities whose first columns are the same numbers and whose others are independent."""
    own = [normal(seed + 1 + m, n, INPUTS - shared) for m in range(modalities)]
    whole = [torch.cat([normal(seed, n, shared), z], 1) for z in own]
    views = [[x + 0.05 * normal(seed + 5 + 3 * v + m, n, INPUTS) for m, x in enumerate(whole)] for v in range(2)]
    return Batch(tuple(map(tuple, views)), a_batch(n).labels)


def after(name: str, steps: int, shared: int = 2, modalities: int = 2, **settings: object) -> Method:
    """A method of encoders that keep all of their inputs, whose moments have seen so many batches."""
    encoders = [LinearEncoder(INPUTS, INPUTS) for _ in range(modalities)]
    method = started(METHODS[name](encoders))
    for key, value in settings.items():
        setattr(method, key, value)
    with torch.no_grad():
        for step in range(steps):
            method.loss(alike(200, shared, 100 * step, modalities))
    return method


@pytest.mark.parametrize("n", [40, 1])
@pytest.mark.parametrize("name", CROSS)
def test_the_cross_modal_term_is_the_objective_on_the_blocks(name: str, n: int) -> None:
    """Of three modalities, one block a pair; moments are those of the rows of both views."""
    method = after(name, 5, modalities=3, self_weight=0.0, temperature=0.3)
    batch, twin, expected = alike(n, 2, 999, 3), copy.deepcopy(method), []
    views = method.encoded(batch)
    for alignable, (i, j) in zip(twin.alignables, [(0, 1), (0, 2), (1, 2)], strict=True):
        found = alignable.canonical(*(torch.cat([zs[m] for zs in views]) for m in (i, j)))
        assert found.weight.any()
        for rows in (slice(n), slice(n, None)):
            u, v = found.first[rows], found.second[rows]
            if method.objective == "info_nce":
                expected.append(weighted_nce(u, v, found.weight, 0.3))
            else:
                expected.append(weighted_barlow(u, v, found.weight) if n > 1 else u.sum() * 0)
    torch.testing.assert_close(method.loss(batch), torch.stack(expected).mean())


def weighted_nce(u: Tensor, v: Tensor, weight: Tensor, temperature: float) -> Tensor:
    logits = (u / u.norm(dim=1, keepdim=True) * weight) @ (v / v.norm(dim=1, keepdim=True)).mT / temperature
    own = logits.diagonal()
    return (logits.logsumexp(0) + logits.logsumexp(1) - 2 * own).mean() / 2


def weighted_barlow(u: Tensor, v: Tensor, weight: Tensor) -> Tensor:
    c = np.corrcoef(u.detach().numpy(), v.detach().numpy(), rowvar=False)[: u.shape[1], u.shape[1] :]
    total = 0.0
    for k, w in enumerate(weight.tolist()):
        for m, other in enumerate(weight.tolist()):
            total += w * (1 - c[k, k]) ** 2 if k == m else 0.005 * np.sqrt(w * other) * c[k, m] ** 2
    return torch.tensor(total, dtype=torch.float32)


def test_barlow_twins_of_weight_1_is_barlow_twins() -> None:
    z1, z2 = normal(0, 30, 4), normal(1, 30, 4)
    torch.testing.assert_close(barlow_twins(z1, z2, weight=torch.ones(4)), barlow_twins(z1, z2))


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("target")])  # its target is of labels
def test_only_directions_that_can_be_aligned_have_a_gradient_of_it(name: str) -> None:
    """The gradient of each row lies in the span of the directions with a weight, here about two of six."""
    method = after(name, 30)
    silence_all_but_the_alignment(method)
    zs = [z.detach().requires_grad_() for z in method.encoded(alike(200, 2, 1))[0]]
    method.encoded = lambda batch: [zs] * method.views
    method.loss(alike(200, 2, 1)).backward()
    pair = pairs_of(method)[0]
    assert 1.5 < pair.count < 2.5
    for z, directions in zip(zs, (pair.directions1, pair.directions2), strict=True):
        if z.grad is None:  # the target of an alignment in one direction
            assert name.startswith("prediction")
            continue
        basis = torch.linalg.qr(directions[:, pair.weight > 0].float())[0]
        assert z.grad.abs().max() > 1e-5
        torch.testing.assert_close(z.grad @ basis @ basis.mT, z.grad, rtol=1e-3, atol=1e-6)


def silence_all_but_the_alignment(method: Method) -> None:
    if isinstance(method, CrossSelf):
        method.self_weight = 0.0
    else:
        method.prediction = lambda zs, batch: torch.zeros(())


def pairs_of(method: Method) -> list:
    return list(method.alignables) if isinstance(method, CrossSelf) else [a.alignable for a in method.alignments]


@pytest.mark.parametrize("name", NAMES)
def test_where_nothing_can_be_predicted_nothing_is_aligned(name: str) -> None:
    method = after(name, 30, shared=0)
    silence_all_but_the_alignment(method)
    _, gradients = backward(method, alike(200, 0, 1))
    assert all(g is None or not g.any() for g in gradients.values())


@pytest.mark.parametrize("name", CROSS)
def test_where_all_can_be_predicted_all_is_aligned(name: str) -> None:
    """Then the blocks are the embeddings in other coordinates: whitened, and of both views as one."""
    method = after(name, 30, shared=INPUTS)
    assert pairs_of(method)[0].weight.min() > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_a_pair_that_no_sample_has_keeps_its_moments_and_the_others_go_on(name: str) -> None:
    present = torch.tensor([[True, False, True]]).expand(40, -1)
    method = started(METHODS[name](linear(3)))
    method.loss(a_batch(40, 3))
    before = [pair.moments.clone() for pair in pairs_of(method)]
    batch = a_batch(40, 3, present=present)
    for xs in batch.views:
        xs[1].fill_(torch.nan)
    assert method.loss(batch).isfinite()
    moved = [not torch.equal(pair.moments, old) for pair, old in zip(pairs_of(method), before, strict=True)]
    assert moved == [False, True, False]


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_goes_on_where_it_was(name: str) -> None:
    method = after(name, 4)
    kept = io.BytesIO()
    torch.save(method.state_dict(), kept)
    kept.seek(0)
    other = METHODS[name]([LinearEncoder(INPUTS, INPUTS) for _ in range(2)])
    other.load_state_dict(torch.load(kept, weights_only=True))
    for step in (5, 6):
        batch = alike(200, 2, 100 * step)
        assert torch.equal(backward(other, batch)[0], backward(method, batch)[0])


@pytest.mark.parametrize("name", NAMES)
def test_moments_stay_in_float64_where_the_network_does_not(name: str) -> None:
    method = started(METHODS[name](linear())).bfloat16()
    views = tuple(tuple(x.bfloat16() for x in xs) for xs in a_batch(40).views)
    assert method.loss(Batch(views, a_batch(40).labels)).isfinite()
    for pair in pairs_of(method):
        assert {b.dtype for b in pair.buffers()} == {torch.float64}
        assert pair.moments[-1, -1] == 40 * method.views


def test_evaluation_moves_no_moments() -> None:
    method = after("cross + self, alignable", 4).eval()
    before = copy.deepcopy(method.state_dict())
    one, two = (method.loss(alike(200, 2, 1)) for _ in range(2))
    assert torch.equal(one, two)
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())


def test_blocks_are_of_one_size_where_embeddings_are_not() -> None:
    method = started(CrossSelf([LinearEncoder(WIDTHS[0], 4), LinearEncoder(WIDTHS[1], 3)], alignable=True))
    assert method.loss(a_batch(40)).isfinite()
    assert pairs_of(method)[0].rho.shape == (3,)


def test_plain_methods_have_no_moments() -> None:
    plain = (CrossSelf(linear()), SupervisedAlignment(linear(), classes=[{"shape": 3}] * 2))
    assert not any("moments" in key for method in plain for key in method.state_dict())


@pytest.mark.parametrize(
    "make",
    [
        lambda n: CrossSelf(linear(), alignable=True, samples=n),
        lambda n: SupervisedAlignment(linear(), classes=[{"shape": 3}] * 2, gauge="alignable", samples=n),
    ],
)
def test_few_samples_are_told_to_every_block(make: Callable[[int], Method]) -> None:
    method = make(10)
    blocks = [m for m in method.modules() if isinstance(m, Alignable)]
    assert [m.samples for m in blocks] == [10]
    with pytest.raises(AlignscopeError, match=r"samples: 0.*E304"):
        make(0)
