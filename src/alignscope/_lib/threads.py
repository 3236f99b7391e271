"""Who uses the cores: one large product all of them, or many small decompositions one each.

A BLAS splits even a small decomposition over all cores and waits for them at every step. That gains nothing, and
where other processes keep a core busy it loses many times over. So matrices run on one thread each, several side by
side; only where there are more cores than folds are the products over all rows left to the threads of the BLAS.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")

_here = threading.local()  # .controller: what limits the BLAS in this thread, while it does


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep every BLAS to one thread in this Python thread, and in those that `side_by_side` starts from it.

    Without threadpoolctl no BLAS can be told so: figures are the same within rounding, and take longer.
    """
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        yield
        return
    with _limited(ThreadpoolController()):
        yield


@contextmanager
def _limited(controller: Any) -> Iterator[None]:
    before = getattr(_here, "controller", None)
    _here.controller = controller
    try:
        with controller.limit(limits=1, user_api="blas"):
            yield
    finally:
        _here.controller = before


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(work: Callable[[Item], Done], items: Iterable[Item]) -> list[Done]:
    """Return what `work` makes of every item, in order, worked out in as many threads as there are cores."""
    items = list(items)
    workers = min(cores(), len(items))
    if workers < 2:
        return [work(item) for item in items]
    controller = getattr(_here, "controller", None)

    def limited(item: Item) -> Done:
        # The limit of some BLAS libraries is one of the calling thread alone.
        with _limited(controller):
            return work(item)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work if controller is None else limited, items))
