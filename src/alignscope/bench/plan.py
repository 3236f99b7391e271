"""Which cells a bench trains: those that tune, then every method with what was chosen, on all tasks and seeds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from msgspec.structs import replace

from alignscope._lib.names import closest
from alignscope.bench.entries import Entry
from alignscope.bench.methods import ALIASES, METHODS
from alignscope.bench.results import BenchRecord
from alignscope.bench.spec import BenchCell, BenchSpec, Setting, TaskSpec
from alignscope.bench.summary import Choice, column_value
from alignscope.bench.tasks.kind import Column
from alignscope.errors import AlignscopeError


def entries_of(spec: BenchSpec, own: Mapping[str, Entry], only: Sequence[str] | None = None) -> dict[str, Entry]:
    """Return the methods to run: `only` these or those of the specification, and all of one's own if none is named.

    Raises E305 for a name that is not known.
    """
    known = {**METHODS, **own}
    some = only or spec.methods
    beside = () if set(own).intersection(some) else own
    names = [ALIASES.get(name, name) if name not in known else name for name in (*some, *beside)] if some else known
    for name in names:
        if name not in known:
            meant = closest(name, [*known, *ALIASES])
            hint = f"Did you mean {meant}? " if meant else ""
            raise AlignscopeError("E305", "method", f"'{name}' is not known", f"{hint}Use some of {', '.join(known)}.")
    return {name: known[name] for name in dict.fromkeys(names)}


def tuning_cells(spec: BenchSpec, entries: Mapping[str, Entry]) -> dict[str, list[BenchCell]]:
    """Return the trainings that tune each method, one per setting, scored on validation samples.

    None of a method with one setting, of one that cannot run on the task, or where nothing is tuned.
    """
    if spec.tuning is None:
        return {}
    task = next(t for t in spec.tasks if t.name == spec.tuning.task)
    short = replace(task, training=replace(task.training, steps=spec.tuning.steps))
    return {
        name: [_cell(short, e, settings, spec.tuning.seed, validation=True) for settings in e.choices()]
        for name, e in entries.items()
        if len(e.grid) > 1 and e.runs(task)
    }


def choices_of(
    entries: Mapping[str, Entry],
    tried: Mapping[str, Sequence[BenchCell]],
    read: Callable[[str], BenchRecord | None],
    columns: Sequence[Column],
) -> dict[str, Choice]:
    """Return the settings of every method: those with the best mean over the columns, the first of equals.

    A setting whose training has no figures loses to any that has. What was not tuned has its first setting; a part
    of another method has that one's, but for what it changes.
    """

    def mean(cell: BenchCell) -> float:
        record = read(cell.id)
        values = [record and column_value(column, record) for column in columns]
        return -math.inf if None in values else sum(values) / len(values)  # type: ignore[arg-type]

    best = {name: max(cells, key=mean).settings for name, cells in tried.items()}
    for name, e in entries.items():
        if e.part_of in best and name not in best:
            best[name] = {**best[e.part_of], **e.settings}
    return {name: Choice(best.get(name, e.choices()[0]), len(tried.get(name, ()))) for name, e in entries.items()}


def cells_of(spec: BenchSpec, entries: Mapping[str, Entry], choices: Mapping[str, Choice]) -> list[BenchCell]:
    """Return the trainings of every method on every task, seed by seed: what is there early compares all of them."""
    return [
        _cell(task, e, choices[name].settings, seed)
        for seed in spec.seeds
        for task in spec.tasks
        for name, e in entries.items()
        if e.runs(task)
    ]


def possible_cells(spec: BenchSpec, entries: Mapping[str, Entry]) -> list[BenchCell]:
    """Return every training that the bench may come to, whichever setting of each method tuning chooses."""
    tuning = [cell for cells in tuning_cells(spec, entries).values() for cell in cells]
    settings = {name: e.choices() for name, e in entries.items()}
    for name, e in entries.items():
        if e.part_of in entries:
            settings[name] = [{**some, **e.settings} for some in entries[e.part_of].choices()]
    most = max(map(len, settings.values()))
    chosen = [{name: Choice(some[k % len(some)], 0) for name, some in settings.items()} for k in range(most)]
    return [*tuning, *(cell for choices in chosen for cell in cells_of(spec, entries, choices))]


def _cell(
    task: TaskSpec, e: Entry, settings: Mapping[str, Setting], seed: int, *, validation: bool = False
) -> BenchCell:
    return BenchCell(
        task=task,
        method=e.name,
        settings=dict(settings),
        seed=seed,
        validation=validation,
        code=e.code,
        alignscope=own_sources(),
    )


@cache
def own_sources() -> str:
    """Return the hash of the sources that decide what a training gives: networks, tasks, data, measures, the loop."""
    root = Path(__file__).parents[1]
    parts = ("nn", "bench/tasks", "pair", "datasets", "moments", "measures", "linear", "study/data")
    loop = ("bench/cell.py", "bench/objective.py", "study/encoders.py")
    files = [*(root / path for path in loop), *(p for part in parts for p in (root / part).rglob("*.py"))]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
