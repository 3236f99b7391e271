"""Slow, obvious twins of the objectives, and the table of all of them.

Nothing in a twin uses the library or torch: rows are numpy arrays, every sum is a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import exp, log, sqrt

import numpy as np
import torch
from torch import Tensor

from alignscope.nn import objectives as o
from tensor_helpers import normal

TAU = 0.3
Rows = Sequence[np.ndarray]


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / sqrt((a @ a) * (b @ b)))


def standard(z: np.ndarray) -> np.ndarray:
    return (z - z.mean(axis=0)) / z.std(axis=0)


def chosen(logits: Sequence[float], own: int) -> float:
    """-log softmax of one entry."""
    return log(sum(exp(s) for s in logits)) - logits[own]


def info_nce(z1: np.ndarray, z2: np.ndarray, tau: float = TAU) -> float:
    n = len(z1)
    total = 0.0
    for i in range(n):
        total += chosen([cosine(z1[i], z2[j]) / tau for j in range(n)], i)
        total += chosen([cosine(z1[j], z2[i]) / tau for j in range(n)], i)
    return total / (2 * n)


def siglip(z1: np.ndarray, z2: np.ndarray, bias: float = -2.0) -> float:
    total = 0.0
    for i in range(len(z1)):
        for j in range(len(z2)):
            sign = 1 if i == j else -1
            total += log(1 + exp(-sign * (cosine(z1[i], z2[j]) / TAU + bias)))
    return total / len(z1)


def spectral_contrastive(z1: np.ndarray, z2: np.ndarray) -> float:
    n = len(z1)
    pairs = sum(z1[i] @ z2[i] for i in range(n)) / n
    others = sum((z1[i] @ z2[j]) ** 2 for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    return float(-2 * pairs + others)


def sup_con(z: np.ndarray, second: np.ndarray) -> float:
    labels, terms = second[:, 0] > 0, []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        logits = [cosine(z[i], z[a]) / TAU for a in others]
        own = [chosen(logits, at) for at, a in enumerate(others) if labels[a] == labels[i]]
        if own:
            terms.append(sum(own) / len(own))
    return sum(terms) / len(terms)


def barlow_twins(z1: np.ndarray, z2: np.ndarray) -> float:
    a, b, total = standard(z1), standard(z2), 0.0
    for k in range(a.shape[1]):
        for m in range(b.shape[1]):
            c = a[:, k] @ b[:, m] / len(a)
            total += (1 - c) ** 2 if k == m else 5e-3 * c**2
    return float(total)


def vicreg(z1: np.ndarray, z2: np.ndarray) -> float:
    n, width = z1.shape
    total = 25 * sum((z1[i, k] - z2[i, k]) ** 2 for i in range(n) for k in range(width)) / (n * width)
    for z in (z1, z2):
        cov = np.atleast_2d(np.cov(z, rowvar=False))
        for k in range(width):
            total += 25 * max(0.0, 1 - sqrt(cov[k, k] + 1e-4)) / width
            total += sum(cov[k, m] ** 2 for m in range(width) if m != k) / width
    return float(total)


def cca(z1: np.ndarray, z2: np.ndarray, soft: bool = False, ridge: float = 1e-4) -> float:
    """By symmetric roots instead of Cholesky factors."""
    n, roots = len(z1), []
    a, b = standard(z1), standard(z2)
    for t in (a, b):
        values, vectors = np.linalg.eigh(t.T @ t / n + ridge * np.eye(t.shape[1]))
        roots.append(vectors / np.sqrt(values) @ vectors.T)
    rho = np.linalg.svd(roots[0] @ a.T @ b @ roots[1] / n, compute_uv=False)
    return float(-np.square(rho).sum() if soft else -rho.sum())


def cross_covariance(z1: np.ndarray, z2: np.ndarray) -> float:
    a, b = standard(z1), standard(z2)
    squares = [(x @ y / len(a)) ** 2 for x in a.T for y in b.T]
    return float(sum(squares) / len(squares))


def hsic(z1: np.ndarray, z2: np.ndarray, bandwidth: float | None = None) -> float:
    """By the expectations of Gretton: E[kl] + E[k] E[l] - 2 E[E[k] E[l]], over all pairs."""
    n, kernels = len(z1), []
    for z in (z1, z2):
        square = [[float(((x - y) ** 2).sum()) for y in z] for x in z]
        apart = sorted(square[i][j] for i in range(n) for j in range(n) if i != j)
        h2 = bandwidth**2 if bandwidth else apart[(len(apart) - 1) // 2]
        kernels.append([[exp(-d / (2 * h2)) for d in row] for row in square])
    a, b = kernels
    joint = sum(a[i][j] * b[i][j] for i in range(n) for j in range(n)) / n**2
    apart_ab = sum(map(sum, a)) * sum(map(sum, b)) / n**4
    mixed = sum(sum(a[i]) * sum(b[i]) for i in range(n)) / n**3
    return joint + apart_ab - 2 * mixed


def jepa(prediction: np.ndarray, teacher: np.ndarray) -> float:
    total = 0.0
    for p, t in zip(prediction, teacher, strict=True):
        target = (t - t.mean()) / sqrt(t.var() + 1e-5)
        for e in np.abs(p - target):
            total += 0.5 * e**2 if e < 1 else e - 0.5
    return total / prediction.size


def bottleneck(mu1: np.ndarray, logvar1: np.ndarray, mu2: np.ndarray, logvar2: np.ndarray) -> float:
    g = torch.Generator().manual_seed(0)
    e1, e2 = (torch.randn(mu1.shape, generator=g, dtype=torch.float64).numpy() for _ in range(2))
    total = 0.0
    for m1, v1, m2, v2 in zip(mu1.flat, np.exp(logvar1).flat, mu2.flat, np.exp(logvar2).flat, strict=True):
        total += log(sqrt(v2 / v1)) + (v1 + (m1 - m2) ** 2) / (2 * v2) - 0.5
    return info_nce(mu1 + np.exp(logvar1 / 2) * e1, mu2 + np.exp(logvar2 / 2) * e2) + 0.7 * total / len(mu1)


def volume(vectors: Rows) -> float:
    units = np.array([v / np.linalg.norm(v) for v in vectors])
    return sqrt(np.linalg.det(units @ units.T + 1e-6 * np.eye(len(units))))


def gram(*zs: np.ndarray) -> float:
    n = len(zs[0])
    v = [[-volume([zs[0][i], *(z[j] for z in zs[1:])]) / TAU for j in range(n)] for i in range(n)]
    return sum(chosen(v[i], i) + chosen([row[i] for row in v], i) for i in range(n)) / (2 * n)


def symile(*zs: np.ndarray) -> float:
    units = [z / np.linalg.norm(z, axis=1, keepdims=True) for z in zs]
    n, total = len(zs[0]), 0.0
    for m in range(len(units)):
        others = units[:m] + units[m + 1 :]
        for i in range(n):
            logits = []
            for j in range(n):
                product = units[m][i].copy()
                for r, other in enumerate(others):
                    product *= other[i] if i == j else other[(j - r) % n]
                logits.append(product.sum() / TAU)
            total += chosen(logits, i)
    return float(total / (n * len(units)))


def patches(z: np.ndarray | Tensor) -> np.ndarray | Tensor:
    """(N, 2 K) as two patches of K, an odd width as one."""
    return z.reshape(len(z), 2 if z.shape[1] % 2 == 0 else 1, -1) if len(z) else z[:, None]


def mil_nce(*zs: np.ndarray, present: np.ndarray | None = None) -> float:
    grids = [patches(z) for z in zs]
    tokens = [
        (m, n, p)
        for m, grid in enumerate(grids)
        for n in range(len(grid))
        for p in range(grid.shape[1])
        if present is None or present[n, m]
    ]
    terms = []
    for m, n, p in tokens:
        score = {u: exp(cosine(grids[m][n, p], grids[u[0]][u[1], u[2]]) / TAU) for u in tokens}
        positive = sum(s for u, s in score.items() if u[0] != m and u[1:] == (n, p))
        if positive:
            terms.append(log(sum(s for u, s in score.items() if u[:2] != (m, n))) - log(positive))
    return sum(terms) / len(terms)


@dataclass(frozen=True)
class Objective:
    """One objective as a function of several (N, K) inputs, the first `learners` of which get a gradient."""

    call: Callable[..., Tensor]
    twin: Callable[..., float]
    inputs: int = 2
    learners: int = 2
    least: int = 2  # samples below which it is 0
    narrowest: int = 1  # K below which it refuses

    def __call__(self, zs: Sequence[Tensor], present: Tensor | None = None) -> Tensor:
        return self.call(zs, present)


def pair(objective: Callable[..., Tensor], **options: object) -> Callable[..., Tensor]:
    return lambda zs, present: objective(*zs, present=present, **options)


def several(objective: Callable[..., Tensor], **options: object) -> Callable[..., Tensor]:
    """Every modality is there where the sample is."""

    def call(zs: Sequence[Tensor], present: Tensor | None) -> Tensor:
        wide = None if present is None else present[:, None].repeat(1, len(zs))
        return objective(zs, present=wide, **options)

    return call


def _bottleneck(zs: Sequence[Tensor], present: Tensor | None) -> Tensor:
    g = torch.Generator().manual_seed(0)
    return o.bottleneck_alignment(*zs, present=present, beta=0.7, temperature=TAU, generator=g)


def _sup_con(zs: Sequence[Tensor], present: Tensor | None) -> Tensor:
    return o.sup_con(zs[0], zs[1][:, 0] > 0, present=present, temperature=TAU)


def _mil_nce(zs: Sequence[Tensor], present: Tensor | None) -> Tensor:
    return several(o.mil_nce, temperature=TAU)([patches(z) for z in zs], present)


OBJECTIVES: dict[str, Objective] = {
    "info_nce": Objective(pair(o.info_nce, temperature=TAU), info_nce),
    "siglip": Objective(pair(o.siglip, temperature=TAU, bias=-2.0), siglip),
    "spectral_contrastive": Objective(pair(o.spectral_contrastive), spectral_contrastive),
    "sup_con": Objective(_sup_con, sup_con, learners=1),
    "barlow_twins": Objective(pair(o.barlow_twins), barlow_twins),
    "vicreg": Objective(pair(o.vicreg), vicreg),
    "cca_loss": Objective(pair(o.cca_loss), cca),
    "cca_loss, soft": Objective(pair(o.cca_loss, soft=True), partial(cca, soft=True)),
    "cross_covariance": Objective(pair(o.cross_covariance), cross_covariance),
    "hsic": Objective(pair(o.hsic), hsic),
    "hsic, bandwidth": Objective(pair(o.hsic, bandwidth=1.5), partial(hsic, bandwidth=1.5)),
    "jepa": Objective(pair(o.jepa), jepa, learners=1, least=1, narrowest=2),
    "bottleneck_alignment": Objective(_bottleneck, bottleneck, inputs=4, learners=4, least=1),
    "gram": Objective(several(o.gram, temperature=TAU), gram, inputs=3, learners=3, narrowest=3),
    "symile": Objective(several(o.symile, logit_scale=1 / TAU), symile, inputs=3, learners=3),
    "mil_nce": Objective(_mil_nce, mil_nce, inputs=3, learners=3, least=1),
}


def embeddings(seed: int, count: int, n: int, k: int) -> list[Tensor]:
    """Embeddings that share half of their variance."""
    shared = normal(seed, n, k)
    return [(shared + normal(seed + 1 + m, n, k)) / sqrt(2) for m in range(count)]
