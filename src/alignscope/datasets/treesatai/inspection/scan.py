"""A scan of every file of TreeSatAI: what each holds, or why it cannot be used. None stops the others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from alignscope._lib.types import Progress
from alignscope._lib.workers import check_began, process_pools
from alignscope.datasets.treesatai.format import SERIES
from alignscope.datasets.treesatai.read import check_aerial, read_aerial, read_dates, read_series
from alignscope.errors import AlignscopeError

CLOUD = 50.0
"""A pixel is clear where cloud is at most this many percent, a date where half of its pixels are."""

CHUNK = 32
"""Files that are scanned at once by a process, about 0.2 s."""


@dataclass(frozen=True)
class SeriesScan:
    """One series of a file.

    Attributes
    ----------
    dates : how many. repeated : how many of them are the day of the one before. outside : not of the year in the name.
    months : dates by month, January first. clear : clear dates by month, of Sentinel-2 when values were read.
    values, zeros, nans : how many values there are, exact zeros and not finite among them; 0 when not read.
    """

    dates: int
    repeated: int
    outside: int
    months: tuple[int, ...]
    clear: tuple[int, ...] | None = None
    values: int = 0
    zeros: int = 0
    nans: int = 0


@dataclass(frozen=True)
class FileScan:
    """One file: its series by modality, and the messages of what cannot be used with the modalities they concern."""

    file: str
    series: dict[str, SeriesScan] = field(default_factory=dict)
    broken: dict[str, tuple[str, ...]] = field(default_factory=dict)


def scan(root: Path, files: Sequence[str], *, workers: int, quick: bool, progress: Progress) -> list[FileScan]:
    """Scan every file below `root` and return what was found, in their order.

    A file on which the library crashes, taking its process along, is reported like any other broken one.

    workers : processes; 1 reads in this one. quick : read headers and dates, not values.
    """
    chunks = [files[start : start + CHUNK] for start in range(0, len(files), CHUNK)]
    seen: dict[int, list[FileScan]] = {}
    made = (
        ((k, scan_chunk(root, chunk, quick)) for k, chunk in enumerate(chunks))
        if workers == 1
        else _in_processes(root, chunks, workers, quick)
    )
    for number, some in made:
        seen[number] = some
        progress("reading files", len(seen) / len(chunks))
    return [one for number in range(len(chunks)) for one in seen[number]]


def _in_processes(
    root: Path, chunks: Sequence[Sequence[str]], workers: int, quick: bool
) -> Iterator[tuple[int, list[FileScan]]]:
    """Yield chunks as they are done. Few are under way at once, so that few are in doubt when a process dies."""
    waiting = list(enumerate(chunks))[::-1]
    while waiting:
        running: dict[Future[list[FileScan]], tuple[int, Sequence[str]]] = {}
        with _pool(workers) as pool:
            try:
                while waiting or running:
                    while waiting and len(running) < 2 * workers:
                        running[pool.submit(scan_chunk, root, waiting[-1][1], quick)] = waiting[-1]
                        waiting.pop()
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        some = future.result()
                        yield running.pop(future)[0], some
            except BrokenExecutor:
                pool.shutdown(cancel_futures=True)
        for number, chunk in running.values():
            yield number, [_alone(root, file, quick) for file in chunk]


def _alone(root: Path, file: str, quick: bool) -> FileScan:
    """Scan a file in a process of its own, which it may take down."""
    with _pool(1) as pool:
        try:
            return pool.submit(scan_chunk, root, [file], quick).result()[0]
        except BrokenExecutor:
            modalities = tuple(SERIES) if file.lower().endswith(".h5") else ("aerial",)
            error = AlignscopeError("E103", str(root / file), "reading it ended the process", "Copy the file again.")
            return FileScan(file, broken={str(error): modalities})


@contextmanager
def _pool(workers: int) -> Iterator[Executor]:
    """Yield a pool that has shown that it can start. Raises E502 where it cannot: no file is to blame for that."""
    with process_pools() as start:
        pool = start(workers)
        check_began(pool.submit(os.getpid))
        yield pool


def scan_chunk(root: Path, files: Sequence[str], quick: bool) -> list[FileScan]:
    """Scan some files, one after the other, in this process."""
    return [scan_file(root, file, quick) for file in files]


def scan_file(root: Path, file: str, quick: bool) -> FileScan:
    """Scan one file."""
    path = root / file
    series: dict[str, SeriesScan] = {}
    broken: dict[str, tuple[str, ...]] = {}
    for modality in SERIES if file.lower().endswith(".h5") else ("aerial",):
        try:
            if modality != "aerial":
                series[modality] = _scan_series(path, modality, quick)
            elif quick:
                check_aerial(path)
            else:
                read_aerial(path)
        except AlignscopeError as error:
            broken[str(error)] = (*broken.get(str(error), ()), modality)
    return FileScan(file, series, broken)


def _scan_series(path: Path, modality: str, quick: bool) -> SeriesScan:
    if quick:
        return _dates_of(read_dates(path, modality), path)
    found = read_series(path, modality)
    seen = _dates_of(found.dates, path)
    finite = np.isfinite(found.data)
    clear = None
    if found.cloud is not None:
        clear_dates = (found.cloud <= CLOUD).mean(axis=(1, 2)) >= 0.5
        clear = _by_month(found.dates[clear_dates])
    return SeriesScan(
        seen.dates, seen.repeated, seen.outside, seen.months, clear,
        found.data.size, int((found.data == 0).sum()), int((~finite).sum()),
    )  # fmt: skip


def _dates_of(dates: np.ndarray, path: Path) -> SeriesScan:
    years = dates.astype("datetime64[Y]").astype(int) + 1970
    named = path.stem[-4:]
    outside = int((years != int(named)).sum()) if named.isdigit() else 0
    repeated = int((dates[1:] == dates[:-1]).sum())
    return SeriesScan(len(dates), repeated, outside, _by_month(dates))


def _by_month(dates: np.ndarray) -> tuple[int, ...]:
    months = dates.astype("datetime64[M]").astype(int) % 12
    return tuple(np.bincount(months, minlength=12).tolist())
