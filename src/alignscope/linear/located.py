"""Where a loss is: what each row, group and place of it contributes, on rows that no encoder was fitted on.

The loss of a training is the difference of two held-out R^2, hence a mean over rows of

    l_n = (||y_n - a(x_n)||^2 - ||y_n - f(x_n)||^2) / (||Y||^2 / N)

with f what predicts unaligned and a what predicts aligned, both fitted without the fold of row n. The leverage of a
row is ||f(x_n) - a(x_n)||^2 in the same unit: what alignment drops of its prediction, whatever its target.
That takes a second look at the rows, in chunks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from alignscope._lib.interval import LEVEL, Interval
from alignscope._lib.types import Array, Codes, Vector
from alignscope.linear.informativeness import Predictor
from alignscope.moments.cells import to_numpy
from alignscope.moments.onepass import FoldedMoments, chunk_rows, read_chunks, sources
from alignscope.pair.paired import Pair

LEAST, PARTS = 10, 10
"""Rows below which a group gets no interval, and the parts that one is made of."""

ByFold = Mapping[int, Predictor]


@dataclass(frozen=True, eq=False)
class RowLosses:
    """What every row contributes to the loss, (N,), and its leverage, (N,); NaN for rows that are not scored."""

    lost: Vector
    leverage: Vector


def row_losses(
    pair: Pair, moments: FoldedMoments, before: Mapping[str, ByFold], after: Mapping[str, ByFold]
) -> dict[str, RowLosses]:
    """Return the losses of all rows by direction.

    before, after : direction -> fold -> what predicts its target unaligned, and aligned, for the rows of that fold.
    """
    rows, aliases = sources(pair)
    found = {i: RowLosses(np.full(pair.n, np.nan), np.full(pair.n, np.nan)) for i in before}
    unit = {}
    for i in found:
        total = moments.total("x1", "x2")
        unit[i] = max(float(total.energy(f"y{i}").sum()) / total.weight, 1e-300)
    for start, stop, raw, here in read_chunks(pair, chunk_rows(rows) // 4 + 1, check=not moments.complete):
        folds, complete = moments.folds[start:stop], here.all(axis=1)
        if pair.weights is not None:
            complete &= pair.weights[start:stop] > 0
        for fold in np.unique(folds[complete]).tolist():
            chosen = np.flatnonzero(complete & (folds == fold))
            for i, losses in found.items():
                if fold in before[i]:
                    both = before[i][fold], after[i][fold]
                    values = {k: raw[aliases.get(k, k)] for k in (*both[0].inputs, *both[1].inputs, both[0].output)}
                    lost, leverage = _of_rows(*both, values, chosen)
                    losses.lost[start + chosen], losses.leverage[start + chosen] = lost / unit[i], leverage / unit[i]
    return found


def _of_rows(before: Predictor, after: Predictor, values: Mapping[str, Array], chosen: Codes) -> tuple[Vector, Vector]:
    rows = {k: to_numpy(v)[chosen].astype(np.float64) for k, v in values.items()}
    target = rows[before.output]
    inputs = [np.hstack([rows[k] for k in p.inputs]) for p in (before, after)]
    told = [p.y_mean + (x - p.x_mean) @ p.coefficients for p, x in zip((before, after), inputs, strict=True)]
    missed = [np.square(target - t).sum(axis=1) for t in told]
    return missed[1] - missed[0], np.square(told[1] - told[0]).sum(axis=1)


@dataclass(frozen=True)
class PartLoss:
    """What one group or place loses of its rows, as a share of the whole target's variance."""

    name: str
    rows: int
    loss: Interval


def group_losses(lost: Vector, codes: Codes, names: Sequence[str], weights: Vector | None = None) -> list[PartLoss]:
    """Return the loss of every group that has rows, the largest first.

    The interval is Student's over `PARTS` consecutive parts of the group's rows, since neighbours may be alike; it
    allows for choosing among all groups (Bonferroni). Groups of fewer than `LEAST` rows have none and come last.
    Encoders are taken as they are: what they would be without the group does not count.
    """
    scored = np.flatnonzero(np.isfinite(lost))
    order = scored[np.argsort(codes[scored], kind="stable")]
    numbers, starts = np.unique(codes[order], return_index=True)
    parts = np.split(order, starts[1:]) if len(order) else []
    among = max(sum(len(rows) >= LEAST for rows in parts), 1)
    found = [
        PartLoss(names[number], len(rows), _mean(lost[rows], None if weights is None else weights[rows], among))
        for number, rows in zip(numbers.tolist(), parts, strict=True)
    ]
    return sorted(found, key=lambda part: (part.loss.low is None, -part.loss.value, part.name))


def _mean(values: Vector, weights: Vector | None, among: int) -> Interval:
    w = np.ones(len(values)) if weights is None else weights
    mean = float(np.average(values, weights=w))
    if len(values) < LEAST:
        return Interval(mean, None, None)
    means = [
        np.average(v, weights=u) for v, u in zip(np.array_split(values, PARTS), np.array_split(w, PARTS), strict=True)
    ]
    half = float(stdtrit(PARTS - 1, 1 - (1 - LEVEL) / 2 / among) * np.std(means, ddof=1) / np.sqrt(PARTS))
    return Interval(mean, mean - half, mean + half)
