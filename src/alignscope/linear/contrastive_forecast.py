"""What networks trained by alignment alone are expected to retain, forecast from the data before any training.

Rows are lifted by random Fourier features (`alignscope.pair.lift`), so that canonical pairs (u_k, v_k) of correlation
rho_k are non-linear in the columns. They are the terms of the density ratio

    p(x1, x2) / (p(x1) p(x2)) = 1 + sum_k rho_k u_k(x1) v_k(x2),

whose logarithm InfoNCE estimates. Two embeddings of K numbers, both at length 1, follow from them:

    log ratio   the K leading directions of that logarithm: the optimum of InfoNCE without any limit of rows;
    InfoNCE     linear maps of the u_k and of the v_k that InfoNCE itself finds in a hundred steps of 256 rows, its
                temperature learned, from the canonical directions on: what K numbers at length 1 and a batch resolve.

A linear probe of each is fitted on some rows and scored on others. The forecast is the mean of the two R^2, times a
factor that was fitted to networks, as its interval was; see `MARGINS`.

Sources: van den Oord, Li & Vinyals (2018) for the optimum of InfoNCE; Lancaster (1958) for the expansion; Rahimi &
Recht (2007) for the features; the combination is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignscope._lib.interval import Interval
from alignscope._lib.types import Mask, Matrix, Vector
from alignscope.linear.detection import shared_pairs
from alignscope.measures.readout import Readout
from alignscope.moments.moments import Moments
from alignscope.pair.lift import Lift
from alignscope.pair.readers.formats import open_rows

FEATURES, PER_FEATURE, RIDGE, MOST = 256, 4, 1e-2, 48
"""Random features, the least rows for each, the ridge as a share of the mean variance, and canonical pairs kept."""

LANDMARKS, FLOOR = 500, 0.02
"""Rows that the log density ratio is factorised on, and what it is cut at below, where the series fails."""

STEPS, BATCH, RATE, SCALE = 100, 256, 0.05, 10.0
"""Of the linear InfoNCE: steps of Adam, rows of a batch, the first learning rate, and 1 / temperature at the start."""

CODES = ("log ratio", "InfoNCE")
"""The embeddings, in the order of `RetentionScores.codes`."""

FACTOR, MARGINS, BEND = 0.91, (0.1, 0.24), 0.5
"""What the mean R^2 is multiplied by, since networks keep a little less, and half the width of the 95% interval of a
forecast of 0 and of one of `BEND` and more, linear in between. Fitted to the networks of the design half of
`python -m benchmarks contrastive_forecast`, which prints them; the other half had no part in it."""

Blocks = tuple[Matrix, Matrix]
"""One block of columns of each modality, with the same rows."""


@dataclass(frozen=True, eq=False)
class RetentionScores:
    """Squared residuals of one modality's targets on the rows that were scored; those of further rows can be added.

    Attributes
    ----------
    products : (3,) sums of u_1 v_1, u_1^2 and v_1^2 of the leading canonical pair.
    codes : (2, S, C) of the probes of every embedding of `CODES`, latent size and target column.
    own : (C,) of ridge regression on the lifted rows: what the modality itself predicts. total : (C,) about the mean.
    """

    products: Vector
    codes: np.ndarray
    own: Vector
    total: Vector

    def __add__(self, other: RetentionScores) -> RetentionScores:
        return RetentionScores(
            self.products + other.products, self.codes + other.codes, self.own + other.own, self.total + other.total
        )

    @property
    def correlation(self) -> float:
        """The held-out correlation of the leading canonical pair."""
        return float(self.products[0] / np.sqrt(max(self.products[1] * self.products[2], 1e-300)))

    def whole(self) -> RetentionScores:
        """Return the same of all columns as one target, (2, S, 1)."""
        codes, own, total = (a.sum(axis=-1, keepdims=True) for a in (self.codes, self.own, self.total))
        return RetentionScores(self.products, codes, own, total)

    def retained(self, code: str) -> Matrix:
        """Return held-out R^2 of one embedding, (S, C), at least 0; 0 of a column that does not vary."""
        return explained(self.codes[CODES.index(code)], self.total)

    def known(self) -> Vector:
        """Return held-out R^2 of the modality itself, (C,), at least 0."""
        return explained(self.own, self.total)

    def forecast(self) -> Matrix:
        """Return what networks are expected to keep, (S, C).

        Never more than there is: the better embedding, a function of the modality, predicts more of rows it never saw.
        """
        return FACTOR * np.mean([self.retained(code) for code in CODES], axis=0)


def expectation(value: float, valid: bool = True) -> Interval:
    """Return a forecast with its interval, 0 to 1; without one where rows depend on each other (not `valid`)."""
    if not valid:
        return Interval(value, None, None)
    margin = float(np.interp(value, (0.0, BEND), MARGINS))
    return Interval(value, max(value - margin, 0.0), min(value + margin, 1.0))


def retention_scores(
    x: Blocks, y: Blocks, fitted: Mask, sizes: Sequence[int], seed: int
) -> tuple[RetentionScores, RetentionScores]:
    """Return how well targets are read from the embeddings of each modality, on the rows that are not `fitted`.

    Parameters
    ----------
    x, y : the modalities (N, D1), (N, D2), and the targets of each, (N, C1), (N, C2).
    fitted : (N,) which rows all is fitted on; the others are scored.
    sizes : latent sizes S, each at least 1.
    seed : of random features, landmarks and batches.
    """
    high = [lift_rows(rows, fitted, (seed, m)) for m, rows in enumerate(x, 1)]
    u, v, rho = canonical_scores((high[0], high[1]), fitted, RIDGE)
    embedded = _embeddings(u, v, rho, fitted, sizes, seed)
    lead = u[~fitted, 0], v[~fitted, 0]
    products = np.array([lead[0] @ lead[1], lead[0] @ lead[0], lead[1] @ lead[1]])
    one, two = (
        RetentionScores(products, *_scored([[code[k][m] for k in sizes] for code in embedded], high[m], y[m], fitted))
        for m in (0, 1)
    )
    return one, two


def canonical_scores(x: Blocks, fitted: Mask, ridge: float) -> tuple[Matrix, Matrix, Vector]:
    """Return scores of all rows along at most `MOST` canonical directions, unit variance where fitted, and rho.

    ridge : as a share of the mean variance of each block.
    """
    rows = Moments.of({f"x{i}": v[fitted] for i, v in enumerate(x, 1)}, form="chan")
    one, two = (rows.basis(f"x{i}", ridge * rows.energy(f"x{i}").mean() / rows.weight) for i in (1, 2))
    found = shared_pairs(rows, one, two)[0]
    u, v = (
        (z - rows.mean[rows.blocks[f"x{i}"]]) @ w[:, :MOST] * np.sqrt(rows.weight)
        for i, (z, w) in enumerate(zip(x, (found.left, found.right), strict=True), 1)
    )
    return u, v, np.clip((u[fitted] * v[fitted]).mean(axis=0), 0.0, 1.0)


def lift_rows(x: Matrix, fitted: Mask, seed: tuple[int, int]) -> Matrix:
    """Return rows with their random features, the map taken from those that are fitted."""
    features = min(FEATURES, int(fitted.sum()) // PER_FEATURE)
    return Lift.fit(open_rows(x[fitted], "x"), features, seed)(x)


def _embeddings(
    u: Matrix, v: Matrix, rho: Vector, fitted: Mask, sizes: Sequence[int], seed: int
) -> list[dict[int, Blocks]]:
    """Return for every embedding of `CODES`: latent size -> that of both modalities, at length 1."""
    left, right = _log_ratio(u, v, rho, fitted, max(sizes), seed)
    found: list[dict[int, Blocks]] = [
        {k: (left[:, :k], right[:, :k]) for k in sizes},
        {k: _info_nce(u, v, rho, fitted, k, seed) for k in sizes},
    ]
    return [{k: (_unit(one), _unit(two)) for k, (one, two) in code.items()} for code in found]


def _log_ratio(u: Matrix, v: Matrix, rho: Vector, fitted: Mask, size: int, seed: int) -> Blocks:
    """Return embeddings whose products are the best approximation of the centred log density ratio."""
    marks = np.sort(np.random.default_rng([seed, 1]).permutation(np.flatnonzero(fitted))[:LANDMARKS])

    def ratio(one: Matrix, two: Matrix) -> Matrix:
        return np.asarray(np.log(np.maximum(1 + (one * rho) @ two.T, FLOOR)))

    kernel = ratio(u[marks], v[marks])
    means = kernel.mean(axis=0), kernel.mean(axis=1)
    left, values, right = np.linalg.svd(kernel - means[0] - means[1][:, None] + kernel.mean(), full_matrices=False)
    k = min(size, max(1, int(np.count_nonzero(values > 1e-9 * values[0]))))
    root = np.sqrt(np.where(values[:k] > 0, values[:k], 1.0))
    # Other rows by Nystrom: their log ratios with the landmarks of the other modality.
    one, two = ratio(u, v[marks]) - means[0], ratio(v, u[marks]) - means[1]
    return (
        (one - one.mean(axis=1, keepdims=True)) @ right[:k].T / root,
        (two - two.mean(axis=1, keepdims=True)) @ left[:, :k] / root,
    )


def _info_nce(u: Matrix, v: Matrix, rho: Vector, fitted: Mask, size: int, seed: int) -> Blocks:
    """Return linear embeddings of the scores that InfoNCE finds, from the canonical directions on, by Adam."""
    rows, rng = np.flatnonzero(fitted), np.random.default_rng([seed, 2])
    scores = [z.astype(np.float32) for z in (u, v)]
    batch = min(BATCH, len(rows))
    start = np.eye(u.shape[1], size, dtype=np.float32) * rho[:, None].astype(np.float32)
    at: list[np.ndarray] = [start, start.copy(), np.array(np.log(SCALE), dtype=np.float32)]
    first, second = ([np.zeros_like(p) for p in at] for _ in range(2))
    for step in range(1, STEPS + 1):
        taken = rng.choice(rows, batch, replace=False)
        slopes = info_nce_gradient(scores[0][taken], scores[1][taken], at[0], at[1], float(at[2]))
        rate = RATE * (1 - (step - 1) / STEPS)
        for i, slope in enumerate(slopes):
            first[i] = 0.9 * first[i] + 0.1 * slope
            second[i] = 0.999 * second[i] + 0.001 * np.square(slope)
            root = np.sqrt(second[i] / (1 - 0.999**step)) + 1e-8
            at[i] = at[i] - rate * first[i] / (1 - 0.9**step) / root
    return u @ at[0].astype(np.float64), v @ at[1].astype(np.float64)


def info_nce_gradient(
    one: Matrix, two: Matrix, left: Matrix, right: Matrix, log_scale: float
) -> tuple[Matrix, Matrix, np.ndarray]:
    """Return the gradient of InfoNCE with respect to both maps and the logarithm of 1 / temperature, at most 100.

    loss = -(1 / 2B) sum_n [log softmax_m(s_nm) + log softmax_m(s_mn)] at m = n,  s = exp(log_scale) cos(u_n A, v_m B)
    """
    scale, n = float(np.exp(min(log_scale, np.log(100.0)))), len(one)
    (e1, l1), (e2, l2) = _directions(one @ left), _directions(two @ right)
    logits = scale * (e1 @ e2.T)
    weights = np.exp(logits - scale)
    pull = (weights / weights.sum(axis=1, keepdims=True) + weights / weights.sum(axis=0)) / 2
    pull[np.diag_indices(n)] -= 1
    pull /= n
    back = []
    for x, e, length, other in ((one, e1, l1, pull @ e2), (two, e2, l2, pull.T @ e1)):
        slope = scale * (other - e * (e * other).sum(axis=1, keepdims=True)) / length
        back.append(x.T @ slope)
    return back[0], back[1], np.asarray((pull * logits).sum())


def _directions(z: Matrix) -> tuple[Matrix, Matrix]:
    length = np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-9)
    return z / length, length


def _unit(z: Matrix) -> Matrix:
    return _directions(z)[0]


def _scored(
    codes: Sequence[Sequence[Matrix]], high: Matrix, y: Matrix, fitted: Mask
) -> tuple[np.ndarray, Vector, Vector]:
    """Return residuals of the probes (codes, S, C) and of ridge regression (C,), and total squares (C,)."""
    y = np.asarray(y, dtype=np.float64)
    probes = [[Readout(z[fitted], y[fitted]).squares(z[~fitted], y[~fitted]) for z in code] for code in codes]
    rows = Moments.of({"h": high[fitted], "y": y[fitted]}, form="chan")
    basis = rows.basis("h", RIDGE * rows.energy("h").mean() / rows.weight)
    guess = (high[~fitted] - rows.mean[rows.blocks["h"]]) @ basis.solve(rows.cross("h", "y"))
    own = np.square(y[~fitted] - rows.mean[rows.blocks["y"]] - guess).sum(axis=0)
    return np.array([[rss for rss, _, _ in code] for code in probes]), own, probes[0][0][1]


def explained(residual: np.ndarray, total: Vector) -> np.ndarray:
    """Return 1 - residual / total cut to 0..1, 0 where there is nothing to explain."""
    share = np.divide(residual, total, out=np.ones_like(residual), where=total > 0)
    return np.clip(1 - share, 0.0, 1.0)
