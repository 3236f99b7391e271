"""TreeSatAI-Time-Series on disk: names, keys and shapes, and what one patch holds once read.

Source: Astruc et al. 2024 (OmniSat), arXiv 2404.08351; Ahlswede et al. 2023 (TreeSatAI), doi 10.5194/essd-15-681-2023.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Protocol, runtime_checkable

import numpy as np

from alignscope.errors import AlignscopeError

GENERA = (
    "Abies", "Acer", "Alnus", "Betula", "Cleared", "Fagus", "Fraxinus", "Larix", "Picea", "Pinus", "Populus", "Prunus",
    "Pseudotsuga", "Quercus", "Tilia",
)  # fmt: skip
AGES = 12
"""Age classes of the stand, 0 to 11, from the file name."""

THRESHOLD = 0.07
"""A genus counts as present where its share of the area is larger than this."""

SPLITS = ("train", "val", "test")

AERIAL_CHANNELS = ("IR", "G", "B", "R")
AERIAL_SIDE = 300
"""Pixels of 0.2 m: files hold 304, of which 2 a side are cut off for 60 m."""

SERIES_SIDE = 6
"""Pixels of 10 m."""


@dataclass(frozen=True)
class SeriesFormat:
    """One series in the HDF5 file of a patch: its keys, its channels, and where a product's name holds the date."""

    data: str
    products: str
    channels: tuple[str, ...]
    date_part: int
    masks: str | None = None


SERIES: Mapping[str, SeriesFormat] = {
    "s2": SeriesFormat(
        "sen-2-data",
        "sen-2-products",
        ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
        2,
        "sen-2-masks",
    ),
    "s1_asc": SeriesFormat("sen-1-asc-data", "sen-1-asc-products", ("VV", "VH"), 4),
    "s1_des": SeriesFormat("sen-1-des-data", "sen-1-des-products", ("VV", "VH"), 4),
}
"""The series by modality."""

MODALITIES = ("aerial", *SERIES)
CHANNELS = {"aerial": AERIAL_CHANNELS} | {name: its.channels for name, its in SERIES.items()}

_STEM = re.compile(r"^(?P<species>.+)_(?P<age>\d+)_(?P<number>\d+)_(?P<source>WEFL|BI)_NLF$")
_SUFFIXES = {".tif", ".tiff", ".h5", ".pth"}


@dataclass(frozen=True, order=True)
class Stem:
    """The parts of the name of a patch, such as `Quercus_robur_3_86918_WEFL_NLF`.

    Attributes
    ----------
    text : the whole name without folder, suffix and year. species : `Quercus robur`. age : class 0..11.
    number : the id of the sample. source : "WEFL" or "BI", the inventory it is from.
    """

    text: str
    species: str
    age: int
    number: int
    source: str

    @property
    def genus(self) -> str:
        """The first word of the species: what mostly stands there; labels may list others too."""
        return self.species.split()[0]


def parse_stem(name: str) -> Stem:
    """Split the name of a patch into its parts, with or without folder, suffix and, at its end, a year.

    A species may hold a dot (`Betula_spec.`), so only a known suffix is cut off.

    Raises
    ------
    AlignscopeError : E110 for a name of another form, or an age class beyond 11.
    """
    path = PurePath(name)
    text = path.stem if path.suffix.lower() in _SUFFIXES else path.name
    text = re.sub(r"_(?:19|20)\d\d$", "", text)
    found = _STEM.match(text)
    if found is None or int(found["age"]) >= AGES:
        raise AlignscopeError(
            "E110", name, "not the name of a TreeSatAI patch", "Expected <species>_<age 0..11>_<id>_<WEFL|BI>_NLF."
        )
    species = found["species"].replace("_", " ")
    return Stem(text, species, int(found["age"]), int(found["number"]), found["source"])


@dataclass(frozen=True, eq=False)
class Series:
    """One series of a patch, as on disk.

    Attributes
    ----------
    data : (T, C, 6, 6) float32. Sentinel-2: digital numbers (reflectance x 10,000). Sentinel-1: linear power, with
        exact zeros and NaN where nothing was seen.
    dates : (T,) datetime64[D], sorted; they may repeat.
    snow, cloud : (T, 6, 6) float32, percent 0..100; None for Sentinel-1.
    """

    data: np.ndarray
    dates: np.ndarray
    snow: np.ndarray | None = None
    cloud: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Patch:
    """What was read of one patch. `aerial` is (4, 300, 300) uint8, cut to 60 m, or None where it was not read."""

    stem: Stem
    aerial: np.ndarray | None = None
    series: Mapping[str, Series] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Labels:
    """What is known of N patches, in the order of `Source.stems`.

    Attributes
    ----------
    fractions : (N, 15) float32, the share of the area of every genus, 0..1; of a genus listed twice the sum.
    present : (N, 15) bool, whether a share listed in the file is larger than 0.07.
    ages : (N,) int64, the age class 0..11.
    species : (N,) text.
    split : (N,) text, "train", "val", "test", or "" for a patch that is in no list.
    """

    fractions: np.ndarray
    present: np.ndarray
    ages: np.ndarray
    species: np.ndarray
    split: np.ndarray


@runtime_checkable
class Source(Protocol):
    """Where patches come from: an archive on disk, or a generator."""

    @property
    def stems(self) -> tuple[str, ...]:
        """The patches in a fixed order."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those of `MODALITIES` that are there."""

    @property
    def labels(self) -> Labels:
        """The labels of all patches."""

    @property
    def identity(self) -> str:
        """A short hash of what the source holds, so that what was made of it is found again."""

    def patch(self, stem: str, modalities: Collection[str]) -> Patch:
        """Read one patch. Raises `AlignscopeError`, naming file and key, for what cannot be used."""
