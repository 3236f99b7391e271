"""How well linear predictions of one-hot classes name the class of rows that they were not fitted on.

A row is given to the class whose predicted column is the largest. Which one that is cannot be told from
moments, so this is a pass over the rows; it is made for class targets only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from alignscope._lib.threads import side_by_side
from alignscope._lib.types import Array, Codes, Matrix, Vector
from alignscope.linear.informativeness import Predictor
from alignscope.moments.cells import to_numpy
from alignscope.moments.moments import block_slices
from alignscope.moments.onepass import FoldedMoments, chunk_rows, read_chunks, sources
from alignscope.pair.paired import Pair

Predictors = Mapping[str, Mapping[int, Predictor]]

SMALL = {"float16", "float32", "uint8", "int8", "int16", "uint16", "bool"}
"""Types whose values float32 holds exactly."""


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """Weighted counts of held-out rows by class, and the scores that follow from them.

    Attributes
    ----------
    output : the target block, ``y1`` or ``y2``.
    support : (C,) weight of the rows of every class.
    named : (C,) weight of the rows that were given to it.
    hits : (C,) weight of the rows of it that were given to it.
    """

    output: str
    support: Vector
    named: Vector
    hits: Vector

    @property
    def recall(self) -> Vector:
        """Recall of every class, hits / support; NaN where it has no rows."""
        return _ratio(self.hits, self.support, self.support)

    @property
    def f1(self) -> Vector:
        """F1 of every class, 2 hits / (support + named); NaN where it has no rows."""
        return _ratio(2 * self.hits, self.support + self.named, self.support)

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall of the classes that have rows; NaN where none has."""
        found = self.recall[self.support > 0]
        return float(found.mean()) if found.size else float("nan")

    @property
    def chance(self) -> float:
        """The balanced accuracy of one answer for all rows: 1 / number of classes that have rows."""
        classes = int(np.count_nonzero(self.support))
        return 1 / classes if classes else float("nan")


def class_scores(pair: Pair, moments: FoldedMoments, predictors: Predictors) -> dict[str, ClassCounts]:
    """Return the counts of every label of `predictors` whose target is classes, every row by its own fold's predictor.

    The largest predicted column names the class, the first of several that are equal. Counted are rows with a
    positive weight that have the modalities which the predictors read. The rows are read once, and not at all
    where no label predicts classes. In float32 where both modalities are: rows whose two largest columns
    differ by less than that can tell may then be given to either.

    predictors : label -> fold -> the predictor of the rows in that fold.
    """
    kind = {"y1": pair.y1.kind, "y2": pair.y2.kind}
    chosen = {k: by_fold for k, by_fold in predictors.items() if kind[next(iter(by_fold.values())).output] == "class"}
    if not chosen:
        return {}
    rows, aliases = sources(pair)
    single = {pair.x1.dtype, pair.x2.dtype} <= SMALL
    plan = _Plan(moments, chosen, np.float32 if single else np.float64)
    counts = {label: np.zeros((3, s.stop - s.start)) for label, s in plan.columns.items()}
    for start, stop, raw, _ in read_chunks(pair, chunk_rows(rows) // 4 + 1, check=not moments.complete):
        weights = np.ones(stop - start) if pair.weights is None else pair.weights[start:stop]
        truth = {y: to_numpy(raw[aliases.get(y, y)]).argmax(axis=1) for y in {p[1] for p in plan.blocks.values()}}
        for label, named in plan.named(raw, moments.folds[start:stop]).items():
            inputs, output = plan.blocks[label]
            here = moments.present[start:stop, [int(x[1]) - 1 for x in inputs]].all(axis=1)
            w, total = weights * here, counts[label]
            hit = named == truth[output]
            total[0] += np.bincount(truth[output], w, total.shape[1])
            total[1] += np.bincount(named, w, total.shape[1])
            total[2] += np.bincount(named[hit], w[hit], total.shape[1])
    return {label: ClassCounts(plan.blocks[label][1], *counts[label]) for label in chosen}


def _ratio(above: Vector, below: Vector, support: Vector) -> Vector:
    return np.divide(above, below, out=np.full(len(support), np.nan), where=support > 0)


class _Plan:
    """All predictors of a fold side by side, so that each modality is multiplied once.

    Labels are in order of what they read: modality 1, both, modality 2. The columns that a modality has a
    part in are then consecutive.
    """

    def __init__(self, moments: FoldedMoments, predictors: Predictors, dtype: type[np.floating]) -> None:
        self.dtype = dtype
        blocks = {k: (p.inputs, p.output) for k, by_fold in predictors.items() for p in by_fold.values()}
        self.blocks = dict(sorted(blocks.items(), key=lambda item: item[1][0]))
        # Rows are centred first, so that the digits of columns far from zero are not lost in float32.
        self.mean = {x: moments.total(x).mean[moments.total(x).blocks[x]].astype(dtype) for x in ("x1", "x2")}
        widths = {k: moments.blocks[y].stop - moments.blocks[y].start for k, (_, y) in self.blocks.items()}
        self.columns, self.width = block_slices(widths), sum(widths.values())
        self.reach = {x: s for x in ("x1", "x2") if (s := self._reach(x)) is not None}
        self.maps = {fold: self._side_by_side(predictors, fold) for fold in moments.fold_numbers}

    def _reach(self, name: str) -> slice | None:
        """Return the columns of the labels that read a modality."""
        mine = [self.columns[k] for k, (inputs, _) in self.blocks.items() if name in inputs]
        return slice(mine[0].start, mine[-1].stop) if mine else None

    def _side_by_side(self, predictors: Predictors, fold: int) -> tuple[dict[str, Matrix], Vector]:
        """Return per modality the coefficients of all predictors of a fold, and their values at the mean."""
        maps = {x: np.zeros((len(self.mean[x]), self.width), dtype=self.dtype) for x in self.reach}
        at_mean = np.zeros(self.width, dtype=self.dtype)
        for label, s in self.columns.items():
            p = predictors[label][fold]
            mean = np.concatenate([self.mean[x] for x in p.inputs]).astype(np.float64)
            at_mean[s] = p.y_mean + (mean - p.x_mean) @ p.coefficients
            edge = 0
            for x in p.inputs:
                maps[x][:, s] = p.coefficients[edge : edge + len(self.mean[x])]
                edge += len(self.mean[x])
        return {x: np.ascontiguousarray(v[:, self.reach[x]]) for x, v in maps.items()}, at_mean

    def named(self, raw: Mapping[str, Array], folds: Codes) -> dict[str, Codes]:
        """Return label -> the class that the predictor of every row's own fold names."""
        values = {x: to_numpy(raw[x]) for x in self.reach}
        found = {label: np.zeros(len(folds), dtype=np.int64) for label in self.columns}
        order = np.argsort(folds, kind="stable")
        numbers, starts = np.unique(folds[order], return_index=True)

        def name(fold: int, chosen: Codes) -> None:
            maps, at_mean = self.maps[fold]
            part = np.tile(at_mean, (len(chosen), 1))
            for x, reach in self.reach.items():
                part[:, reach] += self._centred(values[x][chosen], x) @ maps[x]
            for label, s in self.columns.items():
                found[label][chosen] = part[:, s].argmax(axis=1)

        # Rows without any modality are in no cell: a fold of such rows alone has no predictors.
        parts = [p for p in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True) if p[0] in self.maps]
        side_by_side(lambda part: name(*part), parts)
        return found

    def _centred(self, values: np.ndarray, name: str) -> Matrix:
        out: Matrix = np.empty(values.shape, dtype=self.dtype)
        return np.subtract(values, self.mean[name], out=out, casting="same_kind")
