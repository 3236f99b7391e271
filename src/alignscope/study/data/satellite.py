"""From satellite patches, of an archive or generated, to the rows of a study."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alignscope._lib.files import make_folder, preallocate, reported
from alignscope._lib.types import Progress
from alignscope.datasets.treesatai.archive import Archive
from alignscope.datasets.treesatai.cache.building import build_cache
from alignscope.datasets.treesatai.cache.cache import Cache, CacheOptions
from alignscope.datasets.treesatai.cache.dataset import TreeSatAI, packed
from alignscope.datasets.treesatai.cache.series import Choice
from alignscope.datasets.treesatai.format import AGES, GENERA, Source
from alignscope.datasets.treesatai.generator.generator import Generated
from alignscope.errors import AlignscopeError
from alignscope.study.data.prepared import Targets, write_targets
from alignscope.study.data.sources import FEWEST
from alignscope.study.data.spec import TreeSatAIData

__all__ = ["archive_identity", "source_of", "write_patches"]


_CHUNK = 256
_SHOWN = 3
_CACHING = 0.8  # share of the time that reading takes
_TRUTH = {"phenology_class": "leaf-out, quarter {}", "moisture_class": "moisture, quarter {}"}


def source_of(data: TreeSatAIData, base: Path) -> Source:
    """Return where the patches come from. Raises what `Archive.open` raises."""
    if data.path is None:
        return Generated(data.generated, seed=data.seed)
    return Archive.open(base / data.path)


def archive_identity(data: TreeSatAIData, base: Path) -> str:
    """Return what tells this archive from another; generated patches are told by the specification alone."""
    return "" if data.path is None else source_of(data, base).identity


def write_patches(data: TreeSatAIData, folder: Path, base: Path, caches: Path, progress: Progress) -> None:
    """Write the packed patches of a study into a new folder, training rows first.

    What is read of the archive is kept in a cache below `caches`, which other studies in the same folder use too.

    Raises
    ------
    AlignscopeError : E205 for too few patches that have both modalities, E206 for a target that does not vary, and
        those of `Archive.open` and `build_cache`.
    """
    source = source_of(data, base)
    options = CacheOptions(modalities=data.modalities, side=data.aerial_side)
    cache = build_cache(
        source, caches / "patches", options=options, progress=lambda what, done: progress(what, _CACHING * done)
    )
    order, train = _order(data, cache)
    make_folder(folder)
    choice = Choice(dates=data.dates, cloud=round(data.cloud), snow=round(data.snow), seed=data.seed)
    for i, modality in enumerate(data.modalities, 1):
        _write_rows(folder / f"x{i}.npy", cache, modality, order, choice, progress)
    targets, meta = _targets(data, source, cache, order, train)
    write_targets(folder, targets, meta, None)


def _order(data: TreeSatAIData, cache: Cache) -> tuple[np.ndarray, int]:
    """Return the places of patches that have both modalities, training patches first, and how many those are."""
    train, test = (TreeSatAI(cache, data.modalities, split).index for split in ("train", data.test))
    if data.most is not None and len(train) > data.most:
        train = np.sort(np.random.default_rng(data.seed).permutation(train)[: data.most])
    if min(len(train), len(test)) < FEWEST:
        found = f"{len(train)} patches of the split train and {len(test)} of {data.test} have both modalities"
        raise AlignscopeError(
            "E205",
            data.path or "the generated patches",
            found,
            f"At least {FEWEST} of each: add files, or split lists.",
        )
    return np.concatenate([train, test]), len(train)


def _write_rows(path: Path, cache: Cache, modality: str, order: np.ndarray, choice: Choice, progress: Progress) -> None:
    rows = None
    for start in range(0, len(order), _CHUNK):
        part = packed(cache, modality, order[start : start + _CHUNK], choice)
        if rows is None:
            shape = (len(order), *part.shape[1:])
            rows = np.lib.format.open_memmap(path, mode="w+", dtype=part.dtype, shape=shape)
            with reported(path), path.open("r+b") as file:
                preallocate(file.fileno(), path.stat().st_size)
        rows[start : start + len(part)] = part
        progress(f"packing {modality}", _CACHING + (1 - _CACHING) * start / len(order))
    assert rows is not None
    rows.flush()
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _targets(
    data: TreeSatAIData, source: Source, cache: Cache, order: np.ndarray, train: int
) -> tuple[dict[str, np.ndarray], Targets]:
    genera = cache.labels.present[order]
    varies = np.array([0 < n < train for n in genera[:train].sum(axis=0)])
    ages, kept = np.unique(cache.labels.ages[order], return_inverse=True)
    targets = {"genus": genera[:, varies].astype(np.float32), "age": kept.astype(np.int64)}
    classes = {
        "genus": tuple(np.array(GENERA)[varies].tolist()),
        "age": tuple(f"age class {age}" for age in ages.tolist()),
    }
    if isinstance(source, Generated):
        for name, text in _TRUTH.items():
            codes = source.truth[name][order].astype(np.int64)
            targets[name.removesuffix("_class")] = codes
            classes[name.removesuffix("_class")] = tuple(text.format(q + 1) for q in range(int(codes.max()) + 1))
    asked = (data.targets[0],), (data.targets[1],)
    probed = tuple((*mine, *(t for t in targets if t not in mine)) for mine in asked)
    notes = tuple(_notes(data, cache, order, train, genera, varies))
    meta = Targets(train=train, trained_on=asked, probed=(probed[0], probed[1]), classes=classes, notes=notes)
    return targets, meta


def _notes(
    data: TreeSatAIData, cache: Cache, order: np.ndarray, train: int, genera: np.ndarray, varies: np.ndarray
) -> list[str]:
    """Return what was found in the patches, a sentence each."""
    said = [f"{len(order):,} of {len(cache.stems):,} patches are used, {train:,} of them for training."]
    for m in data.modalities:
        lacking = int((cache.counts[:, cache.modalities.index(m)] == 0).sum())
        if lacking:
            said.append(f"{lacking:,} patches lack {m}.")
        if m != "aerial" and (empty := TreeSatAI(cache, (m,), None).without_dates(m)):
            said.append(
                f"{len(empty):,} patches have no usable date of {m} ({_first(empty)}); they are packed as zeros."
            )
    if cache.broken:
        said.append(
            f"{len(cache.broken):,} files cannot be read ({_first([b.message for b in cache.broken])}); "
            "`alignscope data treesatai` lists them all."
        )
    if not varies.all():
        never = [g for g, v in zip(GENERA, varies, strict=True) if not v]
        said.append(f"Genera that do not vary among the training patches are left out: {', '.join(never)}.")
    if unseen := [g for g, v, n in zip(GENERA, varies, genera[train:].sum(axis=0), strict=True) if v and not n]:
        said.append(f"No held-out patch has {', '.join(unseen)}: there are no held-out figures for them.")
    if without := int((~genera.any(axis=1)).sum()):
        said.append(f"{without:,} patches have no genus above 7% of their area.")
    if missing := AGES - len(np.unique(cache.labels.ages[order])):
        said.append(f"{missing} of {AGES} age classes do not occur.")
    return said


def _first(texts: Sequence[str]) -> str:
    return "; ".join(texts[:_SHOWN]) + ("; ..." if len(texts) > _SHOWN else "")
