"""Fusion, CoMM, InfMasking, FactorCL and DisentangledSSL: formulas, bounds, masks, limits, and what they keep."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from alignscope.errors import AlignscopeError
from alignscope.measures.gaussian_information import gaussian_information
from alignscope.nn import initialise
from alignscope.nn.encoders import LinearEncoder, MLPEncoder
from alignscope.nn.methods.base import Batch, Method
from alignscope.nn.methods.comm import CoMM, InfMasking, infinite_mask_bound
from alignscope.nn.methods.disentangled import DisentangledSSL, orthogonality
from alignscope.nn.methods.factorcl import FactorCL, nce_club_upper, nce_lower
from alignscope.nn.methods.fusion import Fusion
from alignscope.nn.objectives import info_nce
from strategies import seeds

torch.set_num_threads(1)  # matrices here are small: threads only get in each other's way

WIDTHS = (6, 5, 7)


def second_step(encoders: list[LinearEncoder]) -> DisentangledSSL:
    method = DisentangledSSL(encoders, steps=1)
    method.after_step()
    return method


METHODS: dict[str, Callable[[list[LinearEncoder]], Method]] = {
    "comm": CoMM,
    "comm behind a head": lambda e: CoMM(e, projector=8),
    "infmasking": lambda e: InfMasking(e, keep=0.5, draws=3),
    "factorcl": lambda e: FactorCL(e, hidden=8),
    "disentangled, step 1": lambda e: DisentangledSSL(e, steps=1000),
    "disentangled, step 2": second_step,
}
PLAIN = [name for name in METHODS if "head" not in name]
"""Those whose rows do not see each other in a batch normalisation."""

every_method = pytest.mark.parametrize("name", METHODS)
every_plain_method = pytest.mark.parametrize("name", PLAIN)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def built(name: str, modalities: int = 2, components: int = 4, seed: int = 0) -> Method:
    method = METHODS[name]([LinearEncoder(w, components) for w in WIDTHS[:modalities]])
    initialise(method, seed)
    return method


def a_batch(n: int, modalities: int = 2, *, present: Tensor | None = None, same: bool = False) -> Batch:
    """Two views that share half of their variance; with `same`, one row again and again."""
    centre = [normal(m, n, w) for m, w in enumerate(WIDTHS[:modalities])]
    views = [[c + normal(10 + 10 * v + m, *c.shape) for m, c in enumerate(centre)] for v in range(2)]
    if same:
        views = [[x[:1].expand_as(x) for x in xs] for xs in views]
    return Batch(tuple(tuple(xs) for xs in views), None, present)


def backward(method: Method, batch: Batch) -> tuple[Tensor, dict[str, Tensor | None]]:
    method.zero_grad()
    torch.manual_seed(0)  # InfMasking draws its masks
    loss = method.loss(batch)
    loss.backward()
    return loss.detach(), {name: p.grad for name, p in method.named_parameters() if p.requires_grad}


def finite(gradients: dict[str, Tensor | None]) -> bool:
    return all(g is None or bool(g.isfinite().all()) for g in gradients.values())


# What every method owes


@pytest.mark.parametrize("modalities", [2, 3])
@every_method
def test_the_loss_is_a_finite_scalar_and_reaches_every_encoder(name: str, modalities: int) -> None:
    method = built(name, modalities)
    loss, gradients = backward(method, a_batch(24, modalities))
    assert loss.shape == ()
    assert loss.isfinite()
    assert finite(gradients)
    for m in range(modalities):
        assert gradients[f"encoders.{m}.projection.weight"].abs().max() > 1e-7


@every_method
def test_the_joint_code_is_as_wide_as_the_codes_side_by_side(name: str) -> None:
    method, batch = built(name, 3).eval(), a_batch(7, 3)
    embeddings = method.embeddings(batch.views[0])
    assert [tuple(z.shape) for z in embeddings] == [(7, 4)] * 3
    assert method.fuse(embeddings).shape == (7, 12)


@every_method
def test_a_seed_gives_the_same_method(name: str) -> None:
    one, two, other = built(name), built(name), built(name, seed=1)
    batch = a_batch(16)
    for method in (one, two, other):
        backward(method, batch)
        method.after_step()
    losses = [backward(method, batch)[0] for method in (one, two, other)]
    assert torch.equal(losses[0], losses[1])
    assert not torch.equal(losses[0], losses[2])
    assert torch.equal(backward(copy.deepcopy(one), batch)[0], losses[0])


@pytest.mark.parametrize("n", [1, 2, 6])
@pytest.mark.parametrize("same", [False, True])
@every_plain_method
def test_small_batches_and_identical_rows_are_defined(name: str, n: int, same: bool) -> None:
    method = built(name)
    loss, gradients = backward(method, a_batch(n, same=same))
    method.after_step()
    assert loss.isfinite()
    assert finite(gradients)
    assert all(p.isfinite().all() for p in method.parameters())


def masked(method: Method, batch: Batch, filler: float) -> Batch:
    """The batch with its absent rows filled, and encoders that hand the filling on as the embedding."""
    inputs = tuple(tuple(torch.where(batch.has(m)[:, None], x, filler) for m, x in enumerate(xs)) for xs in batch.views)

    def encoded(seen: Batch) -> list[list[Tensor]]:
        return [
            [
                torch.where(seen.has(m)[:, None], encoder(torch.where(seen.has(m)[:, None], x, 0.0)), filler)
                for m, (encoder, x) in enumerate(zip(method.encoders, xs, strict=True))
            ]
            for xs in seen.views
        ]

    method.encoded = encoded
    return Batch(inputs, None, batch.present)


@pytest.mark.parametrize("modalities", [2, 3])
@every_plain_method
def test_what_absent_rows_hold_has_no_influence(name: str, modalities: int) -> None:
    present = torch.from_numpy(np.random.default_rng(0).random((20, modalities)) < 0.7)
    results = []
    for filler in (0.0, torch.nan):
        method = built(name, modalities)
        results.append(backward(method, masked(method, a_batch(20, modalities, present=present), filler)))
        method.after_step()
        assert all(p.isfinite().all() for p in method.parameters())
    (loss, gradients), (same, others) = results
    assert loss.isfinite()
    torch.testing.assert_close(same, loss, rtol=0, atol=0)
    for key, gradient in gradients.items():
        torch.testing.assert_close(others[key], gradient, rtol=0, atol=1e-6, msg=key)


@pytest.mark.parametrize("name", [n for n in PLAIN if n != "infmasking"])  # which draws other masks for other rows
def test_a_sample_that_no_modality_has_counts_for_nothing(name: str) -> None:
    present = torch.arange(14) % 3 != 0
    whole = a_batch(14, present=present[:, None].expand(-1, 2))
    rest = Batch(tuple(tuple(x[present] for x in xs) for xs in whole.views))
    expected, _ = backward(built(name), rest)
    found, _ = backward(built(name), whole)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@every_plain_method
def test_a_modality_absent_for_all_is_defined(name: str) -> None:
    present = torch.tensor([[False, True]]).expand(12, -1)
    method = built(name)
    loss, gradients = backward(method, masked(method, a_batch(12, present=present), torch.nan))
    method.after_step()
    assert loss.isfinite()
    assert finite(gradients)
    absent = gradients["encoders.0.projection.weight"]
    assert absent is None or not absent.abs().max() > 0


@every_plain_method
def test_nothing_present_is_exactly_nothing(name: str) -> None:
    method = built(name)
    present = torch.zeros(12, 2, dtype=torch.bool)
    loss, gradients = backward(method, masked(method, a_batch(12, present=present), torch.nan))
    assert loss == 0
    assert all(g is None or not g.abs().max() > 0 for g in gradients.values())


@every_plain_method
def test_a_divergence_stays_visible(name: str) -> None:
    batch = a_batch(12)
    for xs in batch.views:
        xs[1][3] = torch.nan
    assert not built(name).loss(batch).isfinite()


@every_method
def test_a_missing_view_is_refused(name: str) -> None:
    with pytest.raises(AlignscopeError, match=r"views: 1\. .* needs 2\. \[E201\]"):
        built(name).loss(Batch(a_batch(8).views[:1]))


@every_plain_method
def test_bfloat16_codes_are_close_to_float32(name: str) -> None:
    expected, _ = backward(built(name), a_batch(24))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, _ = backward(built(name), a_batch(24))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.1, atol=0.1)


def pair(k: int = 4) -> list[LinearEncoder]:
    return [LinearEncoder(w, k) for w in WIDTHS[:2]]


BAD = [
    (lambda: Fusion([4, 4], 9, heads=4), r"width 9, 4 heads.*heads divide.*E301"),
    (lambda: Fusion([4, 0], 8), r"embeddings of \[4, 0\].*E301"),
    (lambda: Fusion([4], 8, layers=0), r"0 layers.*E301"),
    (lambda: Fusion([4, 4], 8)([normal(0, 3, 4)]), r"widths \[\(4,\)\].*takes \[\(4,\), \(4,\)\].*E201"),
    (lambda: Fusion([4, 4], 8)([normal(0, 3, 4), normal(0, 3, 5)]), r"\(5,\).*E201"),
    (lambda: CoMM(pair(1)), r"width 2, 4 heads.*E301"),
    (lambda: CoMM(pair(), temperature=0.0), r"temperature: 0.0.*E304"),
    (lambda: InfMasking(pair(), draws=1), r"draws: 1\..*E304"),
    (lambda: InfMasking(pair(), keep=1.5), r"keep: 1.5.*\[0, 1\].*E304"),
    (lambda: InfMasking(pair(), weight=-1.0), r"weight: -1.0.*E304"),
    (lambda: infinite_mask_bound(normal(0, 4, 3), normal(1, 2, 5, 3)), r"\(2, 5, 3\) to \(4, 3\).*E201"),
    (lambda: infinite_mask_bound(normal(0, 4, 3), normal(1, 1, 4, 3)), r"draws: 1.*E304"),
    (lambda: infinite_mask_bound(normal(0, 4, 3), normal(1, 2, 4, 3), temperature=0), r"temperature: 0.*E304"),
    (lambda: nce_lower(normal(0, 4, 3)), r"\(4, 3\).*N x N.*E201"),
    (lambda: nce_club_upper(normal(0, 3, 3), normal(0, 2, 2)), r"\(3, 3\) and weights \(2, 2\).*E201"),
    (lambda: FactorCL(pair()[:1]), r"encoders: 1\. .*E201"),
    (lambda: FactorCL(pair(1)), r"at least 2.*E301"),
    (lambda: FactorCL(pair(), hidden=0), r"hidden: 0.*E301"),
    (lambda: FactorCL(pair(), temperature=math.nan), r"temperature: nan.*E304"),
    (lambda: FactorCL(pair(), critic_steps=0), r"critic_steps: 0.*E304"),
    (lambda: FactorCL(pair(), critic_rate=0.0), r"critic_rate: 0.0.*E304"),
    (lambda: DisentangledSSL(pair()[:1], steps=9), r"encoders: 1\. .*E201"),
    (lambda: DisentangledSSL(pair(1), steps=9), r"at least 2.*E301"),
    (lambda: DisentangledSSL([LinearEncoder(3, 4), LinearEncoder(3, 6)], steps=9), r"latent sizes \[4, 6\].*E201"),
    (lambda: DisentangledSSL(pair(), steps=0), r"steps: 0.*E304"),
    (lambda: DisentangledSSL(pair(), steps=9, first=1.5), r"first: 1.5.*E304"),
    (lambda: DisentangledSSL(pair(), steps=9, beta=-1.0), r"beta: -1.0.*E304"),
    (lambda: DisentangledSSL(pair(), steps=9, independence=math.inf), r"independence: inf.*E304"),
    (lambda: DisentangledSSL(pair(), steps=9, shared=1.0), r"shared: 1.0.*E304"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_settings_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(AlignscopeError, match=message):
        call()


# Fusion


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
    plain, method = built("comm"), InfMasking(pair(), keep=1.0, weight=0.7)
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


# FactorCL: the bounds against exact Gaussian information


def log_ratio(x: Tensor, y: Tensor, rho: float) -> Tensor:
    """s_ij = log p(y_j | x_i) / p(y_j), summed over independent dimensions of correlation rho."""
    x, y = x[..., :, None, :], y[..., None, :, :]
    square = (rho * x) ** 2 + (rho * y) ** 2 - 2 * rho * x * y
    return (-0.5 * math.log(1 - rho**2) - square / (2 * (1 - rho**2))).sum(-1)


@pytest.mark.parametrize("dimensions", [1, 3])
@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6, 0.8])
def test_bounds_enclose_the_exact_information(rho: float, dimensions: int) -> None:
    """With the log density ratio as critic, to which any function of the anchor may be added."""
    nats = dimensions * gaussian_information([[1, rho], [rho, 1]], [0], [1]) * math.log(2)
    x, noise = normal(0, 600, 64, dimensions).double(), normal(1, 600, 64, dimensions).double()
    y = rho * x + math.sqrt(1 - rho**2) * noise
    scores = log_ratio(x, y, rho) + 5 * x.sum(-1, keepdim=True)
    lower, upper = (torch.stack([bound(s) for s in scores]) for bound in (nce_lower, nce_club_upper))
    error = 4 / math.sqrt(len(scores))
    assert lower.mean() <= nats + error * lower.std() + 1e-12
    assert lower.mean() >= 0.88 * nats - error * lower.std() - 1e-12
    assert upper.mean() >= nats - error * upper.std() - 1e-12
    exact = dimensions * rho**2 / (1 - rho**2)  # I and the reverse divergence
    assert upper.mean() == pytest.approx(exact, abs=float(error * upper.std()) + 1e-12)


def test_the_upper_bound_needs_the_best_critic_and_the_lower_needs_none() -> None:
    x, noise = normal(0, 200, 64, 1).double(), normal(1, 200, 64, 1).double()
    y = 0.8 * x + 0.6 * noise
    nats = -0.5 * math.log(1 - 0.64)
    for critic in (0.0, 0.3, 3.0):
        scores = critic * log_ratio(x, y, 0.8)
        assert torch.stack([nce_lower(s) for s in scores]).mean() < nats
    poor = torch.stack([nce_club_upper(0.1 * s) for s in log_ratio(x, y, 0.8)])
    assert poor.mean() < nats - 0.1


CONDITIONAL = {
    "common cause": [[1, 0.64, 0.8], [0.64, 1, 0.8], [0.8, 0.8, 1]],  # independent given the condition
    "more than the cause": [[1, 0.8, 0.6], [0.8, 1, 0.6], [0.6, 0.6, 1]],
    "explained away": [[1, 0, 0.6], [0, 1, 0.6], [0.6, 0.6, 1]],  # dependent only given the condition
}


def gaussian_log_density(y: Tensor, mean: Tensor, variance: float) -> Tensor:
    return -0.5 * (math.log(2 * math.pi * variance) + (y - mean) ** 2 / variance)


@pytest.mark.parametrize("cov", CONDITIONAL.values(), ids=CONDITIONAL)
def test_weighted_bounds_enclose_the_conditional_information(cov: list) -> None:
    """Weights and critic exact; the weighted batch stands for draws given the condition as it grows."""
    chain = gaussian_information(cov, [0], [1, 2]) - gaussian_information(cov, [0], [2])
    nats = chain * math.log(2)
    s = np.array(cov)
    rows = torch.from_numpy(np.random.default_rng(0).multivariate_normal(np.zeros(3), s, size=(60, 400)))
    b = np.linalg.solve(s[np.ix_([0, 2], [0, 2])], s[[0, 2], 1])
    given_both = s[1, 1] - s[1, [0, 2]] @ b
    lower, upper = [], []
    for x1, x2, c in (batch.unbind(-1) for batch in rows):
        grid = x2[None, :]
        of_c = gaussian_log_density(grid, s[1, 2] * c[:, None], s[1, 1] - s[1, 2] ** 2)
        critic = gaussian_log_density(grid, (b[0] * x1 + b[1] * c)[:, None], given_both) - of_c
        weights = (of_c - gaussian_log_density(grid, torch.zeros(1), 1.0)).softmax(1)
        lower.append(nce_lower(critic, weights))
        upper.append(nce_club_upper(critic, weights))
    lower, upper = torch.stack(lower), torch.stack(upper)
    slack = 0.02  # the pair itself is among its negatives, a share of order 1 / N
    assert nats - 3 * slack <= lower.mean() <= nats + slack
    assert upper.mean() >= nats - slack


def test_bounds_by_hand() -> None:
    s = torch.tensor([[1.0, 2.0], [0.0, 3.0]], dtype=torch.float64)
    expected = ((1 - math.log((math.e + math.e**2) / 2)) + (3 - math.log((1 + math.e**3) / 2))) / 2
    assert nce_lower(s) == pytest.approx(expected)
    assert nce_lower(s, torch.full((2, 2), 0.5, dtype=torch.float64)) == pytest.approx(expected)
    assert nce_club_upper(s) == pytest.approx((1 + 3) / 2 - (2 + 0) / 2)
    assert nce_club_upper(s, torch.eye(2)) == 0, "a condition that tells the pair leaves nothing"
    assert nce_lower(s, torch.eye(2)) == 0
    assert nce_lower(s + torch.tensor([[7.0], [-2.0]])) == pytest.approx(expected, abs=1e-5)
    assert nce_lower(torch.eye(9) * 1e4) == pytest.approx(math.log(9)), "it sees no more than log N"
    for bound in (nce_lower, nce_club_upper):
        assert bound(torch.zeros(0, 0)) == 0
        assert bound(torch.tensor([[5.0]])) == 0


def test_upper_bounds_leave_their_critics_alone_and_critics_learn_by_contrast() -> None:
    method, batch = built("factorcl"), a_batch(40)
    _, gradients = backward(method, batch)
    ahead = ("shared.0.given", "shared.0.condition", "unique.0.plain", "unique.0.condition")
    for name, gradient in gradients.items():
        assert (gradient is None) == name.startswith(ahead), name
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    grads = {name: None if g is None else g.clone() for name, g in gradients.items()}

    def contrast() -> float:
        unique = [z[:, 2:] for z in method.embeddings(batch.views[0])]
        return nce_lower(method.unique[0].plain(*unique)).item()

    start = contrast()
    for _ in range(5):
        method.after_step()
    assert contrast() > start + 0.1
    for name, p in method.named_parameters():
        assert torch.equal(p, before[name]) != name.startswith(ahead), name
        assert p.grad is None if grads[name] is None else torch.equal(p.grad, grads[name]), name


# DisentangledSSL


@given(seeds, st.integers(2, 9), st.integers(1, 3), st.integers(1, 3))
def test_orthogonality_is_the_norm_of_the_correlations(seed: int, n: int, k1: int, k2: int) -> None:
    c, s = normal(seed, n, k1).double() * 5 + 3, normal(seed + 1, n, k2).double()
    between = np.corrcoef(np.hstack([c, s]), rowvar=False)[:k1, k1:]
    found = orthogonality(c, s)
    assert found == pytest.approx(np.linalg.norm(between), abs=1e-9)
    assert 0 <= found <= math.sqrt(k1 * k2) + 1e-9


def test_orthogonality_at_its_limits() -> None:
    z = normal(0, 8, 2).requires_grad_()
    assert orthogonality(z[:, :1], -3 * z[:, :1] + 1).item() == pytest.approx(1)
    nothing = orthogonality(z, torch.ones(8, 3))
    nothing.backward()
    assert nothing == 0
    assert not z.grad.any()


def test_step_one_is_its_formula_and_looks_at_the_shared_half_alone() -> None:
    method, batch = built("disentangled, step 1", components=6), a_batch(20)
    expected = 0
    for xs in batch.views:
        one, two = (nn.functional.normalize(z[:, :3], dim=1) for z in method.embeddings(xs))
        expected = expected + info_nce(one, two) / 2 + (one - two).square().sum(1).mean() / 2
    loss, gradients = backward(method, batch)
    torch.testing.assert_close(loss, expected.detach())
    weight = gradients["encoders.0.projection.weight"]
    assert weight[:3].any()
    assert not weight[3:].any()


def test_step_two_is_its_formula_and_leaves_the_shared_half_alone() -> None:
    method, batch = built("disentangled, step 2", components=6), a_batch(20)
    method.independence = 0.3
    expected = 0
    for m in range(2):
        views = [method.embeddings(xs)[m] for xs in batch.views]
        halves = [(z[:, :3], z[:, 3:]) for z in views]
        whole = [torch.cat([nn.functional.normalize(h, dim=1) for h in view], dim=1) for view in halves]
        apart = sum(orthogonality(*view) for view in halves) / 2
        expected = expected + (info_nce(*whole) + 0.3 * apart) / 2
    loss, gradients = backward(method, batch)
    torch.testing.assert_close(loss, expected.detach())
    weight = gradients["encoders.0.projection.weight"]
    assert not weight[:3].any()
    assert weight[3:].any()


def test_the_shared_half_is_frozen_after_its_share_of_the_steps() -> None:
    method = DisentangledSSL([MLPEncoder(w, 4, hidden=(5,)) for w in WIDTHS[:2]], steps=6, first=0.5)
    initialise(method, 0)
    batch, seen = a_batch(16), []
    optimiser = torch.optim.Adam(method.parameters(), lr=0.1)
    for _ in range(6):
        method.train()
        optimiser.zero_grad()
        method.loss(batch).backward()
        optimiser.step()
        method.after_step()
        with torch.no_grad():
            seen.append(method.eval().embeddings(batch.views[0])[0])
    for before, after, moves in zip(seen, seen[1:], (True, True, False, False, False), strict=False):
        assert torch.equal(before[:, :2], after[:, :2]) != moves
        assert not torch.equal(before[:, 2:], after[:, 2:])
    restored = DisentangledSSL([MLPEncoder(w, 4, hidden=(5,)) for w in WIDTHS[:2]], steps=6, first=0.5)
    restored.load_state_dict(method.state_dict())
    assert torch.equal(restored.eval().embeddings(batch.views[0])[0], seen[-1])


# What they learn: two factors that both modalities have, and one that each has alone


def factor_views(n: int, seed: int) -> tuple[Tensor, tuple[tuple[Tensor, ...], ...]]:
    """Factors (N, 4): two shared, one of modality 1, one of modality 2; and two noisy views of both modalities."""
    factors, views = normal(seed, n, 4), []
    mixing = [torch.linalg.qr(normal(50 + m, 6, 6))[0][:3] for m in range(2)]
    for v in range(2):
        own = ([0, 1, 2], [0, 1, 3])
        views.append(tuple(factors[:, own[m]] @ mixing[m] + 0.2 * normal(seed + 7 * v + m + 1, n, 6) for m in range(2)))
    return factors, tuple(views)


def trained(make: Callable[[list[LinearEncoder]], Method], steps: int, rate: float, components: int = 4) -> Method:
    method = make([LinearEncoder(6, components) for _ in range(2)])
    initialise(method, 0)
    torch.manual_seed(0)
    optimiser = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=rate)
    for step in range(steps):
        loss = method.loss(Batch(factor_views(64, 100 * step)[1]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        method.after_step()
    return method


def held_out(z: Tensor, y: Tensor) -> np.ndarray:
    """R^2 of each column of y from a linear map of z, fitted on the first half, scored on the second."""
    n = len(z) // 2
    x = np.hstack([z.numpy(), np.ones((len(z), 1))]).astype(np.float64)
    left = y[n:].numpy() - x[n:] @ np.linalg.lstsq(x[:n], y[:n].numpy().astype(np.float64), rcond=None)[0]
    return 1 - left.var(axis=0) / y[n:].numpy().var(axis=0)


@pytest.mark.parametrize("make", [CoMM, lambda e: InfMasking(e, keep=0.5, draws=3)], ids=["comm", "infmasking"])
def test_the_joint_code_learns_every_factor(make: type[CoMM]) -> None:
    factors, views = factor_views(1000, 5)
    kept = []
    for steps in (0, 150):
        method = trained(make, steps, 1e-2, components=8)
        with torch.no_grad():
            kept.append(held_out(method.fuse(method.embeddings(views[0])), factors))
    assert kept[1].min() > 0.75
    assert kept[1].min() > kept[0].min() + 0.1


def test_factorcl_tells_shared_from_unique() -> None:
    factors, views = factor_views(1000, 5)
    method = trained(lambda e: FactorCL(e, hidden=16, critic_rate=3e-2, critic_steps=3), 250, 2e-2)
    with torch.no_grad():
        z = method.embeddings(views[0])[0]
    whole, shared, unique = (held_out(half, factors[:, :3]) for half in (z, z[:, :2], z[:, 2:]))
    assert whole.min() > 0.8
    assert shared[:2].min() > 0.8
    assert shared[2] < 0.3
    assert unique[2] > 0.8
    assert unique[:2].min() < 0.3


def test_disentangled_puts_the_rest_beside_the_shared_half() -> None:
    factors, views = factor_views(1000, 5)
    found = {}
    for alignment_weight in (0.0, 3.0):
        method = trained(lambda e, s=alignment_weight: DisentangledSSL(e, steps=200, independence=s), 200, 1e-2)
        with torch.no_grad():
            z = method.embeddings(views[0])[0]
        found[alignment_weight] = (
            [held_out(half, factors[:, :3]) for half in (z[:, :2], z[:, 2:])],
            orthogonality(z[:, :2], z[:, 2:]),
        )
    (shared, specific), apart = found[3.0]
    assert shared[:2].min() > 0.8
    assert shared[2] < 0.2
    assert specific[2] > 0.8
    assert apart < 0.5 * found[0.0][1]
