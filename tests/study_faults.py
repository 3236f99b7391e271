"""Fake trainings, runs to be killed and ways to die, for the tests of the study's store and sweep."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alignscope._lib import files as _files
from alignscope.study.results import CellRecord, Epoch
from alignscope.study.running import STUDY
from alignscope.study.spec import SCHEMA, CellSpec, cells_of, parse_spec
from alignscope.sweep.store import Store, TrainedCell
from alignscope.sweep.sweep import run_units

SPEC = """
[data]
kind = "trifeature"
[sweep]
lambdas = [0, {lambdas}]
seeds = {seeds}
components = [4]
"""


def cells(seeds: int = 2, lambdas: int = 2) -> list[CellSpec]:
    """A few cells: `lambdas` strengths, the baseline among them, times `seeds`."""
    text = SPEC.format(lambdas=", ".join(str(k) for k in range(1, lambdas)), seeds=list(range(seeds)))
    return cells_of(parse_spec(text))


def singles(cells: list[CellSpec]) -> list[tuple[CellSpec, ...]]:
    return [(cell,) for cell in cells]


def made(cell: CellSpec, status: str = "finished") -> TrainedCell:
    """What the fake training of a cell gives: a function of the cell alone. Baselines have arrays."""
    draw = np.random.default_rng(int(cell.id, 16))
    curve = tuple(
        Epoch(epoch=k, loss=float(a), task1=float(b), task2=0.5, alignment=0.0)
        for k, (a, b) in enumerate(draw.random((20, 2)), 1)
    )
    record = CellRecord(schema=SCHEMA, id=cell.id, cell=cell, status=status, curve=curve)
    arrays = {"z2": draw.random((500, 4)), "z1": draw.random((500, 4))} if cell.lambda_ == 0 else None
    return TrainedCell(record, arrays, 0.01, 1000)


@dataclass(frozen=True)
class Fake:
    """A training that leaves a line in `log` for every cell that it begins, and does as `acts` says.

    An act by id: "raise", "exit", "kill", "interrupt", each with " once" to do it the first time only; "long" (a
    minute), "diverge", "nan", "other" (another cell's record).
    """

    log: Path
    acts: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0

    def __call__(self, unit: tuple[CellSpec, ...]) -> list[TrainedCell]:
        return [self._train(cell, len(unit)) for cell in unit]

    def _train(self, cell: CellSpec, size: int) -> TrainedCell:
        self.log.mkdir(parents=True, exist_ok=True)
        with (self.log / cell.id).open("a") as file:
            threads = os.environ.get("OMP_NUM_THREADS", "all")
            file.write(f"{os.getpid()} {size} {threads}\n")
        act, _, once = dict(self.acts).get(cell.id, "").partition(" ")
        if once and self.times(cell) > 1:
            act = ""
        time.sleep(60 if act == "long" else self.seconds)
        result = made(cell, "diverged" if act == "diverge" else "finished")
        if act == "raise":
            raise RuntimeError(f"no luck with seed {cell.seed}")
        if act == "exit":
            os._exit(3)
        if act == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if act == "interrupt":
            raise KeyboardInterrupt
        if act == "nan":
            nan = Epoch(epoch=1, loss=float("nan"), task1=0.0, task2=0.0, alignment=0.0)
            record = CellRecord(schema=SCHEMA, id=cell.id, cell=cell, status="finished", curve=(nan,))
            return TrainedCell(record, None, 0.0, 0)
        if act == "other":
            other = CellSpec(**{name: getattr(cell, name) for name in cell.__struct_fields__} | {"seed": 99})
            return made(other)
        return result

    def times(self, cell: CellSpec) -> int:
        """How often the training of a cell was begun."""
        return len(self.lines(cell))

    def lines(self, cell: CellSpec) -> list[list[str]]:
        """Process, size of the unit and threads, of each time that a cell was begun."""
        path = self.log / cell.id
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def tree(folder: Path, *names: str) -> dict[str, bytes]:
    """Every file below a folder, or below some of its folders."""
    roots = [folder / name for name in names] or [folder]
    return {
        str(p.relative_to(folder)): p.read_bytes() for root in roots for p in sorted(root.rglob("*")) if p.is_file()
    }


# Runs in processes of their own.


def start(call: str, **options: Any) -> subprocess.Popen[str]:
    """Begin `study_faults.call(**options)` in a new Python, its output in one pipe that its workers share."""
    # What a shell starts in the background ignores interrupts, and so would all that comes of it.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code = f"{heard}from pathlib import Path, PosixPath; import study_faults; study_faults.{call}(**{options!r})"
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "error"},
    )


def sweep(folder: Path, seeds: int, lambdas: int, workers: int, seconds: float = 0.0, long: int = 0) -> None:
    """A run that tells its progress on stdout; its last `long` cells take a minute."""
    todo = cells(seeds, lambdas)
    fake = Fake(folder / "log", tuple((cell.id, "long") for cell in todo[len(todo) - long :]), seconds)
    store = Store.open(folder / "store", STUDY)
    run_units(singles(todo), store, fake, workers=workers, progress=lambda text, share: print(text, flush=True))
    print("end", flush=True)


class _Fatal:
    """Counts the calls of functions that write, and ends the process before one of them, or half-way through."""

    def __init__(self, point: int) -> None:
        self.left = point

    def before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def fatal(*args: Any, **kwargs: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                os._exit(9)
            return call(*args, **kwargs)

        return fatal

    def half(self, path: Path, content: bytes) -> None:
        self.left -= 1
        path.write_bytes(content if self.left >= 0 else content[: len(content) // 2])
        if self.left < 0:
            os._exit(9)


def die_everywhere(folder: Path, modes: tuple[str, ...]) -> None:
    """For every point of a run at which something is written: a run that dies there, then one that completes it.

    Each in a folder MODE-POINT, with what the dead one had finished in `finished`.
    """
    todo = singles(cells(1, 2))
    for mode in modes:
        for point in itertools.count():
            here = folder / f"{mode}-{point}"
            if _forked(lambda: _run_fatally(here, todo, mode, point)) == 0:  # noqa: B023
                break
            before = [cell.id for (cell,) in todo if (here / "store/cells" / f"{cell.id}.json").exists()]
            (here / "finished").write_text("\n".join(before))
            again = Store.open(here / "store", STUDY)
            assert _forked(lambda: run_units(todo, again, Fake(here / "log"), workers=1)) == 0  # noqa: B023


def _run_fatally(folder: Path, todo: list[tuple[CellSpec, ...]], mode: str, point: int) -> None:
    folder.mkdir()
    fatal = _Fatal(point)
    if mode == "half":
        _files._write = fatal.half
    else:
        os.fsync, os.replace, os.mkdir = (fatal.before(call) for call in (os.fsync, os.replace, os.mkdir))
    run_units(todo, Store.open(folder / "store", STUDY), Fake(folder.parent / f"log-{folder.name}"), workers=1)


def _forked(work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def limited(folder: Path, size: int, workers: int) -> None:
    """A run whose files may have `size` bytes: room for the cells without arrays, not for the baseline's."""
    import resource

    from alignscope.errors import AlignscopeError

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    todo = singles(cells(1, 4))[::-1]
    try:
        run_units(todo, Store.open(folder / "store", STUDY), Fake(folder / "log"), workers=workers)
    except AlignscopeError as error:
        print(error)


def on_dask(folder: Path, address: str) -> None:
    """A run of the command line on a cluster: the first half of its cells is quick, the others take a minute."""
    from types import SimpleNamespace

    from alignscope import cli
    from alignscope.cli.options import _executor

    def run() -> None:
        todo = cells(2, 4)
        fake = Fake(folder / "log", tuple((cell.id, "long") for cell in todo[4:]))
        store = Store.open(folder / "store", STUDY)
        with _executor(address, None) as (executor, workers):
            run_units(singles(todo), store, fake, workers=workers, executor=executor, progress=_tell)

    command = SimpleNamespace(run=run, interrupted="kept", quiet=False, verbose=False, __struct_fields__=())
    cli._parsed = lambda argv: command  # type: ignore[assignment, return-value]
    print(f"status {cli.main([])}", flush=True)


def _tell(text: str, share: float) -> None:
    print(text, flush=True)


def hold(folder: Path, id: str) -> None:
    """Claim a cell and keep it until killed."""
    with Store.open(folder, STUDY).claim([id]) as mine:
        print("mine" if mine else "busy", flush=True)
        time.sleep(60)


# Executors that fail.


class Losing(Executor):
    """Loses the first `losses` pieces of work, as a cluster loses workers; does the others at once."""

    def __init__(self, losses: int, error: Exception) -> None:
        self.losses, self.error = losses, error

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.losses -= 1
        if self.losses >= 0:
            future.set_exception(self.error)
        else:
            future.set_result(fn(*args, **kwargs))
        return future
