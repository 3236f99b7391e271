"""Where the training that leads an audit loses: by group, by place, and the samples of which alignment drops most."""

from __future__ import annotations

import msgspec
import numpy as np

from alignscope._lib.interval import Interval
from alignscope._lib.types import Matrix, Vector
from alignscope.linear.held_out import HeldOut
from alignscope.linear.located import RowLosses, group_losses, row_losses
from alignscope.moments.onepass import FoldedMoments
from alignscope.pair.paired import Pair

MOST_VALUES, MOST_PRODUCTS = 50_000_000, 5_000_000_000
"""Rows x features, and these x targets, beyond which no second look is taken at the rows."""
MOST_GROUPS, MOST_SAMPLES = 200, 20
_CELLS = 40  # along the longer side of a map


class GroupLoss(msgspec.Struct, frozen=True):
    """What a group loses of its rows, as a share of the whole target's variance, held out.

    The interval allows for choosing among all groups; None of a group with few rows.
    """

    group: str
    rows: int
    loss: Interval


class SampleLoss(msgspec.Struct, frozen=True):
    """A sample of which alignment drops much.

    leverage : the square of what is dropped of its prediction, in mean squares of the target. loss : by how much its
    squared error grows, in the same unit; their mean over all rows is the loss. row : from 0. sample : its id.
    """

    sample: str
    row: int
    group: str | None
    leverage: float
    loss: float


class CellLoss(msgspec.Struct, frozen=True):
    """The mean loss of the rows in a square of a map, by its centre."""

    east: float
    north: float
    rows: int
    loss: float


class Located(msgspec.Struct, frozen=True):
    """Where one modality loses; groups and samples with the largest figures first, of `group_count` groups."""

    group_count: int
    groups: list[GroupLoss]
    samples: list[SampleLoss]
    cells: list[CellLoss]


class Where(msgspec.Struct, frozen=True):
    """Where a training loses, by modality; `side` is that of a map's cells, in the units of the coordinates."""

    training: str
    rows: int
    side: float
    directions: dict[str, Located]


def locate(pair: Pair, moments: FoldedMoments, held: HeldOut, training: str) -> Where | None:
    """Return where a training loses; None where rows are too many for a second look, or nothing can be aligned to."""
    counts = held.counts
    aims = counts.towards if training == "supervised" else dict.fromkeys("12", counts.shared)
    aligned = [i for i in "12" if aims[i] > 0]
    if not aligned or not held.located:
        return None
    before, after = ({i: part[i] for i in aligned} for part in held.located)
    found = row_losses(pair, moments, before, after)
    scored = int(np.isfinite(found[aligned[0]].lost).sum())
    side = 0.0 if pair.places is None else cell_side(pair.places)
    return Where(training, scored, side, {i: located(pair, losses, side) for i, losses in found.items()})


def can_look_twice(pair: Pair) -> bool:
    """Return whether rows are few enough for a second look at them."""
    wide = pair.d1 * len(pair.y1.names) + pair.d2 * len(pair.y2.names)
    return pair.n * (pair.d1 + pair.d2) <= MOST_VALUES and pair.n * wide <= MOST_PRODUCTS


def located_trainings(pair: Pair, training: str, components: int, largest: int) -> tuple[tuple[str, int | None], ...]:
    """Return the encoders before and after alignment, as `HeldOut` takes them; none where rows are too many."""
    if not can_look_twice(pair):
        return ()
    if training == "supervised":
        return ("first", components), ("last", components)
    return ("first", largest), ("all", None)


def located(pair: Pair, losses: RowLosses, side: float) -> Located:
    """Return which groups and samples lose most, and where on a map of squares of this side."""
    groups = []
    if pair.groups is not None:
        groups = group_losses(losses.lost, pair.groups, pair.group_names, pair.weights)
    return Located(
        len(groups),
        [GroupLoss(part.name, part.rows, part.loss) for part in groups[:MOST_GROUPS]],
        _samples(pair, losses),
        [] if pair.places is None else _cells(pair.places, losses.lost, side),
    )


def _samples(pair: Pair, losses: RowLosses) -> list[SampleLoss]:
    leverage = np.where(np.isfinite(losses.leverage), losses.leverage, -1.0)
    order = np.argsort(-leverage, kind="stable")[:MOST_SAMPLES]
    return [
        SampleLoss(
            str(row if pair.ids is None else pair.ids[row]),
            row,
            None if pair.groups is None else pair.group_names[pair.groups[row]],
            float(leverage[row]),
            float(losses.lost[row]),
        )
        for row in order.tolist()
        if leverage[row] > 0
    ]


def cell_side(places: Matrix) -> float:
    """Return the side of a map's cells."""
    extent = float(np.ptp(places, axis=0).max())
    return extent / _CELLS or 1.0


def _cells(places: Matrix, lost: Vector, side: float) -> list[CellLoss]:
    """Return the mean loss of every square that has rows, from west to east and south to north."""
    seen = np.isfinite(lost)
    origin = places.min(axis=0)
    at = np.minimum(np.floor((places[seen] - origin) / side).astype(np.int64), _CELLS - 1)
    squares, codes, rows = np.unique(at, axis=0, return_inverse=True, return_counts=True)
    sums = np.bincount(codes.reshape(-1), lost[seen], len(squares))
    centres = origin + (squares + 0.5) * side
    return [
        CellLoss(float(east), float(north), int(n), float(total / n))
        for (east, north), n, total in zip(centres, rows, sums, strict=True)
    ]
