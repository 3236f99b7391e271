"""Running a study: every cell computed once, the same bytes however it was run, and nothing lost by any fault."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from alignscope._lib.threads import cores
from alignscope._lib.workers import Slot
from alignscope.errors import AlignscopeError
from alignscope.study.running import STUDY
from alignscope.sweep import sweep as sweeping
from alignscope.sweep.store import Store
from alignscope.sweep.sweep import Outcome, run_units
from study_faults import Fake, Losing, cells, made, singles, start, tree

CELLS = cells(2, 2)
IDS = tuple(cell.id for cell in CELLS)
FIGURES = ("cells",)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", STUDY)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def undisturbed(folder: Path, cells_=CELLS) -> dict[str, bytes]:
    """The slow, obvious way: the bytes of all cells, written one after the other."""
    store = Store.open(folder, STUDY)
    for cell in cells_:
        store.write(made(cell))
    return tree(folder, *FIGURES)


def alive(pid: str) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


# Plain runs.


@pytest.mark.parametrize("way", ["one", "two", "threads", "together"])
def test_all_is_computed_once_and_the_same_in_every_way(way: str, store: Store, log: Path, tmp_path: Path) -> None:
    fake = Fake(log)
    units = [tuple(CELLS)] if way == "together" else singles(CELLS)
    with ThreadPoolExecutor(2) as threads:
        workers, executor = {"two": (2, None), "threads": (2, threads)}.get(way, (1, None))
        done = run_units(units, store, fake, workers=workers, executor=executor)
        assert done == Outcome(finished=IDS, failed=(), reused=0, damaged=(), lost=())
        assert tree(store.folder, *FIGURES) == undisturbed(tmp_path / "twin")
        again = run_units(units, store, fake, workers=workers, executor=executor)
    assert again == Outcome(finished=IDS, failed=(), reused=len(IDS), damaged=(), lost=())
    assert [fake.times(cell) for cell in CELLS] == [1] * len(CELLS)
    inside = {int(pid) for cell in CELLS for pid, _, _ in fake.lines(cell)}
    assert (os.getpid() in inside) == (way != "two")


def test_only_what_is_missing_is_computed(store: Store, log: Path) -> None:
    store.write(made(CELLS[1]))
    fake = Fake(log)
    assert run_units([tuple(CELLS)], store, fake, workers=1).reused == 1
    assert [fake.times(cell) for cell in CELLS] == [1, 0, 1, 1]
    assert {size for cell in CELLS for _, size, _ in fake.lines(cell)} == {"3"}


def test_a_cell_asked_for_twice_is_computed_once(store: Store, log: Path) -> None:
    fake = Fake(log)
    assert run_units(singles(CELLS[:1] * 3), store, fake, workers=1).finished == IDS[:1]
    assert fake.times(CELLS[0]) == 1


def test_nothing_to_do(store: Store, log: Path) -> None:
    assert run_units([], store, Fake(log)) == Outcome((), (), 0, (), ())


def test_workers_have_one_thread_each_and_the_environment_is_restored(
    store: Store, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    fake = Fake(log)
    run_units(singles(CELLS), store, fake, workers=2)
    assert {threads for cell in CELLS for _, _, threads in fake.lines(cell)} == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_by_default_there_is_a_worker_a_core(monkeypatch: pytest.MonkeyPatch, store: Store, log: Path) -> None:
    asked = []
    slots = sweeping.slots
    monkeypatch.setattr(sweeping, "slots", lambda workers, executor: asked.append(workers) or slots(1, executor))
    run_units(singles(CELLS), store, Fake(log))
    assert asked == [cores()]


def test_cells_begin_in_order_and_progress_is_told(store: Store, log: Path) -> None:
    store.write(made(CELLS[0]))
    told: list[tuple[str, float]] = []
    fake = Fake(log, ((IDS[2], "raise"),))
    run_units(singles(CELLS), store, fake, workers=1, progress=lambda text, share: told.append((text, share)))
    assert told == [
        ("1 of 4 cells", 0.25),
        ("2 of 4 cells, less than a minute left", 0.5),
        ("3 of 4 cells, 1 failed, less than a minute left", 0.75),
        ("4 of 4 cells, 1 failed", 1.0),
    ]
    begun = sorted(CELLS[1:], key=lambda cell: (log / cell.id).stat().st_mtime_ns)
    assert begun == CELLS[1:]


def test_what_is_left_is_reckoned_from_epochs_and_workers(
    store: Store, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 10_000, 600))  # every unit takes ten minutes
    monkeypatch.setattr(sweeping.time, "perf_counter", lambda: next(clock))
    told: list[str] = []
    with ThreadPoolExecutor(1) as one:
        run_units(singles(CELLS), store, Fake(log), workers=3, executor=one, progress=lambda text, _: told.append(text))
    assert told[1:] == [
        "1 of 4 cells, about 10 min left",
        "2 of 4 cells, about 7 min left",
        "3 of 4 cells, about 3 min left",
        "4 of 4 cells",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "less than a minute"),
        (60, "about a minute"),
        (119, "about 2 min"),
        (5399, "about 90 min"),
        (9000, "about 2.5 h"),
    ],
)
def test_times_in_words(seconds: float, text: str) -> None:
    assert sweeping._about(seconds) == text


@pytest.mark.parametrize("workers", [0, -1])
def test_less_than_one_worker(workers: int, store: Store, log: Path) -> None:
    with pytest.raises(AlignscopeError, match=rf"workers: {workers}\. Give a whole number of at least 1") as caught:
        run_units(singles(CELLS), store, Fake(log), workers=workers)
    assert caught.value.code == "E304"


def test_a_training_that_cannot_be_sent_is_an_error_at_once(store: Store) -> None:
    with pytest.raises(AttributeError, match="Can't pickle local object"):
        run_units(singles(CELLS), store, lambda unit: [made(cell) for cell in unit], workers=2)
    assert tree(store.folder, "failed") == {}


# Cells that fail.


@pytest.mark.parametrize("workers", [1, 2])
def test_a_cell_that_raises_is_recorded_and_tried_again_by_the_next_run(workers: int, store: Store, log: Path) -> None:
    fake = Fake(log, ((IDS[1], "raise once"),))
    done = run_units(singles(CELLS), store, fake, workers=workers)
    reason = f"RuntimeError: no luck with seed {CELLS[1].seed}"
    assert done == Outcome(
        finished=tuple(id for id in IDS if id != IDS[1]), failed=((IDS[1], reason),), reused=0, damaged=(), lost=()
    )
    assert f'"reason":"{reason}"'.encode() in (store.folder / "failed" / f"{IDS[1]}.json").read_bytes()
    text = (store.folder / "failed" / f"{IDS[1]}.txt").read_text()
    assert text.startswith("Traceback") and text.endswith(f"{reason}\n")
    again = run_units(singles(CELLS), store, fake, workers=workers)
    assert again == Outcome(finished=IDS, failed=(), reused=3, damaged=(), lost=())
    assert [fake.times(cell) for cell in CELLS] == [1, 2, 1, 1]
    assert tree(store.folder, "failed") == {}


def test_a_unit_that_raises_is_tried_cell_by_cell(store: Store, log: Path) -> None:
    fake = Fake(log, ((IDS[2], "raise"),))
    done = run_units([tuple(CELLS)], store, fake, workers=1)
    assert done.finished == (IDS[0], IDS[1], IDS[3])
    assert [id for id, _ in done.failed] == [IDS[2]]
    assert [[size for _, size, _ in fake.lines(cell)] for cell in CELLS] == [["4", "1"], ["4", "1"], ["4", "1"], ["1"]]


def test_divergence_is_a_result(store: Store, log: Path) -> None:
    fake = Fake(log, ((IDS[1], "diverge"),))
    assert run_units(singles(CELLS), store, fake, workers=1).finished == IDS
    assert store.read(IDS[1]).status == "diverged"
    run_units(singles(CELLS), store, fake, workers=1)
    assert fake.times(CELLS[1]) == 1


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        ("nan", r"ValidationError: Expected `float`, got `null`"),
        ("other", rf"ValueError: the training of cell {IDS[1]} gave"),
    ],
)
def test_a_record_that_cannot_be_kept_is_a_failure(act: str, reason: str, store: Store, log: Path) -> None:
    done = run_units(singles(CELLS), store, Fake(log, ((IDS[1], act),)), workers=1)
    assert len(done.finished) == 3
    assert [id for id, _ in done.failed] == [IDS[1]]
    assert re.match(reason, done.failed[0][1])


def test_cells_written_before_their_unit_failed_are_this_runs_own(store: Store, log: Path) -> None:
    done = run_units([tuple(CELLS)], store, Fake(log, ((IDS[2], "nan"),)), workers=1)
    assert (done.finished, done.reused) == ((IDS[0], IDS[1], IDS[3]), 0)


def too_few(unit):
    return [made(cell) for cell in unit[1:]]


def test_a_training_that_gives_too_few_is_a_failure(store: Store) -> None:
    done = run_units(singles(CELLS), store, too_few, workers=1)
    assert {reason for _, reason in done.failed} == {"ValueError: zip() argument 2 is shorter than argument 1"}


# Workers that are killed.


def test_a_killed_worker_is_reported_and_its_cell_tried_once_more(store: Store, log: Path, tmp_path: Path) -> None:
    told: list[str] = []
    fake = Fake(log, ((IDS[0], "kill once"), (IDS[1], "exit once"), (IDS[3], "kill")), 0.01)
    done = run_units(singles(CELLS), store, fake, workers=2, progress=lambda text, _: told.append(text))
    reason = "worker killed twice (out of memory?) [E502]"
    assert done.finished == IDS[:3]
    assert done.failed == ((IDS[3], reason),)
    assert sorted(done.lost) == sorted([IDS[0], IDS[1], IDS[3], IDS[3]])
    assert [fake.times(cell) for cell in CELLS] == [2, 2, 1, 2]  # the innocent one was not begun again
    last = [(log / id).stat().st_mtime_ns for id in IDS]
    assert last[2] == min(last)  # the others were tried again at the end,
    assert min(b - a for a, b in itertools.pairwise(sorted(last)[1:])) > 1e7  # one after the other
    lost = [text for text in told if "lost" in text]
    assert sorted(lost) == sorted(
        f"a worker was lost over cell {IDS[k]}, which is tried once more at the end" for k in (0, 1, 3)
    )
    assert reason.encode() in (store.folder / "failed" / f"{IDS[3]}.json").read_bytes()
    good = undisturbed(tmp_path / "twin", CELLS[:3])
    assert tree(store.folder, *FIGURES) == good
    assert run_units(singles(CELLS), store, Fake(log), workers=1).finished == IDS


def test_a_unit_that_kills_its_worker_is_tried_cell_by_cell(store: Store, log: Path) -> None:
    fake = Fake(log, ((IDS[1], "kill"),))
    done = run_units([tuple(CELLS[:3])], store, fake, workers=2)
    assert done.finished == (IDS[0], IDS[2])
    assert done.failed == ((IDS[1], "worker killed twice (out of memory?) [E502]"),)
    assert {size for _, size, _ in fake.lines(CELLS[2])} == {"1"}


def test_a_cell_written_before_its_worker_was_lost_again_is_finished(store: Store, log: Path) -> None:
    class Late(Losing):
        def submit(self, fn, /, *args):
            if self.losses == 1:
                store.write(made(CELLS[0]))
            return super().submit(fn, *args)

    done = run_units(singles(CELLS[:1]), store, Fake(log), workers=1, executor=Late(2, RuntimeError("gone")))
    assert done == Outcome(finished=IDS[:1], failed=(), reused=1, damaged=(), lost=(IDS[0], IDS[0]))


@pytest.mark.parametrize(("losses", "failed"), [(1, 0), (2, 1)])
def test_work_that_an_executor_loses(losses: int, failed: int, store: Store, log: Path) -> None:
    cluster = Losing(losses, RuntimeError("KilledWorker"))
    done = run_units(singles(CELLS[:1]), store, Fake(log), workers=1, executor=cluster)
    assert len(done.lost) == losses
    assert [reason for _, reason in done.failed] == ["worker lost twice: RuntimeError: KilledWorker [E502]"] * failed


def test_an_executor_that_breaks_down(store: Store, log: Path) -> None:
    with pytest.raises(AlignscopeError, match=r"executor: it broke down \(gone\)") as caught:
        run_units(singles(CELLS), store, Fake(log), executor=Losing(1, BrokenExecutor("gone")))
    assert caught.value.code == "E502"
    with ThreadPoolExecutor(1, initializer=lambda: 1 / 0) as broken:
        broken.submit(int).exception()
        with pytest.raises(AlignscopeError, match="executor: it broke down"):
            run_units(singles(CELLS), store, Fake(log), executor=broken)


def test_a_process_that_ends_while_idle_is_replaced() -> None:
    class Breaks(Losing):
        def submit(self, fn, /, *args):
            if self.broken:
                raise BrokenExecutor("idle")
            return super().submit(fn, *args)

    pools: list[Breaks] = []

    def begin() -> Breaks:
        pools.append(Breaks(0, RuntimeError()))
        pools[-1].broken = False
        return pools[-1]

    place = Slot(start=begin)
    assert place.submit(int, "1").result() == 1
    pools[0].broken = True
    assert place.submit(int, "2").result() == 2
    assert len(pools) == 2


def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from study_faults import Fake, cells, singles\n"
        "from alignscope.study.running import STUDY\n"
        "from alignscope.sweep.store import Store\n"
        "from alignscope.sweep.sweep import run_units\n"
        "here = Path(__file__).parent\n"
        "print(run_units(singles(cells()), Store.open(here / 'store', STUDY), Fake(here / 'log'), workers=2))\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.returncode == 1
    assert "workers: a worker process ends before it begins" in done.stderr.splitlines()[-1]
    assert "[E502]" in done.stderr
    assert tree(tmp_path / "store", "cells", "failed") == {}


# Damage and disks.


@pytest.mark.parametrize("workers", [1, 2])
def test_a_damaged_cell_is_set_aside_and_computed_again(workers: int, store: Store, log: Path, tmp_path: Path) -> None:
    fake = Fake(log)
    run_units(singles(CELLS), store, fake, workers=1)
    file = store.folder / "cells" / f"{IDS[2]}.json"
    file.write_bytes(file.read_bytes()[:100])
    done = run_units(singles(CELLS), store, fake, workers=workers)
    assert done == Outcome(finished=IDS, failed=(), reused=3, damaged=(IDS[2],), lost=())
    assert [fake.times(cell) for cell in CELLS] == [1, 1, 2, 1]
    found = tree(store.folder, *FIGURES)
    assert found.pop(f"cells/{IDS[2]}.json.damaged") == undisturbed(tmp_path / "twin")[f"cells/{IDS[2]}.json"][:100]
    assert found == undisturbed(tmp_path / "twin")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_stops_the_run_and_what_is_finished_stays(workers: int, tmp_path: Path) -> None:
    output, _ = start("limited", folder=tmp_path, size=8000, workers=workers).communicate()
    assert re.search(
        r"store: writing failed \(File too large\).*Free some space.*finished cells stay. \[E402\]", output
    )
    store = Store(tmp_path / "store", STUDY)
    done = [cell.id for cell in cells(1, 4)[1:] if store.read(cell.id)]
    assert len(done) >= 2
    assert store.read(cells(1, 4)[0].id) is None
    again = run_units(singles(cells(1, 4)), store, Fake(tmp_path / "log"), workers=1)
    assert (len(again.finished), again.reused) == (4, len(done))
    assert not [name for name in tree(store.folder) if name.endswith(".tmp")]


# Runs that are killed.


def test_killed_at_every_write_and_resumed(tmp_path: Path) -> None:
    output, _ = start("die_everywhere", folder=tmp_path, modes=("before", "half")).communicate()
    assert output == ""
    todo = cells(1, 2)
    expected = undisturbed(tmp_path / "twin", todo)
    runs = [path.parent for path in tmp_path.glob("*/finished")]
    counts = {mode: sum(run.name.startswith(mode) for run in runs) for mode in ("before", "half")}
    assert counts["before"] >= 20
    assert counts["half"] == 6  # store.json, one npz, two timings and two records
    assert len({(run / "finished").read_text() for run in runs}) == 3  # none, one or both were finished
    for run in runs:
        assert tree(run / "store", *FIGURES) == expected, run.name
        assert not [name for name in tree(run / "store") if name.endswith(".tmp")], run.name
        finished = (run / "finished").read_text().split()
        again = [cell.id for cell in todo if Fake(run / "log").times(cell)]
        assert again == [cell.id for cell in todo if cell.id not in finished], run.name


@pytest.mark.parametrize(("workers", "kills", "seeds"), [(1, 12, 15), (2, 3, 6)])
def test_killed_at_any_time_and_resumed(workers: int, kills: int, seeds: int, tmp_path: Path) -> None:
    options = {"folder": tmp_path, "seeds": seeds, "lambdas": 4, "workers": workers, "seconds": 0.02}
    todo, fake, store = cells(seeds, 4), Fake(tmp_path / "log"), Store(tmp_path / "store", STUDY)
    draw, progress, ended = random.Random(workers), [], 0
    for _ in range(kills):
        run = start("sweep", **options)
        for _ in range(draw.randint(0, 4)):
            run.stdout.readline()
        time.sleep(draw.uniform(0, 0.03))
        run.kill()
        ended += run.communicate()[0].endswith("end\n")  # its workers, which share the pipe, have ended too
        progress.append({cell.id: fake.times(cell) for cell in todo if store.read(cell.id)})
    output, _ = start("sweep", **options).communicate()
    assert output.endswith("end\n")
    assert tree(store.folder, *FIGURES) == undisturbed(tmp_path / "twin", todo)
    for finished in progress:
        assert {id: fake.times(cell) for cell in todo if (id := cell.id) in finished} == finished
    assert not [name for name in tree(store.folder) if name.endswith(".tmp")]
    assert ended <= kills / 2  # most were killed on their way,
    assert len({len(finished) for finished in progress}) >= 2  # and at several places of it


def half_way(folder: Path) -> tuple[subprocess.Popen[str], set[str]]:
    """A run of two workers, one of which has nothing to do while the other computes the last cell; and their pids."""
    run = start("sweep", folder=folder, seeds=1, lambdas=3, workers=2, long=1)
    todo, fake, store = cells(1, 3), Fake(folder / "log"), Store(folder / "store", STUDY)
    while run.poll() is None and not (store.read(todo[0].id) and store.read(todo[1].id) and fake.times(todo[2])):
        time.sleep(0.01)
    return run, {pid for cell in todo for pid, _, _ in fake.lines(cell)}


def test_workers_end_with_a_killed_run(tmp_path: Path) -> None:
    run, pids = half_way(tmp_path)
    run.kill()
    run.communicate(timeout=20)
    assert not any(alive(pid) for pid in pids)


def test_an_interrupt_stops_the_workers_at_once(tmp_path: Path) -> None:
    run, pids = half_way(tmp_path)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does
    output, _ = run.communicate(timeout=20)
    assert output.splitlines()[-1] == "KeyboardInterrupt"
    assert output.count("Traceback") == 1  # the parent's alone
    assert not any(alive(pid) for pid in pids)
    store, todo = Store(tmp_path / "store", STUDY), cells(1, 3)
    assert [store.read(cell.id) is not None for cell in todo] == [True, True, False]
    with store.claim(cell.id for cell in todo) as mine:
        assert mine
    assert tree(store.folder, "failed") == {}


def test_an_interrupt_in_this_process_loses_nothing(store: Store, log: Path) -> None:
    fake = Fake(log, ((IDS[2], "interrupt once"),))
    with pytest.raises(KeyboardInterrupt):
        run_units(singles(CELLS), store, fake, workers=1)
    assert [store.read(id) is not None for id in IDS] == [True, True, False, False]
    assert run_units(singles(CELLS), store, fake, workers=1).reused == 2


def test_what_has_not_begun_is_cancelled(store: Store, log: Path) -> None:
    class Idle(Losing):
        def submit(self, fn, /, *args):
            given.append(Future())
            if len(given) == 2:
                given[0].set_exception(AlignscopeError("E402", "store", "writing failed", "Free some space."))
            return given[-1]

    given: list[Future] = []
    with pytest.raises(AlignscopeError, match="writing failed"):
        run_units(singles(CELLS), store, Fake(log), workers=1, executor=Idle(0, RuntimeError()))
    assert len(given) == 2  # two units at most for one worker
    assert given[1].cancelled()


# Several runs at once.


def test_two_runs_share_the_work(tmp_path: Path) -> None:
    # Long enough that the one that starts later finds work, however busy the machine is.
    options = {"folder": tmp_path, "seeds": 6, "lambdas": 4, "workers": 1, "seconds": 0.2}
    runs = [start("sweep", **options), start("sweep", **options)]
    for run in runs:
        assert run.communicate()[0].endswith("24 of 24 cells\nend\n")
    todo, fake = cells(6, 4), Fake(tmp_path / "log")
    assert [fake.times(cell) for cell in todo] == [1] * 24
    assert len({pid for cell in todo for pid, _, _ in fake.lines(cell)}) == 2
    assert tree(tmp_path / "store", *FIGURES) == undisturbed(tmp_path / "twin", todo)


@pytest.mark.parametrize("finishes", [True, False])
def test_what_another_run_computes_is_waited_for(
    finishes: bool, store: Store, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "FIRST_LOOK", 0.01)
    fake, others_turn, told = Fake(log), threading.Event(), [""]

    def other() -> None:
        with store.claim([IDS[1]]) as mine:
            assert mine
            others_turn.set()
            while "waiting" not in told[-1][:7]:  # until the run has finished all that it can
                time.sleep(0.001)
            if finishes:
                store.write(made(CELLS[1]))

    with ThreadPoolExecutor(1) as thread:
        held = thread.submit(other)
        others_turn.wait()
        done = run_units(singles(CELLS), store, fake, workers=1, progress=lambda text, share: told.append(text))
        held.result()
    assert done == Outcome(finished=IDS, failed=(), reused=int(finishes), damaged=(), lost=())
    assert [fake.times(cell) for cell in CELLS] == [1, int(not finishes), 1, 1]
    assert told[-2:] == ["waiting for cells that another run computes", "4 of 4 cells"]


def test_no_two_calls_are_equal(store: Store, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An executor that keeps the results of equal calls, as dask does, must not answer "busy" for ever."""

    class Recording(Losing):
        def submit(self, fn, /, *args):
            calls.append((fn, *args))
            if len(calls) == 8:  # all four, one of them lost and then busy
                claims.close()
            return super().submit(fn, *args)

    monkeypatch.setattr(sweeping, "FIRST_LOOK", 1e-3)
    calls: list[tuple[object, ...]] = []
    with contextlib.ExitStack() as claims:
        claims.enter_context(store.claim(IDS[:1]))
        run_units(singles(CELLS), store, Fake(log), workers=1, executor=Recording(1, RuntimeError("gone")))
    assert len(calls) == 8
    assert all(a != b for k, a in enumerate(calls) for b in calls[:k])


def test_looks_at_what_another_run_computes_grow_rare(store: Store, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        if seconds > 1e-6:
            slept.append(round(seconds, 3))
        now[0] += seconds
        if len(slept) == 3000:
            stack.close()

    monkeypatch.setattr(sweeping.time, "sleep", sleep)
    monkeypatch.setattr(sweeping.time, "monotonic", lambda: now[0])
    with contextlib.ExitStack() as stack:
        stack.enter_context(store.claim(IDS[:1]))
        run_units(singles(CELLS[:1]), store, Fake(log), workers=1)
    assert slept == [0.5, 0.75, 1.125, 1.688, 2.531, 3.797] + [5.0] * 2994


class Cluster(Losing):
    """An executor that keeps a connection, as dask's does; its work is never done."""

    def __init__(self, *statuses: str) -> None:
        super().__init__(0, ValueError())
        left = [*statuses]

        class Client:
            @property
            def status(self) -> str:
                return left.pop(0) if len(left) > 1 else left[0]

        self._client = Client()

    def submit(self, fn: object, /, *args: object, **kwargs: object) -> Future[object]:  # type: ignore[override]
        return Future()


@pytest.mark.parametrize("statuses", [("closed",), ("running", "closed"), ("running", "connecting", "connecting")])
def test_a_cluster_out_of_reach_ends_the_run(
    statuses: tuple[str, ...], store: Store, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alignscope.sweep.sweep.ALIVE", 0.01)
    monkeypatch.setattr("alignscope._lib.workers.LONGEST_LOSS", 0.3)
    todo = singles(cells(1, 2))
    with pytest.raises(AlignscopeError, match=r"the connection to its scheduler was lost.*finished cells stay.*E502"):
        run_units(todo, store, Fake(log), workers=1, executor=Cluster(*statuses))
    assert run_units(todo, store, Fake(log), workers=1).failed == ()


@pytest.mark.slow
def test_a_scheduler_that_is_killed_ends_the_run(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    port = address.rpartition(":")[2]
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    parts = [
        ["dask_scheduler", "--port", port, "--no-dashboard"],
        ["dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"],
    ]
    cluster = [
        subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{name}", *options],
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )
        for name, *options in parts
    ]
    try:
        run = start("on_dask", folder=tmp_path, address=address)
        assert run.stdout is not None
        assert any(line.startswith("3 of 8") for line in run.stdout)
        cluster[0].kill()
        printed, _ = run.communicate(timeout=60)
    finally:
        for process in cluster:
            process.kill()
            process.wait()
    assert printed.splitlines()[-1] == "status 2"
    assert (
        len(re.findall(r"^alignscope: executor: the connection to its scheduler was lost.*E502]$", printed, re.M)) == 1
    )
    assert len(list((tmp_path / "store" / "cells").glob("*.json"))) >= 3
