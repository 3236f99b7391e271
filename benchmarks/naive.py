"""The same figures as one would otherwise write them: scikit-learn per fold, a generalised eigenproblem per lambda."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import scipy.linalg as sla
from sklearn.linear_model import LinearRegression

import alignscope
from alignscope.linear import lambda_grid
from alignscope.pair.folds import assign_folds
from benchmarks._data import Sizes, in_memory
from benchmarks._result import Claim, Result, in_turn, median

Blocks = Mapping[str, np.ndarray]


def measure(quick: bool = False) -> Result:
    """Return how much longer the plain way takes, and how far its figures are from ours."""
    sizes = Sizes(600, 12, 3, 4, lambdas=5) if quick else Sizes(20_000, 384, 20, 32)
    blocks = in_memory(sizes)
    ours: dict[str, np.ndarray] = {}
    theirs: dict[str, np.ndarray] = {}
    with_alignscope(blocks, sizes)  # what it imports
    naive, fast = in_turn(
        [
            lambda: theirs.update(with_scikit_learn(blocks, sizes)),
            lambda: ours.update(with_alignscope(blocks, sizes)),
        ],
        repeats=1 if quick else 2,
    )
    ratios = [a / b for a, b in zip(naive, fast, strict=True)]
    apart = {k: float(np.abs(ours[k] - theirs[k]).max()) for k in theirs}
    return Result(
        name="naive",
        title="Against what one would otherwise write",
        setting=f"{sizes}, float64 in memory. The plain way is LinearRegression for each of six sigmas in sample and "
        "for each fold, and scipy.linalg.eigh(A, B) for each lambda, direction and fold (and in sample), A and B being "
        "worked out once for a fold, with a LinearRegression on the codes to score them. alignscope.audit does the "
        "whole audit, with intervals, permutation null, remedies and regime, which the plain way leaves out. "
        f"In turn, {len(ratios)} times in one process; medians.",
        columns=["what", "ratio of times"],
        rows=[["alignscope.audit", 1.0], ["scikit-learn + scipy", median(ratios)]],
        claims=[
            Claim(
                "at least 30 times faster",
                f"{median(ratios):.1f} (each: {', '.join(f'{r:.1f}' for r in ratios)})",
                None if quick else median(ratios) >= 30,
            ),
            Claim("the same figures", f"largest difference {max(apart.values()):.1e}", max(apart.values()) < 1e-8),
        ],
        notes=[f"largest difference in {k}: {v:.1e}" for k, v in apart.items()],
    )


def with_alignscope(blocks: Blocks, sizes: Sizes) -> dict[str, np.ndarray]:
    """Return the figures that both ways give, from an audit."""
    found = alignscope.audit(
        blocks["x1"],
        blocks["x2"],
        blocks["y1"],
        blocks["y2"],
        components=sizes.k,
        folds=sizes.folds,
        lambdas=lambda_grid(0.001, 1000, sizes.lambdas),
    )
    keys = ("11", "12", "21", "22", "b1", "b2")
    both = [found.directions[i] for i in "12"]
    return {
        "sigma in sample": np.array([found.sigma.in_sample[k] for k in keys]),
        "sigma held out": np.array([found.sigma.held_out[k].value for k in keys]),
        "sigma_z": np.array([d.sigma_z[1:] for d in both]),
        "alignment_r2": np.array([d.alignment_r2[1:] for d in both]),
        "held_out_sigma_z": np.array([d.held_out_sigma_z[1:] for d in both]),
    }


def with_scikit_learn(blocks: Blocks, sizes: Sizes) -> dict[str, np.ndarray]:
    """Return the same figures the plain way. Lambda = 0, which needs a limit, is left out."""
    x1, x2, y1, y2 = (blocks[k] for k in ("x1", "x2", "y1", "y2"))
    folds = assign_folds(sizes.n, sizes.folds, 0)
    lambdas = lambda_grid(1e-3, 1e3, sizes.lambdas)[1:]
    held, inside = [], []
    for x, y in [(x1, y1), (x1, y2), (x2, y1), (x2, y2), (np.hstack([x1, x2]), y1), (np.hstack([x1, x2]), y2)]:
        inside.append(1 - _squares(y - LinearRegression().fit(x, y).predict(x)) / _squares(y - y.mean(axis=0)))
        held.append(_held_out(x, y, folds))
    paths = [_path(*data, folds, lambdas, sizes.k) for data in ((x1, y1, x2, y2), (x2, y2, x1, y1))]
    sigma_z, alignment, held_out = (np.array(p) for p in zip(*paths, strict=True))
    return {
        "sigma in sample": np.array(inside),
        "sigma held out": np.array(held),
        "sigma_z": sigma_z,
        "alignment_r2": alignment,
        "held_out_sigma_z": held_out,
    }


def _held_out(x: np.ndarray, y: np.ndarray, folds: np.ndarray) -> float:
    rss = 0.0
    for f in np.unique(folds):
        model = LinearRegression().fit(x[folds != f], y[folds != f])
        rss += _squares(y[folds == f] - model.predict(x[folds == f]))
    return 1 - rss / _squares(y - y.mean(axis=0))


def _path(
    x: np.ndarray, y: np.ndarray, other: np.ndarray, other_y: np.ndarray, folds: np.ndarray, lambdas: np.ndarray, k: int
) -> tuple[list[float], list[float], list[float]]:
    """Return sigma_z and alignment R^2 in sample, and held-out sigma_z, at every lambda."""
    sigma_z, alignment = [], []
    target = _target(other, other_y, k)
    for z in _codes(x, y, target, lambdas, k, x):
        sigma_z.append(_share(z, y))
        alignment.append(_share(z, target))
    rss = np.zeros(len(lambdas))
    for f in np.unique(folds):
        train, test = folds != f, folds == f
        target = _target(other[train], other_y[train], k)
        for i, z in enumerate(_codes(x[train], y[train], target, lambdas, k, x)):
            model = LinearRegression().fit(z[train], y[train])
            rss[i] += _squares(y[test] - model.predict(z[test]))
    return sigma_z, alignment, list(1 - rss / _squares(y - y.mean(axis=0)))


def _target(x: np.ndarray, y: np.ndarray, k: int) -> np.ndarray:
    """Return T, the rank-k fitted values of a block-scaled target."""
    y = (y - y.mean(axis=0)) * np.sqrt(y.size / _squares(y - y.mean(axis=0)))
    fitted = LinearRegression().fit(x, y).predict(x)
    u, s, _ = np.linalg.svd(fitted, full_matrices=False)
    target: np.ndarray = u[:, :k] * s[:k]
    return target


def _codes(
    x: np.ndarray, y: np.ndarray, target: np.ndarray, lambdas: np.ndarray, k: int, rows: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield the code of `rows` at every lambda, fitted on x, y and target."""
    centred = x - x.mean(axis=0)
    y = (y - y.mean(axis=0)) * np.sqrt(y.size / _squares(y - y.mean(axis=0)))
    gram, to_y, to_t = centred.T @ centred, centred.T @ y, centred.T @ target
    a, b = to_y @ to_y.T, to_t @ to_t.T
    d = len(gram)
    for lam in lambdas:
        _, v = sla.eigh(a + lam * b, gram, subset_by_index=[d - k, d - 1])
        yield (rows - x.mean(axis=0)) @ v


def _share(z: np.ndarray, y: np.ndarray) -> float:
    model = LinearRegression().fit(z, y)
    return float(1 - _squares(y - model.predict(z)) / _squares(y - y.mean(axis=0)))


def _squares(values: np.ndarray) -> float:
    return float(np.square(values).sum())
