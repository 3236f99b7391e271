"""The page of a generated archive: what it holds, to be checked by eye."""

from __future__ import annotations

from typing import Any

import numpy as np

from alignscope.datasets.treesatai.format import AGES, GENERA
from alignscope.datasets.treesatai.generator.generator import Generated
from alignscope.datasets.treesatai.generator.truth import CLASSES, TRAITS
from alignscope.report.opening import Opening
from alignscope.report.pictures import inline, sheet
from alignscope.report.shell import write_page
from alignscope.report.tables import Table
from alignscope.report.words import capital, count, counts, number

_CONTENTS = {
    "factors": "Which factor shows where",
    "crowns": "Crowns by age",
    "leaves": "Leaves by phenology",
    "counts": "Counts",
    "options": "Options",
    "files": "Files",
}
_HEAD = ["Factor", "Aerial", "Sentinel-2", "Sentinel-1", "Strength"]
_FACTORS = {  # the option that sets the strength of a factor: the factor, and where it shows
    "shared": ["genus", "colour", "spectrum and season", "level"],
    "texture": ["age", "width of the crowns", "", ""],
    "phenology": ["phenology", "", "date of the leaves", "the same, faintly"],
    "moisture": ["moisture", "", "", "VH against VV"],
}
_CROP = 150  # pixels: 30 m
_STEP = 12  # days
_HUES = ("align", "one", "two", "loss")
_MONTHS = {"January": 1, "March": 60, "May": 121, "July": 182, "September": 244, "November": 305}


def page(source: Generated, record: dict[str, Any]) -> str:
    """Return the page as one HTML file that needs nothing else. `record` is what results.json holds."""
    crowns = _crowns(source) if "aerial" in source.modalities else ""
    leaves = _leaves(source) if "s2" in source.modalities else {}
    drawn = {"crowns": crowns, "leaves": leaves}
    factors = [[*shown, number(record["options"][option])] for option, shown in _FACTORS.items()]
    names = {
        **drawn,
        "contents": {id: title for id, title in _CONTENTS.items() if drawn.get(id, True)},
        "record": {**record, "counts": {name: counts(by) for name, by in record["counts"].items()}},
        "n": source.n,
        "opening": _opening(source, record),
        "factors": Table("Factors", "", _HEAD, factors, 4),
        "hues": _HUES,
        "months": [(round(_across(day)), month) for month, day in _MONTHS.items()],
        "levels": [(round(_up(level)), f"{level:.1f}") for level in (0.5, 0.6, 0.7, 0.8, 0.9)],
    }
    return write_page("datasets/treesatai/generator/like.html.j2", record["version"], names)


def _opening(source: Generated, record: dict[str, Any]) -> Opening:
    parts = ", ".join(f"{count(n)} for {part}" for part, n in record["counts"]["split"].items() if n)
    found = [f"{capital(parts)}; seed {source.seed}. Nothing was measured: what the pixels show is in truth.csv."]
    action = "Run the experiment on satellite patches on this folder, as on the archive."
    code = "alignscope paper --treesatai FOLDER --out RESULTS"
    return Opening(f"{count(source.n)} generated patches", "align", found, action, code)


def _crowns(source: Generated) -> str:
    """Draw the first patch of every age class that is there, in true and false colours."""
    ages = source.truth["age"]
    first = {age: int(np.argmax(ages == age)) for age in range(AGES) if np.any(ages == age)}
    crops = []
    for patch in first.values():
        aerial = source.patch(source.stems[patch], ["aerial"]).aerial
        assert aerial is not None
        crops.append(aerial[:, :_CROP, :_CROP])
    tops = [f"age {age}\n{GENERA[source.truth['genus'][patch]]}" for age, patch in first.items()]
    shown = [np.stack(crops)[:, channels] for channels in ([3, 1, 2], [0, 3, 1])]
    return inline(sheet(shown, ["R G B", "IR R G"], tops, _CROP))


def _leaves(source: Generated) -> dict[int, str]:
    """Return the curve of median NDVI by day of year of each class of phenology, as the points of a line.

    Of up to 24 patches of each class, most of whose trees lose leaves.
    """
    bare = np.array([its.evergreen < 0.5 for its in TRAITS.values()])[source.truth["genus"]]
    lines = {}
    for its in range(CLASSES):
        numbers = np.flatnonzero(bare & (source.truth["phenology_class"] == its))[:24]
        if len(numbers):
            points = _ndvi(source, numbers)
            lines[its] = " ".join(f"{_across(day):.1f},{_up(value):.1f}" for day, value in points)
    return lines


def _ndvi(source: Generated, numbers: np.ndarray) -> list[tuple[float, float]]:
    """The median NDVI in each step of the year that has a clear date: (day of year, NDVI)."""
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for patch in numbers.tolist():
        series = source.patch(source.stems[patch], ["s2"]).series["s2"]
        assert series.snow is not None and series.cloud is not None
        clear = (series.snow + series.cloud).max(axis=(1, 2)) == 0
        red, infrared = (series.data[clear, channel].mean(axis=(1, 2)) for channel in (2, 6))
        found.append((source.passes(patch, "s2").days[clear] // _STEP, (infrared - red) / (infrared + red)))
    steps, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return [(_STEP * (step + 0.5), float(np.median(values[steps == step]))) for step in np.unique(steps)]


def _across(day: float) -> float:
    return 40.0 + 760.0 * day / 366.0


def _up(ndvi: float) -> float:
    return 296.0 - 276.0 * float(np.clip((ndvi - 0.45) / 0.5, 0.0, 1.0))
