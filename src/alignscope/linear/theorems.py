"""The paper's two theorems as it states them, next to what holds.

Source: arXiv 2509.17943, theorems 1 and 2; the corrections and the counter-examples are ours (THEORY 3, 4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
import scipy.linalg as sla

from alignscope._lib.types import Matrix, Vector
from alignscope.linear.informativeness import truncated_sigma
from alignscope.linear.path import Solver
from alignscope.linear.problem import Problem
from alignscope.moments.moments import Moments

_EQUAL = 1e-9  # two sigmas closer than this are equal: the accuracy that every linear figure has


def theorem1_eigenproblem(moments: Moments, problem: Problem, lam: float) -> tuple[Matrix, Vector]:
    """Solve the generalised eigenproblem of theorem 1 literally; the oracle of the fast solution.

        (X1^T M M^T X1) V = (X1^T X1) V Lambda,      M = [Y1, sqrt(lambda) T]

    It costs O(D^3) for every lambda and needs X1^T X1 of full rank; `Solver` gives the same for O((C1 + m)^3).

    Returns
    -------
    V1 (D1 x K), scaled to V1^T X1^T X1 V1 = I, and the K largest eigenvalues.
    """
    gram = moments.cross("x1", "x1")
    scale = np.sqrt(problem.y_energy / moments.energy("y1").sum())
    lift = moments.basis("x1")
    # X1^T M = X1^T U1 [RY, sqrt(lambda) RT] up to what is orthogonal to X1; X1^T U1 = gram @ coefficients(I).
    to_x = gram @ lift.coefficients(np.eye(lift.rank))
    cross = np.hstack([scale * moments.cross("x1", "y1"), np.sqrt(lam) * to_x @ problem.rt])
    d = len(gram)
    values, vectors = sla.eigh(cross @ cross.T, gram, subset_by_index=[d - problem.components, d - 1])
    return vectors[:, ::-1], values[::-1]


class Theorem2(msgspec.Struct, frozen=True, kw_only=True):
    """Theorem 2 on one problem: what it assumes, what it would claim, and the exact answer.

    As stated: if (i) sigma_22 >= sigma_2K and (ii) sigma_21 < sigma_1K, then for any lambda > 0 the optimal encoder
    predicts less than its modality could, sigma^z_11 < sigma_11. It is false in both directions (THEORY 4).

    Attributes
    ----------
    assumption_i, assumption_ii : whether (i) and (ii) hold. claims_loss : whether both do.
    loses : whether sigma_z(lambda) < sigma_11 at some lambda > 0, whatever the cause.
    loses_by_alignment : whether sigma_z(lambda) < sigma_z(0+) at some lambda, so that alignment is the cause.
    sigma_22, sigma_21 : what modality 2 explains of its own target and of target 1 (in sample).
    sigma_2k, sigma_1k : the share of target 2 and of target 1 in its K largest singular values.
    text : one sentence for the page.
    """

    assumption_i: bool
    assumption_ii: bool
    claims_loss: bool
    loses: bool
    loses_by_alignment: bool
    sigma_22: float
    sigma_2k: float
    sigma_21: float
    sigma_1k: float
    text: str

    @classmethod
    def of(
        cls, sigma_22: float, sigma_2k: float, sigma_21: float, sigma_1k: float, loses: bool, loses_by_alignment: bool
    ) -> Theorem2:
        """Return what the theorem says of these sigmas, next to what is lost."""
        first, second = sigma_22 >= sigma_2k - _EQUAL, sigma_21 < sigma_1k - _EQUAL
        return cls(
            assumption_i=first,
            assumption_ii=second,
            claims_loss=first and second,
            loses=loses,
            loses_by_alignment=loses_by_alignment,
            sigma_22=sigma_22,
            sigma_2k=sigma_2k,
            sigma_21=sigma_21,
            sigma_1k=sigma_1k,
            text=_theorem2_text(first, second, loses, loses_by_alignment),
        )


def _theorem2_text(first: bool, second: bool, loses: bool, loses_by_alignment: bool) -> str:
    truth = (
        "alignment does cost prediction"
        if loses_by_alignment
        else "the latent size costs prediction, alignment adds nothing"
        if loses
        else "no prediction is lost at any lambda"
    )
    if first and second:
        verdict = "and that is so" if loses_by_alignment else "but that is not so"
        return f"Both assumptions hold, so the theorem claims a loss, {verdict}: {truth}."
    held = "only the first" if first else "only the second" if second else "neither"
    return f"Of its two assumptions {held} holds, so the theorem says nothing. Exactly: {truth}."


def theorem2(moments: Moments, solver: Solver, *, predict: str, other: str, other_target: str) -> Theorem2:
    """Return theorem 2's assumptions and the exact answer for a solved direction, in sample."""
    k = solver.problem.components
    basis = moments.basis(other)

    def sigma(target: str) -> float:
        energy = moments.energy(target).sum()
        return float(np.square(basis.coordinates(target)).sum() / energy) if energy > 0 else 0.0

    first, last = solver.prediction_first(), solver.align_first()
    return Theorem2.of(
        sigma_22=sigma(other_target),
        sigma_2k=truncated_sigma(moments, other_target, k),
        sigma_21=sigma(predict),
        sigma_1k=truncated_sigma(moments, predict, k),
        loses=bool(solver.problem.sigma - last.sigma_z > _EQUAL),
        loses_by_alignment=bool(first.sigma_z - last.sigma_z > _EQUAL),
    )


def two_projector_loss(angles: Vector, x: float, y: float) -> float:
    """Return the loss for A = x Pi_Y and lambda B = y Pi_T with a = b = K and these principal angles.

        loss = x sum_k (1/2) [1 - (x + y cos 2 theta_k) / sqrt((x + y)^2 - 4 x y sin^2 theta_k)]

    Source: ours (THEORY 4, item 5).
    """
    root = np.sqrt(np.maximum((x + y) ** 2 - 4 * x * y * np.sin(angles) ** 2, 0.0))
    # At a right angle x = y is a tie, which goes to prediction.
    tied = root <= 1e-12 * (x + y)
    cosine = np.where(tied, 1.0, (x + y * np.cos(2 * angles)) / np.where(tied, 1.0, root))
    return float(x * np.sum(0.5 * (1 - cosine)))


@dataclass(frozen=True)
class CounterExample:
    """A small exact data set on which theorem 2 as stated fails, or is beside the point.

    `build(n, seed)` returns x1, x2, y1, y2; factors are orthogonal in the sample, so nothing is left to chance.
    """

    code: str
    title: str
    components: int
    lesson: str
    build: Callable[[int, int], tuple[Matrix, Matrix, Matrix, Matrix]]


def _factors(n: int, seed: int, count: int) -> Matrix:
    """Return centred, orthogonal columns with ||column||^2 = n."""
    x = np.random.default_rng(seed).normal(size=(n, count))
    q, _ = np.linalg.qr(x - x.mean(axis=0))
    return q * np.sqrt(n)


def _capacity(n: int, seed: int) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    s, t, u = _factors(n, seed, 3).T
    one, two = np.c_[s, t], np.c_[s, u]
    return one, two, one, two


def _noisy_copy(n: int, seed: int) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    s, e = _factors(n, seed, 2).T
    noisy = (s + 3 * e)[:, None]
    return s[:, None], noisy, s[:, None], noisy


def _weak_leak(n: int, seed: int) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    s, t, u, e = _factors(n, seed, 4).T
    one, two = np.c_[s, t], np.c_[s, u]
    return np.c_[s, t, 0.3 * u + e], two, one, two


def _full_rank(n: int, seed: int) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    s, t, u = _factors(n, seed, 3).T
    return np.c_[s, t, 0.5 * s + u], np.c_[s, u], np.c_[s, t, t - s], np.c_[s, u]


def _too_small(n: int, seed: int) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    s, t, u = _factors(n, seed, 3).T
    one, two = np.c_[2 * s, t], np.c_[2 * s, u]
    return one, two, one, two


def _ties(n: int, seed: int) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    s, t, u, v = _factors(n, seed, 4).T
    one = np.c_[s, t, u]
    return one, np.c_[s, v], one, np.c_[s, v]


def _orthogonal(n: int, seed: int) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    s, t, u, v = _factors(n, seed, 4).T
    return np.c_[s, t], np.c_[u, v], np.c_[s, t], np.c_[u, v]


COUNTER_EXAMPLES: tuple[CounterExample, ...] = (
    CounterExample(
        "CE1", "capacity: the paper's own toy", 2,
        "Both assumptions hold and nothing is lost at any lambda: K = 2 reaches the capacity.", _capacity,
    ),
    CounterExample(
        "CE2", "noisy redundancy", 1,
        "sigma_21 is small only because of noise; what is aligned is parallel to what is predicted.", _noisy_copy,
    ),
    CounterExample(
        "CE3", "a weak leak", 2,
        "Nothing is lost below a finite critical lambda, everything unshared beyond it.", _weak_leak,
    ),
    CounterExample(
        "CE4", "a latent as large as the modality", 3,
        "K >= rank X1: the encoder retains everything whatever it is aligned to.", _full_rank,
    ),
    CounterExample(
        "CE5", "a latent that is too small", 1,
        "K < rank RY: prediction is lost at lambda = 0 already, to capacity and not to alignment.", _too_small,
    ),
    CounterExample(
        "CE6", "ties", 2,
        "Equal eigenvalues: the best rank-K prediction is not unique, and alignment may choose among equals freely.",
        _ties,
    ),
    CounterExample(
        "CE7", "nothing in common", 2,
        "X1 is orthogonal to the target: alignment changes nothing, at any lambda.", _orthogonal,
    ),
)  # fmt: skip
"""CE1 to CE7 of THEORY 4, each with the latent size that makes its point."""
