"""Run a bench: tune every method alike, train all on all tasks and seeds, and say what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import msgspec
from msgspec.structs import replace

from alignscope._lib.checks import whole
from alignscope._lib.files import check_writable, write_all
from alignscope._lib.types import Progress
from alignscope._lib.version import __version__
from alignscope._lib.workers import check_device, peak_bytes
from alignscope.bench.entries import Entry
from alignscope.bench.plan import cells_of, choices_of, entries_of, tuning_cells
from alignscope.bench.registry import load_methods, read_methods
from alignscope.bench.results import BenchRecord, BenchResults, Failure
from alignscope.bench.spec import SCHEMA, BenchCell, BenchSpec, Scale, checked_spec, read_scale, read_spec
from alignscope.bench.summary import Choice, Summary
from alignscope.bench.tasks.kind import Column
from alignscope.sweep.store import Layout, Store, TrainedCell, check_resumable
from alignscope.sweep.sweep import Outcome, run_units

__all__ = ["BENCH", "Bench", "run_bench", "train_unit"]


BENCH = Layout("bench", SCHEMA, BenchRecord)
"""What the folder of a bench holds."""

_TRAINING = 0.95  # share of the time that all but the page takes


@dataclass(frozen=True)
class Bench:
    """A finished bench.

    Attributes
    ----------
    results : everything found; depends on the specification and the methods' code alone.
    outcome : what this run did: how many cells it reused, which failed.
    """

    results: BenchResults
    outcome: Outcome

    def to_json(self) -> bytes:
        """Return results.json: keys in a fixed order, one line, a newline at the end."""
        return msgspec.json.encode(self.results, order="deterministic") + b"\n"

    def save(self, folder: str | Path) -> Path:
        """Write results.json, report.html and the charts to a folder, all or none; return the page's path."""
        from alignscope.bench.page.page import bench_charts, render_bench

        folder = Path(folder)
        files = {"results.json": self.to_json(), "report.html": render_bench(self.results).encode()}
        write_all(folder, files | bench_charts(self.results))
        return folder / "report.html"


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
    """Tune and train every method that is not in the folder yet, and return what all of them say.

    First every setting of every method is trained once, on the tuning task, and scored on validation samples; then
    each method runs with its best setting on all tasks and seeds, and is scored on test samples.

    Parameters
    ----------
    spec : a specification, the path of one in TOML, or "quick" or "full" for those that come with alignscope.
    out : the folder that keeps the trainings. Killed at any instant, the same call goes on where it stopped; a later
        call with more methods trains only these.
    methods_file : a Python file with methods of one's own, which `alignscope.bench.register` registers.
    methods : names of the methods to run; by default those of the specification, and all of one's own.
    workers : processes, one thread each; by default one a core. 1 trains in this process.
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
    if base is None:
        base = Path() if isinstance(spec, BenchSpec) else Path(spec).parent
    spec = _opened(spec)
    spec = replace(spec, tasks=tuple(task.fingerprinted(Path(base)) for task in spec.tasks))
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
    folders = _prepared(spec, out, Path(base), progress)
    _try_own(spec, entries, folders)
    train = partial(train_unit, file=file, device=device, folders=folders)
    run = _Run(store or Store.open(out, BENCH), train, workers, executor)

    known = tuple(column for task in spec.tasks for column in task.columns(folders.get(task.name)))
    share = _cost(first) / (_cost(first) + _cost(cells_of(spec, entries, untuned)) or 1.0)
    tuned = run.cells(first, lambda text, done: progress(f"tuning: {text}", _TRAINING * share * done))
    judged = [column for column in known if spec.tuning is not None and column.task == spec.tuning.task]
    choices = choices_of(entries, tuning, run.store.read, judged)
    cells = cells_of(spec, entries, choices)
    trained = run.cells(
        cells, lambda text, done: progress(f"training: {text}", _TRAINING * (share + (1 - share) * done))
    )
    outcome = _both(tuned, trained)
    return Bench(_results(spec, known, entries, choices, [*cells, *first], run.store, outcome), outcome)


def train_unit(
    unit: Sequence[BenchCell], file: tuple[Path, bytes] | None, device: str, folders: Mapping[str, Path]
) -> list[TrainedCell[BenchRecord]]:
    """Train the cells of one unit; runs in a worker.

    Parameters
    ----------
    file : path and content of a file with a user's methods.
    folders : where the rows of the users' own pairs are, by the task's name.
    """
    from alignscope.bench.cell import train_cell

    if file is not None:
        load_methods(*file)
    out = []
    for cell in unit:
        begin = time.perf_counter()
        record = train_cell(cell, device, folders.get(cell.task.name))
        out.append(TrainedCell(record, None, time.perf_counter() - begin, peak_bytes()))
    return out


@dataclass(frozen=True)
class _Run:
    store: Store[BenchRecord]
    train: Callable[[Sequence[BenchCell]], Sequence[TrainedCell[BenchRecord]]]
    workers: int | None
    executor: Executor | None

    def cells(self, cells: Sequence[BenchCell], progress: Progress) -> Outcome:
        """Finish these cells, in order."""
        if not cells:
            return Outcome(finished=(), failed=(), reused=0, damaged=(), lost=())
        units = [(cell,) for cell in cells]
        return run_units(units, self.store, self.train, workers=self.workers, executor=self.executor, progress=progress)


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
    from alignscope.bench.cell import try_method

    for e in entries.values():
        if e.code:
            for task in [t for t in spec.tasks if e.runs(t)][:1]:
                try_method(e, task, folders.get(task.name))


def _opened(spec: BenchSpec | str | Path) -> BenchSpec:
    if isinstance(spec, BenchSpec):
        return checked_spec(spec)
    return read_scale(spec) if spec in get_args(Scale) else read_spec(spec)  # type: ignore[arg-type]


def _cost(cells: Sequence[BenchCell]) -> float:
    return sum(cell.cost for cell in cells)


def _both(a: Outcome, b: Outcome) -> Outcome:
    return Outcome(
        finished=a.finished + b.finished,
        failed=a.failed + b.failed,
        reused=a.reused + b.reused,
        damaged=a.damaged + b.damaged,
        lost=a.lost + b.lost,
    )


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
        failures=tuple(
            Failure(id=r.id, status=r.status, reason=r.reason or "", text=_describe(r.cell))
            for r in [*records, *missing]
            if r.status != "finished"
        ),
        cells=tuple(records),
    )


def _describe(cell: BenchCell) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in cell.settings.items())
    return f"{cell.method}, {cell.task.name}, {'tuning' if cell.validation else f'seed {cell.seed}'}" + (
        f" ({settings})" if settings else ""
    )
