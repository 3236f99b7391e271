"""Contrastive training, forecast from data alone: what a linear probe of the trained embeddings will explain.

Before any training, the modalities are lifted by random Fourier features, and the canonical correlations of the lifted
training rows taken as what InfoNCE will find. Then perceptrons are trained by InfoNCE alone (`alignscope.run_study`),
and the forecasts compared with rules of one line. All are scored on the same held-out rows, whose chance they share:
what is forecast is what training makes of these data, not other rows of the population.

Pairs are in two named halves (`benchmarks._contrastive`). Choices are made with `ALIGNSCOPE_HALF=design` in the
environment, which opens no other pair; without it both are scored, and the claims are about the held-out half alone.
Intervals are bootstraps over pairs, which are what the figures are to hold for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from alignscope._lib.types import Matrix
from alignscope.linear.detection import shared_pairs
from alignscope.measures.probes import linear_probes
from alignscope.moments.moments import Moments
from alignscope.pair.lift import LiftedRows, lifted
from alignscope.pair.paired import Pair
from alignscope.study.data.files import FileData
from alignscope.study.data.prepared import StudyData
from benchmarks._contrastive import HALVES, HIDDEN, SEEDS, SIZES, STEPS, Place, measured, open_pairs
from benchmarks._result import Claim, Result, Table

FEATURES, RIDGE, EXACT = 256, 1e-2, 1e-6
"""Random features, and ridges as shares of the mean variance of a block: of lifted rows, and of plain ones."""

RULES = ("nothing is retained", "what the modality predicts", "the smaller of what both predict")
FORECASTS = (
    "linear canonical correlations",
    "of random features",
    "of random features, shrunk, at length 1",
    "of the log density ratio, at length 1",
)
CHOSEN = FORECASTS[2]
"""What the claims are about."""

LANDMARKS, FLOOR = 1000, 0.02
"""Training rows that the log density ratio is factorised on, and what it is cut at below, where the series fails."""

TARGETS = 12
"""The most targets of a pair that count, evenly chosen: one of 100 classes would outweigh all others."""

DRAWS = 2000


@dataclass(frozen=True)
class Row:
    """One figure that was measured, and what every rule and forecast said of it before; all cut to 0..1."""

    pair: str
    components: int
    measured: float
    told: tuple[float, ...]


def measure(quick: bool = False) -> Result:
    """Return how near the forecasts and the rules come, over the pairs of each half."""
    wanted = os.environ.get("ALIGNSCOPE_HALF")
    halves = ("quick",) if quick else tuple(HALVES) if wanted is None else (wanted,)
    found = {half: [row for one in open_pairs(half) for row in _rows(*one)] for half in halves}
    scored = halves[-1]
    tables = [_scores_table(half, rows) for half, rows in found.items() if half != scored]
    tables += [
        Table(
            f"Each pair of the {half} half: mean of what was measured, and mean error",
            ["pair", "figures", "measured", *RULES, *FORECASTS],
            [_line(pair, [r for r in rows if r.pair == pair]) for pair in sorted({r.pair for r in rows})],
        )
        for half, rows in found.items()
    ]
    first = _scores_table(scored, found[scored])
    return Result(
        name="contrastive_forecast",
        title="Contrastive training, forecast from data alone",
        setting=f"{first.title}. Measured: held-out R^2 of a linear probe of embeddings at length 1, of perceptrons "
        f"({', '.join(map(str, HIDDEN))}) trained by InfoNCE alone with a learned temperature, {STEPS:,} steps, "
        f"K = {', '.join(map(str, SIZES))}, seeds: {len(SEEDS)}; a quarter of the rows, or of the groups, held out; at "
        f"most {TARGETS} targets of a pair. Forecasts are fitted on the training rows before any training, and scored "
        "on the held-out rows, as the trained embeddings are; R^2 below 0 counts as 0. Brackets hold bootstraps over "
        "pairs, the best rule chosen anew in each; the last column the least and the most without one of the pairs.",
        columns=first.columns,
        rows=first.rows,
        claims=_claims(found[scored]) if scored == "held out" else [],
        tables=tables,
    )


def _scores_table(half: str, rows: Sequence[Row]) -> Table:
    every, pairs = _scores(rows), sorted({r.pair for r in rows})
    drawn = _resampled(rows, pairs)
    without = (
        [_scores([r for r in rows if r.pair != pair])[:, 0] for pair in pairs] if len(pairs) > 1 else [every[:, 0]]
    )
    low, high = np.min(without, axis=0), np.max(without, axis=0)
    return Table(
        f"The {half} half: {len(rows)} figures of {len(pairs)} pairs",
        ["forecast", "rank correlation", "mean error", "rank above best rule", "share of its error", "rank, one out"],
        [
            [
                name,
                f"{every[i, 0]:.3f}",
                f"{every[i, 1]:.3f}",
                *(["", ""] if name in RULES else _against(every, drawn, i)),
                f"{low[i]:.3f} to {high[i]:.3f}",
            ]
            for i, name in enumerate([*RULES, *FORECASTS])
        ],
    )  # fmt: skip


def _rows(name: str, data: StudyData, given: FileData) -> Iterator[Row]:
    """Yield what was said of one pair before, and measured after."""
    quick = name == "quick"
    told = forecasts(data, SIZES[:1] if quick else SIZES, min(16 if quick else FEATURES, data.train - 1))
    for place, value in measured(name, data, given).items():
        if place in told:
            yield Row(name, place[0], _cut(value), tuple(map(_cut, told[place])))


def _cut(r2: float) -> float:
    return float(min(max(r2, 0.0), 1.0))


def forecasts(data: StudyData, sizes: Sequence[int], features: int) -> dict[Place, list[float]]:
    """Return what every rule and forecast says of held-out R^2, fitted on the training rows.

    Directions a_k, b_k of the canonical pairs with correlations rho_k of the (ridged) training rows give the scores
    u_k = a_k^T x, which a linear probe reads; InfoNCE at its optimum weighs them by rho_k and looks at their direction.
    Its optimum is the logarithm of the density ratio 1 + sum_k rho_k u_k v_k (Oord 2018): so the last forecast takes
    the K leading directions of that logarithm.

    Parameters
    ----------
    data : prepared rows, training rows first. sizes : latent sizes. features : F of `alignscope.pair.lift`.
    """
    plain = [x.reshape(len(x), -1).astype(np.float64) for x in data.x]
    part = {"train": slice(0, data.train), "test": slice(data.train, None)}
    fitted = lifted(Pair.of(*(x[part["train"]] for x in plain)), features, 0)
    assert isinstance(fitted.x1, LiftedRows) and isinstance(fitted.x2, LiftedRows)
    high = [rows.lift(x) for rows, x in zip((fitted.x1, fitted.x2), plain, strict=True)]
    linear, random = _canonical(plain, data.train, EXACT), _canonical(high, data.train, RIDGE)
    logarithm = _logarithm(random, data.train, max(sizes))
    every = sorted({t for names in data.probed for t in names})
    targets = [every[i] for i in np.unique(np.linspace(0, len(every) - 1, TARGETS).round().astype(int))]
    known = [_predicts(h, {t: data.columns(t) for t in targets}, data.train) for h in high]
    told: dict[Place, list[float]] = {}
    for k in sizes:
        for m, seen in enumerate(data.probed):
            names = [t for t in seen if t in targets]
            (z, _), (u, rho) = linear[m], random[m]
            embeddings = (z[:, :k], u[:, :k], _unit(u[:, :k] * rho[:k]), _unit(logarithm[m][:, :k]))
            probed = [_probed(data, names, v) for v in embeddings]
            for t in names:
                own, other = known[m][t], known[1 - m][t]
                told[k, m + 1, t] = [0.0, own, min(own, other), *(found[t] for found in probed)]
    return told


def _canonical(x: Sequence[Matrix], train: int, ridge: float) -> list[tuple[Matrix, np.ndarray]]:
    """Return, for each modality, scores of unit variance of all rows along the canonical directions, and rho."""
    rows = Moments.of({f"x{i}": v[:train] for i, v in enumerate(x, 1)})
    one, two = (rows.basis(f"x{i}", ridge * rows.energy(f"x{i}").mean() / train) for i in (1, 2))
    rho = np.linalg.svd(one.coordinates("x2") @ two.coefficients(np.eye(two.rank)), compute_uv=False)
    found = shared_pairs(rows, one, two)[0]
    scale = np.sqrt(train)
    return [((v - v[:train].mean(axis=0)) @ w * scale, rho) for v, w in zip(x, (found.left, found.right), strict=True)]


def _logarithm(found: Sequence[tuple[Matrix, np.ndarray]], train: int, components: int) -> list[Matrix]:
    """Return embeddings of all rows whose products are the best approximation of the centred log density ratio."""
    (u, rho), (v, _) = found
    chosen = np.sort(np.random.default_rng(0).permutation(train)[:LANDMARKS])
    marks = [z[chosen][:, : len(rho)] for z in (u, v)]
    kernel = _log_ratio(marks[0] * rho[: marks[0].shape[1]], marks[1])
    means = kernel.mean(axis=0), kernel.mean(axis=1)
    left, values, right = np.linalg.svd(kernel - means[0] - means[1][:, None] + kernel.mean(), full_matrices=False)
    k = min(components, int(np.count_nonzero(values > 1e-9 * values[0])))
    root = np.sqrt(values[:k])
    # Other rows by Nystrom: their log ratios with the rows chosen of the other modality.
    first = _log_ratio(u[:, : marks[1].shape[1]] * rho[: marks[1].shape[1]], marks[1]) - means[0]
    second = _log_ratio(v[:, : marks[0].shape[1]] * rho[: marks[0].shape[1]], marks[0]) - means[1]
    return [
        (z - z.mean(axis=1, keepdims=True)) @ basis / root for z, basis in ((first, right[:k].T), (second, left[:, :k]))
    ]


def _log_ratio(weighed: Matrix, other: Matrix) -> Matrix:
    return np.log(np.maximum(1 + weighed @ other.T, FLOOR))


def _unit(z: Matrix) -> Matrix:
    length = np.linalg.norm(z, axis=1, keepdims=True)
    return z / np.where(length > 0, length, 1)


def _predicts(h: Matrix, targets: Mapping[str, np.ndarray], train: int) -> dict[str, float]:
    """Return held-out R^2 of ridge regression of each target on lifted rows."""
    found = {}
    for name, columns in targets.items():
        y = columns.astype(np.float64)
        rows = Moments.of({"h": h[:train], "y": y[:train]})
        basis = rows.basis("h", RIDGE * rows.energy("h").mean() / train)
        mean = y[:train].mean(axis=0)
        guess = (h[train:] - h[:train].mean(axis=0)) @ basis.solve(rows.cross("h", "y"))
        total = float(np.square(y[train:] - mean).sum())
        found[name] = 1 - float(np.square(y[train:] - mean - guess).sum()) / total if total > 0 else 0.0
    return found


def _probed(data: StudyData, names: Sequence[str], z: Matrix) -> dict[str, float]:
    """Return R^2 of the probe that the trained embeddings get."""
    train, test = ({t: data.targets[t][part] for t in names} for part in (slice(data.train), slice(data.train, None)))
    probes = linear_probes(z[: data.train], train, z[data.train :], test)
    return {t: float(np.nan_to_num(probe.r2)) for t, probe in probes.items()}


def _scores(rows: Sequence[Row]) -> Matrix:
    """Return rank correlation and mean error of every rule and forecast, (R + F, 2)."""
    measured, told = np.array([r.measured for r in rows]), np.array([r.told for r in rows]).T
    ranks = rankdata(np.round(np.vstack([measured, told]), 12), axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(ranks, axis=1)
    scale = norms[1:] * norms[0]
    rank = np.divide(ranks[1:] @ ranks[0], scale, out=np.zeros(len(told)), where=scale > 0)
    return np.column_stack([rank, np.abs(told - measured).mean(axis=1)])


def _gains(scores: Matrix) -> Matrix:
    """Return by how much each is above the best rule in rank, and its error over that of the best rule."""
    best, least = scores[: len(RULES), 0].max(), scores[: len(RULES), 1].min()
    return np.column_stack([scores[:, 0] - best, scores[:, 1] / least if least > 0 else np.ones(len(scores))])


def _resampled(rows: Sequence[Row], pairs: Sequence[str]) -> np.ndarray:
    """Return `_gains` of pairs drawn again, (draws, R + F, 2); none of a single pair."""
    by_pair = [[r for r in rows if r.pair == pair] for pair in pairs]
    rng = np.random.default_rng(0)
    draws = rng.integers(len(pairs), size=(DRAWS if len(pairs) > 1 else 0, len(pairs)))
    found = [_gains(_scores([r for i in draw for r in by_pair[i]])) for draw in draws]
    return np.array(found).reshape(len(draws), len(RULES) + len(FORECASTS), 2)


def _interval(drawn: np.ndarray, i: int, which: int) -> tuple[float, float] | None:
    if not len(drawn):
        return None
    low, high = np.quantile(drawn[:, i, which], [0.025, 0.975])
    return float(low), float(high)


def _against(scores: Matrix, drawn: np.ndarray, i: int) -> list[str]:
    words = []
    for which, value in enumerate(_gains(scores)[i]):
        ends = _interval(drawn, i, which)
        words.append(f"{value:+.3f}" if which == 0 else f"{value:.2f}")
        words[-1] += f" [{ends[0]:.2f} to {ends[1]:.2f}]" if ends else ""
    return words


def _line(pair: str, rows: Sequence[Row]) -> list[str]:
    return [
        pair,
        str(len(rows)),
        f"{np.mean([r.measured for r in rows]):.2f}",
        *(f"{e:.3f}" for e in _scores(rows)[:, 1]),
    ]


def _claims(rows: Sequence[Row]) -> list[Claim]:
    scores, drawn = _scores(rows), _resampled(rows, sorted({r.pair for r in rows}))
    last = len(RULES) + FORECASTS.index(CHOSEN)
    gain, share = _gains(scores)[last]
    ends = _interval(drawn, last, 0)
    rank, error = _against(scores, drawn, last)
    above = None if ends is None else bool(gain >= 0.1 and ends[0] > 0)
    return [
        Claim(f"{CHOSEN}: rank correlation at least .90", f"{scores[last, 0]:.3f}", bool(scores[last, 0] >= 0.9)),
        Claim("at least .10 above the best rule, with an interval above 0", rank, above),
        Claim("a mean error of at most half that of the best rule", error, bool(share <= 0.5)),
    ]
