"""Building a cache: patches are read once, by several processes; killed and called again it goes on."""

from __future__ import annotations

import functools
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, as_completed
from pathlib import Path

import msgspec
import numpy as np

from alignscope._lib import files as _files
from alignscope._lib.checks import one_of, whole
from alignscope._lib.contents import npz_bytes
from alignscope._lib.progress import quiet
from alignscope._lib.threads import cores, one_blas_thread
from alignscope._lib.types import Progress
from alignscope._lib.workers import process_pools
from alignscope.datasets.treesatai.cache.cache import LABELS, PATCHES, RECORD, VERSION, Cache, CacheOptions, CacheRecord
from alignscope.datasets.treesatai.cache.codes import LEVELS, statistics_of_counts, valid_pixels
from alignscope.datasets.treesatai.cache.series import DateChoice, Statistics
from alignscope.datasets.treesatai.cache.shards import ShardIndex, make_shard, read_index, shard_place
from alignscope.datasets.treesatai.format import CHANNELS, MODALITIES, Source
from alignscope.errors import AlignscopeError


def build_cache(
    source: Source,
    folder: str | Path,
    *,
    options: CacheOptions | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Cache:
    """Read all patches of a source into a cache below `folder`, or go on with one that is not finished.

    The cache lies in a sub-folder named by the hash of source and options, so those of others stay next to it. Patches
    are written some hundred at a time, each shard under a temporary name until it is whole; the same call after a kill
    reads what is missing, and one on a finished cache reads nothing. What cannot be read is in `Cache.broken`; nothing
    stops at it. The bytes do not depend on the number of workers.

    source : sent to the workers, so picklable. workers : processes, by default one per core; 1 reads in this process.
    progress : called with what is being done and the share that is done, 0..1.

    Raises
    ------
    AlignscopeError : E304 for fewer than one worker, E305 for a modality that the source lacks, E205 without any patch,
        E401 or E402 where the folder cannot be written, E502 where a worker was killed.
    """
    options, progress = options or CacheOptions(), progress or quiet
    workers = cores() if workers is None else whole("workers", workers, 1, 2**15)
    modalities = _modalities(source, options)
    stems, size = source.stems, options.shard
    if not stems:
        raise AlignscopeError("E205", "source", "it holds no patch", "Give one with at least one.")
    _ = source.labels  # what is wrong with them is reported now, not after all else has been read
    home = Path(folder) / _name(source, options)
    _files.make_folder(home)
    parts = {k: stems[k * size : (k + 1) * size] for k in range(-(-len(stems) // size))}
    missing = {k: part for k, part in parts.items() if read_index(shard_place(home, k)) is None}
    if missing or not _opens(home):
        make = functools.partial(make_shard, modalities=modalities, side=options.side, average=options.average)
        _make_all(source, make, home, missing, workers, progress)
        _finish(source, options, modalities, home, len(parts), progress)
    return Cache.open(home)


def _modalities(source: Source, options: CacheOptions) -> tuple[str, ...]:
    wanted = source.modalities if options.modalities is None else options.modalities
    for name in wanted:
        one_of("modalities", name, source.modalities)
    return tuple(name for name in MODALITIES if name in wanted)


def _opens(home: Path) -> bool:
    try:
        Cache.open(home)
    except AlignscopeError:
        return False
    return True


def _name(source: Source, options: CacheOptions) -> str:
    given = msgspec.json.encode([VERSION, source.identity, options], order="deterministic")
    return hashlib.sha256(given).hexdigest()[:16]


# --------------------------------------------------------------------------------------------------------- workers


def _make_all(
    source: Source,
    make: Callable[..., None],
    home: Path,
    missing: Mapping[int, Sequence[str]],
    workers: int,
    progress: Progress,
) -> None:
    """Write the shards that are missing."""
    total = sum(map(len, missing.values()))
    done = 0
    for number in _made(source, make, home, missing, min(workers, len(missing))):
        done += len(missing[number])
        progress(f"reading patches: {done} of {total}", 0.95 * done / total)


def _made(
    source: Source, make: Callable[..., None], home: Path, missing: Mapping[int, Sequence[str]], workers: int
) -> Iterator[int]:
    """Yield the number of every shard when it is written."""
    if workers < 2:
        for number, stems in missing.items():
            with one_blas_thread():
                make(source, stems, folder=shard_place(home, number))
            yield number
        return
    with process_pools() as start:
        try:
            yield from _given_out(start(workers, _keep, source), make, home, missing)
        except BrokenExecutor as error:
            way = "Call again: finished shards are kept. If memory is short, give fewer workers or a smaller `shard`."
            raise AlignscopeError("E502", str(home), f"a worker process was killed ({error})", way) from None


def _given_out(
    pool: Executor, make: Callable[..., None], home: Path, missing: Mapping[int, Sequence[str]]
) -> Iterator[int]:
    given = {pool.submit(_work, make, tuple(stems), shard_place(home, k)): k for k, stems in missing.items()}
    for future in as_completed(given):
        future.result()
        yield given[future]


_here: list[Source] = []  # the source of a worker process, sent once and not with every shard


def _keep(source: Source) -> None:
    _here.append(source)


def _work(make: Callable[..., None], stems: Sequence[str], folder: Path) -> None:
    make(_here[-1], stems, folder=folder)


# ------------------------------------------------------------------------------------------------------ the record


def _finish(
    source: Source, options: CacheOptions, modalities: tuple[str, ...], home: Path, shards: int, progress: Progress
) -> None:
    """Write what is known of all patches, and the record last of all."""
    indexes = [_index(shard_place(home, k)) for k in range(shards)]
    counts = np.array([row for index in indexes for row in index.counts], np.int32)
    broken = tuple(b for index in indexes for b in index.broken)
    labels = source.labels
    cache = Cache(home, source.stems, labels, modalities, options, counts, broken, {})
    progress("computing statistics", 0.95)
    statistics = {name: _statistics(cache, name) for name in modalities}
    arrays = {"stems": np.array(source.stems, np.str_), "counts": counts}
    arrays |= {name: getattr(labels, name) for name in LABELS}
    record = CacheRecord(
        version=VERSION,
        source=source.identity,
        options=options,
        modalities=modalities,
        patches=len(counts),
        broken=broken,
        statistics=statistics,
    )
    _files.write_all(home, {PATCHES: npz_bytes(arrays)})
    _files.write_all(home, {RECORD: msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"})
    for left in home.glob(".*.tmp"):  # of runs that were killed
        shutil.rmtree(left, ignore_errors=True)


def _index(folder: Path) -> ShardIndex:
    index = read_index(folder)
    if index is None:
        raise AlignscopeError("E103", str(folder), "it was damaged while the cache was built", "Build it again.")
    return index


def _statistics(cache: Cache, modality: str) -> Statistics:
    """Return statistics over a sample of training patches, from how often each code stands: exact, in one pass."""
    there = cache.present[:, cache.modalities.index(modality)]
    train = np.flatnonzero(there & (cache.labels.split == "train"))
    pool = train if len(train) else np.flatnonzero(there)
    drawn = np.random.default_rng(cache.options.seed).permutation(len(pool))[: cache.options.sample]
    counts = np.zeros((len(CHANNELS[modality]), LEVELS[modality]), np.int64)
    for patch in np.sort(pool[drawn]).tolist():
        for row, values in zip(counts, _valid_codes(cache, modality, patch), strict=True):
            row += np.bincount(values, minlength=len(row))
    return statistics_of_counts(modality, CHANNELS[modality], counts)


def _valid_codes(cache: Cache, modality: str, patch: int) -> np.ndarray:
    """Return (C, values) codes of valid pixels."""
    if modality == "aerial":
        return cache.picture(patch).reshape(-1, len(CHANNELS["aerial"])).T
    codes, masks, _ = cache.series(modality, patch)
    valid: np.ndarray = codes.transpose(1, 0, 2, 3)[:, valid_pixels(codes, masks, DateChoice())]
    return valid
