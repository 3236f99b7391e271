"""What stands in generated patches: genus, age, phenology and moisture, drawn by patch number alone.

The frequencies of genera, species, ages and shares follow the published label file in spirit: a few genera are
frequent, most are rare; over half of the patches hold one genus. Source: Ahlswede et al. 2023 (TreeSatAI),
doi 10.5194/essd-15-681-2023.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np

from alignscope.datasets.counter_random import key, uniform
from alignscope.datasets.treesatai.format import AGES, GENERA, THRESHOLD

Entries: TypeAlias = list[tuple[str, float]]
"""What the label file lists of a patch: genus and share of the area."""

CELLS = 144
"""A patch is 12 x 12 cells of 5 m, each of one genus, so that shares are whole numbers of cells."""

CLASSES = 4
"""Equal steps into which phenology and moisture are cut for classification."""

DAYS = 30.0
"""Leaves come out at most this much earlier or later."""

DECIBELS = 2.0
"""VH against VV is at most this much lower or higher by moisture."""


class Traits(NamedTuple):
    """How a genus looks. Offsets from the mean genus, about -2..2; the painters set their unit.

    `weight` is how often the genus stands for a patch, `age` the mean age class of its stands. `aerial` are IR, G and
    R. `evergreen` is 0 where all leaves fall and 1 where none do. `optical` are the visible, infrared and short-wave
    bands of Sentinel-2, `radar` is the backscatter of Sentinel-1.
    """

    species: tuple[str, ...]
    weight: float
    age: float
    aerial: tuple[float, float, float]
    evergreen: float
    optical: tuple[float, float, float]
    radar: float


TRAITS = {
    "Abies": Traits(("Abies_alba",), 2.0, 4.5, (-1.3, -0.6, -1.0), 1.0, (-1.2, -1.0, -0.6), 0.9),
    "Acer": Traits(("Acer_pseudoplatanus",), 5.6, 2.7, (1.2, 1.0, 0.2), 0.0, (0.6, 1.1, 0.8), -0.2),
    "Alnus": Traits(("Alnus_spec.",), 5.1, 3.4, (-0.1, 0.2, -0.8), 0.1, (-0.5, 0.3, -1.0), -0.7),
    "Betula": Traits(("Betula_spec.",), 5.6, 2.7, (0.4, 0.9, 0.9), 0.1, (0.9, -0.1, 0.3), -1.1),
    "Cleared": Traits(("Cleared",), 8.2, 0.0, (-0.6, 1.3, 2.2), 0.5, (2.0, -0.6, 1.8), -2.2),
    "Fagus": Traits(("Fagus_sylvatica",), 12.8, 5.3, (1.5, 0.1, -0.6), 0.0, (-0.4, 1.5, 0.4), 0.4),
    "Fraxinus": Traits(("Fraxinus_excelsior",), 5.2, 4.1, (0.8, 0.4, 0.5), 0.0, (0.3, 0.7, -0.3), 1.1),
    "Larix": Traits(("Larix_kaempferi", "Larix_decidua"), 6.2, 3.5, (0.0, 1.0, 0.0), 0.3, (0.6, 0.0, -0.8), 1.6),
    "Picea": Traits(("Picea_abies",), 11.5, 4.1, (-1.4, -1.2, -1.0), 1.0, (-0.9, -1.3, -1.3), 0.2),
    "Pinus": Traits(
        ("Pinus_sylvestris", "Pinus_strobus", "Pinus_nigra"), 14.9, 4.6, (-0.9, -0.3, 0.5), 1.0, (0.2, -0.9, 0.1), -0.4
    ),
    "Populus": Traits(("Populus_spec.",), 0.9, 2.8, (1.0, -0.8, -0.2), 0.0, (1.1, 0.9, -0.6), -1.6),
    "Prunus": Traits(("Prunus_spec.",), 0.6, 1.8, (0.3, -0.7, 0.6), 0.2, (-0.8, 0.8, 1.1), -1.5),
    "Pseudotsuga": Traits(("Pseudotsuga_menziesii",), 5.3, 2.8, (-0.5, -1.0, -0.2), 1.0, (-0.3, -0.3, -1.0), 1.7),
    "Quercus": Traits(
        ("Quercus_robur", "Quercus_petraea", "Quercus_rubra"), 15.7, 4.3, (0.6, -0.2, 0.0), 0.0, (-0.2, 0.5, 0.9), 0.7
    ),
    "Tilia": Traits(("Tilia_spec.",), 0.4, 4.4, (1.6, -0.5, 0.9), 0.1, (0.1, 1.4, -0.9), -0.9),
}
"""The genera in the order of `GENERA`. They are the same for every seed: a model may be tested on another one."""

_AGE_WEIGHTS = (9.0, 7.0, 16.0, 25.0, 17.0, 6.0, 5.0, 4.0, 3.0, 6.0, 1.0, 1.0)
_AGE_SPREAD = 1.5  # classes, of the stands of one genus
_BI = 0.16  # share of patches from this inventory
_YEARS = (2017, 2018, 2019, 2020)


def draw(n: int, seed: int, overlap: float) -> dict[str, np.ndarray]:
    """Draw what stands in patches 0..n-1; patch k is the same whatever n is.

    Returns
    -------
    genus : (n,) the main genus, which covers over half of the patch, as a place in `GENERA`.
    cells : (n, 15) how many of the 144 cells each genus covers; they sum to 144.
    age : (n,) class 0..11.
    phenology : (n,) days by which leaves come out later, -30..30; phenology_class : (n,) 0..3, its quarter.
    moisture : (n,) dB by which VH - VV is higher, -2..2; moisture_class : (n,) 0..3, its quarter.
    year : (n,) 2017..2020.
    """
    index = np.arange(n)

    def unit(name: str) -> np.ndarray:
        return uniform(key(seed, "treesatai", name), index)

    weights = _cumulative(np.array([its.weight for its in TRAITS.values()]))
    genus = np.searchsorted(weights, unit("genus"), side="right")
    cells = np.zeros((n, len(GENERA)), dtype=np.int64)
    second, third = _minor(unit("kind"), unit("second share"), unit("third share"))
    np.add.at(cells, (index, genus), CELLS - second - third)
    for count, name in ((second, "second"), (third, "third")):
        np.add.at(cells, (index, np.searchsorted(weights, unit(name), side="right")), count)
    phenology, moisture = unit("phenology"), unit("moisture")
    return {
        "genus": genus,
        "cells": cells,
        "age": _ages(genus, unit("age"), overlap),
        "phenology": (2.0 * phenology - 1.0) * DAYS,
        "phenology_class": (phenology * CLASSES).astype(np.int64),
        "moisture": (2.0 * moisture - 1.0) * DECIBELS,
        "moisture_class": (moisture * CLASSES).astype(np.int64),
        "year": np.asarray(_YEARS)[(unit("year") * len(_YEARS)).astype(np.int64)],
    }


def _minor(kind: np.ndarray, second: np.ndarray, third: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells of the second and third genus: none in 45% of the patches, one genus more in 40%, two in 15%."""
    several = kind > 0.85
    of_second = np.where(several, 5 + second * 35, 5 + second * 60) * (kind > 0.45)
    return of_second.astype(np.int64), ((5 + third * 25) * several).astype(np.int64)


def _ages(genus: np.ndarray, drawn: np.ndarray, overlap: float) -> np.ndarray:
    """Age classes: from one distribution for all genera, or with probability `overlap` from the one of the genus."""
    mean = np.array([its.age for its in TRAITS.values()])[:, None]
    near = np.exp(-0.5 * ((np.arange(AGES) - mean) / _AGE_SPREAD) ** 2)
    everywhere = np.array(_AGE_WEIGHTS) / sum(_AGE_WEIGHTS)
    tables = (1.0 - overlap) * everywhere + overlap * near / near.sum(axis=1, keepdims=True)
    steps = np.stack([_cumulative(table) for table in tables])
    return (drawn[:, None] >= steps[genus]).sum(axis=1)


def _cumulative(weights: np.ndarray) -> np.ndarray:
    """Upper ends of the classes within 0..1, without the last, which is 1."""
    steps: np.ndarray = np.cumsum(weights / weights.sum())[:-1]
    return steps


def names(truth: dict[str, np.ndarray], seed: int) -> tuple[str, ...]:
    """Name the patches, like `Betula_spec._3_17_WEFL_NLF`; the number is the patch's own."""
    index = np.arange(len(truth["genus"]))
    which = uniform(key(seed, "treesatai", "species"), index)
    source = np.where(uniform(key(seed, "treesatai", "source"), index) < _BI, "BI", "WEFL")
    found = []
    for k, genus, age in zip(index, truth["genus"], truth["age"], strict=True):
        species = TRAITS[GENERA[genus]].species
        found.append(f"{species[int(which[k] * len(species))]}_{age}_{k}_{source[k]}_NLF")
    return tuple(found)


def entries(number: int, cells: np.ndarray, traps: bool) -> Entries:
    """What the label file lists of a patch: genera by falling share, rounded to five digits.

    With traps, by the patch's number, what the published file holds too: the main genus listed twice (1, 11, ...),
    shares that sum to 0.9 (3, 13, ...), no share above the threshold (5, 105, ...) and a genus listed twice whose
    shares are above it only together (7, 107, ...).
    """
    order = np.argsort(-cells, kind="stable")
    shares = {GENERA[k]: cells[k] / CELLS for k in order if cells[k]}
    main, share = next(iter(shares.items()))
    listed = list(shares.items())
    if traps and number % 10 == 1:
        listed = [(main, 0.7 * share), *listed[1:], (main, 0.3 * share)]
    elif traps and number % 10 == 3:
        listed = [(name, 0.9 * part) for name, part in listed]
    elif traps and number % 100 == 5:
        listed = [(main, 0.9 * THRESHOLD)]
    elif traps and number % 100 == 7:
        other = GENERA[(GENERA.index(main) + 1) % len(GENERA)]
        listed = [(main, 1.0 - 1.6 * THRESHOLD), (other, 0.8 * THRESHOLD), (other, 0.8 * THRESHOLD)]
    return [(name, round(float(part), 5)) for name, part in listed]
