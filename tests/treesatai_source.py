"""A small source of patches in memory, which processes can be sent, and which fails where it is told to."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from alignscope.datasets.treesatai.cache.series import Statistics
from alignscope.datasets.treesatai.format import CHANNELS, MODALITIES, Labels, Patch, Series, parse_stem
from alignscope.errors import AlignscopeError

IDENTITY = {
    name: Statistics(
        channels=channels,
        centre=(0.0,) * len(channels),
        scale=(1.0,) * len(channels),
        mean=(0.0,) * len(channels),
        deviation=(1.0,) * len(channels),
        count=1,
    )
    for name, channels in CHANNELS.items()
}
"""Statistics that leave values as they are."""


def optical(draw: np.random.Generator, dates: int, clear: float = 0.6) -> Series:
    """Return a Sentinel-2 series with clouds, snow, NaN and empty pixels."""
    data = draw.integers(1, 12_000, (dates, 10, 6, 6)).astype(np.float32)
    data[draw.random((dates, 10, 6, 6)) < 0.01] = np.nan
    data = np.where(draw.random((dates, 1, 6, 6)) < 0.05, np.float32(0), data)
    cloud, snow = (draw.integers(0, 101, (dates, 6, 6)) * (draw.random((dates, 6, 6)) > clear) for _ in range(2))
    return Series(data, days(draw, dates), snow.astype(np.float32), cloud.astype(np.float32))


def radar(draw: np.random.Generator, dates: int) -> Series:
    """Return a Sentinel-1 series with repeated dates, zeros and NaN."""
    data = draw.gamma(4, 0.02, (dates, 2, 6, 6)).astype(np.float32)
    data[draw.random(data.shape) < 0.1] = 0
    data[draw.random(data.shape) < 0.05] = np.nan
    return Series(data, days(draw, dates))


def days(draw: np.random.Generator, dates: int) -> np.ndarray:
    """Return sorted dates of 2020, some of them repeated."""
    return np.datetime64("2020-01-01") + np.sort(draw.integers(0, 366, dates))


def patch(number: int, modalities: Collection[str] = MODALITIES) -> Patch:
    """Return patch `number`, which depends on nothing else."""
    draw = np.random.default_rng(number)
    aerial = draw.integers(0, 256, (4, 300, 300), dtype=np.uint8)
    made = {"s2": optical(draw, 5 + number % 4), "s1_asc": radar(draw, 7), "s1_des": radar(draw, 3 + number)}
    series = {name: its for name, its in made.items() if name in modalities}
    return Patch(parse_stem(stem(number)), aerial if "aerial" in modalities else None, series)


def stem(number: int) -> str:
    """Return the name of patch `number`."""
    return f"Quercus_robur_{number % 12}_{number}_WEFL_NLF"


@dataclass(frozen=True)
class Fake:
    """A `Source` of n patches.

    fails : (number, modality) -> "broken", "lost" (the process ends), "stop" (an interrupt) or "absent".
    given : patches in place of the usual ones.
    """

    n: int = 7
    modalities: tuple[str, ...] = MODALITIES
    fails: Mapping[tuple[int, str], str] = field(default_factory=dict)
    given: Mapping[int, Patch] = field(default_factory=dict)
    identity: str = "fake"

    @property
    def stems(self) -> tuple[str, ...]:
        return tuple(map(stem, range(self.n)))

    @property
    def labels(self) -> Labels:
        fractions = np.random.default_rng(0).dirichlet(np.ones(15), self.n).astype(np.float32)
        split = np.array(["train", "val", "test"])[np.arange(self.n) % 3]
        return Labels(fractions, fractions > 0.07, np.arange(self.n) % 12, np.array(["Quercus robur"] * self.n), split)

    def patch(self, stem: str, modalities: Collection[str]) -> Patch:
        number = parse_stem(stem).number
        told = {name: self.fails.get((number, name)) for name in modalities}
        if "broken" in told.values():
            raise AlignscopeError("E103", f"{stem}.h5", "truncated", "Download it again.")
        if "stop" in told.values():
            raise KeyboardInterrupt
        if "lost" in told.values():
            os._exit(1)
        there = [name for name in modalities if told[name] != "absent"]
        made = self.given.get(number) or patch(number, there)
        series = {name: its for name, its in made.series.items() if name in there}
        return Patch(made.stem, made.aerial if "aerial" in there else None, series)
