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
from alignscope.linear.contrastive_forecast import (
    BEND,
    CODES,
    FACTOR,
    MARGINS,
    RIDGE,
    canonical_scores,
    explained,
    lift_rows,
    retention_scores,
)
from alignscope.measures.readout import Readout
from alignscope.study.data.files import FileData
from alignscope.study.data.prepared import StudyData
from benchmarks._contrastive import HALVES, HIDDEN, SEEDS, SIZES, STEPS, Place, measured, open_pairs
from benchmarks._result import Claim, Result, Table

EXACT = 1e-6
"""The ridge of plain rows, as a share of the mean variance of a block."""

RULES = ("nothing is retained", "what the modality predicts", "the smaller of what both predict")
FORECASTS = (
    "linear canonical correlations",
    "of random features, weighed by them, at length 1",
    "of the log density ratio, at length 1",
    "of InfoNCE on the canonical scores, at length 1",
    "the package's: mean of these two",
)
CHOSEN = len(RULES) + len(FORECASTS) - 1
"""What the claims are about."""

TARGETS = 12
"""The most targets of a pair that count, evenly chosen: one of 100 classes would outweigh all others."""

DRAWS = 1000


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
    drawn = {half: _resampled(rows, sorted({r.pair for r in rows})) for half, rows in found.items()}
    tables = [_scores_table(half, rows, drawn[half]) for half, rows in found.items() if half != scored]
    tables += [_calibration(found)]
    tables += [
        Table(
            f"Each pair of the {half} half: mean of what was measured, and mean error",
            ["pair", "figures", "measured", *RULES, *FORECASTS],
            [_line(pair, [r for r in rows if r.pair == pair]) for pair in sorted({r.pair for r in rows})],
        )
        for half, rows in found.items()
    ]
    first = _scores_table(scored, found[scored], drawn[scored])
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
        claims=_claims(found[scored], drawn[scored]) if scored == "held out" else [],
        tables=tables,
    )


def _scores_table(half: str, rows: Sequence[Row], drawn: np.ndarray) -> Table:
    every, pairs = _scores(rows), sorted({r.pair for r in rows})
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
    told = forecasts(data, SIZES[:1] if quick else SIZES)
    for place, value in measured(name, data, given).items():
        if place in told:
            yield Row(name, place[0], _cut(value), tuple(map(_cut, told[place])))


def _cut(r2: float) -> float:
    return float(min(max(r2, 0.0), 1.0))


def forecasts(data: StudyData, sizes: Sequence[int]) -> dict[Place, list[float]]:
    """Return what every rule and forecast says of held-out R^2, fitted on the training rows."""
    x = [v.reshape(len(v), -1).astype(np.float64) for v in data.x]
    every = sorted({t for names in data.probed for t in names})
    targets = [every[i] for i in np.unique(np.linspace(0, len(every) - 1, TARGETS).round().astype(int))]
    blocks = [data.columns(t).astype(np.float64) for t in targets]
    place = dict(zip(targets, np.cumsum([0, *(b.shape[1] for b in blocks)])[:-1], strict=True))
    assert all(b.shape[1] == 1 for b in blocks)
    y, fitted = np.hstack(blocks), np.arange(len(x[0])) < data.train
    scores = retention_scores((x[0], x[1]), (y, y), fitted, sizes, 0)
    simple = [_simple(z, y, fitted, sizes) for z in ((x[0], x[1], EXACT, False), (*_lifted(x, fitted), RIDGE, True))]
    told: dict[Place, list[float]] = {}
    for m, names in enumerate(data.probed):
        own, other = scores[m].known(), scores[1 - m].known()
        for i, k in enumerate(sizes):
            each = [found[m][i] for found in simple]
            each += [scores[m].retained(code)[i] for code in CODES] + [scores[m].forecast()[i]]
            for t in (t for t in names if t in place):
                j = place[t]
                told[k, m + 1, t] = [0.0, own[j], min(own[j], other[j]), *(float(found[j]) for found in each)]
    return told


def _lifted(x: Sequence[Matrix], fitted: np.ndarray) -> tuple[Matrix, Matrix]:
    one, two = (lift_rows(v, fitted, (0, m)) for m, v in enumerate(x, 1))
    return one, two


def _simple(
    given: tuple[Matrix, Matrix, float, bool], y: Matrix, fitted: np.ndarray, sizes: Sequence[int]
) -> list[list[np.ndarray]]:
    """Return held-out R^2 of the leading canonical scores of both modalities; or weighed by rho, at length 1."""
    one, two, ridge, weighed = given
    u, v, rho = canonical_scores((one, two), fitted, ridge)
    found = []
    for z in (u, v):
        embedded = [z[:, :k] * (rho[:k] if weighed else 1.0) for k in sizes]
        if weighed:
            embedded = [e / np.maximum(np.linalg.norm(e, axis=1, keepdims=True), 1e-9) for e in embedded]
        squares = [Readout(e[fitted], y[fitted]).squares(e[~fitted], y[~fitted]) for e in embedded]
        found.append([explained(rss, tss) for rss, tss, _ in squares])
    return found


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


def _calibration(found: Mapping[str, Sequence[Row]]) -> Table:
    """Return factor and margins as fitted to a half, and how much of it they and those of the package cover."""
    lines: list[list[str]] = []
    for half, rows in found.items():
        parts = [[r for r in rows if r.pair == pair] for pair in sorted({r.pair for r in rows})]
        lines.append(
            [
                half,
                "the package's",
                f"{FACTOR:.2f}",
                f"{MARGINS[1]:.3f}",
                *_covered(parts, [(FACTOR, MARGINS[1])] * len(parts)),
            ]
        )
        if half == "design":
            factor, margin = _fit(rows)
            without = [_fit([r for r in rows if r.pair != part[0].pair]) for part in parts]
            lines.append(
                [
                    half,
                    "fitted to the other pairs",
                    f"{factor:.2f} (all)",
                    f"{margin:.3f} (all)",
                    *_covered(parts, without),
                ]
            )
    return Table(
        "The interval: what it is multiplied by, its margin at a forecast of .5 and more, and what it covers",
        ["half", "constants", "factor", "margin", "figures covered", "least of a pair"],
        lines,
    )


def _covered(parts: Sequence[Sequence[Row]], constants: Sequence[tuple[float, float]]) -> list[str]:
    shares = [_coverage(part, *each) for part, each in zip(parts, constants, strict=True)]
    sizes = [len(part) for part in parts]
    return [f"{np.average(shares, weights=sizes):.3f}", f"{min(shares):.2f}"]


def _arrays(rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean R^2 of the two embeddings, what was measured, and weights by which pairs count alike."""
    pairs = [r.pair for r in rows]
    raw = np.array([r.told[CHOSEN] for r in rows]) / FACTOR
    return raw, np.array([r.measured for r in rows]), 1 / np.array([pairs.count(p) for p in pairs])


def _shape(forecast: np.ndarray) -> np.ndarray:
    return np.interp(forecast, (0, BEND), (MARGINS[0] / MARGINS[1], 1))


def _fit(rows: Sequence[Row]) -> tuple[float, float]:
    """Return the least-squares factor, and the margin that holds 95% of the figures, pairs counting alike."""
    raw, measured, weight = _arrays(rows)
    factor = float((weight * raw * measured).sum() / (weight * raw**2).sum())
    excess = np.abs(measured - factor * raw) / _shape(factor * raw)
    order = np.argsort(excess)
    reached = np.cumsum(weight[order]) / weight.sum()
    return factor, float(excess[order][np.searchsorted(reached, 0.95)])


def _coverage(rows: Sequence[Row], factor: float, margin: float) -> float:
    raw, measured, _ = _arrays(rows)
    return float((np.abs(measured - factor * raw) <= margin * _shape(factor * raw) + 1e-12).mean())


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


def _claims(rows: Sequence[Row], drawn: np.ndarray) -> list[Claim]:
    scores = _scores(rows)
    last = CHOSEN
    gain, share = _gains(scores)[last]
    ends = _interval(drawn, last, 0)
    rank, error = _against(scores, drawn, last)
    held = _coverage(rows, FACTOR, MARGINS[1])
    above = None if ends is None else bool(gain >= 0.1 and ends[0] > 0)
    return [
        Claim("rank correlation at least .90", f"{scores[last, 0]:.3f}", bool(scores[last, 0] >= 0.9)),
        Claim("at least .10 above the best rule, with an interval above 0", rank, above),
        Claim("a mean error of at most half that of the best rule", error, bool(share <= 0.5)),
        Claim("intervals hold at least .90 of what was measured", f"{held:.3f}", bool(held >= 0.9)),
    ]
