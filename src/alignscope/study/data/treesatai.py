"""From satellite patches, of an archive or generated, to the rows of a study."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from msgspec import Meta
from msgspec.structs import replace

from alignscope._lib.files import make_folder, preallocate, reported
from alignscope._lib.toml import invalid
from alignscope._lib.types import Progress
from alignscope.datasets.treesatai.archive import Archive
from alignscope.datasets.treesatai.cache.building import build_cache
from alignscope.datasets.treesatai.cache.cache import Cache, CacheOptions
from alignscope.datasets.treesatai.cache.dataset import TreeSatAI, packed
from alignscope.datasets.treesatai.cache.series import DateChoice
from alignscope.datasets.treesatai.format import AGES, GENERA, Source
from alignscope.datasets.treesatai.generator.generator import Generated
from alignscope.report.words import count
from alignscope.study.data.kind import DataKind, FilePath, Seed, check_parts
from alignscope.study.data.prepared import Targets, write_targets
from alignscope.study.encoders import Count, EncoderKind

Modality = Literal["aerial", "s2", "s1_asc", "s1_des"]
PatchTarget = Literal["genus", "age"]

_CHUNK = 256
_SHOWN = 3
_CACHING = 0.8  # share of the time that reading takes
_WORDS = {
    "aerial": "aerial pictures",
    "s2": "Sentinel-2 series",
    "s1_asc": "Sentinel-1 series of ascending orbits",
    "s1_des": "Sentinel-1 series of descending orbits",
    "genus": "the genera of the trees (several may be present)",
    "age": "the age class of the stand",
}
_TRUTH = {"phenology_class": "leaf-out, quarter {}", "moisture_class": "moisture, quarter {}"}


class TreeSatAIData(DataKind, frozen=True, kw_only=True, tag="treesatai"):
    """Two modalities of TreeSatAI-Time-Series: patches of 60 m with the genera of their trees and the stand's age.

    Attributes
    ----------
    path : the archive, relative to the specification; without it, `generated` patches in its format with known truth.
    modalities : of each encoder: "aerial", "s2", "s1_asc" or "s1_des".
    targets : what each encoder is trained on: "genus" (15 labels, several may be present) or "age" (12 classes).
    aerial_side : pixels of the aerial side after averaging, a multiple of 6 that divides 300 evenly.
    dates : the most dates of a series. cloud, snow : percent above which a pixel of a date is passed over.
    test : the split that is held out. most : at most so many training patches, by a seeded draw.
    """

    path: FilePath | None = None
    generated: Annotated[int, Meta(ge=64)] = 1024
    modalities: tuple[Modality, Modality] = ("aerial", "s2")
    targets: tuple[PatchTarget, PatchTarget] = ("genus", "genus")
    aerial_side: Literal[300, 150, 60, 30] = 300
    dates: Annotated[int, Meta(ge=2, le=366)] = 32
    cloud: Annotated[float, Meta(ge=0, le=100)] = 50.0
    snow: Annotated[float, Meta(ge=0, le=100)] = 100.0
    test: Literal["val", "test"] = "test"
    most: Count | None = None
    seed: Seed = 0
    fingerprint: str = ""

    @property
    def synthetic(self) -> bool:
        """Whether the patches are generated."""
        return self.path is None

    def check(self, encoder: EncoderKind) -> None:
        """Raise ValidationError for a modality that stands twice, and for an encoder that takes no series."""
        encoder.check_series()
        if self.modalities[0] == self.modalities[1]:
            raise invalid("Expected two different modalities", "data.modalities")
        super().check(encoder)

    def fingerprinted(self, base: Path) -> Self:
        """Return the data with the identity of the archive; of generated patches the specification says it all."""
        return replace(self, fingerprint="" if self.path is None else self._source(base).identity)

    def write(self, folder: Path, base: Path, progress: Progress) -> None:
        """Write the packed patches into a new folder, training rows first.

        What is read of the archive is kept in a cache next to the folder, which other studies use too.
        """
        source = self._source(base)
        options = CacheOptions(modalities=self.modalities, side=self.aerial_side)
        cache = build_cache(
            source,
            folder.parent / "patches",
            options=options,
            progress=lambda what, done: progress(what, _CACHING * done),
        )
        order, train = _order(self, cache)
        make_folder(folder)
        choice = DateChoice(dates=self.dates, cloud=round(self.cloud), snow=round(self.snow), seed=self.seed)
        for i, modality in enumerate(self.modalities, 1):
            _write_rows(folder / f"x{i}.npy", cache, modality, order, choice, progress)
        targets, meta = _targets(self, source, cache, order, train)
        write_targets(folder, targets, meta, None)

    def describe(self, targets1: str, targets2: str) -> str:
        """Return where the patches come from, and what each modality is trained to predict."""
        source = "The data are patches of 60 m of forest from the archive TreeSatAI-Time-Series."
        if self.path is None:
            source = (
                f"The data are {count(self.generated)} generated patches in the format of TreeSatAI-Time-Series, whose "
                "truth is known: the figures say nothing about forests."
            )
        (name1, name2), (wanted1, wanted2) = ([_WORDS[w] for w in words] for words in (self.modalities, self.targets))
        if wanted1 == wanted2:
            trained = (
                f"Modality 1, {name1}, and modality 2, {name2}, are both trained to predict {wanted1}. With the same "
                "target, alignment can cost what only one of the two predicts of it."
            )
        else:
            trained = (
                f"Modality 1, {name1}, is trained to predict {wanted1}. Modality 2, {name2}, is trained to predict "
                f"{wanted2}."
            )
        split = {"test": "test split", "val": "validation split"}[self.test]
        return f"{source} {trained} Held out is the {split}."

    def _source(self, base: Path) -> Source:
        """Return where the patches come from. Raises what `Archive.open` raises."""
        return Generated(self.generated, seed=self.seed) if self.path is None else Archive.open(base / self.path)


def _order(data: TreeSatAIData, cache: Cache) -> tuple[np.ndarray, int]:
    """Return the places of patches that have both modalities, training patches first, and how many those are."""
    train, test = (TreeSatAI(cache, data.modalities, split).index for split in ("train", data.test))
    if data.most is not None and len(train) > data.most:
        train = np.sort(np.random.default_rng(data.seed).permutation(train)[: data.most])
    found = f"{len(train)} patches of the split train and {len(test)} of {data.test} have both modalities"
    where = data.path or "the generated patches"
    check_parts(len(train), len(test), where, found, "add files, or split lists")
    return np.concatenate([train, test]), len(train)


def _write_rows(
    path: Path, cache: Cache, modality: str, order: np.ndarray, choice: DateChoice, progress: Progress
) -> None:
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
    trained_on = (data.targets[0],), (data.targets[1],)
    notes = _notes(data, cache, order, train, genera, varies)
    return targets, Targets.of(train, trained_on, targets, classes, notes)


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
