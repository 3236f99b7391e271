"""Fusion, CoMM and InfMasking: formulas, masks, bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from alignscope.nn import initialise
from alignscope.nn.methods import Fusion, InfMasking
from alignscope.nn.methods.comm import infinite_mask_bound
from alignscope.nn.objectives import info_nce
from method_helpers import WIDTHS, a_batch, built, linear, normal
from strategies import seeds


def fused_slowly(fusion: Fusion, embeddings: list[Tensor], present: list[bool]) -> Tensor:
    """One sample by the formula: only tokens that are there exist at all."""
    there = [m for m, p in enumerate(present) if p]
    e = fusion.embedding.weight
    tokens = torch.stack([e[0], *(fusion.tokens[m](embeddings[m]) + e[1 + m] for m in there)])
    for block in fusion.blocks:
        normed = block.norm1(tokens)
        q, k, v = (normed @ w.T + b for w, b in zip(block.qkv.weight.chunk(3), block.qkv.bias.chunk(3), strict=True))
        d = q.shape[1] // block.heads
        heads = [slice(h * d, (h + 1) * d) for h in range(block.heads)]
        mixed = [((q[:, h] @ k[:, h].T) / math.sqrt(d)).softmax(1) @ v[:, h] for h in heads]
        tokens = tokens + block.out(torch.cat(mixed, dim=1))
        tokens = tokens + block.mlp(block.norm2(tokens))
    return fusion.norm(tokens[0])


@given(seeds, st.integers(1, 3), st.integers(1, 2), st.sampled_from([1, 2, 3]))
def test_fusion_is_that_of_the_tokens_present(seed: int, modalities: int, layers: int, heads: int) -> None:
    fusion = Fusion(WIDTHS[:modalities], 6, heads=heads, layers=layers)
    initialise(fusion, seed % 1000)
    embeddings = [normal(seed + m, 5, w) for m, w in enumerate(WIDTHS[:modalities])]
    present = torch.from_numpy(np.random.default_rng(seed).random((5, modalities)) < 0.6)
    found = fusion([torch.where(present[:, m, None], z, torch.nan) for m, z in enumerate(embeddings)], present)
    for n in range(5):
        expected = fused_slowly(fusion, [z[n] for z in embeddings], present[n].tolist())
        torch.testing.assert_close(found[n], expected, rtol=1e-4, atol=1e-5)
    everything = torch.ones_like(present)
    torch.testing.assert_close(fusion(embeddings), fusion(embeddings, everything), rtol=0, atol=0)


def test_no_gradient_reaches_what_is_absent() -> None:
    fusion = Fusion([4, 3], 8)
    initialise(fusion, 0)
    embeddings = [normal(0, 6, 4).requires_grad_(), normal(1, 6, 3).requires_grad_()]
    present = torch.tensor([[True, False]] * 3 + [[True, True]] * 3)
    (fusion(embeddings, present) * normal(2, 6, 8)).sum().backward()
    assert not embeddings[1].grad[:3].any()
    assert embeddings[1].grad[3:].any(1).all()
    assert embeddings[0].grad.any(1).all()


def test_fusion_has_only_layers_that_can_be_initialised() -> None:
    kinds = {
        type(layer) for layer in Fusion([4, 3], 8).modules() if next(layer.parameters(recurse=False), None) is not None
    }
    assert kinds == {nn.Linear, nn.LayerNorm, nn.Embedding}


# CoMM and InfMasking


@pytest.mark.parametrize("modalities", [2, 3])
def test_comm_is_its_formula(modalities: int) -> None:
    method, present = (
        built("comm", modalities),
        torch.from_numpy(np.random.default_rng(3).random((30, modalities)) < 0.7),
    )
    batch = a_batch(30, modalities, present=present)
    one, two = (method.embeddings(xs) for xs in batch.views)

    def joint(embeddings: list[Tensor], allowed: list[int]) -> Tensor:
        keep = present.clone()
        for m in range(modalities):
            keep[:, m] &= m in allowed
        return method.fuse(embeddings, keep)

    everything, some = list(range(modalities)), present.any(1)
    total = info_nce(joint(one, everything), joint(two, everything), present=some)
    for m in range(modalities):
        total = total + info_nce(joint(one, [m]), joint(two, everything), present=present[:, m]) / 2
        total = total + info_nce(joint(two, [m]), joint(one, everything), present=present[:, m]) / 2
    torch.testing.assert_close(method.loss(batch), total / (modalities + 1), rtol=1e-5, atol=1e-6)


def bound_slowly(anchor: Tensor, masked: Tensor, temperature: float) -> Tensor:
    """With the covariances formed."""
    a = anchor / anchor.norm(dim=-1, keepdim=True)
    u = masked / masked.norm(dim=-1, keepdim=True)
    terms = []
    for i in range(len(a)):
        logits = []
        for j in range(len(a)):
            mean, cov = u[:, j].mean(0), torch.cov(u[:, j].T)
            logits.append(a[i] @ mean / temperature + a[i] @ cov @ a[i] / (2 * temperature**2))
        terms.append(-a[i] @ u[:, i].mean(0) / temperature + torch.stack(logits).exp().sum().log())
    return torch.stack(terms).mean()


@given(seeds, st.integers(2, 5), st.integers(2, 6), st.floats(0.1, 2))
def test_the_bound_is_its_formula(seed: int, draws: int, n: int, temperature: float) -> None:
    anchor, masked = normal(seed, n, 3).double(), normal(seed + 1, draws, n, 3).double()
    found = infinite_mask_bound(anchor, masked, temperature=temperature)
    torch.testing.assert_close(found, bound_slowly(anchor, masked, temperature))
    present = torch.cat([torch.ones(n, dtype=torch.bool), torch.zeros(2, dtype=torch.bool)])
    spoilt = (torch.cat([anchor, anchor.new_full((2, 3), torch.nan)]), masked.new_full((draws, n + 2, 3), torch.nan))
    spoilt[1][:, :n] = masked
    torch.testing.assert_close(infinite_mask_bound(*spoilt, temperature=temperature, present=present), found)


def one_way(a: Tensor, u: Tensor, temperature: float) -> Tensor:
    scores = nn.functional.normalize(a, dim=-1) @ nn.functional.normalize(u, dim=-1).mT / temperature
    return (scores.logsumexp(-1) - scores.diagonal(dim1=-2, dim2=-1)).mean()


def test_the_bound_is_tight_for_masks_that_change_nothing_and_above_otherwise() -> None:
    anchor, centre = normal(0, 20, 16).double(), normal(1, 20, 16).double()
    still = centre.expand(3, -1, -1)
    torch.testing.assert_close(infinite_mask_bound(anchor, still, temperature=0.2), one_way(anchor, centre, 0.2))
    for spread in (0.1, 0.5, 2.0):
        masked = centre + spread * normal(2, 400, 20, 16).double()
        assert infinite_mask_bound(anchor, masked, temperature=0.2) > one_way(anchor, masked, 0.2)


def test_infmasking_without_masks_is_comm_and_one_contrast_more() -> None:
    plain, method = built("comm"), InfMasking(linear(), keep=1.0, weight=0.7)
    initialise(method, 0)
    batch = a_batch(20)
    one, two = (method.fuse(method.embeddings(xs)) for xs in batch.views)
    expected = plain.loss(batch) + 0.7 * (one_way(one, two, 0.1) + one_way(two, one, 0.1)) / 2
    torch.testing.assert_close(method.loss(batch), expected, rtol=1e-4, atol=1e-5)


def test_infmasking_draws_its_masks_anew() -> None:
    method, batch = built("infmasking"), a_batch(20)
    torch.manual_seed(0)
    one, two = method.loss(batch), method.loss(batch)
    torch.manual_seed(0)
    assert torch.equal(method.loss(batch), one)
    assert not torch.equal(one, two)
