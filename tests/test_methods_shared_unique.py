"""FactorCL against exact information, and DisentangledSSL in its two steps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from alignscope.measures.gaussian_information import gaussian_information
from alignscope.nn import initialise
from alignscope.nn.encoders import MLPEncoder
from alignscope.nn.methods import DisentangledSSL
from alignscope.nn.methods.disentangled import orthogonality
from alignscope.nn.methods.factorcl import nce_club_upper, nce_lower
from alignscope.nn.objectives import info_nce
from method_helpers import WIDTHS, a_batch, backward, built, normal
from strategies import seeds

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
