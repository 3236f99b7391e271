"""Patches of the exact format with known truth, made on demand."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from alignscope._lib.checks import one_of, real, whole
from alignscope.datasets.treesatai.format import (
    GENERA,
    MODALITIES,
    SERIES,
    SPLITS,
    THRESHOLD,
    Labels,
    Patch,
    Series,
    parse_stem,
)
from alignscope.datasets.treesatai.generator.calendar import Passes, optical_passes, radar_passes
from alignscope.datasets.treesatai.generator.pixels import (
    Ground,
    genera_map,
    paint_aerial,
    paint_optical,
    paint_radar,
    spoilt,
)
from alignscope.datasets.treesatai.generator.truth import Entries, draw, entries, names
from alignscope.errors import AlignscopeError

_VERSION = 1  # of the pixels: raised when the same options no longer give the same patches
_ORBITS = {"s1_asc": 0.3, "s1_des": -0.3}  # dB
_STREAMS = ("ground", "radar", *MODALITIES, *(f"{name} passes" for name in SERIES))  # of random numbers, by place


@dataclass(frozen=True)
class Generated:
    """A `Source` of n patches with known factors behind their pixels.

    Genus (1 to 3 a patch, with shares) is seen by all modalities. Age is the width of the crowns, and only the aerial
    picture shows it; its means over 10 m do not. Phenology is when leaves come out: Sentinel-2 shows it well,
    Sentinel-1 a little, the aerial picture not at all. Moisture is the level of VH - VV: only Sentinel-1 shows it.
    Noise hides all of them in part.

    Patch k is a function of the options but `n`, and of k: the same whatever the order, the process, and the
    modalities that are taken. The bytes are the same wherever numpy's are.

    Attributes
    ----------
    n : patches, 1..1,000,000.
    seed : of every draw, from 0. What genera look like is the same for every seed.
    shared, phenology, moisture : strengths of the traces of genus, phenology and moisture, 0..2; 0 leaves none.
    texture : likewise of age, 0..1.
    noise : the size of what hides them, 0..2.
    overlap : how often the age follows from the genus' own ages, 0..1. At 0 the two are independent; 0.9 is as in
        the published archive, where genus explains 30% of the variance of age.
    traps : whether labels hold what the published ones do: see `entries`.
    modalities : those of "aerial", "s2", "s1_asc" and "s1_des" that are there.

    Raises
    ------
    AlignscopeError : E304 for a number out of its range, E305 for an unknown modality.
    """

    n: int
    seed: int = 0
    shared: float = 1.0
    texture: float = 1.0
    phenology: float = 1.0
    moisture: float = 1.0
    noise: float = 1.0
    overlap: float = 0.0
    traps: bool = True
    modalities: tuple[str, ...] = MODALITIES

    def __post_init__(self) -> None:
        whole("n", self.n, 1, 10**6)
        whole("seed", self.seed, 0, 2**63 - 1)
        most = {"overlap": 1, "texture": 1, "shared": 2, "phenology": 2, "moisture": 2, "noise": 2}
        for name, high in most.items():
            real(name, getattr(self, name), 0, high)
        for name in self.modalities:
            one_of("modalities", name, MODALITIES)

    @cached_property
    def truth(self) -> dict[str, np.ndarray]:
        """What stands in every patch, in the order of `stems`: genus, cells, age, phenology, moisture, year.

        Next to phenology (days) and moisture (dB) stand their quarters, phenology_class and moisture_class, 0..3.
        `cells` (n, 15) are the genera's areas in 144ths of the patch; traps change labels, never the truth.
        """
        return draw(self.n, self.seed, self.overlap)

    @cached_property
    def stems(self) -> tuple[str, ...]:
        """The names of the patches; each holds its own number, 0 to n - 1, in this order."""
        return names(self.truth, self.seed)

    def entries(self, number: int) -> Entries:
        """What the label file lists of a patch: (genus, share) in turn, traps included."""
        return entries(number, self.truth["cells"][number], self.traps)

    @cached_property
    def labels(self) -> Labels:
        """The labels as the files give them, traps included; the split follows from the name alone."""
        fractions = np.zeros((self.n, len(GENERA)))
        present = np.zeros((self.n, len(GENERA)), dtype=bool)
        for number in range(self.n):
            for genus, share in self.entries(number):
                fractions[number, GENERA.index(genus)] += share
                present[number, GENERA.index(genus)] |= share > THRESHOLD
        species = [parse_stem(stem).species for stem in self.stems]
        split = [_split(stem) for stem in self.stems]
        return Labels(fractions.astype(np.float32), present, self.truth["age"], np.array(species), np.array(split))

    @cached_property
    def identity(self) -> str:
        """A hash of the options."""
        options = {"version": _VERSION} | dataclasses.asdict(self)
        return hashlib.sha256(json.dumps(options).encode()).hexdigest()[:16]

    def patch(self, stem: str, modalities: Collection[str]) -> Patch:
        """Make one patch. Raises E305 for a patch or a modality that is not there."""
        for name in modalities:
            one_of("modalities", name, self.modalities)
        parsed = parse_stem(stem)
        if not (parsed.number < self.n and self.stems[parsed.number] == stem):
            raise AlignscopeError("E305", stem, "not one of the generated patches", "Take one of `stems`.")
        ground = self._ground(parsed.number)
        aerial = paint_aerial(self._rng(parsed.number, "aerial"), ground) if "aerial" in modalities else None
        series = {name: self._series(parsed.number, name, ground) for name in SERIES if name in modalities}
        return Patch(parsed, aerial, series)

    def _ground(self, number: int) -> Ground:
        truth = {name: values[number] for name, values in self.truth.items()}
        return Ground(
            genera=genera_map(self._rng(number, "ground"), truth["cells"]),
            age=int(truth["age"]),
            phenology=self.phenology * float(truth["phenology"]),
            moisture=self.moisture * float(truth["moisture"]),
            shared=self.shared,
            texture=self.texture,
            noise=self.noise,
        )

    def passes(self, number: int, name: str) -> Passes:
        """Dates and names of products of one series of a patch."""
        rng, year = self._rng(number, f"{name} passes"), int(self.truth["year"][number])
        return optical_passes(rng, year) if name == "s2" else radar_passes(rng, year, name)

    def _series(self, number: int, name: str, ground: Ground) -> Series:
        passes, rng = self.passes(number, name), self._rng(number, name)
        if name == "s2":
            data, snow, cloud = paint_optical(rng, passes.days, ground)
            return Series(data, passes.dates, snow, cloud)
        # An overlapping slice holds the same passage once more.
        dates, again = np.unique(passes.dates, return_inverse=True)
        days = Passes(dates, ()).days
        power = paint_radar(rng, self._rng(number, "radar"), days, ground, _ORBITS[name])[again]
        return Series(spoilt(rng, power), passes.dates)

    def _rng(self, number: int, name: str) -> np.random.Generator:
        return np.random.Generator(np.random.SFC64([self.seed, number, _STREAMS.index(name)]))


def _split(stem: str) -> str:
    """About 80, 10 and 10 of 100 patches for training, validation and test."""
    drawn = int(hashlib.sha256(stem.encode()).hexdigest()[:8], 16) % 10
    return SPLITS[0] if drawn > 1 else SPLITS[drawn + 1]
