"""Rows to measure on: latent factors, some shared and some of one modality only, under noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Sizes:
    """N rows, D features a modality, C targets a modality, K components, and the number of folds and lambdas."""

    n: int
    d: int
    c: int
    k: int
    folds: int = 5
    lambdas: int = 100

    def __str__(self) -> str:
        return (
            f"N = {self.n:,}, D = {self.d} + {self.d}, C = {self.c} + {self.c}, K = {self.k}, {self.folds} folds, "
            f"{self.lambdas} lambdas"
        )


def chunks(sizes: Sizes, rows: int = 10_000) -> Iterator[dict[str, np.ndarray]]:
    """Yield float32 blocks x1, x2, y1, y2 of consecutive rows; 20 shared factors, 20 of each modality."""
    rng = np.random.default_rng(0)
    width = {"x1": sizes.d, "x2": sizes.d, "y1": sizes.c, "y2": sizes.c}
    mixing = {k: rng.normal(size=(60, w)).astype(np.float32) for k, w in width.items()}
    for k, unknown in {"x1": slice(40, 60), "x2": slice(0, 20), "y1": slice(40, 60), "y2": slice(0, 20)}.items():
        mixing[k][unknown] = 0
    for start in range(0, sizes.n, rows):
        count = min(rows, sizes.n - start)
        factors = rng.standard_normal((count, 60), dtype=np.float32)
        yield {k: factors @ m + 3 * rng.standard_normal((count, width[k]), dtype=np.float32) for k, m in mixing.items()}


def in_memory(sizes: Sizes) -> dict[str, np.ndarray]:
    """Return x1, x2, y1, y2 in float64."""
    parts = list(chunks(sizes))
    return {k: np.concatenate([p[k] for p in parts]).astype(np.float64) for k in parts[0]}


def write_npy(sizes: Sizes, folder: Path) -> dict[str, Path]:
    """Write x1.npy, x2.npy, y1.npy, y2.npy (float32) without holding them in memory."""
    width = {"x1": sizes.d, "x2": sizes.d, "y1": sizes.c, "y2": sizes.c}
    paths = {k: folder / f"{k}.npy" for k in width}
    maps = {k: np.lib.format.open_memmap(paths[k], "w+", np.dtype("<f4"), (sizes.n, w)) for k, w in width.items()}
    start = 0
    for chunk in chunks(sizes):
        for k, values in chunk.items():
            maps[k][start : start + len(values)] = values
        start += len(chunk["x1"])
    return paths
