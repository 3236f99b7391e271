"""Run a bench: tune every method alike, train all on all tasks and seeds, and sum up what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import get_args

from msgspec.structs import replace

from alignscope._lib.checks import whole
from alignscope._lib.files import check_writable
from alignscope._lib.names import keywords_named
from alignscope._lib.outputs import Output
from alignscope._lib.types import Progress
from alignscope._lib.version import __version__
from alignscope._lib.workers import check_device, peak_bytes
from alignscope.bench.entries import Entry
from alignscope.bench.plan import cells_of, choices_of, entries_of, possible_cells, tuning_cells
from alignscope.bench.ranking import ranked
from alignscope.bench.registry import load_methods, read_methods
from alignscope.bench.results import BenchRecord, BenchResults
from alignscope.bench.spec import SCHEMA, BenchCell, BenchSpec, Scale, checked_spec, read_scale, read_spec
from alignscope.bench.summary import Choice, Summary
from alignscope.bench.tasks.kind import Column
from alignscope.bench.tasks.pair import PairTask
from alignscope.report.frames import Columns, Row
from alignscope.report.panels import figure_specs
from alignscope.report.parts import Spec
from alignscope.sweep.finished import Failure, Finished
from alignscope.sweep.store import Layout, Store, TrainedCell, check_resumable, holds_only
from alignscope.sweep.sweep import NOTHING, Outcome, run_units

BENCH = Layout("bench", SCHEMA, BenchRecord)
"""What the folder of a bench holds."""
COLUMNS = Columns(
    before=("method", "other", "task", "column", "front", "seeds"),
    named={"columns": "column", "alignment_r2": "task"},
    skipped=("settings", "tried"),
)
"""How the figures of a bench become rows of one table."""

_TRAINING = 0.95  # share of the time that all but the page takes


class Bench(Finished[BenchResults]):
    """A finished bench; `results` depends on the specification and the methods' code alone."""

    output = Output("bench", ("pareto",))
    noun = "bench"
    content = BenchResults
    _columns = COLUMNS

    def _files(self) -> dict[str, bytes]:
        from alignscope.bench.page.page import bench_charts, render_bench  # with the page's libraries

        return {"report.html": render_bench(self.results).encode(), **bench_charts(self.results)}

    def _charts(self) -> dict[str, Spec]:
        from alignscope.bench.page.board import Board  # as above
        from alignscope.bench.page.page import bench_figures

        return figure_specs(bench_figures(Board(self.results)))

    def _headlines(self) -> list[str]:
        from alignscope.bench.page.board import Board  # with the page's words, which training does without
        from alignscope.bench.page.tables import sizes
        from alignscope.bench.page.verdict import opening

        board = Board(self.results)
        return [*opening(board).lines, f"Bench “{self.results.spec.name}”: {sizes(board)}"]

    def _details(self) -> list[str]:
        return ranked(self.results).ranking()

    def _rows(self) -> Iterator[Row]:
        for table in ("methods", "differences", "pareto"):
            for row in COLUMNS.rows(self.to_dict()[table], table, {}):
                yield row | {"held_out": True}


@keywords_named
def run_bench(
    spec: BenchSpec | str | Path,
    out: str | Path,
    *,
    methods_file: str | Path | None = None,
    methods: Sequence[str] | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    device: str = "cpu",
    resume: bool = False,
    base: str | Path | None = None,
    progress: Progress | None = None,
) -> Bench:
    """Tune and train every method that is not in the folder yet, and return what was found.

    First every setting of every method is trained once, on the tuning task, and scored on validation samples; then
    each method runs with its best setting on all tasks and seeds, and is scored on test samples.

    Parameters
    ----------
    spec : a specification, the path of one in TOML, or "quick" or "full" for those that come with alignscope.
    out : the folder that keeps the trainings. Killed at any instant, the same call goes on where it stopped; a later
        call with more methods trains only these.
    methods_file : a Python file with methods of one's own, which `alignscope.bench.register` registers.
    methods : names of the methods to run, next to all of one's own if none of these is named; by default those of the
        specification.
    workers : processes, one thread each; by default one per core. 1 trains in this process.
    executor : any `concurrent.futures.Executor`, such as dask's; its workers must see the folder.
    device : a torch device. Not part of a cell's identity: figures of different devices agree within rounding only.
    resume : insist that the folder holds trainings of this bench already.
    base : what paths in the specification are relative to; by default its own folder.
    progress : called with what is being done, and the share done.

    Raises
    ------
    AlignscopeError : E306, E307 for the specification, E308 for the file of methods, E305 for an unknown method or
        device, E107 without torch, E503 for nothing to resume, E401-E404 for the folder, E502 for workers that cannot
        be kept alive, and those of the readers for a pair of one's own.
    """
    progress, out = progress or (lambda what, share: None), Path(out)
    check_device(device)
    spec, base = _opened(spec, base)
    file = None if methods_file is None else (Path(methods_file).resolve(), read_methods(methods_file))
    entries = entries_of(spec, {} if file is None else load_methods(*file), methods)
    if workers is not None:
        whole("workers", workers, 1)
    tuning = tuning_cells(spec, entries)
    first = [cell for cells in tuning.values() for cell in cells]
    untuned = {name: Choice(e.choices()[0], 0) for name, e in entries.items()}
    if resume:
        check_resumable(out, [*first, *cells_of(spec, entries, untuned)], BENCH.kind)
    # A folder that is a bench's is looked at before any long work; a new one is made one when its data are in order.
    store = Store.open(out, BENCH) if (out / "store.json").exists() else None
    check_writable(out)
    folders = _prepared(spec, out, base, progress)
    _try_own(spec, entries, folders)
    store = store or Store.open(out, BENCH)
    train = partial(train_unit, file=file, device=device, folders=folders)
    run = partial(run_units, store=store, train=train, workers=workers, executor=executor)
    known = tuple(column for task in spec.tasks for column in task.columns(folders.get(task.name)))
    share = _cost(first) / (_cost(first) + _cost(cells_of(spec, entries, untuned)) or 1.0)

    def finish(cells: Sequence[BenchCell], what: str, start: float, end: float) -> Outcome:
        def tell(text: str, done: float) -> None:
            progress(f"{what}: {text}", _TRAINING * (start + (end - start) * done))

        return run([(cell,) for cell in cells], progress=tell) if cells else NOTHING

    tuned = finish(first, "tuning", 0.0, share)
    judged = [column for column in known if spec.tuning is not None and column.task == spec.tuning.task]
    choices = choices_of(entries, tuning, store.read, judged)
    cells = cells_of(spec, entries, choices)
    trained = finish(cells, "training", share, 1.0)
    outcome = Outcome(*(getattr(tuned, f.name) + getattr(trained, f.name) for f in fields(Outcome)))
    results = _results(spec, known, entries, choices, [*cells, *first], store, outcome)
    notes = {task.name: task.rows(folders[task.name]).notes for task in spec.tasks if isinstance(task, PairTask)}
    return Bench(replace(results, notes={name: said for name, said in notes.items() if said}), outcome)


def goes_on_in(
    folder: Path, spec: str | Path, methods_file: Path | None = None, methods: Sequence[str] | None = None
) -> bool:
    """Return whether a bench would go on in a folder: its record, if any, is a bench's, and all trainings are its."""
    if not ((folder / "store.json").is_file() and Bench.output.may_go_on(folder)):
        return False  # without looking at the data
    opened, _ = _opened(spec)
    entries = entries_of(opened, {} if methods_file is None else load_methods(methods_file), methods)
    return holds_only(folder, possible_cells(opened, entries))


def train_unit(
    unit: Sequence[BenchCell], file: tuple[Path, bytes] | None, device: str, folders: Mapping[str, Path]
) -> list[TrainedCell[BenchRecord]]:
    """Train the cells of one unit; runs in a worker.

    Parameters
    ----------
    file : path and content of a file with a user's methods.
    folders : where the rows of the users' own pairs are, by the task's name.
    """
    from alignscope.bench.cell import train_cell  # with torch, which only training needs

    if file is not None:
        load_methods(*file)
    out = []
    for cell in unit:
        begin = time.perf_counter()
        record = train_cell(cell, device, folders.get(cell.task.name))
        out.append(TrainedCell(record, None, time.perf_counter() - begin, peak_bytes()))
    return out


def _prepared(spec: BenchSpec, out: Path, base: Path, progress: Progress) -> dict[str, Path]:
    """Write the rows of users' own pairs below `out`, and return their folders by the task's name.

    Raises what an encoder that cannot take them would raise in every training.
    """
    folders = {}
    for task in spec.tasks:
        if (folder := task.prepare(out, base, progress)) is not None:
            from alignscope.bench.tasks.data.opening import open_task  # with torch, which only training needs

            folders[task.name] = folder
            open_task(task, spec.seeds[0], folder).encoders()
    return folders


def _try_own(spec: BenchSpec, entries: dict[str, Entry], folders: Mapping[str, Path]) -> None:
    """Take one step with every method of the user's own, before anything else is trained."""
    from alignscope.bench.cell import try_method  # as above

    for e in entries.values():
        if e.code:
            for task in [t for t in spec.tasks if e.runs(t)][:1]:
                try_method(e, task, folders.get(task.name))


def _opened(spec: BenchSpec | str | Path, base: str | Path | None = None) -> tuple[BenchSpec, Path]:
    """Return a bench with fingerprints of its data, and what paths in it are relative to."""
    if isinstance(spec, BenchSpec):
        base, spec = base or "", checked_spec(spec)
    else:
        base = Path(spec).parent if base is None else base
        spec = read_scale(spec) if spec in get_args(Scale) else read_spec(spec)  # type: ignore[arg-type]
    base = Path(base)
    return replace(spec, tasks=tuple(task.fingerprinted(base) for task in spec.tasks)), base


def _cost(cells: Sequence[BenchCell]) -> float:
    return sum(cell.cost for cell in cells)


def _results(
    spec: BenchSpec,
    columns: tuple[Column, ...],
    entries: dict[str, Entry],
    choices: dict[str, Choice],
    cells: Sequence[BenchCell],
    store: Store[BenchRecord],
    outcome: Outcome,
) -> BenchResults:
    records = [record for cell in cells if (record := store.read(cell.id)) is not None]
    failed = dict(outcome.failed)
    missing = [BENCH.failed(cell, failed[cell.id]) for cell in cells if cell.id in failed]
    summary = Summary(spec, columns, entries, choices, [r for r in records if not r.cell.validation])
    return BenchResults(
        version=__version__,
        schema=SCHEMA,
        spec=replace(spec, methods=tuple(entries)),
        columns=columns,
        methods=summary.methods(),
        differences=summary.differences(),
        pareto=summary.pareto(),
        standings=summary.standings(),
        failures=tuple(
            Failure(id=r.id, status=r.status, reason=r.reason or "", text=_describe(r.cell))
            for r in [*records, *missing]
            if r.status != "finished"
        ),
        cells=tuple(records),
    )


def _describe(cell: BenchCell) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in cell.settings.items())
    run = "tuning" if cell.validation else f"seed {cell.seed}"
    return f"{cell.method}, {cell.task.name}, {run}" + (f" ({settings})" if settings else "")
