"""Run a study: cells to train, the folder that keeps them, and the results that come of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from functools import lru_cache, partial
from pathlib import Path

import msgspec
import numpy as np

from alignscope._lib.checks import whole
from alignscope._lib.files import check_writable
from alignscope._lib.names import keywords_named
from alignscope._lib.outputs import Output
from alignscope._lib.types import Progress
from alignscope._lib.workers import check_device, peak_bytes
from alignscope.errors import AlignscopeError
from alignscope.report.frames import Row
from alignscope.report.panels import figure_specs
from alignscope.report.parts import Spec
from alignscope.study.data.dataset import prepare
from alignscope.study.data.prepared import StudyData, open_data
from alignscope.study.frames import COLUMNS, study_rows
from alignscope.study.results import CellRecord, StudyResults
from alignscope.study.spec import SCHEMA, CellSpec, StudySpec, cells_of, checked_spec, read_spec
from alignscope.sweep.finished import Failure, Finished
from alignscope.sweep.store import Layout, Store, TrainedCell, check_resumable, holds_only
from alignscope.sweep.sweep import run_units

STUDY = Layout("study", SCHEMA, CellRecord)
"""What the folder of a study holds."""

GPU_STACK = 64
"""How many cells are trained at once on a GPU, unless it is said."""


class Study(Finished[StudyResults]):
    """A finished study; `results` depends on the specification alone."""

    output = Output("study", ("retention",))
    noun = "study"
    content = StudyResults
    _columns = COLUMNS

    def _files(self) -> dict[str, bytes]:
        from alignscope.study.page.page import render_study, study_charts  # with the page's libraries

        return {"report.html": render_study(self.results).encode(), **study_charts(self.results)}

    def _charts(self) -> dict[str, Spec]:
        from alignscope.study.page.page import study_figures  # as above

        return figure_specs(study_figures(self.results))

    def _headlines(self) -> list[str]:
        from alignscope.study.page.opening.decision import opening  # with the page's words

        found, sweep = self.results, self.results.spec.sweep
        varied = f"{len(sweep.lambdas)} lambdas, {len(sweep.components)} latent sizes, {len(sweep.seeds)} seeds"
        if sweep.objectives:
            varied += f", {len(sweep.each_objective)} objectives"
        size = f"Study “{found.spec.name}”: {len(found.cells):,} trainings over {varied}"
        return [*opening(found).lines, size]

    def _details(self) -> list[str]:
        from alignscope.study.page.verdict import verdict  # as above

        return verdict(self.results)

    def _rows(self) -> Iterator[Row]:
        return study_rows(self.to_dict())


@keywords_named
def run_study(
    spec: StudySpec | str | Path,
    out: str | Path,
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    device: str = "cpu",
    stack: int | None = None,
    resume: bool = False,
    base: str | Path | None = None,
    progress: Progress | None = None,
) -> Study:
    """Train every cell of a study that is not in the folder yet, and return what all of them say.

    Parameters
    ----------
    spec : a specification, or the path of one in TOML.
    out : the folder that keeps the cells. Killed at any instant, the same call goes on where it stopped.
    workers : processes, one thread each; by default one a core. 1 trains in this process.
    executor : any `concurrent.futures.Executor`, such as dask's; its workers must see the folder.
    device : a torch device. Not part of a cell's identity: figures of different devices agree within rounding only.
    stack : how many cells to train at once, as one stack of models; by default 1 on a processor, where stacked
        convolutions are slower, and 64 on a GPU. Figures of a stack agree with those of single cells within rounding.
    resume : insist that the folder holds this study's cells already.
    base : what paths in the specification are relative to; by default its own folder.
    progress : called with what is being done, and the share done.

    Raises
    ------
    AlignscopeError : E306, E307 for the specification, E107 without torch, E503 for nothing to resume, E305 for an
        unknown device, E401-E404 for the folder, E502 for workers that cannot be kept alive, and those of the data.
    """
    progress = progress or (lambda what, share: None)
    if not isinstance(spec, StudySpec):
        base = Path(spec).parent if base is None else base
        spec = read_spec(spec)
    spec, base, out = checked_spec(spec), Path(base or "."), Path(out)
    check_device(device)
    if stack is not None:
        whole("stack", stack, 1)
    spec = msgspec.structs.replace(spec, data=spec.data.fingerprinted(base))
    cells = cells_of(spec)
    # A folder that is a study's is looked at before any long work; a new one is made one when its data are in order.
    store = Store.open(out, STUDY) if (out / "store.json").exists() else None
    if resume:
        check_resumable(out, cells, STUDY.kind)
    check_writable(out)
    folder = prepare(spec.data, out, base, progress)
    store = store or Store.open(out, STUDY)
    data = open_data(folder)
    _check_fit(spec, data)
    train = partial(train_unit, data_folder=folder.resolve(), device=device)
    outcome = run_units(
        units_of(cells, stack or (1 if device == "cpu" else GPU_STACK)),
        store,
        train,
        workers=workers,
        executor=executor,
        progress=lambda what, share: progress(what, 0.9 * share),
    )
    progress("summing up what was measured", 0.9)
    failed = dict(outcome.failed)
    records = sorted((record for cell in cells if (record := store.read(cell.id)) is not None), key=_order)
    missing = [STUDY.failed(cell, failed[cell.id]) for cell in cells if cell.id in failed]
    failures = [
        Failure(id=r.id, status=r.status, reason=r.reason or "", text=_describe(r.cell))
        for r in [*records, *missing]
        if r.status != "finished"
    ]
    # scipy's statistics take half a second that workers need not spend
    from alignscope.study.summary.summary import summarise

    return Study(summarise(spec, data, records, failures, store.arrays), outcome)


def goes_on_in(folder: Path, output: Output, specs: Sequence[StudySpec], base: Path) -> bool:
    """Return whether studies would go on in a folder: its record, if any, is such, and all trainings in it are theirs.

    base : what paths in the specifications are relative to.
    """
    if not ((folder / "store.json").is_file() and output.may_go_on(folder)):
        return False  # without looking at the data
    fingerprinted = (msgspec.structs.replace(spec, data=spec.data.fingerprinted(base)) for spec in specs)
    return holds_only(folder, [cell for spec in fingerprinted for cell in cells_of(spec)])


def units_of(cells: Sequence[CellSpec], stack: int = 1) -> list[tuple[CellSpec, ...]]:
    """Return cells grouped by what is trained at once, in the order in which to begin.

    Only cells that differ in lambda and seed alone can be stacked. A cell's last digits then depend on what it is
    stacked with; trained by itself, as by default on a processor, they depend on the cell alone.
    """
    if stack == 1:
        return [(cell,) for cell in cells]
    groups: dict[object, list[CellSpec]] = {}
    for cell in cells:
        groups.setdefault(cell.stack, []).append(cell)
    return [tuple(group[i : i + stack]) for group in groups.values() for i in range(0, len(group), stack)]


def train_unit(unit: Sequence[CellSpec], data_folder: Path, device: str) -> list[TrainedCell[CellRecord]]:
    """Train the cells of one unit on the prepared rows; runs in a worker."""
    from alignscope.study.training.cell import train_cells  # torch, which only training needs

    begin = time.perf_counter()
    made = train_cells(unit, _open_once(data_folder), device)
    seconds = (time.perf_counter() - begin) / len(unit)
    return [TrainedCell(record, features, seconds, peak_bytes()) for record, features in made]


@lru_cache(maxsize=1)
def _open_once(folder: Path) -> StudyData:
    return open_data(folder)


def _order(record: CellRecord) -> tuple[object, ...]:
    c = record.cell
    return c.epochs, c.training, c.direction, c.variant.gauge, c.components, c.lambda_, c.seed


def _describe(cell: CellSpec) -> str:
    if cell.baseline:
        way = f"both modalities ({cell.training.replace('_', ' ')})"
        return f"{way}, K = {cell.components}, seed {cell.seed}, {cell.epochs} epochs"
    how = cell.objective.text if cell.objective else f"{cell.gauge} target scaling"
    way = "no alignment" if cell.lambda_ == 0 else f"lambda {cell.lambda_:g}, {how}"
    if cell.training == "contrastive":
        way = f"contrastive, {how}"
    return f"{way}, K = {cell.components}, seed {cell.seed}, {cell.epochs} epochs"


def _check_fit(spec: StudySpec, data: StudyData) -> None:
    """Raise now what every cell would: a task or an encoder that the data cannot have."""
    for modality, x in enumerate(data.x, 1):
        for check in (spec.encoder.check_sample, spec.encoder.check_features):
            check(x.shape[1:], f"a sample of modality {modality}")
    for objective in spec.sweep.objectives:
        if objective.beyond and data.train <= (k := max(spec.sweep.components)):
            found = f"{data.train} training rows, and `{objective.kind}` needs more than {k}"
            raise AlignscopeError("E306", "sweep.objectives", found, "Give more rows, smaller components, or another.")
    every = [t for targets in data.trained_on for t in targets]
    if spec.task == "cross_entropy" and (wrong := [t for t in every if t not in data.classes or data.multilabel(t)]):
        found = f"'{wrong[0]}' is not one class per sample, so it has no cross-entropy"
        raise AlignscopeError("E305", "task", found, "Use squared, or binary for columns of 0 and 1.")
    if spec.task == "binary" and (wrong := [t for t in every if not np.isin(data.columns(t), (0, 1)).all()]):
        raise AlignscopeError("E305", "task", f"'{wrong[0]}' holds other numbers than 0 and 1", "Use squared.")
