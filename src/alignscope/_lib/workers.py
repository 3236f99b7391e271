"""Where work is computed: in this thread, in processes, or on a given executor. The only maker of process pools.

loky would make pools that also notice a worker's death; the rest that is needed here (no cell in doubt, an end with
the parent, at once on an interrupt) it has not either, so that it would make nothing shorter.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from alignscope._lib.threads import one_blas_thread
from alignscope.errors import AlignscopeError

Done = TypeVar("Done")

LONGEST_LOSS = 20.0  # seconds that a cluster may be out of reach
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass
class Slot:
    """Where one unit is computed at a time: a given executor, or one that `start` makes whenever it is needed."""

    executor: Executor | None = None
    start: Callable[[], Executor] | None = None
    hello: Future[int] | None = None

    def check_reached(self) -> None:
        """Raise E502 where the cluster of a given executor has been out of reach for long; wait for it until then."""
        client = getattr(self.executor, "_client", None)  # dask's; other executors have no connection to lose
        end = time.monotonic() + LONGEST_LOSS
        while client is not None and client.status != "running":
            if client.status == "closed" or time.monotonic() > end:
                way = "Start the cluster again, then run the same command again; finished cells stay."
                raise AlignscopeError("E502", "executor", "the connection to its scheduler was lost", way)
            time.sleep(0.1)

    def submit(self, work: Callable[..., Done], *args: object) -> Future[Done]:
        """Begin to compute. Raises E502 where no worker can be had."""
        try:
            return self._ready().submit(work, *args)
        except BrokenExecutor as error:  # it broke while it had nothing to do
            self.replace(error)
            return self._ready().submit(work, *args)

    def replace(self, error: BrokenExecutor) -> None:
        """Let go of an executor that broke down, so that the next unit has a new one. Raises E502 where none helps."""
        if self.start is None:
            way = "Run again with a new one; finished cells stay."
            raise AlignscopeError("E502", "executor", f"it broke down ({error})", way) from error
        if self.hello is not None:
            check_began(self.hello)
        self.close()

    def close(self) -> None:
        """End the executor, if it was made here, once what it has begun is done."""
        if self.start is not None and self.executor is not None:
            self.executor.shutdown(cancel_futures=True)
            self.executor = None

    def _ready(self) -> Executor:
        if self.executor is None:
            assert self.start is not None
            self.executor = self.start()
            self.hello = self.executor.submit(os.getpid)
        return self.executor


def check_device(device: str) -> None:
    """Raise now what every cell would: E107 without torch, E305 for a device that it does not have."""
    try:
        import torch
    except ImportError:
        raise AlignscopeError(
            "E107", "torch", "it is not installed", 'Networks are trained with it: pip install "alignscope[train]".'
        ) from None
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise AlignscopeError("E305", "device", f"'{device}' cannot be used ({first})", "Use cpu or cuda.") from None


def peak_bytes() -> int:
    """Return the most memory that this process has held; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


@contextlib.contextmanager
def slots(workers: int, executor: Executor | None) -> Iterator[list[Slot]]:
    """Yield the slots for a run; on leaving, its own processes end, at once where it leaves by an exception.

    Two units for each worker of a given executor: one is computed while the next waits at its door. Else pools of one
    process each: one that is killed takes no other along, and leaves no doubt about the cell.
    """
    if executor is not None:
        yield [Slot(executor)] * (2 * workers)
    elif workers == 1:
        with one_blas_thread():
            yield [Slot(_Here())]
    else:
        with process_pools() as start:
            yield [Slot(start=lambda: start(1)) for _ in range(workers)]


@contextlib.contextmanager
def process_pools() -> Iterator[Callable[..., Executor]]:
    """Yield `start(workers, initialiser, *arguments)`, which makes a pool of new processes; an initialiser is optional.

    They compute with one thread each, leave interrupts to this process, and end with it, even if it is killed. On
    leaving all pools end: when what was begun is done, or at once where it leaves by an exception.
    """
    context = multiprocessing.get_context("spawn")
    held, leash = context.Pipe(duplex=False)
    pools: list[Executor] = []

    def start(workers: int, *initial: Any) -> Executor:
        pools.append(ProcessPoolExecutor(workers, context, partial(_begin, held, *initial)))
        return pools[-1]

    def end() -> None:
        for pool in pools:
            pool.shutdown(cancel_futures=True)

    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))  # read by a BLAS and by torch when they are first imported
    try:
        yield start
        end()
    finally:
        leash.close()
        end()
        held.close()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _begin(held: Connection, initialiser: Callable[..., object] | None = None, *arguments: object) -> None:
    """Leave interrupts to the parent, and end with it: the pipe ends when the parent lets go of it, or is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow() -> None:
        held.poll(None)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    if initialiser is not None:
        initialiser(*arguments)


def check_began(hello: Future[int]) -> None:
    """Raise E502 where the first call of a new pool broke it: no work is to blame for that."""
    if (error := hello.exception()) is not None:
        way = 'See the message above. A script needs `if __name__ == "__main__":` around its work, or workers=1.'
        raise AlignscopeError("E502", "workers", "a worker process ends before it begins", way) from error


class _Here(Executor):
    """Computes at once, in this thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future
