"""How alike two representations of a sample of rows are, beyond what moments tell."""

from __future__ import annotations

import numpy as np

from alignscope._lib.types import Matrix

NEIGHBOURS = 10
_BLOCK = 1_000  # rows whose distances to all are held at once


def procrustes(x: Matrix, y: Matrix) -> float:
    """Return the similarity that is left after the best rotation and scale, 0 to 1.

    ||X^T Y||_* / (||X||_F ||Y||_F), columns centred and ||.||_* the sum of singular values: 1 less half the squared
    distance of orthogonal Procrustes between the two at unit norm. 0 where one does not vary.
    Source: Schönemann 1966; Ding, Denain & Steinhardt 2021.
    """
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    scale = float(np.linalg.norm(x) * np.linalg.norm(y))
    if scale <= 0:
        return 0.0
    return float(np.clip(np.linalg.svd(x.T @ y, compute_uv=False).sum() / scale, 0.0, 1.0))


def mutual_knn(x: Matrix, y: Matrix, neighbours: int = NEIGHBOURS) -> tuple[float, float]:
    """Return which share of the nearest neighbours of a row are the same in both, and what it is of unrelated rows.

    Neighbours by Euclidean distance of standardised columns. Source: Huh, Cheung, Wang & Isola 2024, mutual k-NN.
    """
    n = len(x)
    k = min(neighbours, n - 1)
    near = [nearest(rows, k) for rows in (x, y)]
    same = [len(np.intersect1d(a, b, assume_unique=True)) for a, b in zip(*near, strict=True)]
    return float(np.mean(same)) / k, k / (n - 1)


def nearest(rows: Matrix, k: int) -> np.ndarray:
    """Return the k nearest other rows of every row (N x k), by Euclidean distance of standardised columns."""
    spread = rows.std(axis=0)
    z = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    squares = np.square(z).sum(axis=1)
    found = []
    for start in range(0, len(z), _BLOCK):
        some = slice(start, start + _BLOCK)
        distances = squares[some, None] - 2 * z[some] @ z.T + squares
        here = np.arange(len(distances))
        distances[here, start + here] = np.inf
        found.append(np.argpartition(distances, k - 1, axis=1)[:, :k])
    return np.vstack(found)
