"""Slow, obvious twins of the linear theory on the rows themselves: the oracles of the property tests.

Nothing here uses the library. U1, Y1 and T are held as N-row matrices, and every formula is written out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg as sla


def centred(x: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Rows about their (weighted) mean; the second time removes the rounding of the first."""
    x = np.asarray(x, dtype=np.float64)
    x = x - np.average(x, axis=0, weights=weights)
    return x - np.average(x, axis=0, weights=weights)


def orthonormal(x: np.ndarray) -> np.ndarray:
    """U of the SVD of the centred, column-equilibrated rows, cut at the numerical rank."""
    x = centred(x)
    norms = np.linalg.norm(x, axis=0)
    x = x[:, norms > 1e-12 * max(norms.max(initial=0.0), 1e-300)]
    if x.shape[1] == 0:
        return np.zeros((len(x), 0))
    u, s, _ = np.linalg.svd(x / np.linalg.norm(x, axis=0), full_matrices=False)
    return u[:, s > 1e-11 * s[0]]


def scaled(y: np.ndarray) -> np.ndarray:
    """Y centred, with ||Y||^2 = N C."""
    y = centred(y)
    return y * np.sqrt(y.size / np.square(y).sum())


def sigma(x: np.ndarray, y: np.ndarray) -> float:
    """1 - RSS / ||Y||^2, in sample."""
    u, y = orthonormal(x), centred(y)
    return 1 - np.square(y - u @ (u.T @ y)).sum() / np.square(y).sum()


def fitted_target(x2: np.ndarray, y2: np.ndarray, k: int, gauge: str = "fitted") -> np.ndarray:
    """T by reduced-rank regression: the fit of Y2 on X2, cut to rank K."""
    u2, y2 = orthonormal(x2), scaled(y2)
    left, s, right = np.linalg.svd(u2 @ (u2.T @ y2), full_matrices=False)
    k = min(k, int(np.sum(s > 1e-8 * np.linalg.norm(y2))))
    return (left[:, :k] * s[:k]) @ right[:k] if gauge == "fitted" else left[:, :k] * np.sqrt(len(y2))


@dataclass(frozen=True, eq=False)
class Rows:
    """U1, Y1 and T of one direction, as rows."""

    u: np.ndarray
    y: np.ndarray
    t: np.ndarray
    k: int

    @classmethod
    def of(
        cls,
        x1: np.ndarray,
        x2: np.ndarray,
        y1: np.ndarray,
        y2: np.ndarray,
        k: int,
        gauge: str = "fitted",
    ) -> Rows:
        return cls(orthonormal(x1), scaled(y1), fitted_target(x2, y2, k, gauge), k)

    def towards(self, t: np.ndarray) -> Rows:
        """The same problem with this T, for targets that ties leave open."""
        return replace(self, t=t)

    @property
    def a(self) -> np.ndarray:
        r = self.u.T @ self.y
        return r @ r.T

    @property
    def b(self) -> np.ndarray:
        r = self.u.T @ self.t
        return r @ r.T

    def objective(self, z: np.ndarray, lam: float) -> float:
        """||Z W - Y1||^2 + lambda ||Z Q - T||^2 with the best W and Q for a code Z (N x K)."""
        z = np.linalg.qr(z)[0]
        misfit = self.y - z @ (z.T @ self.y)
        misalignment = self.t - z @ (z.T @ self.t)
        return float(np.square(misfit).sum() + lam * np.square(misalignment).sum())

    def code(self, lam: float) -> np.ndarray:
        """The best code, from the top eigenvectors of A + lambda B."""
        _, vectors = np.linalg.eigh(self.a + lam * self.b)
        return self.u @ vectors[:, ::-1][:, : self.k]

    def optimum(self, lam: float) -> float:
        return self.objective(self.code(lam), lam)

    def sigma_z(self, lam: float) -> float:
        z = self.code(lam)
        return float(np.square(z.T @ self.y).sum() / np.square(self.y).sum())

    def e(self, lam: float) -> float:
        """Sum of the K largest eigenvalues of A + lambda B."""
        return float(np.linalg.eigvalsh(self.a + lam * self.b)[::-1][: self.k].sum())

    def at_risk(self) -> float:
        """The closed form of the loss at lambda -> infinity, for rank T <= K (THEORY 4, item 4)."""
        rt = self.u.T @ self.t
        left, s, _ = np.linalg.svd(rt, full_matrices=False)
        s_floor = 1e-8 * np.linalg.norm(self.t)
        left = left[:, s > s_floor]
        outside = np.eye(len(rt)) - left @ left.T
        rest = np.linalg.eigvalsh(outside @ self.a @ outside)[::-1]
        own = np.linalg.eigvalsh(self.a)[::-1]
        return float(rest[max(self.k - left.shape[1], 0) :].sum() - own[self.k :].sum())


def capacity(rows: Rows) -> int:
    """c = rank [RY RT], with both blocks equilibrated as a whole."""
    ry, rt = rows.u.T @ rows.y, rows.u.T @ rows.t
    both = np.hstack([ry / max(np.linalg.norm(rows.y), 1e-300), rt / max(np.linalg.norm(rows.t), 1e-300)])
    return int(np.linalg.matrix_rank(both, tol=1e-7))


def generalised(x1: np.ndarray, rows: Rows, lam: float) -> tuple[np.ndarray, np.ndarray]:
    """Theorem 1's eigenproblem on the rows: (X^T M M^T X) V = (X^T X) V Lambda, largest first."""
    x = centred(x1)
    m = np.hstack([rows.y, np.sqrt(lam) * rows.t])
    values, vectors = sla.eigh(x.T @ m @ m.T @ x, x.T @ x)
    return values[::-1][: rows.k], vectors[:, ::-1][:, : rows.k]


def held_out_residuals(
    x: np.ndarray, y: np.ndarray, folds: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Residuals (N x C) of rows of a fold under least squares with an intercept on all other rows."""
    w = np.ones(len(x)) if weights is None else weights
    out = np.empty(y.shape)
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        design = np.c_[np.ones(train.sum()), x[train]] * np.sqrt(w[train])[:, None]
        beta = np.linalg.lstsq(design, y[train] * np.sqrt(w[train])[:, None], rcond=1e-13)[0]
        out[test] = y[test] - np.c_[np.ones(test.sum()), x[test]] @ beta
    return out


def held_out_sigma(x: np.ndarray, y: np.ndarray, folds: np.ndarray) -> float:
    return 1 - np.square(held_out_residuals(x, y, folds)).sum() / np.square(centred(y)).sum()


def random_code(rows: Rows, rng: np.random.Generator) -> np.ndarray:
    """The rows of a random encoder of X1."""
    g = np.linalg.qr(rng.normal(size=(rows.u.shape[1], min(rows.k, rows.u.shape[1]))))[0]
    return rows.u @ g
