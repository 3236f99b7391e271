"""What a bench returns: frozen records whose fields are the keys of results.json. All scores are held out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import msgspec

from alignscope._lib.interval import Interval
from alignscope.bench.spec import BenchCell, BenchSpec, Setting
from alignscope.bench.tasks.kind import Column, Role
from alignscope.sweep.finished import Failure, Status


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """How well one embedding predicts one target on held-out samples.

    Attributes
    ----------
    target : name, such as "texture1". role : what the target is to the modalities.
    embedding : "fused", the number of a modality ("1", "2", "3"), or "products": both and their product.
    value : balanced accuracy of a linear probe (classes), or R^2 (numbers), at most 1.
    chance : of the same. best : the most that can be had, where it is known: the exact ceiling of the Gaussian task.
    """

    target: str
    role: Role
    embedding: str
    value: float
    chance: float
    best: float | None = None


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """The embeddings themselves, on held-out samples; of three modalities, means over the pairs.

    alignment_r2 : R^2 of predicting one modality's embedding linearly from another's, mean of both ways.
    shared : sum of the squared held-out canonical correlations, whatever variance the directions hold; None in results
        of earlier versions.
    cka : debiased. gap : ||mean z1 - mean z2|| / sqrt(mean of the total variances). effective_rank : one per modality.
    """

    alignment_r2: float | None
    cka: float | None
    gap: float | None
    effective_rank: tuple[float, ...]
    shared: float | None = None


class BenchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One finished training. `loss` is the mean training loss of each tenth of the steps."""

    schema: int
    id: str
    cell: BenchCell
    status: Status
    reason: str | None = None
    loss: tuple[float, ...] = ()
    scores: tuple[Score, ...] = ()
    measures: Measures | None = None


class MeanOverSeeds(Interval, frozen=True):
    """A mean over seeds with its 95% interval (Student's t over seeds), and the values by seed."""

    seeds: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Return the mean of one value per seed; no interval from a single seed."""
        seeds = tuple(float(value) for value in values)
        return cls.over_seeds(seeds, seeds=seeds)

    def __neg__(self) -> Self:
        """Return the difference the other way round."""
        return msgspec.structs.replace(super().__neg__(), seeds=tuple(-value for value in self.seeds))


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """`method` minus `other` on one column, paired by seed, with a 95% interval of the mean difference."""

    column: str
    method: str
    other: str
    difference: MeanOverSeeds


class MethodRow(msgspec.Struct, frozen=True, kw_only=True):
    """One method on all tasks.

    Attributes
    ----------
    ours : whether alignscope proposes it. supervision : "none", "monitor", "labels". note, source : what it is.
    settings : what tuning chose. tried : how many settings were tried.
    columns : interval by column key; a column is missing where the method does not run on that task.
    part_of : the method of which this one shows a part; such rows are not ranked.
    alignment_r2 : interval by task name. rank : among the methods without labels by the mean over columns; None
        for those with labels.
    """

    method: str
    title: str
    family: str
    ours: bool
    supervision: str
    note: str
    source: str
    settings: dict[str, Setting]
    tried: int
    columns: dict[str, MeanOverSeeds]
    alignment_r2: dict[str, MeanOverSeeds]
    rank: int | None = None
    part_of: str = ""


class ParetoPoint(msgspec.Struct, frozen=True, kw_only=True):
    """Alignment against retention of one method on one task, means over seeds.

    retention : mean over its columns with the role "unique" or "own" of (value - chance) / (value - chance of the same
        without alignment), by seed. front : whether no other method of the same supervision has at least as much of
        both, and more of one, by the means.
    """

    task: str
    method: str
    alignment_r2: MeanOverSeeds
    retention: MeanOverSeeds
    front: bool


class BenchResults(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a bench found; depends on the specification and the methods' code alone.

    notes : what was decided about users' own pairs on their way in, by the task's name.
    """

    version: str
    schema: int
    spec: BenchSpec
    columns: tuple[Column, ...]
    methods: tuple[MethodRow, ...]
    differences: tuple[Difference, ...]
    pareto: tuple[ParetoPoint, ...]
    failures: tuple[Failure, ...]
    cells: tuple[BenchRecord, ...]
    notes: dict[str, tuple[str, ...]] = {}

    def ranking(self) -> list[str]:
        """Return a line per method without labels, the best first: its rank, and its columns in percent."""
        width = max((len(row.title) for row in self.methods), default=0)
        ranked = sorted((row for row in self.methods if row.rank), key=lambda row: row.rank or 0)
        figures = ("  ".join(f"{key} {100 * v.value:5.1f}" for key, v in row.columns.items()) for row in ranked)
        return [f"{row.rank:3d}. {row.title:{width}}  {some}" for row, some in zip(ranked, figures, strict=True)]
