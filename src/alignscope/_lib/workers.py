"""Where the units of a study are computed: in this thread, in one process a core, or on a given executor."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from alignscope._lib.threads import one_blas_thread
from alignscope.errors import AlignscopeError

__all__ = ["Place", "check_device", "peak_bytes", "places"]

Done = TypeVar("Done")

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass
class Place:
    """Where one unit is computed at a time: a given executor, or one that `start` makes whenever it is needed."""

    executor: Executor | None = None
    start: Callable[[], Executor] | None = None
    hello: Future[int] | None = None

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
        if self.hello is not None and self.hello.exception() is not None:
            way = 'See the message above. A script needs `if __name__ == "__main__":` around its work, or workers=1.'
            raise AlignscopeError("E502", "workers", "a worker process ends before it begins", way) from error
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
def places(workers: int, executor: Executor | None) -> Iterator[list[Place]]:
    """Yield the places for a run; on leaving, its own processes end, at once where it leaves by an exception.

    Two units for each worker of a given executor: one is computed while the next waits at its door.
    """
    if executor is not None:
        yield [Place(executor)] * (2 * workers)
    elif workers == 1:
        with one_blas_thread():
            yield [Place(_Here())]
    else:
        with _processes(workers) as made:
            yield made


@contextlib.contextmanager
def _processes(workers: int) -> Iterator[list[Place]]:
    """Pools of one process each: one that is killed takes no other along, and leaves no doubt about the cell."""
    context = multiprocessing.get_context("spawn")
    held, leash = context.Pipe(duplex=False)
    made = [Place(start=lambda: ProcessPoolExecutor(1, context, _begin, (held,))) for _ in range(workers)]
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))  # read by a BLAS and by torch when they are first imported
    try:
        yield made
        for place in made:
            place.close()
    finally:
        leash.close()
        for place in made:
            place.close()
        held.close()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _begin(held: Connection) -> None:
    """Leave interrupts to the parent, and end with it: the pipe ends when the parent lets go of it, or is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow() -> None:
        held.poll(None)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


class _Here(Executor):
    """Computes at once, in this thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future
