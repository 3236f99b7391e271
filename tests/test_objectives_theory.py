"""Linear encoders trained on an objective reach the closed form of the linear theory (THEORY 6)."""

from __future__ import annotations

from collections.abc import Callable
from math import log

import numpy as np
import pytest
import scipy.linalg as sla
import torch

import twins
from alignscope.nn import RegressionAlignment
from alignscope.nn import objectives as o
from objective_twins import embeddings
from tensor_helpers import normal

torch.set_num_threads(1)  # matrices here are small: threads only get in each other's way

D1, D2, K = 5, 4, 2


def features(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Modalities that share three factors, more and less; centred."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, 3)) * [2.0, 1.2, 0.5]

    def mixed(width: int) -> torch.Tensor:
        x = np.hstack([shared, np.zeros((n, width - 3))]) + rng.normal(size=(n, width))
        return torch.from_numpy(twins.centred(x @ rng.normal(size=(width, width))))

    return mixed(D1), mixed(D2)


def canonical(x1: torch.Tensor, x2: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Canonical correlations and variates, by the singular values of U1^T U2."""
    u1, u2 = twins.orthonormal(x1.numpy()), twins.orthonormal(x2.numpy())
    left, rho, right = np.linalg.svd(u1.T @ u2)
    return rho, u1 @ left[:, :K], u2 @ right[:K].T


def angle(z: torch.Tensor, subspace: np.ndarray) -> float:
    return float(sla.subspace_angles(z.detach().numpy(), subspace).max())


def descend(parameters: list[torch.Tensor], loss: Callable[[], torch.Tensor], steps: int = 200) -> float:
    """Minimise by L-BFGS on all samples, begun anew until nothing more is gained, and return the minimum."""

    def closure() -> torch.Tensor:
        for p in parameters:
            p.grad = None
        value = loss()
        value.backward()
        return value

    before = float("inf")
    for _ in range(20):
        # A gradient may be small only because an embedding is long: under scale-free losses lengths grow.
        torch.optim.LBFGS(
            parameters,
            max_iter=steps,
            history_size=50,
            line_search_fn="strong_wolfe",
            tolerance_grad=1e-10,
            tolerance_change=1e-13,
        ).step(closure)
        found = loss().item()
        if before - found < 1e-12:
            break
        before = found
    return found


def maps(seed: int = 3) -> list[torch.Tensor]:
    return [(0.3 * normal(seed + m, d, K)).requires_grad_() for m, d in enumerate((D1, D2))]


@pytest.mark.parametrize("soft", [False, True])
def test_the_cca_loss_reaches_the_canonical_subspaces(soft: bool) -> None:
    x1, x2 = features(150)
    rho, first, second = canonical(x1, x2)
    v1, v2 = maps()
    found = descend([v1, v2], lambda: o.cca_loss(x1 @ v1, x2 @ v2, ridge=1e-6, soft=soft))
    assert found == pytest.approx(-(rho[:K] ** (2 if soft else 1)).sum(), rel=1e-5)
    assert angle(x1 @ v1, first) < 1e-3
    assert angle(x2 @ v2, second) < 1e-3


def test_the_ridge_leaves_the_subspaces_alone() -> None:
    """Variance mu of the correlation matrix in a canonical direction leaves rho mu / (mu + ridge), the mu adding up to
    K: the ridge gives more of it to stronger correlations, and looks for no other directions."""
    x1, x2 = features(150)
    rho, first, second = canonical(x1, x2)
    v1, v2 = maps()
    found = descend([v1, v2], lambda: o.cca_loss(x1 @ v1, x2 @ v2, ridge=0.1))
    strong = np.linspace(0, 2, 20_001)
    best = (rho[0] * strong / (strong + 0.1) + rho[1] * (2 - strong) / (2 - strong + 0.1)).max()
    assert found == pytest.approx(-best, rel=1e-6)
    assert angle(x1 @ v1, first) < 1e-3
    assert angle(x2 @ v2, second) < 1e-3


def test_spectral_contrast_is_the_singular_value_decomposition_of_the_whitened_cross_covariance() -> None:
    """Minimum -sum rho^2; the difference to all pairs, the diagonal, is of order 1/N."""
    x1, x2 = features(20_000)
    rho, first, second = canonical(x1, x2)
    v1, v2 = maps()
    found = descend([v1, v2], lambda: o.spectral_contrastive(x1 @ v1, x2 @ v2))
    assert found == pytest.approx(-(rho[:K] ** 2).sum(), rel=1e-3)
    assert angle(x1 @ v1, first) < 1e-3
    assert angle(x2 @ v2, second) < 1e-3


def test_linear_jepa_with_a_whitened_code_reaches_the_canonical_subspaces() -> None:
    """Both encoders and the predictor learn: K - sum rho^2, and none can escape by scale or by rank."""
    x1, x2 = features(150)
    rho, first, second = canonical(x1, x2)
    (v1, v2), align = maps(), RegressionAlignment(K, K, gauge="whitened").double()
    torch.nn.init.eye_(align.q12.weight)
    found = descend([v1, v2, *align.parameters()], lambda: align(x1 @ v1, x2 @ v2))
    assert found == pytest.approx(K - (rho[:K] ** 2).sum(), rel=1e-5)
    assert angle(x1 @ v1, first) < 1e-3
    assert angle(x2 @ v2, second) < 1e-3


def test_predicting_the_other_modality_is_reduced_rank_regression() -> None:
    """The optimum of min ||x1 V W - x2||^2 / N is what rank K leaves of U1^T x2; V is not the canonical one."""
    x1, x2 = features(150)
    u1 = twins.orthonormal(x1.numpy())
    left, s, _ = np.linalg.svd(u1.T @ x2.numpy())
    v, w = maps()[0], (0.3 * normal(9, K, D2)).requires_grad_()
    found = descend([v, w], lambda: o.regression_loss(x1 @ v @ w, x2))
    assert found == pytest.approx((np.square(x2.numpy()).sum() - np.square(s[:K]).sum()) / 150, rel=1e-8)
    assert angle(x1 @ v, u1 @ left[:, :K]) < 1e-3
    assert angle(x1 @ v, canonical(x1, x2)[1]) > 0.05


def test_info_nce_to_second_order() -> None:
    """log N - (mean s_ii - mean s_ij)/tau + Var_j(s_ij) / 2 tau^2: attraction of pairs against the spread of all, the
    form of spectral contrast."""
    z1, z2 = embeddings(0, 2, 12, 4)
    s = torch.nn.functional.normalize(z1) @ torch.nn.functional.normalize(z2).mT
    spread = (s.var(1, correction=0).mean() + s.var(0, correction=0).mean()) / 2
    rest = []
    for tau in (20.0, 40.0):
        expansion = log(12) - (s.diagonal().mean() - s.mean()) / tau + spread / (2 * tau**2)
        rest.append(abs((o.info_nce(z1, z2, temperature=tau) - expansion).item()))
    assert rest[0] < 1e-3 * spread / (2 * 20**2) * 20
    assert rest[0] / rest[1] == pytest.approx(8, rel=0.2)  # what is left is of third order
