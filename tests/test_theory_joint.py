"""Both encoders learn: block ascent, the best of four starts, and what it must agree with (THEORY 6)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

import twins
from alignscope.linear.joint import canonical_correlations, solve_joint
from strategies import Case, cases, lambdas
from test_theory_gauges import canonical


class Twin:
    """The joint objective on the rows of whitened modalities."""

    def __init__(self, case: Case, lam: float) -> None:
        self.u1, self.u2 = twins.orthonormal(case.x1), twins.orthonormal(case.x2)
        r1, r2 = self.u1.T @ twins.scaled(case.y1), self.u2.T @ twins.scaled(case.y2)
        self.a1, self.a2, self.c = r1 @ r1.T, r2 @ r2.T, self.u1.T @ self.u2
        self.lam = lam

    def value(self, g1: np.ndarray, g2: np.ndarray) -> float:
        tied = np.square(g1.T @ self.c @ g2).sum()
        return float(np.trace(g1.T @ self.a1 @ g1) + np.trace(g2.T @ self.a2 @ g2) + 2 * self.lam * tied)

    def answer(self, g2: np.ndarray, k: int) -> np.ndarray:
        """The best first code for a given second one."""
        cg = self.c @ g2
        return top(self.a1 + 2 * self.lam * cg @ cg.T, k)

    def starts(self, k1: int, k2: int) -> dict[str, np.ndarray]:
        ctc = self.c.T @ self.c
        q = self.c.T @ top(self.a1, k1)
        return {
            "prediction of modality 2": top(self.a2, k2),
            "canonical correlation": top(ctc, k2),
            "relaxation": top(self.a2 + 2 * self.lam * ctc, k2),
            "prediction of modality 1": top(self.a2 + 2 * self.lam * q @ q.T, k2),
        }


def top(matrix: np.ndarray, k: int) -> np.ndarray:
    return np.linalg.eigh(matrix)[1][:, ::-1][:, :k]


def sizes(case: Case) -> tuple[int, int]:
    return min(case.components, case.x1.shape[1]), min(case.components, case.x2.shape[1])


@given(cases(), lambdas)
def test_it_is_at_least_as_good_as_each_of_its_starts(case: Case, lam: float) -> None:
    twin, (k1, k2) = Twin(case, lam), sizes(case)
    found = solve_joint(case.moments, case.components, lam)
    for g2 in twin.starts(k1, k2).values():
        assert found.objective >= twin.value(twin.answer(g2, k1), g2) * (1 - 1e-10)


@given(cases(), lambdas)
def test_ascent_is_monotone_and_ends_where_neither_code_can_gain(case: Case, lam: float) -> None:
    values = [solve_joint(case.moments, case.components, lam, sweeps=n).objective for n in (1, 2, 3, 5, 8, 500)]
    assert np.diff(values).min() >= -1e-11 * values[-1]
    found = solve_joint(case.moments, case.components, lam)
    g1, g2 = found.codes
    for g in (g1, g2):
        np.testing.assert_allclose(g.T @ g, np.eye(g.shape[1]), atol=1e-11)
    twin = Twin(case, lam)
    rng = case.rng()
    step = 1e-3 * rng.normal(size=g1.shape)
    nudged = np.linalg.qr(g1 + step)[0]
    # in the library's own coordinates, which are a rotation of the twin's
    basis1, basis2 = case.moments.basis("x1"), case.moments.basis("x2")
    to_twin1 = twin.u1.T @ twins.centred(case.x1) @ basis1.coefficients(np.eye(basis1.rank))
    to_twin2 = twin.u2.T @ twins.centred(case.x2) @ basis2.coefficients(np.eye(basis2.rank))
    assert twin.value(to_twin1 @ g1, to_twin2 @ g2) == pytest.approx(found.objective, rel=1e-9)
    assert twin.value(to_twin1 @ nudged, to_twin2 @ g2) <= found.objective * (1 + 1e-9)


@given(cases())
def test_without_alignment_each_predicts_its_own_target(case: Case) -> None:
    found = solve_joint(case.moments, case.components, 0.0)
    for sigma, x, y in ((found.sigma_z[0], case.x1, case.y1), (found.sigma_z[1], case.x2, case.y2)):
        u, scaled = twins.orthonormal(x), twins.scaled(y)
        s = np.linalg.svd(u.T @ scaled, compute_uv=False)[: case.components]
        assert sigma == pytest.approx(np.square(s).sum() / scaled.size, rel=1e-10)


@given(cases())
def test_alignment_alone_is_canonical_correlation(case: Case) -> None:
    rho = canonical(case.x1, case.x2)
    np.testing.assert_allclose(canonical_correlations(case.moments), rho, atol=1e-9)
    found = solve_joint(case.moments, case.components, 1e9)
    k = min(sizes(case))
    assert found.alignment == pytest.approx(np.square(rho[:k]).mean(), abs=1e-6)
    assert 0 <= found.alignment <= 1


@given(cases(), lambdas)
def test_swapping_the_modalities_swaps_the_answer(case: Case, lam: float) -> None:
    """Each side's best value is the other's, up to which local optimum is found."""
    swapped = case.having(x1=case.x2, x2=case.x1, y1=case.y2, y2=case.y1)
    a, b = (solve_joint(c.moments, case.components, lam).objective for c in (case, swapped))
    assert a == pytest.approx(b, rel=0.02)


def test_local_optima_exist_and_the_best_start_is_taken() -> None:
    """Each modality predicts its own factor slightly better than the shared one. From there neither code alone
    gains by moving (value 2 N); moving both to the shared factor gives N (1.8 + 2 lambda / N)."""
    n = 60
    own1, own2, shared = np.linalg.qr(twins.centred(np.random.default_rng(0).normal(size=(n, 3))))[0].T * np.sqrt(n)
    r = np.sqrt(0.9)
    case = Case(np.c_[own1, shared], np.c_[own2, shared], np.c_[own1, r * shared], np.c_[own2, r * shared], 1, 0)
    lam = float(n)
    twin = Twin(case, lam)
    scale = 2 * n / 1.9  # ||Y||^2 = N C
    stuck = twin.starts(1, 1)["prediction of modality 2"]
    assert twin.value(twin.answer(stuck, 1), stuck) == pytest.approx(2 * scale)
    found = solve_joint(case.moments, 1, lam)
    assert found.objective == pytest.approx(1.8 * scale + 2 * lam)
    assert found.start != "prediction of modality 2"
    assert found.alignment == pytest.approx(1)
