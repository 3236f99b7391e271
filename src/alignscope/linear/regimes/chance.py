"""What chance alone does to canonical correlations and to cross-covariances, and how to take it off again.

All laws are for independent rows. Sources: I. M. Johnstone, "Multivariate analysis and Jacobi ensembles:
largest eigenvalue, Tracy-Widom limits and rates of convergence", Annals of Statistics 36 (2008), and "On the
distribution of the largest eigenvalue in principal components analysis", ibid. 29 (2001); Z. Bao, J. Hu,
G. Pan, W. Zhou, "Canonical correlation coefficients of high-dimensional Gaussian vectors", ibid. 47 (2019);
F. Benaych-Georges, R. R. Nadakuditi, "The singular values and vectors of low rank perturbations of large
rectangular random matrices", J. Multivariate Analysis 111 (2012).
"""

from __future__ import annotations

import numpy as np
from scipy.special import betaincinv

_NORMAL95 = 1.645  # 95% point of the normal law
_TRACY_WIDOM = {0.95: 0.9793, 0.99: 2.0234}  # points of the law of order 1


def chance_root(p: int, q: int, n: float, point: float = 0.95) -> float:
    """95% (or 99%) point of the largest squared canonical correlation of p and q independent columns in n rows.

    Exact (a beta law) for p = 1 or q = 1, else Johnstone's Tracy-Widom approximation on the logit scale.
    """
    low, high = sorted((p, q))
    if low == 0:
        return 0.0
    if p + q >= n - 1:
        return 1.0
    if low == 1:
        return float(betaincinv(high / 2, (n - 1 - high) / 2, point))
    gamma = 2 * np.arcsin(np.sqrt((low - 0.5) / (n - 2)))
    phi = 2 * np.arcsin(np.sqrt((high - 0.5) / (n - 2)))
    mu = 2 * np.log(np.tan((phi + gamma) / 2))
    spread = 16 / ((n - 2) ** 2 * np.sin(phi + gamma) ** 2 * np.sin(phi) * np.sin(gamma))
    return float(1 / (1 + np.exp(-(mu + _TRACY_WIDOM[point] * np.cbrt(spread)))))


def critical_root(p: int, q: int, n: float) -> float:
    """Squared canonical correlation below which p and q columns in n rows do not show it, in 0..1.

    t_c = sqrt(c_p c_q / ((1 - c_p)(1 - c_q))), c = columns / (n - 1).
    """
    cp, cq = p / (n - 1), q / (n - 1)
    return 1.0 if cp + cq >= 1 else float(np.sqrt(cp * cq / ((1 - cp) * (1 - cq))))


def visible(t: float, p: int, q: int, n: float, level: float = 0.0) -> bool:
    """Whether a squared population correlation t would exceed `chance_root`, and `level`, 95 times in 100."""
    cp, cq = p / (n - 1), q / (n - 1)
    if t <= critical_root(p, q, n):
        return False
    expected = (t * (1 - cp) + cp) * (t * (1 - cq) + cq) / t
    error = 2 * np.sqrt(t / n) * (1 - t)
    return bool(expected - _NORMAL95 * error > max(chance_root(p, q, n), level))


def least_visible(p: int, q: int, n: float, level: float = 0.0) -> float:
    """Smallest squared population correlation, in steps of 0.01, from which all are `visible`; 1 where none is."""
    unseen = [t for t in range(1, 100) if not visible(t / 100, p, q, n, level)]
    return (unseen[-1] + 1) / 100 if unseen else 0.01


def population_root(root: float, p: int, q: int, n: float) -> float:
    """Squared population correlation t whose sample value tends to `root`; at least `critical_root`.

    Larger root of root = (t (1 - c_p) + c_p)(t (1 - c_q) + c_q) / t.
    """
    floor = critical_root(p, q, n)
    cp, cq = p / (n - 1), q / (n - 1)
    if floor >= 1:
        return 1.0
    a, c = (1 - cp) * (1 - cq), cp * cq
    b = root - cp - cq + 2 * cp * cq
    if b <= 0 or b * b < 4 * a * c:
        return floor
    return float(np.clip((b + np.sqrt(b * b - 4 * a * c)) / (2 * a), floor, 1.0))


def chance_cross(noise: float, p: float, q: float, n: float) -> float:
    """95% point of the largest squared singular value of p x q noise of variance `noise` / n per entry."""
    if p <= 0 or q <= 0:
        return 0.0
    rp, rq = np.sqrt(max(p - 0.5, 0.5)), np.sqrt(max(q - 0.5, 0.5))
    centre = (rp + rq) ** 2
    return float(noise / n * (centre + _TRACY_WIDOM[0.95] * (rp + rq) * np.cbrt(1 / rp + 1 / rq)))


def population_cross(square: float, noise: float, p: float, q: float, n: float) -> float:
    """Squared singular value x^2 whose noisy sample tends to `square`; at least its detection limit.

    Larger root of square = (x^2 + v p)(x^2 + v q) / x^2 with v = noise / n; the limit is v sqrt(p q).
    """
    v = noise / n
    floor = v * np.sqrt(max(p, 0) * max(q, 0))
    b = square - v * (p + q)
    if b <= 0 or b * b < 4 * floor**2:
        return float(floor)
    return float(max((b + np.sqrt(b * b - 4 * floor**2)) / 2, floor))
