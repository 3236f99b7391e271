"""Least squares with an intercept from one representation to many targets, factorised once."""

from __future__ import annotations

import numpy as np
import scipy.linalg as sla

from alignscope._lib.types import Matrix, Vector
from alignscope.measures._rows import centred

RIDGE = 1e-8
"""Added to the correlation matrix (unit diagonal) of the representation. On a direction of eigenvalue mu it costs a
share (1e-8 / (mu + 1e-8))^2 of what could be explained: nothing, but it makes the fit defined whatever the rank."""


class Readout:
    """The linear map z -> y_mean + (z - z_mean) B, with B = S^-1 (R + RIDGE I)^-1 S^-1 Z^T Y / N.

    R is the correlation matrix of z, S its standard deviations; constant columns do not take part.

    Parameters
    ----------
    z : (N, K). y : (N, C), all targets side by side.
    """

    def __init__(self, z: Matrix, y: Matrix) -> None:
        z, self.z_mean = centred(z)
        y, self.y_mean = centred(y)
        self.coefficients = ridge_solution(z.T @ z, z.T @ y)

    def predict(self, z: Matrix) -> Matrix:
        """Return the predictions of other rows, (N, C)."""
        return self.y_mean + (z - self.z_mean) @ self.coefficients

    def squares(self, z: Matrix, y: Matrix) -> tuple[Vector, Vector, Matrix]:
        """Return residual squares, total squares about the fitted mean (one a target) and predictions of other rows."""
        predicted = self.predict(z)
        return np.square(y - predicted).sum(axis=0), np.square(y - self.y_mean).sum(axis=0), predicted


def ridge_solution(scatter: Matrix, cross: Matrix) -> Matrix:
    """Return the coefficients B (K x C) from the centred products Z^T Z and Z^T Y."""
    scale = np.sqrt(np.diagonal(scatter))
    unit = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    correlation = unit[:, None] * scatter * unit + RIDGE * np.eye(len(scale))
    return unit[:, None] * sla.solve(correlation, unit[:, None] * cross, assume_a="pos", check_finite=False)


def explained(rss: Vector, tss: Vector) -> Vector:
    """Return 1 - rss / tss of every target, NaN where there is nothing to explain."""
    return 1 - np.divide(rss, tss, out=np.full(len(tss), np.nan), where=tss > 0)


def explained_share(rss: Vector, tss: Vector) -> float:
    """Return 1 - sum rss / sum tss, the same of all targets as one block."""
    return float(explained(rss.sum(keepdims=True), tss.sum(keepdims=True))[0])
