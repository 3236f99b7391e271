"""From the records of all cells to the leaderboard: intervals, ranks, paired differences and the Pareto front.

Everything is computed seed by seed and only then averaged: methods share pictures, mapping and start within a seed, so
that differences are paired. Intervals are t-intervals over seeds, one comparison at a time: they allow neither for the
number of comparisons nor for the choice of a best method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from alignscope._lib.constants import KNOWN_R2
from alignscope.bench.entries import Entry
from alignscope.bench.ranking import standings
from alignscope.bench.results import BenchRecord, Difference, MeanOverSeeds, MethodRow, ParetoPoint, Standing
from alignscope.bench.spec import BenchSpec, Setting
from alignscope.bench.tasks.gaussian import CEILING
from alignscope.bench.tasks.kind import Column

REFERENCE = "none"
"""The method without alignment, which retention is relative to."""

BySeed = dict[int, float]


@dataclass(frozen=True)
class Choice:
    """The settings that tuning chose for a method, and how many it tried."""

    settings: Mapping[str, Setting]
    tried: int


def column_value(column: Column, record: BenchRecord) -> float | None:
    """Return a column's figure of one training: the mean of its scores; None where the training has them not."""
    scores = {(s.target, s.embedding): s for s in record.scores}
    parts = [scores[key] for key in column.targets if key in scores]
    # What does not vary among the held-out rows of a user's own pair has no score, whatever the method.
    least = 1 if record.cell.task.own else len(column.targets)
    if record.status != "finished" or len(parts) < least:
        return None
    return float(np.mean([s.value / s.best if column.unit == CEILING and s.best else s.value for s in parts]))


@dataclass(frozen=True, eq=False)
class Summary:
    """Looks at the trainings of a bench that have figures.

    Attributes
    ----------
    spec : the bench.
    columns : those of all tasks, in order.
    entries : the methods, in order. choices : what tuning chose for each.
    records : of the trainings on all seeds, tuning left out.
    """

    spec: BenchSpec
    columns: Sequence[Column]
    entries: Mapping[str, Entry]
    choices: Mapping[str, Choice]
    records: Sequence[BenchRecord]

    def methods(self) -> tuple[MethodRow, ...]:
        """Return a row for every method."""
        ranks = {s.method: s.rank for s in self.standings() if self.entries[s.method].supervision == "none"}
        return tuple(
            MethodRow(
                method=name,
                title=e.title,
                family=e.family,
                ours=e.ours,
                supervision=e.supervision,
                note=e.note,
                source=e.source,
                settings=dict(self.choices[name].settings),
                tried=self.choices[name].tried,
                columns={
                    c.key: MeanOverSeeds.of(self._of(name, c).values()) for c in self.columns if self._of(name, c)
                },
                alignment_r2={
                    t.name: MeanOverSeeds.of(found.values())
                    for t in self.spec.tasks
                    if (found := self._alignment.get((name, t.name)))
                },
                rank=ranks.get(name),
                part_of=e.part_of,
            )
            for name, e in self.entries.items()
        )

    def standings(self) -> tuple[Standing, ...]:
        """Return where every method stands among those that use as much of the labels; parts of methods do not."""
        groups: dict[str, list[str]] = {}
        for name, e in self.entries.items():
            if not e.part_of:
                groups.setdefault(e.supervision, []).append(name)
        return standings(groups.values(), self.columns, self.spec.seeds, self._values)

    def differences(self) -> tuple[Difference, ...]:
        """Return, for every column, each method minus the best of ours, and minus the best of the others.

        Best is the highest mean, among those that need the fewest labels: ours that do without, where there is one.
        """
        return tuple(
            found
            for column in self.columns
            for ours in (True, False)
            for found in self._against_best(column, self._compared(ours))
        )

    def pareto(self) -> tuple[ParetoPoint, ...]:
        """Return a point for every task with something to retain, and every method with figures there."""
        out: list[ParetoPoint] = []
        for task in self.spec.tasks:
            unique = [c for c in self.columns if c.task == task.name and c.role in ("unique", "own")]
            points: dict[str, tuple[MeanOverSeeds, MeanOverSeeds]] = {}
            for name in self.entries if unique else ():
                aligned, retained = self._alignment.get((name, task.name), {}), self._retention(name, unique)
                seeds = [seed for seed in retained if seed in aligned]
                if seeds:
                    a = MeanOverSeeds.of(aligned[seed] for seed in seeds)
                    points[name] = a, MeanOverSeeds.of(retained[seed] for seed in seeds)
            for name, (a, r) in points.items():
                front = self._on_front(name, points)
                out.append(ParetoPoint(task=task.name, method=name, alignment_r2=a, retention=r, front=front))
        return tuple(out)

    @cached_property
    def _values(self) -> dict[tuple[str, str], BySeed]:
        """(method, column) -> seed -> figure."""
        return self._gathered((c.key, c.task, partial(column_value, c)) for c in self.columns)

    @cached_property
    def _alignment(self) -> dict[tuple[str, str], BySeed]:
        """(method, task) -> seed -> alignment R^2."""

        def aligned(record: BenchRecord) -> float | None:
            return record.measures.alignment_r2 if record.status == "finished" and record.measures else None

        return self._gathered((task.name, task.name, aligned) for task in self.spec.tasks)

    def _gathered(
        self, wanted: Iterable[tuple[str, str, Callable[[BenchRecord], float | None]]]
    ) -> dict[tuple[str, str], BySeed]:
        """(key, task, figure) -> {(method, key): {seed: figure}}, seeds in the order of the specification."""
        place = {seed: i for i, seed in enumerate(self.spec.seeds)}
        records = sorted(self.records, key=lambda r: place[r.cell.seed])
        out: dict[tuple[str, str], BySeed] = {}
        for key, task, figure in wanted:
            for record in records:
                if record.cell.task.name == task and (value := figure(record)) is not None:
                    out.setdefault((record.cell.method, key), {})[record.cell.seed] = value
        return out

    def _of(self, name: str, column: Column) -> BySeed:
        return self._values.get((name, column.key), {})

    def _mean(self, name: str, column: Column) -> float:
        return float(np.mean(list(self._of(name, column).values())))

    def _compared(self, ours: bool) -> list[str]:
        return [name for name, e in self.entries.items() if e.ours is ours and not e.part_of]

    def _against_best(self, column: Column, names: Sequence[str]) -> Iterator[Difference]:
        order = ("none", "monitor", "labels")
        some = [name for name in names if self._of(name, column)]
        if not some:
            return
        best = min(some, key=lambda n: (order.index(self.entries[n].supervision), -self._mean(n, column)))
        base = self._of(best, column)
        for name in self.entries:
            gap = [value - base[seed] for seed, value in self._of(name, column).items() if seed in base]
            if gap and name != best:
                yield Difference(column=column.key, method=name, other=best, difference=MeanOverSeeds.of(gap))

    def _retention(self, name: str, unique: Sequence[Column]) -> BySeed:
        """Return the retention of the unique columns, for the seeds in which the reference predicts all of them.

        Of a user's own pair, the mean is over those that the reference predicts.
        """
        out: BySeed = {}
        for seed in self.spec.seeds:
            shares = []
            for column in unique:
                mine, base = self._of(name, column).get(seed), self._of(REFERENCE, column).get(seed)
                if mine is not None and base is not None and base - column.chance >= KNOWN_R2:
                    shares.append((mine - column.chance) / (base - column.chance))
            if len(shares) == len(unique) or (shares and unique[0].role == "own"):
                out[seed] = float(np.mean(shares))
        return out

    def _on_front(self, name: str, points: Mapping[str, tuple[MeanOverSeeds, MeanOverSeeds]]) -> bool:
        here = [figure.value for figure in points[name]]
        others = [[figure.value for figure in points[o]] for o in points if self._group(o) == self._group(name)]
        return not any(a >= here[0] and r >= here[1] and [a, r] != here for a, r in others)

    def _group(self, name: str) -> tuple[str, bool]:
        """Return what a method may be compared with."""
        return self.entries[name].supervision, bool(self.entries[name].part_of)
