"""What a bench returns: frozen records whose fields are the keys of results.json. All scores are held out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import msgspec

from alignscope._lib.interval import LEVEL, Interval
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

    def sign_among(self, comparisons: int) -> int:
        """1 or -1 where the interval excludes 0 at a confidence of 1 - 0.05 / `comparisons` (Bonferroni), else 0."""
        if not self.sign or self.high is None or comparisons <= 1:
            return self.sign
        from scipy.special import stdtrit  # scipy takes a while, and the command line begins without it

        n = len(self.seeds)
        wider = stdtrit(n - 1, 1 - (1 - LEVEL) / (2 * comparisons)) / stdtrit(n - 1, (1 + LEVEL) / 2)
        return self.sign if abs(self.value) > wider * (self.high - self.value) else 0

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
    alignment_r2 : interval by task name. rank : that of `Standing` among the methods without labels; None for those
        with labels.
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


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a method stands among those that use as much of the labels, over the columns read out alike for all.

    Attributes
    ----------
    rank : place by `mean_rank`, from 1; equal ones share it.
    mean_rank : mean over the columns of its rank among the methods of its group, by seed. Of equal scores each has the
        mean of their ranks; where a method has no figure and another has, it ranks last.
    without_column : rank without the column, by key. without_task : without all columns of the task, by name.
    """

    method: str
    rank: int
    mean_rank: MeanOverSeeds
    without_column: dict[str, int]
    without_task: dict[str, int]


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
    standings : the mean rank of every method in its group; empty in results of earlier versions.
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
    standings: tuple[Standing, ...] = ()

    def ranking(self) -> list[str]:
        """Return a line per method without labels, the best first: its rank, and its columns in percent."""
        width = max((len(row.title) for row in self.methods), default=0)
        ranked = sorted((row for row in self.methods if row.rank), key=lambda row: row.rank or 0)
        figures = ("  ".join(f"{key} {100 * v.value:5.1f}" for key, v in row.columns.items()) for row in ranked)
        return [f"{row.rank:3d}. {row.title:{width}}  {some}" for row, some in zip(ranked, figures, strict=True)]
