"""The leaderboard: every statistic against a plain twin, and what becomes of trainings without figures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy import stats

from alignscope.bench.entries import Entry
from alignscope.bench.plan import choices_of, tuning_cells
from alignscope.bench.results import BenchRecord, MeanOverSeeds, Score
from alignscope.bench.spec import BenchCell, BenchSpec, TaskSpec, TuningSpec
from alignscope.bench.summary import Choice, Summary, column_value
from alignscope.bench.tasks.gaussian import GaussianTask
from alignscope.bench.tasks.kind import Column, TrainingSpec
from alignscope.bench.tasks.pictures import PicturesTask
from bench_helpers import made

TASKS: tuple[TaskSpec, ...] = (
    PicturesTask(name="comm", view="comm", training=TrainingSpec(steps=1)),
    PicturesTask(name="biased", view="comm", biased=0.5, training=TrainingSpec(steps=1)),
    PicturesTask(name="three", view="three", training=TrainingSpec(steps=1)),
    GaussianTask(name="gaussian", training=TrainingSpec(steps=1)),
)
COLUMNS = tuple(column for task in TASKS for column in task.columns())


def entry(name: str, supervision: str = "none", ours: bool = False) -> Entry:
    return Entry(name=name, title=name, family="f", build=print, supervision=supervision, ours=ours)  # type: ignore[arg-type]


ENTRIES = {
    e.name: e
    for e in (
        entry("none"),
        entry("cross"),
        entry("self"),
        entry("mine", ours=True),
        entry("budget", "monitor", ours=True),
        entry("told", "labels"),
        entry("remedy", "labels", ours=True),
    )
}


@dataclass(frozen=True)
class Made:
    """A bench whose records are kept beside its summary."""

    summary: Summary
    records: dict[tuple[str, str, int], BenchRecord]

    def value(self, method: str, column: Column, seed: int) -> float | None:
        """The plain mean of a column's scores."""
        record = self.records.get((method, column.task, seed))
        if record is None or record.status != "finished":
            return None
        total = 0.0
        for target, code in column.targets:
            (score,) = [s for s in record.scores if (s.target, s.embedding) == (target, code)]
            total += score.value / score.best if column.task == "gaussian" else score.value
        return total / len(column.targets)


def bench(
    seeds: Sequence[int] = (0, 1, 2),
    methods: Sequence[str] = tuple(ENTRIES),
    gone: Sequence[tuple[str, str, int]] = (),
    diverged: Sequence[tuple[str, str, int]] = (),
    tasks: Sequence[TaskSpec] = TASKS,
    worth: dict[str, float] | None = None,
    salt: int = 0,
) -> Made:
    entries = {name: ENTRIES[name] for name in methods}
    records = {}
    for name in entries:
        for task in tasks:
            for seed in seeds:
                cell = BenchCell(task=task, method=name, seed=seed, settings={"salt": salt})
                record = made(cell, (worth or {}).get(name, 0.0))
                if (name, task.name, seed) in diverged:
                    record = BenchRecord(schema=1, id=cell.id, cell=cell, status="diverged", reason="NaN")
                if (name, task.name, seed) not in gone:
                    records[name, task.name, seed] = record
    spec = BenchSpec(name="b", tasks=tuple(tasks), seeds=tuple(seeds))
    known = tuple(column for task in tasks for column in task.columns())
    choices = {name: Choice({"salt": salt}, 2) for name in entries}
    shuffled = list(records.values())
    np.random.default_rng(0).shuffle(shuffled)  # type: ignore[arg-type]
    return Made(Summary(spec, known, entries, choices, shuffled), records)


SEEDS = st.lists(st.integers(0, 50), min_size=2, max_size=6, unique=True)
KEYS = [(name, task.name, 7) for name in ENTRIES for task in TASKS]


QUANTILES = {n: stats.t.isf(0.025, n - 1) for n in range(2, 9)}


def same(found: MeanOverSeeds, values: Sequence[float]) -> None:
    """An interval is the mean and scipy's t-interval of these values."""
    assert found.seeds == pytest.approx(tuple(values))
    assert found.value == pytest.approx(sum(values) / len(values))
    if len(values) == 1:
        assert found.low is None and found.high is None
        return
    half = stats.sem(values) * QUANTILES[len(values)]
    assert (found.low, found.high) == pytest.approx((np.mean(values) - half, np.mean(values) + half))


@given(values=st.lists(st.floats(-10, 10), min_size=1, max_size=8).filter(lambda v: len(v) < 2 or np.ptp(v) > 1e-3))
def test_an_interval_is_students(values: list[float]) -> None:
    same(MeanOverSeeds.of(values), values)


def test_an_interval_of_equal_values_has_no_width() -> None:
    assert MeanOverSeeds.of([0.25, 0.25]) == MeanOverSeeds(value=0.25, low=0.25, high=0.25, seeds=(0.25, 0.25))


@settings(max_examples=6)
@given(seeds=SEEDS, salt=st.integers(0, 99))
def test_a_row_is_the_mean_over_seeds_in_their_order(seeds: list[int], salt: int) -> None:
    b = bench(seeds, salt=salt)
    rows = b.summary.methods()
    assert [row.method for row in rows] == list(ENTRIES)
    for row in rows:
        assert list(row.columns) == [column.key for column in COLUMNS]
        for column in COLUMNS:
            same(row.columns[column.key], [b.value(row.method, column, seed) for seed in seeds])
        for task in TASKS:
            r2 = [b.records[row.method, task.name, seed].measures.alignment_r2 for seed in seeds]
            same(row.alignment_r2[task.name], r2)
        assert (row.settings, row.tried) == ({"salt": salt}, 2)


def plain_ranks(b: Made, seeds: Sequence[int]) -> dict[str, int]:
    """Places by counting who is better, seed by seed and column by column, in exact halves; missing is last."""
    alike = [c for c in COLUMNS if c.key != "biased.S"]
    values = {(n, c.key, s): b.value(n, c, s) for n in ENTRIES for c in alike for s in seeds}
    names = [n for n, e in ENTRIES.items() if e.supervision == "none"]
    names = [n for n in names if any(values[n, c.key, s] is not None for c in alike for s in seeds)]
    sums = dict.fromkeys(names, 0)
    for c in alike:
        for s in seeds:
            here = {n: -math.inf if values[n, c.key, s] is None else values[n, c.key, s] for n in names}
            if any(v > -math.inf for v in here.values()):
                for n in names:
                    sums[n] += sum(2 * (v > here[n]) + (v == here[n]) for v in here.values())
    return {n: 1 + sum(other < sums[n] for other in sums.values()) for n in names}


GONE = st.lists(
    st.tuples(st.sampled_from(sorted(ENTRIES)), st.sampled_from([t.name for t in TASKS]), st.integers(0, 2)),
    max_size=25,
)


@settings(max_examples=10)
@given(gone=GONE, diverged=GONE, salt=st.integers(0, 99))
def test_ranks_are_among_those_without_labels(gone: list, diverged: list, salt: int) -> None:
    b = bench(gone=gone, diverged=diverged, salt=salt)
    found = {row.method: row.rank for row in b.summary.methods()}
    assert {name: rank for name, rank in found.items() if rank} == plain_ranks(b, (0, 1, 2))
    assert found["told"] is None and found["budget"] is None


def test_a_column_that_a_method_lacks_never_makes_its_rank_better() -> None:
    gone = [("mine", "gaussian", seed) for seed in (0, 1, 2)]
    less, whole = (bench(gone=some, worth={"mine": 0.4}).summary for some in (gone, []))
    rows = {row.method: row for row in less.methods()}
    assert "gaussian.unique" not in rows["mine"].columns and "gaussian" not in rows["mine"].alignment_r2
    before, after = ({s.method: s for s in summary.standings()}["mine"] for summary in (whole, less))
    assert before.rank == before.mean_rank.value == 1
    assert after.mean_rank.value > 1 and after.without_task["gaussian"] == 1
    assert "biased.S" not in after.without_column and len(after.without_column) == len(COLUMNS) - 1


def plain_best(b: Made, column: Column, ours: bool) -> str | None:
    """The highest mean among those that need the fewest labels."""
    for supervision in ("none", "monitor", "labels"):
        means = {}
        for name, e in ENTRIES.items():
            values = [v for s in (0, 1, 2) if (v := b.value(name, column, s)) is not None]
            if e.ours is ours and e.supervision == supervision and values:
                means[name] = np.mean(values)
        if means:
            return max(means, key=means.__getitem__)
    return None


@settings(max_examples=10)
@given(gone=GONE, salt=st.integers(0, 99))
def test_differences_are_paired_by_seed(gone: list, salt: int) -> None:
    b = bench(gone=gone, salt=salt)
    found = {(d.column, d.method, d.other): d.difference for d in b.summary.differences()}
    wanted = {}
    for column in COLUMNS:
        for best in (plain_best(b, column, True), plain_best(b, column, False)):
            for name in ENTRIES:
                pairs = [(b.value(name, column, s), b.value(best, column, s)) for s in (0, 1, 2)] if best else []
                gap = [x - y for x, y in pairs if x is not None and y is not None]
                if gap and name != best:
                    wanted[column.key, name, best] = gap
    assert found.keys() == wanted.keys()
    for key, gap in wanted.items():
        same(found[key], gap)


def test_best_of_ours_is_one_that_needs_no_labels() -> None:
    others = {d.other for d in bench(worth={"budget": 0.3, "remedy": 0.4, "told": 0.4}).summary.differences()}
    assert "mine" in others and not others & {"budget", "remedy", "told"}
    only = bench(methods=("none", "remedy", "budget"), worth={"remedy": 0.4}).summary.differences()
    assert {d.other for d in only} == {"none", "budget"}


@settings(max_examples=10)
@given(gone=GONE, salt=st.integers(0, 99))
def test_the_pareto_picture(gone: list, salt: int) -> None:
    b = bench(gone=gone, salt=salt)
    points = {(p.task, p.method): p for p in b.summary.pareto()}
    wanted = {}
    for task in TASKS:
        unique = [c for c in COLUMNS if c.task == task.name and c.role == "unique"]
        for name in ENTRIES:
            aligned, kept = [], []
            for seed in (0, 1, 2):
                pairs = [(b.value(name, c, seed), b.value("none", c, seed), c.chance) for c in unique]
                if unique and all(mine is not None and base is not None for mine, base, _ in pairs):
                    kept.append(np.mean([(mine - low) / (base - low) for mine, base, low in pairs]))
                    aligned.append(b.records[name, task.name, seed].measures.alignment_r2)
            if kept:
                wanted[task.name, name] = aligned, kept
    assert points.keys() == wanted.keys()
    assert not any(task == "biased" for task, _ in points)  # nothing there is in one modality alone
    for (task, name), (aligned, kept) in wanted.items():
        point = points[task, name]
        same(point.alignment_r2, aligned)
        same(point.retention, kept)
        rivals = [
            (np.mean(a), np.mean(k))
            for (t, n), (a, k) in wanted.items()
            if t == task and ENTRIES[n].supervision == ENTRIES[name].supervision
        ]
        assert point.front == (not any(a > np.mean(aligned) and k > np.mean(kept) for a, k in rivals))


def test_the_reference_keeps_all_and_nothing_is_said_without_it() -> None:
    points = bench().summary.pareto()
    assert {p.task for p in points} == {"comm", "three", "gaussian"}
    assert all(p.retention.seeds == pytest.approx((1, 1, 1)) for p in points if p.method == "none")
    assert bench(methods=("cross", "mine")).summary.pareto() == ()


def test_nothing_is_kept_of_what_the_reference_does_not_know() -> None:
    b = bench(worth={"none": -0.39})  # about chance, one in ten
    assert {p.task for p in b.summary.pareto()} == {"gaussian"}


def test_codes_of_one_modality_have_no_alignment() -> None:
    b = bench(tasks=TASKS[:1])
    records = [
        replace(r, measures=replace(r.measures, alignment_r2=None)) if r.cell.method == "self" else r
        for r in b.summary.records
    ]
    summary = Summary(b.summary.spec, b.summary.columns, b.summary.entries, b.summary.choices, records)
    rows = {row.method: row for row in summary.methods()}
    assert rows["self"].alignment_r2 == {} and rows["self"].columns and rows["self"].rank
    assert "self" not in {p.method for p in summary.pareto()}


def test_no_figures_at_all() -> None:
    b = bench(diverged=[(name, task.name, seed) for name in ENTRIES for task in TASKS for seed in (0, 1, 2)])
    assert all(row.columns == {} and row.rank is None for row in b.summary.methods())
    assert b.summary.differences() == () and b.summary.pareto() == ()


def scores_of(**values: tuple[float, float | None]) -> Iterator[Score]:
    for target, (value, best) in values.items():
        yield Score(target=target, role="unique", embedding="fused", value=value, chance=0.0, best=best)


@pytest.mark.parametrize(
    ("unit", "value"), [("percent", (0.6 + 0.2) / 2), ("share of the ceiling", (0.6 / 0.8 + 0.2 / 0.4) / 2)]
)
def test_a_columns_figure(unit: str, value: float) -> None:
    column = Column(
        key="t.u", task="t", title="U", text="U.", targets=(("a", "fused"), ("b", "fused")), role="unique", chance=0.0,
        unit=unit,
    )  # fmt: skip
    record = made(BenchCell(task=TASKS[0], method="none", seed=0))
    assert column_value(column, record) is None
    record = replace(record, scores=tuple(scores_of(a=(0.6, 0.8), b=(0.2, 0.4))))
    assert column_value(column, record) == pytest.approx(value)
    assert column_value(column, replace(record, scores=record.scores[:1])) is None
    assert column_value(column, replace(record, status="diverged")) is None


# Tuning.

GRID = ({"a": 1}, {"a": 2}, {"a": 3})


@pytest.mark.parametrize(
    ("means", "chosen"),
    [
        ((0.1, 0.3, 0.2), 2),
        ((0.3, 0.3, 0.3), 1),
        ((None, 0.1, 0.2), 3),
        ((None, None, None), 1),
        ((-5.0, None, -4.0), 3),
    ],
)
def test_tuning_chooses_the_best_and_the_first_of_equals(means: tuple[float | None, ...], chosen: int) -> None:
    tuning = TuningSpec(task="comm", steps=1)
    spec = BenchSpec(name="b", tasks=TASKS, tuning=tuning)
    entries = {"x": Entry(name="x", title="x", family="f", build=print, grid=GRID, settings={"b": True})}
    cells = tuning_cells(spec, entries)
    known = TASKS[0].columns()
    records = {}
    for cell, mean in zip(cells["x"], means, strict=True):
        record = made(cell)
        scores = tuple(replace(s, value=mean if mean is not None else math.nan) for s in record.scores)
        records[cell.id] = (
            replace(record, status="diverged", scores=()) if mean is None else replace(record, scores=scores)
        )
    choice = choices_of(entries, cells, records.get, known)["x"]
    assert choice == Choice({"b": True, "a": chosen}, 3)
    assert choices_of(entries, {}, records.get, known)["x"] == Choice({"b": True, "a": 1}, 0)
