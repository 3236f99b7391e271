"""Made-up results of a bench for tests of its page: plausible scores, summed up by the real thing, no training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from alignscope.bench.entries import Entry
from alignscope.bench.results import BenchRecord, BenchResults, Measures, Score
from alignscope.bench.spec import BenchCell, BenchSpec, TaskSpec, TuningSpec
from alignscope.bench.summary import Choice, Summary
from alignscope.bench.tasks.gaussian import GaussianTask
from alignscope.bench.tasks.kind import Column, TrainingSpec
from alignscope.bench.tasks.pictures import PicturesTask
from alignscope.sweep.finished import Failure
from report_example import HOSTILE


class Made(NamedTuple):
    """A method: what it finds of shared, unique and synergy (0 to 1), how aligned it is, and whose it is."""

    key: str
    title: str
    shared: float
    unique: float
    synergy: float
    aligned: float
    supervision: str = "none"
    ours: bool = False


MADE = (
    Made("none", "No alignment", 0.962, 0.921, 0.502, 0.21),
    Made("single", "Single modality", 0.955, 0.512, 0.499, 0.18),
    Made("cross", "Cross (InfoNCE)", 0.998, 0.131, 0.501, 0.93),
    Made("siglip", "SigLIP", 0.995, 0.142, 0.500, 0.92),
    Made("barlow_twins", "Barlow Twins", 0.991, 0.212, 0.503, 0.95),
    Made("vicreg", "VICReg", 0.989, 0.223, 0.501, 0.94),
    Made("cca", "CCA", 0.984, 0.244, 0.498, 0.97),
    Made("jepa", "Cross-modal JEPA", 0.978, 0.305, 0.502, 0.86),
    Made("bottleneck", "Information bottleneck", 0.979, 0.118, 0.500, 0.96),
    Made("cross_self", "Cross + Self", 0.993, 0.842, 0.502, 0.55),
    Made("decur", "DeCUR", 0.988, 0.803, 0.505, 0.48),
    Made("private", "Private subspace", 0.990, 0.861, 0.504, 0.44),
    Made("comm", "CoMM", 0.994, 0.852, 0.664, 0.51),
    Made("infmasking", "InfMasking", 0.993, 0.868, 0.722, 0.50),
    Made("factorcl", "FactorCL", 0.987, 0.701, 0.512, 0.62),
    Made("disentangled", "DisentangledSSL", 0.985, 0.782, 0.507, 0.46),
    Made("complement", "Canonical complement", 0.992, 0.932, 0.681, 0.58, ours=True),
    Made("budget", "Budget", 0.993, 0.914, 0.611, 0.71, "monitor", True),
    Made("simmmdg", "SimMMDG", 0.999, 0.951, 0.722, 0.66, "labels"),
    Made("concatenation", "Supervised concatenation", 0.999, 0.978, 0.871, 0.35, "labels"),
    Made("target_remedy", "Target remedy", 0.999, 0.981, 0.853, 0.61, "labels", True),
)
PICTURES = TrainingSpec(steps=600)
TASKS: tuple[TaskSpec, ...] = (
    PicturesTask(name="comm", view="comm", training=PICTURES),
    PicturesTask(name="biased", view="comm", training=PICTURES, biased=0.5),
    PicturesTask(name="paper", view="paper", training=PICTURES),
    GaussianTask(name="gaussian", training=TrainingSpec(steps=400)),
    PicturesTask(name="three", view="three", training=PICTURES),
)
ABSENT = (("factorcl", "three"), ("single", "gaussian"))  # (method, task) that do not run


def _build(*_: object) -> None:
    raise NotImplementedError


def _entry(m: Made, names: Mapping[str, str]) -> Entry:
    return Entry(
        name=m.key,
        title=names.get(m.key, m.title),
        family="made up",
        build=_build,  # type: ignore[arg-type]
        grid=({"temperature": 0.1}, {"temperature": 0.3}),
        note=names.get("note", f"What {m.title} does, told in one sentence of some length."),
        source=names.get("source", "alignscope" if m.ours else "Author et al. 2024, arXiv 2401.00001"),
        supervision=m.supervision,  # type: ignore[arg-type]
        ours=m.ours,
    )


def _record(m: Made, task: TaskSpec, seed: int, columns: Sequence[Column], noise: np.random.Generator) -> BenchRecord:
    """Return a training whose scores scatter about what is made up for the method, pictures alike by seed."""
    cell = BenchCell(task=task, method=m.key, seed=seed)
    luck = 0.008 * np.random.default_rng(seed).standard_normal()
    level = {"shared": m.shared, "unique": m.unique, "synergy": m.synergy, "pairwise": (m.shared + m.unique) / 2}
    scores = tuple(
        Score(
            target=target,
            role=column.role,
            embedding=code,
            value=float(np.clip(level[column.role] + luck + 0.008 * noise.standard_normal(), 0.0, 1.0)),
            chance=column.chance,
        )
        for column in columns
        for target, code in column.targets
    )
    aligned = float(m.aligned + 0.02 * noise.standard_normal())
    measures = Measures(alignment_r2=aligned, cka=0.5, gap=0.1, effective_rank=(12.0, 12.0))
    return BenchRecord(schema=1, id=cell.id, cell=cell, status="finished", scores=scores, measures=measures)


def build(
    made: Sequence[Made] = MADE,
    tasks: Sequence[TaskSpec] = TASKS,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    *,
    names: Mapping[str, str] | None = None,
    titles: Sequence[str] = (),
    lost: Sequence[tuple[str, str, int]] = (("vicreg", "comm", 3),),
) -> BenchResults:
    """Return results of these methods on these tasks; `lost` are (method, task, seed) that diverged."""
    noise = np.random.default_rng(7)
    columns = tuple(c for task in tasks for c in task.columns())
    records = [
        _record(m, task, seed, [c for c in columns if c.task == task.name], noise)
        for seed in seeds
        for task in tasks
        for m in made
        if (m.key, task.name) not in ABSENT
    ]
    records = [_diverged(r) if (r.cell.method, r.cell.task.name, r.cell.seed) in lost else r for r in records]
    columns = (
        tuple(msgspec.structs.replace(c, title=t, text=t) for c, t in zip(columns, titles, strict=False)) or columns
    )
    spec = BenchSpec(
        name="example", tasks=tuple(tasks), seeds=tuple(seeds), tuning=TuningSpec(task=tasks[0].name, steps=300)
    )
    entries = {m.key: _entry(m, names or {}) for m in made}
    summary = Summary(spec, columns, entries, {k: Choice(e.choices()[0], 2) for k, e in entries.items()}, records)
    return BenchResults(
        version="0.2.0",
        schema=1,
        spec=spec,
        columns=columns,
        methods=summary.methods(),
        differences=summary.differences(),
        pareto=summary.pareto(),
        standings=summary.standings(),
        failures=tuple(
            Failure(id=r.id, status=r.status, reason=r.reason or "", text=f"{r.cell.method}, seed {r.cell.seed}")
            for r in records
            if r.status != "finished"
        ),
        cells=tuple(records),
    )


def _diverged(record: BenchRecord) -> BenchRecord:
    return BenchRecord(schema=1, id=record.id, cell=record.cell, status="diverged", reason="the loss is no number")


def _of(supervision: str) -> list[Made]:
    return [m for m in MADE if m.supervision == supervision]


def ours_first() -> BenchResults:
    """Ours, without labels, reaches every goal and is first by far."""
    best = {"unique": 0.985, "synergy": 0.93, "shared": 0.9995}
    return build([m._replace(**best) if m.key == "complement" else m for m in MADE])


def ours_behind() -> BenchResults:
    """Ours, without labels, is far behind and on no front."""
    worse = {"unique": 0.5, "synergy": 0.5, "shared": 0.8, "aligned": 0.3}
    return build([m._replace(**worse) if m.key == "complement" else m for m in MADE])


def hostile() -> BenchResults:
    """Names that break out of HTML, JSON, templates and layouts where these are careless."""
    names = dict(zip((m.key for m in MADE), HOSTILE, strict=False)) | {"note": HOSTILE[1], "source": HOSTILE[3]}
    names |= {"complement": HOSTILE[0], "infmasking": HOSTILE[4]}
    got = build(names=names, titles=HOSTILE * 2)
    lines = (Failure(id="00ff", status="failed", reason=HOSTILE[1], text=HOSTILE[0]),)
    return msgspec.structs.replace(got, spec=msgspec.structs.replace(got.spec, name=HOSTILE[0]), failures=lines)


def all_failed() -> BenchResults:
    """No training gave any figure."""
    every = [(m.key, "comm", seed) for m in MADE[:3] for seed in (0, 1)]
    return build(MADE[:3], TASKS[:1], (0, 1), lost=every)


VARIANTS: dict[str, Callable[[], BenchResults]] = {
    "example": build,
    "ours first": ours_first,
    "ours behind": ours_behind,
    "one method": lambda: build(MADE[2:3]),
    "one task": lambda: build(tasks=TASKS[3:4]),
    "two of a kind": lambda: build(MADE[:3], (TASKS[0], msgspec.structs.replace(TASKS[0], name="again"))),
    "ours alone": lambda: build([m for m in MADE if m.ours], seeds=(0, 1)),
    "no labels": lambda: build(_of("none")),
    "labels only": lambda: build(_of("labels")),
    "hostile": hostile,
    "all failed": all_failed,
}
