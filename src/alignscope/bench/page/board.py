"""The leaderboard as an object: groups of methods that may be compared, who is first, and what is significant."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from msgspec.structs import replace

from alignscope.bench.ranking import ranked
from alignscope.bench.results import BenchResults, MeanOverSeeds, MethodRow
from alignscope.bench.tasks.kind import Column
from alignscope.bench.tasks.pictures import PicturesTask
from alignscope.report.words import estimate, named, short, signed, times_100

GROUPS = {
    "none": "without labels",
    "monitor": "labels steer only",
    "labels": "learns from labels",
    "parts": "parts of ours, not ranked",
}


class Board:
    """What a bench found, by method and column.

    Methods are compared within a group, by what they use of the labels: see `GROUPS`.
    """

    def __init__(self, results: BenchResults) -> None:
        self.results = results = ranked(results)
        self.columns = tuple(c for c in results.columns if any(c.key in m.columns for m in results.methods))
        self.rows = {m.method: _within(m) for m in results.methods if m.columns}
        self.standings = {s.method: s for s in results.standings}
        self._gaps = {(d.column, d.method, d.other): d.difference for d in results.differences}

    @cached_property
    def groups(self) -> dict[str, list[MethodRow]]:
        """Return the methods that have figures by group, each group by rank, then by mean."""
        some = {group: [m for m in self.rows.values() if m.supervision == group] for group in GROUPS}
        return {group: sorted(rows, key=self._place) for group, rows in some.items() if rows}

    def _place(self, row: MethodRow) -> tuple[float, int, float, str]:
        standing = self.standings.get(row.method)
        return standing.rank if standing else np.inf, -len(row.columns), -self.mean(row), row.method

    @cached_property
    def ordered(self) -> list[MethodRow]:
        """Return all methods that have figures, group by group."""
        return [row for rows in self.groups.values() for row in rows]

    @cached_property
    def lead(self) -> MethodRow | None:
        """Return the first of ours, those without labels before the others."""
        return next((row for row in self.ordered if row.ours), None)

    def place(self, row: MethodRow) -> int:
        """Return the rank of a method in its group; of those without any figure, its place."""
        standing = self.standings.get(row.method)
        return standing.rank if standing is not None else self.groups[row.supervision].index(row) + 1

    def mean(self, row: MethodRow) -> float:
        """Return the mean over the columns that a method has, of those read out alike for all; nan without any."""
        some = [row.columns[c.key].value for c in self.alike if c.key in row.columns]
        return float(np.mean(some)) if some else np.nan

    @cached_property
    def alike(self) -> list[Column]:
        """Return the columns in which every method is read out alike: those that means and ranks are of."""
        return [c for c in self.columns if c.read_alike]

    def sign(self, gap: MeanOverSeeds, group: str) -> int:
        """1 or -1 where a difference excludes 0 after Bonferroni over its group's methods and the ranked columns."""
        return gap.sign_among((len(self.groups[group]) - 1) * len(self.alike))

    def level_with(self, row: MethodRow) -> list[MethodRow]:
        """Return the others of a group whose mean rank is not significantly different, paired, by Bonferroni."""
        others = [m for m in self.groups[row.supervision] if m is not row and m.method in self.standings]
        mine = self.standings[row.method].mean_rank.seeds
        return [
            other
            for other in others
            if len(theirs := self.standings[other.method].mean_rank.seeds) == len(mine)
            and not MeanOverSeeds.of(np.subtract(theirs, mine)).sign_among(len(others))
        ]

    def best(self, group: str, column: str, but: str = "") -> MethodRow | None:
        """Return the method of a group with the highest mean in a column; `but` is left out."""
        some = [m for m in self.groups.get(group, []) if column in m.columns and m.method != but]
        return max(some, key=lambda m: m.columns[column].value, default=None)

    def gap(self, column: str, method: str, other: str) -> MeanOverSeeds | None:
        """Return `method` minus `other`, paired by seed; None where they do not share all seeds."""
        if (known := self._gaps.get((column, method, other))) is not None:
            return known
        if (known := self._gaps.get((column, other, method))) is not None:
            return -known
        pair = [self.rows[m].columns.get(column) if m in self.rows else None for m in (method, other)]
        if any(v is None or len(v.seeds) != len(self.results.spec.seeds) for v in pair):
            return None
        mine, theirs = (np.asarray(v.seeds) for v in pair if v is not None)
        return MeanOverSeeds.of(mine - theirs)

    @cached_property
    def comm_tasks(self) -> list[PicturesTask]:
        """Return the tasks on CoMM's pairs, of which there are published figures."""
        return [t for t in self.results.spec.tasks if isinstance(t, PicturesTask) and t.view == "comm"]

    def comm(self, role: str) -> Column | None:
        """Return the column of CoMM's pairs for "shared" or "unique" (unbiased pairs) or "synergy" (biased ones)."""
        names = {t.name for t in self.comm_tasks if (t.biased is not None) == (role == "synergy")}
        return next((c for c in self.columns if c.task in names and c.role == role), None)

    @cached_property
    def tasks(self) -> dict[str, str]:
        """Return what each task is called; tasks of one kind with their name."""
        words = {t.name: t.title for t in self.results.spec.tasks}
        twice = {w for w in words.values() if list(words.values()).count(w) > 1}
        return {name: f"{w} ({short(named(name), 30)})" if w in twice else w for name, w in words.items()}

    @cached_property
    def own(self) -> list[str]:
        """Return the names of the tasks that are users' own pairs."""
        return [t.name for t in self.results.spec.tasks if t.own]

    @property
    def chance(self) -> float:
        """Return what guessing scores as its mean over the columns read out alike."""
        return float(np.mean([column.chance for column in self.alike]))

    def column_text(self, column: Column) -> str:
        """Return "Uniqueness on CoMM’s pairs"."""
        return f"{short(named(column.title), 30)} on {self.tasks[column.task]}"

    def title(self, row: MethodRow) -> str:
        """Return a method's title, with whose it is."""
        return f"{short(named(row.title), 36)}{' (ours)' if row.ours else ''}"


def _within(row: MethodRow) -> MethodRow:
    """Return a row as it is shown: intervals end at 1, beyond which no score is, and parts are a group of their own."""
    ends = {k: cut(v) for k, v in row.columns.items()}
    return replace(row, columns=ends, supervision="parts" if row.part_of else row.supervision)


def cut(value: MeanOverSeeds) -> MeanOverSeeds:
    """Return an interval of scores, none of which is above 1."""
    return value if value.high is None else replace(value, high=min(1.0, value.high))


def range_text(value: MeanOverSeeds) -> str:
    """Write the interval alone, times 100: "(92.4 to 93.8)"; empty where there is none."""
    return "" if value.low is None or value.high is None else f"({times_100(value.low)} to {times_100(value.high)})"


def gap_text(gap: MeanOverSeeds) -> str:
    """Write a difference in percentage points: "+2.1 (+0.9 to +3.3)"."""
    return estimate(gap, 1, lambda value, digits: signed(100 * value, digits))
