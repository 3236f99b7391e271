"""Running the cells of a sweep: through faults, and on after them.

Who computes a cell claims it, looks once more whether it is finished, trains, and writes it to the store; only a few
words come back. So any number of runs may share a folder, and one that is killed leaves nothing to repair.
"""

from __future__ import annotations

import itertools
import pickle
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from typing import Any

from alignscope._lib.checks import whole
from alignscope._lib.threads import cores
from alignscope._lib.types import Progress
from alignscope._lib.workers import Slot, slots
from alignscope.errors import AlignscopeError
from alignscope.sweep.store import Cell, Store, TrainedCell

Unit = tuple[Cell, ...]
"""Cells that are trained together: usually one, many on a GPU."""

Train = Callable[[Any], Sequence[TrainedCell[Any]]]
"""Trains the cells of a unit and returns one result a cell, in their order. Sent to processes, so picklable."""

ALIVE = 5.0  # seconds between looks at whether a cluster can still be reached
FIRST_LOOK, LAST_LOOK = 0.5, 5.0  # seconds between looks at what another run computes


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Parameters
    ----------
    finished : ids of all cells that are finished now, in the order of the units.
    failed : id and reason of those that are not.
    reused : how many of the finished ones this run did not compute.
    damaged : ids whose files were damaged; they were set aside and computed again.
    lost : ids of cells whose worker was killed, once for each time.
    """

    finished: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    reused: int = 0
    damaged: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


NOTHING = Outcome()
"""Of results that were read back."""


def run_units(
    units: Sequence[Unit],
    store: Store[Any],
    train: Train,
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Finish every cell that is not finished yet, and return what became of each.

    A cell that raises is recorded as failed and the rest goes on; a unit of several that raises is tried cell by cell.
    A cell whose worker is killed is tried once more, alone, when the rest is done, and then recorded as failed. Cells
    that another run on the same folder is computing are waited for.

    Parameters
    ----------
    units : what to train together, in the order in which to begin.
    store : where finished cells are found and kept.
    train : trains a unit.
    workers : processes, each with one thread; by default one a core. 1 trains in this process. With `executor`, how
        many units it computes at once.
    executor : any `concurrent.futures.Executor`, such as dask's ``Client.get_executor()``. Its workers need the folder.
    progress : called with what is going on, and the share of all work that is done.

    Raises
    ------
    AlignscopeError : E304 for fewer than one worker, E101, E401, E402 where the store can no longer be read or written,
        E502 where no worker can be had.
    KeyboardInterrupt : workers are stopped at once; finished cells stay.
    """
    workers = cores() if workers is None else whole("workers", workers, 1)
    if executor is None and workers > 1:
        pickle.dumps(train)  # an error is raised here once, not by every cell
    with slots(workers, executor) as here:
        return _Sweep(units, store, train, here, workers, progress or (lambda text, share: None)).run()


@dataclass(frozen=True)
class _Report:
    """What a worker reports of a unit. One that is busy elsewhere, or to be split into cells, is given out again."""

    busy: bool = False
    split: bool = False
    computed: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    damaged: tuple[str, ...] = ()
    seconds: float = 0.0


def _work(unit: Unit, store: Store[Any], train: Train, turn: int) -> _Report:
    """Compute, in the worker, what is missing of a unit. `turn` differs in every call: dask makes equal ones once."""
    with store.claim(cell.id for cell in unit) as mine:
        if not mine:
            return _Report(busy=True)
        damaged = tuple(cell.id for cell in unit if store.set_aside_damaged(cell.id))
        missing = tuple(cell for cell in unit if store.read(cell.id) is None)
        if not missing:
            return _Report(damaged=damaged)
        begin, written = time.perf_counter(), []
        try:
            for cell, trained in zip(missing, train(missing), strict=True):
                if trained.record.id != cell.id:
                    raise ValueError(f"the training of cell {cell.id} gave {trained.record.id}")
                store.write(trained)
                written.append(cell.id)
        except Exception as error:
            if isinstance(error, AlignscopeError) and error.code.startswith("E4"):
                raise
            if len(missing) > 1:
                return _Report(
                    split=True, computed=tuple(written), damaged=damaged, seconds=time.perf_counter() - begin
                )
            reason = f"{type(error).__name__}: {error}"
            store.write_failure(missing[0], reason, traceback.format_exc())
            return _Report(failed=((missing[0].id, reason),), damaged=damaged)
        return _Report(computed=tuple(written), damaged=damaged, seconds=time.perf_counter() - begin)


class _Sweep:
    """Gives out the units and takes in what is reported of them."""

    def __init__(
        self,
        units: Sequence[Unit],
        store: Store[Any],
        train: Train,
        here: list[Slot],
        workers: int,
        progress: Progress,
    ) -> None:
        self.store, self.train, self.here, self.workers, self.progress = store, train, here, workers, progress
        self.cells = {cell.id: cell for unit in units for cell in unit}
        self.finished = {id for id in self.cells if store.read(id) is not None}
        left = (tuple(cell for cell in unit if cell.id not in self.finished) for unit in units)
        self.queue = deque(unit for unit in left if unit)
        self.suspects: deque[Unit] = deque()  # whose worker was lost
        self.running: dict[Future[_Report], tuple[int, Unit]] = {}
        self.later: list[tuple[float, Unit]] = []  # what another run computes, and when to look again
        self.looks: Counter[str] = Counter()  # by the id of a unit's first cell
        self.turns = itertools.count()
        self.failed: dict[str, str] = {}
        self.damaged: list[str] = []
        self.lost: list[str] = []
        self.seconds: dict[str, float] = {}  # of the cells computed by this run

    def run(self) -> Outcome:
        self._report()
        try:
            while self.queue or self.running or self.later or self.suspects:
                self._give_out()
                self._take_in()
        except BaseException:
            for future in self.running:
                future.cancel()
            raise
        return Outcome(
            finished=tuple(id for id in self.cells if id in self.finished),
            failed=tuple((id, self.failed[id]) for id in self.cells if id in self.failed),
            reused=len(self.finished - self.seconds.keys()),
            damaged=tuple(self.damaged),
            lost=tuple(self.lost),
        )

    def _give_out(self) -> None:
        now = time.monotonic()
        self.queue.extend(unit for due, unit in self.later if due <= now)
        self.later = [(due, unit) for due, unit in self.later if due > now]
        if self.suspects and not self.queue and not self.running:
            self.queue.append(self.suspects.popleft())
        taken = {slot for slot, _ in self.running.values()}
        for slot, place in enumerate(self.here):
            if self.queue and slot not in taken:
                place.check_reached()
                unit = self.queue.popleft()
                future = place.submit(_work, unit, self.store, self.train, next(self.turns))
                self.running[future] = slot, unit

    def _take_in(self) -> None:
        pause = max(0.0, min(due for due, _ in self.later) - time.monotonic()) if self.later else None
        if not self.running:
            self.progress("waiting for cells that another run computes", self._share())
            time.sleep(pause or 0.0)
            return
        done = wait(self.running, ALIVE if pause is None else min(pause, ALIVE), FIRST_COMPLETED).done
        if not done:
            self.here[0].check_reached()
        for future in done:
            slot, unit = self.running.pop(future)
            try:
                self._note(unit, future.result())
            except AlignscopeError:
                raise
            except BrokenExecutor as error:
                self.here[slot].replace(error)
                self._strike(unit, "worker killed twice (out of memory?)")
            except Exception as error:  # of the executor, such as dask's KilledWorker
                self._strike(unit, f"worker lost twice: {type(error).__name__}: {error}")

    def _note(self, unit: Unit, report: _Report) -> None:
        self.damaged += report.damaged
        if report.busy:
            delay = min(FIRST_LOOK * 1.5 ** min(self.looks[unit[0].id], 9), LAST_LOOK)
            self.later.append((time.monotonic() + delay, unit))
            self.looks[unit[0].id] += 1
            return
        self.seconds.update({id: report.seconds / len(report.computed) for id in report.computed})
        if report.split:
            self.queue.extendleft((cell,) for cell in reversed(unit))
            return
        self.failed.update(report.failed)
        self.finished.update(cell.id for cell in unit if cell.id not in self.failed)
        self._report()

    def _strike(self, unit: Unit, reason: str) -> None:
        """Try the cells of a lost worker once more, each alone, when the rest is done; give up those that lost two.

        Where memory is short, a worker is killed for what all of them hold: only alone is a cell the culprit.
        """
        for cell in unit:
            if cell.id not in self.lost:
                self.suspects.append((cell,))
                self.progress(
                    f"a worker was lost over cell {cell.id}, which is tried once more at the end", self._share()
                )
            elif self.store.read(cell.id) is not None:  # it had just been written
                self.finished.add(cell.id)
            else:
                self.failed[cell.id] = f"{reason} [E502]"
                self.store.write_failure(cell, self.failed[cell.id])
        self.lost.extend(cell.id for cell in unit)
        self._report()

    def _share(self) -> float:
        return (len(self.finished) + len(self.failed)) / max(len(self.cells), 1)

    def _report(self) -> None:
        done = self.finished | self.failed.keys()
        text = f"{len(done)} of {len(self.cells)} cells"
        if self.failed:
            text += f", {len(self.failed)} failed"
        left = sum(cell.cost for id, cell in self.cells.items() if id not in done)
        trained = sum(self.cells[id].cost for id in self.seconds)
        if left and trained:
            text += f", {_about(sum(self.seconds.values()) / trained * left / self.workers)} left"
        self.progress(text, self._share())


def _about(seconds: float) -> str:
    if seconds < 90:
        return "about a minute" if seconds > 45 else "less than a minute"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
