"""The lambda path: exact solutions at every lambda, their limits, and what is lossless.

With M = [RY, sqrt(lambda) RT], the best encoder G is the top K left singular vectors of M, so that after one QR
of [RY RT] every lambda costs one small SVD, whatever N and D (THEORY 3). The SVD of the factor is used and not
the eigenvectors of A + lambda B, which lose everything beyond lambda = 1e9.

p(lambda) = tr G^T A G is the predicted energy of Y1, q(lambda) = tr G^T B G the aligned energy of T;
p never increases and q never decreases with lambda (THEORY 4, item 1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg as sla

from alignscope._lib.types import Matrix, Vector
from alignscope.errors import AlignscopeError
from alignscope.linear.problem import Problem, share_of

_TIE = 1e-10  # eigenvalues closer than this, relative to the largest, are one: rounding decides their order
_INVARIANT = 1e-7  # how far B may turn the prediction-first encoder before every lambda > 0 costs something
_MOST_LAMBDAS = 10_000
_LARGE = 256  # above this order the top K eigenvectors alone are cheaper than the whole SVD


@dataclass(frozen=True, eq=False)
class Solution:
    """One encoder and what it achieves.

    Attributes
    ----------
    encoder : (d x k) orthonormal g, in the solver's coordinates.
    predicted : p = tr G^T A G, the energy of Y1 that it predicts (with a ridge, the penalised one).
    aligned : q = tr G^T B G, the energy of T that it predicts.
    sigma_z : the share of ||Y1||^2 that the best prediction from it explains.
    alignment_r2 : 1 - min_Q ||Z1 Q - T||^2 / ||T||^2.
    per_target : (C1,) the share explained of every target column.
    """

    encoder: Matrix
    predicted: float
    aligned: float
    sigma_z: float
    alignment_r2: float
    per_target: Vector


@dataclass(frozen=True, eq=False)
class Path:
    """Solutions along a grid of lambdas; entry k of every array belongs to lambdas[k]."""

    lambdas: Vector
    sigma_z: Vector
    alignment_r2: Vector
    per_target: Matrix
    encoders: tuple[Matrix, ...]


def lambda_grid(start: float = 1e-3, stop: float = 1e3, count: int = 100) -> Vector:
    """Return 0 and then `count` logarithmically spaced values from start to stop.

    Raises
    ------
    AlignscopeError : E302 unless 0 < start < stop are finite and count is 2 to 10,000 (or start = stop, count = 1).
    """
    fine = np.isfinite([start, stop]).all() and start > 0 and (start < stop if count > 1 else start == stop)
    if not fine or not 1 <= count <= _MOST_LAMBDAS:
        raise AlignscopeError(
            "E302",
            "lambdas",
            f"{start:g}:{stop:g}:{count}",
            "Give START:STOP:COUNT with 0 < START < STOP and COUNT from 2 to 10000, for example 0.001:1000:100.",
        )
    return np.concatenate([[0.0], np.geomspace(start, stop, count)])


def with_zero(lambdas: Any) -> Vector:
    """Return lambdas in ascending order, 0 in front.

    Raises
    ------
    AlignscopeError : E302 unless they are 1 to 10,000 finite numbers of at least 0.
    """
    try:
        values = np.asarray(lambdas, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if values.ndim != 1 or not 1 <= len(values) <= _MOST_LAMBDAS + 1 or not (np.isfinite(values) & (values >= 0)).all():
        raise AlignscopeError(
            "E302",
            "lambdas",
            f"{lambdas!r}",
            "Give a list of finite numbers of at least 0, such as alignscope.linear.lambda_grid(0.001, 1000, 100).",
        )
    return np.unique(np.append(values, 0.0))


def lambdas_text(lambdas: Vector) -> str:
    """Return START:STOP:COUNT of a grid that `lambda_grid` makes, else its numbers with commas."""
    values = [repr(value).removesuffix(".0") for value in lambdas.tolist() if value > 0]
    if values and np.array_equal(lambdas, lambda_grid(float(values[0]), float(values[-1]), len(values))):
        return f"{values[0]}:{values[-1]}:{len(values)}"
    return ",".join(values) or "0"


class Solver:
    """Solves one `Problem` at any lambda in the small coordinates of [RY RT].

    Attributes
    ----------
    frame : (r1 x d) orthonormal; G = frame @ g takes an encoder of the solver to whitened coordinates.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        both = np.hstack([problem.ry, problem.rt])
        if both.shape[0] > both.shape[1]:
            self.frame, small = np.linalg.qr(both)
        else:
            self.frame, small = np.eye(both.shape[0]), both
        self.r_y = small[:, : problem.ry.shape[1]]
        self.r_t = small[:, problem.ry.shape[1] :]
        self.components = min(problem.components, small.shape[0])
        self._lossless = self.components >= min(small.shape) or self.components >= problem.capacity
        shrink = None if problem.basis is None else problem.basis.shrinkage
        self._shrink = None if shrink is None else self.frame.T @ shrink @ self.frame

    def prediction_first(self) -> Solution:
        """Return the limit lambda -> 0+: predict as well as possible, then align with what is left."""
        return self.measure(
            lexicographic(self.r_y, self.problem.floor_y, self.r_t, self.problem.floor_t, self.components)
        )

    def align_first(self) -> Solution:
        """Return the limit lambda -> infinity: align as well as possible, then predict with what is left."""
        return self.measure(
            lexicographic(self.r_t, self.problem.floor_t, self.r_y, self.problem.floor_y, self.components)
        )

    def at(self, lam: float) -> Solution:
        """Return the optimum at one lambda; 0 means the limit from above, infinity the limit at the far end."""
        return self.measure(self.encoders([lam])[0])

    def encoders(self, lambdas: Sequence[float] | Vector) -> list[Matrix]:
        """Return the optimal encoders (d x K) at every lambda; ties go to prediction."""
        lambdas = np.asarray(lambdas, dtype=np.float64)
        if self._lossless:  # one encoder is optimal at every lambda
            return [self.prediction_first().encoder] * len(lambdas)
        inner = (lambdas > 0) & np.isfinite(lambdas)
        solved = iter(self._inner_codes(lambdas[inner]))
        return [
            next(solved) if ok else (self.prediction_first() if lam == 0 else self.align_first()).encoder
            for lam, ok in zip(lambdas, inner, strict=True)
        ]

    def _inner_codes(self, lambdas: Vector) -> list[Matrix]:
        k = self.components
        if self.r_y.shape[0] > _LARGE:
            return [self._large_code(lam) for lam in lambdas]
        roots = np.sqrt(lambdas)[:, None, None]
        stacked = np.concatenate([np.broadcast_to(self.r_y, (len(lambdas), *self.r_y.shape)), roots * self.r_t], axis=2)
        left, s, _ = np.linalg.svd(stacked, full_matrices=stacked.shape[1] > stacked.shape[2])
        encoders = []
        for lam, u, values in zip(lambdas, left, s, strict=True):
            padded = np.concatenate([values, np.zeros(max(0, k + 1 - len(values)))]) ** 2
            tied = 0 < k < u.shape[1] and padded[k - 1] - padded[k] <= _TIE * padded[0]
            encoders.append(self._break_tie(lam, k) if tied and padded[k - 1] > _TIE * padded[0] else u[:, :k])
        return encoders

    def _large_code(self, lam: float) -> Matrix:
        a, b = self.r_y @ self.r_y.T, self.r_t @ self.r_t.T
        n = len(a)
        _, vectors = sla.eigh(
            (a + lam * b) / (1 + lam), subset_by_index=[n - self.components, n - 1], check_finite=False
        )
        return np.ascontiguousarray(vectors[:, ::-1])

    def _break_tie(self, lam: float, k: int) -> Matrix:
        stacked = np.hstack([self.r_y, np.sqrt(lam) * self.r_t])
        # Prediction decides among equals, and alignment where prediction is equal too, as it is near lambda = 0.
        size_y, size_t = np.linalg.norm(self.r_y), np.linalg.norm(self.r_t)
        hint = np.sqrt(_TIE) * size_y / size_t if size_t > 0 else 0.0
        then = np.hstack([self.r_y, hint * self.r_t])
        return lexicographic(stacked, 0.0, then, self.problem.floor_y, k)

    def measure(self, encoder: Matrix) -> Solution:
        """Return what an orthonormal encoder predicts and aligns."""
        p = self.problem
        predicted, per_column = self._explained(encoder, self.r_y)
        aligned, aligned_columns = self._explained(encoder, self.r_t)
        energies = np.where(p.y_energies > 0, p.y_energies, 1.0)
        return Solution(
            encoder=encoder,
            predicted=predicted,
            aligned=aligned,
            sigma_z=share_of(per_column.sum(), p.y_energy),
            alignment_r2=share_of(aligned_columns.sum(), p.target_energy),
            per_target=per_column / energies,
        )

    def _explained(self, encoder: Matrix, r: Matrix) -> tuple[float, Vector]:
        """Return ||G^T R||^2, and per column the energy that the fit explains (less than that with a ridge)."""
        weights = encoder.T @ r
        square = np.square(weights).sum(axis=0)
        if self._shrink is None:
            return float(square.sum()), square
        fitted = np.einsum("ij,ij->j", weights, (encoder.T @ self._shrink @ encoder) @ weights)
        return float(square.sum()), 2 * square - fitted

    def optimum(self, lam: float) -> float:
        """Return the minimum of the objective, ||Y1||^2 + lambda ||T||^2 - sum of the K largest s^2."""
        s = self.at(lam)
        p = self.problem
        return p.y_energy + lam * p.target_energy - s.predicted - lam * s.aligned

    def critical_lambda(self) -> float:
        """Return lambda_c, the largest lambda at which alignment costs no prediction.

        Infinite from K >= c on. Otherwise positive only if B leaves the prediction-first encoder invariant; then it
        stays optimal until its weakest direction, an eigenvalue of A + lambda B within it, meets the
        strongest one outside; for K >= a that is 1 / mu_max of the pencil (beta I - B_G, A_G) (THEORY 4, item 3).
        """
        first = self.prediction_first()
        if self._loss(first, self.align_first()) <= _TIE * self.problem.y_energy:
            return np.inf
        inside, outside = first.encoder, _complement(first.encoder)
        a, b = self.r_y @ self.r_y.T, self.r_t @ self.r_t.T
        if np.linalg.norm(outside.T @ b @ inside) > _INVARIANT * np.linalg.norm(b):
            return 0.0
        a_in, b_in = inside.T @ a @ inside, inside.T @ b @ inside
        a_out, b_out = outside.T @ a @ outside, outside.T @ b @ outside

        def lossless(lam: float) -> bool:
            weakest = np.linalg.eigvalsh(a_in + lam * b_in)[0]
            strongest = np.linalg.eigvalsh(a_out + lam * b_out)[-1]
            return bool(weakest >= strongest - 1e-14 * abs(strongest))

        return _largest(lossless)

    def budget_lambda(self, budget: float) -> float:
        """Return the largest lambda with sigma_z(0+) - sigma_z(lambda) <= budget * sigma_z(0+), by bisection.

        With a ridge, sigma_z is here the penalised share, p / ||Y1||^2, which alone is monotone.

        The loss never decreases with lambda, so the answer is unique; infinite if even the far limit is within it.
        """
        first = self.prediction_first()
        allowed = budget * first.predicted + _TIE * self.problem.y_energy
        if self._loss(first, self.align_first()) <= allowed:
            return np.inf
        return _largest(lambda lam: self._loss(first, self.at(lam)) <= allowed)

    @staticmethod
    def _loss(first: Solution, other: Solution) -> float:
        return first.predicted - other.predicted


def trace(solver: Solver, lambdas: Vector) -> Path:
    """Return the exact solutions along a grid of lambdas."""
    encoders = solver.encoders(lambdas)
    measured = {id(g): solver.measure(g) for g in {id(g): g for g in encoders}.values()}
    solutions = [measured[id(g)] for g in encoders]
    return Path(
        lambdas=np.asarray(lambdas, dtype=np.float64),
        sigma_z=np.array([s.sigma_z for s in solutions]),
        alignment_r2=np.array([s.alignment_r2 for s in solutions]),
        per_target=np.stack([s.per_target for s in solutions]),
        encoders=tuple(encoders),
    )


def lexicographic(first: Matrix, floor: float, then: Matrix, floor_then: float, k: int) -> Matrix:
    """Return the k orthonormal directions that carry most of `first` and, among equals, most of `then`.

    Directions of `first` whose eigenvalues tie with the k-th one (those of value zero all tie) are chosen by
    their share of `then`; within what is still equal, by position.
    """
    left, s, _ = np.linalg.svd(first, full_matrices=True)
    values = np.zeros(left.shape[1])
    values[: len(s)] = np.where(s > floor, s, 0.0) ** 2
    if k >= left.shape[1]:
        return left
    edge, tolerance = values[k - 1], _TIE * values[0]
    above = values > edge + tolerance
    tied = np.abs(values - edge) <= tolerance
    among = left[:, tied]
    turn, s_then, _ = np.linalg.svd(among.T @ then, full_matrices=True)
    if s_then.max(initial=0.0) <= floor_then:  # nothing to prefer: keep the order, so that encoders are stable
        turn = np.eye(among.shape[1])
    return np.hstack([left[:, above], among @ turn[:, : k - int(above.sum())]])


def _complement(encoder: Matrix) -> Matrix:
    full, _ = np.linalg.qr(encoder, mode="complete")
    return full[:, encoder.shape[1] :]


def _largest(good: Callable[[float], bool], low: float = 1e-16, high: float = 1e16) -> float:
    """Return the largest x in [low, high] with good(x), for a condition that once false stays false."""
    if not good(low):
        return 0.0
    if good(high):
        return np.inf
    a, b = np.log(low), np.log(high)
    for _ in range(60):  # 74 / 2^60: to the last digit of a float64
        middle = (a + b) / 2
        a, b = (middle, b) if good(float(np.exp(middle))) else (a, middle)
    return float(np.exp(a))
