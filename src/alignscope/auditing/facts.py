"""What the findings need to know of the data, beyond the audit's own figures, read off the moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alignscope.moments.onepass import FoldedMoments
from alignscope.pair.notes import Note
from alignscope.pair.paired import Pair


@dataclass(frozen=True, eq=False)
class Facts:
    """What findings need to know of the data beyond the audit's own figures."""

    notes: tuple[Note, ...]
    groups: int | None
    folds_wanted: int
    folds: int
    missing: tuple[int, int]
    constant_rows: tuple[int, int]
    scale_ratio: float
    far_mean: tuple[str, float]
    lonely_classes: tuple[str, ...]
    rare_classes: tuple[str, ...]
    autocorrelation: float
    form: str


def gather_facts(pair: Pair, moments: FoldedMoments, autocorrelation: float, folds_wanted: int) -> Facts:
    """Return the facts of a pair from its moments."""
    ratios, far = [1.0], ("", 0.0)
    for name, table in (("x1", pair.x1), ("x2", pair.x2)):
        m = moments.total(name)
        used = ~moments.basis(None, name).constant
        deviation = np.sqrt(m.energy(name)[used] / m.weight)
        distance = np.abs(m.mean[m.blocks[name]][used]) / deviation
        ratios.append(float(deviation.max() / deviation.min()))
        if distance.max() > far[1]:
            column = np.flatnonzero(used)[int(distance.argmax())]
            far = (f"{table.name}, {table.columns[column]}", float(distance.max()))
    lonely, rare = _classes(pair, moments)
    absent = (~moments.present).sum(axis=0)
    return Facts(
        notes=pair.notes,
        groups=None if pair.groups is None else int(pair.groups.max()) + 1,
        folds_wanted=folds_wanted,
        folds=len(moments.fold_numbers),
        missing=(int(absent[0]), int(absent[1])),
        constant_rows=(moments.constant["x1"], moments.constant["x2"]),
        scale_ratio=max(ratios),
        far_mean=far,
        lonely_classes=lonely,
        rare_classes=rare,
        autocorrelation=autocorrelation,
        form=moments.form,
    )


def _classes(pair: Pair, moments: FoldedMoments) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the classes whose rows all lie in one fold, and those with fewer than ten rows."""
    lonely: dict[str, None] = {}
    rare: dict[str, None] = {}
    for name, target in (("y1", pair.y1), ("y2", pair.y2)):
        if target.kind != "class":
            continue
        counts = np.stack(
            [
                m.mean[m.blocks[name]] * m.weight
                for fold in moments.fold_numbers
                if (m := moments.within(fold, name)) is not None
            ]
        )
        occurs = counts > 0.5 * counts[counts > 0].min(initial=1.0)
        for j, label in enumerate(target.names):
            if counts[:, j].sum() < 9.5:
                rare[label] = None
            if occurs[:, j].sum() == 1:
                lonely[label] = None
    return tuple(lonely), tuple(rare)
