"""TreeSatAI-Time-Series: 50,381 patches of 60 m seen by aerial picture, Sentinel-2 and Sentinel-1 over a year.

`Archive` reads the released files, and `inspect` says what is wrong with them; `Generated` makes patches of the same
form with known truth, and `write_archive` their files. Both are a `Source`.

>>> import tempfile
>>> from alignscope.datasets.treesatai import Archive, Generated, inspect, write_archive
>>> source = Generated(3)
>>> patch = source.patch(source.stems[0], ("aerial", "s2"))  # a `Patch`, with a series for each satellite
>>> patch.aerial.shape, patch.series["s2"].data.shape[1:], source.labels.present.shape
((4, 300, 300), (10, 6, 6), (3, 15))
>>> archive = Archive.open(write_archive(source, tempfile.mkdtemp()))
>>> inspection = inspect(archive, workers=1)
>>> type(inspection).__name__, len(inspection.broken)
('Inspection', 0)

`build_cache` reads a source once into memory-mapped files, and `TreeSatAI` gives batches of them. `pack` and `packed`
give the tensors that networks take: of one series, and of many patches.

>>> from alignscope.datasets.treesatai import Cache, CacheOptions, DateChoice, TreeSatAI, build_cache, pack, packed
>>> cache = build_cache(source, tempfile.mkdtemp(), options=CacheOptions(side=60), workers=1)
>>> packed(cache, "s2", [0, 1], DateChoice(dates=8)).shape
(2, 8, 11, 6, 6)
>>> pack(patch.series["s2"], cache.statistics["s2"]).shape[1:]  # scaled by the training patches
(11, 6, 6)
>>> batch = TreeSatAI(Cache.open(cache.folder), ("aerial", "s2"), split=None).arrays([0, 2])
>>> batch["aerial"].shape, batch["targets"].shape
((2, 60, 60, 4), (2, 15))

Sources: Ahlswede et al. (2023), doi 10.5194/essd-15-681-2023, for the patches; Astruc et al. (2024), arXiv 2404.08351
(OmniSat), for the series.
"""

from __future__ import annotations

from alignscope.datasets.treesatai.archive import Archive
from alignscope.datasets.treesatai.cache.building import build_cache
from alignscope.datasets.treesatai.cache.cache import Cache, CacheOptions
from alignscope.datasets.treesatai.cache.dataset import TreeSatAI, packed
from alignscope.datasets.treesatai.cache.series import DateChoice, pack
from alignscope.datasets.treesatai.format import (
    Patch,
    Source,
)
from alignscope.datasets.treesatai.generator.generator import Generated
from alignscope.datasets.treesatai.generator.writer import write_archive
from alignscope.datasets.treesatai.inspection.inspection import Inspection, inspect

__all__ = [
    "Archive",
    "Cache",
    "CacheOptions",
    "DateChoice",
    "Generated",
    "Inspection",
    "Patch",
    "Source",
    "TreeSatAI",
    "build_cache",
    "inspect",
    "pack",
    "packed",
    "write_archive",
]
