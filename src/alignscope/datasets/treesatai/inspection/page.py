"""The page of an inspection of TreeSatAI: what the folder holds, to be checked by eye."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from alignscope.datasets.treesatai.archive import Archive
from alignscope.datasets.treesatai.format import MODALITIES, SERIES, Patch, Series, parse_stem
from alignscope.datasets.treesatai.inspection.inspection import DateCounts, Inspection
from alignscope.datasets.treesatai.inspection.scan import CLOUD
from alignscope.errors import AlignscopeError
from alignscope.report.opening import Look, Opening
from alignscope.report.pictures import inline
from alignscope.report.shell import write_page
from alignscope.report.tables import Bars, Table
from alignscope.report.words import count

_SHOWN = 20
_NAMES = {"aerial": "Aerial", "s2": "Sentinel-2", "s1_asc": "Sentinel-1 ascending", "s1_des": "Sentinel-1 descending"}
_HUES = {"train": "one", "val": "align", "test": "two", "none": "cap"}
_MONTHS = "JFMAMJJASOND"
_CONTENTS = {
    "patches": "Some patches",
    "ages": "Age classes",
    "months": "Dates by month",
    "files": "Files",
    "series": "Series",
    "broken": "Broken files",
    "notes": "Notes",
}


def page(archive: Archive, found: Inspection) -> str:
    """Return the page as one HTML file that needs nothing else."""
    names = {
        "contents": _CONTENTS,
        "found": found,
        "opening": _opening(found),
        "cloud": f"{CLOUD:.0f}",
        "hues": _HUES,
        "months": _MONTHS,
        "patches": _patches(archive, found),
        "genera": _by_split(found.genera),
        "ages": _by_split({str(age): by for age, by in enumerate(found.ages)}),
        "dates": [(_NAMES[modality], sum(its.months), _months(its)) for modality, its in found.dates.items()],
        "files": _files(found),
        "series": _series(found),
        "broken": Table("Broken files", "", ["File", "For", "Why"], _broken(found), 3),
    }
    return write_page("datasets/treesatai/inspection/inspection.html.j2", found.version, names)


def _opening(found: Inspection) -> Opening:
    splits = ", ".join(f"{count(n)} {split}" for split, n in found.splits.items() if n) or "none in a split"
    said = [
        f"{count(found.whole)} of {count(found.patches)} patches have all four modalities ({splits}).",
        f"Broken files: {count(len(found.broken))}; {'headers only' if found.quick else 'every file'} read.",
    ]
    badge = f"{count(len(found.broken))} broken files" if found.broken else f"{count(found.whole)} whole patches"
    look: Look = "do-not-align" if found.broken else "align" if found.whole == found.patches else "align-with-care"
    action = "Repeat the paper’s experiment on this archive, next to one with a target for each modality."
    return Opening(badge, look, said, action, "alignscope paper --treesatai FOLDER --out RESULTS")


def _by_split(rows: dict[str, dict[str, int]]) -> list[tuple[str, int, list[tuple[str, int, float]]]]:
    """Return a bar for each row: its name, its total, and (split, patches, share of the longest bar)."""
    most = max((sum(by.values()) for by in rows.values()), default=0) or 1
    return [
        (name, sum(by.values()), [(split, n, n / most) for split, n in by.items() if n]) for name, by in rows.items()
    ]


def _months(its: DateCounts) -> Bars:
    """Return the dates of each month, and the clear ones over them."""
    most, clear = max(its.months) or 1, its.clear_months or (0,) * len(its.months)
    return [
        [(n / most, "line", f"{count(n)} dates"), (c / most, "one", f"{count(c)} clear dates")]
        for n, c in zip(its.months, clear, strict=True)
    ]


def _patches(archive: Archive, found: Inspection, most: int = 8) -> list[dict[str, Any]]:
    """Return the first patch of each genus in its name, then second ones, until there are enough."""
    bad = {parse_stem(one.file).text for one in found.broken if one.modalities}
    turns: Counter[str] = Counter()
    ranked = []
    for stem in archive.stems:
        if stem in archive.aerial and stem in archive.series and stem not in bad:
            genus = parse_stem(stem).genus
            ranked.append((turns[genus], stem))
            turns[genus] += 1
    figures: list[dict[str, Any]] = []
    for _, stem in sorted(ranked):
        if len(figures) == most:
            break
        try:
            figures.append(_figure(archive.patch(stem, ("aerial", "s2")), archive.year(stem)))
        except AlignscopeError:  # only after a quick inspection, which has not read the values
            continue
    return figures


def _figure(patch: Patch, year: int | None) -> dict[str, Any]:
    from PIL import Image  # slow to start

    assert patch.aerial is not None
    natural = np.ascontiguousarray(patch.aerial[[3, 1, 2]].transpose(1, 2, 0))
    stem = patch.stem
    days, values = _ndvi(patch.series["s2"])
    x, y = 200 * days / 366, 62 - 60 * np.clip(values, 0, 1)
    return {
        "picture": inline(Image.fromarray(natural).resize((200, 200), Image.Resampling.BOX), "jpeg"),
        "name": stem.text,
        "curve": [f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)],
        "words": f"{stem.species}, age class {stem.age}{'' if year is None else f', {year}'}, {stem.number} "
        f"{stem.source}",
    }


def _ndvi(series: Series) -> tuple[np.ndarray, np.ndarray]:
    """Return days of the year, counted from 0, and NDVI = (B08 - B04) / (B08 + B04) of the clear dates."""
    assert series.cloud is not None
    bands = SERIES["s2"].channels
    near, red = (series.data[:, bands.index(name)].astype(np.float64) for name in ("B08", "B04"))
    valid = (series.cloud <= CLOUD) & np.isfinite(near) & np.isfinite(red) & (near + red > 0)
    index = np.where(valid, near - red, 0) / np.where(valid, near + red, 1)
    dates = valid.mean(axis=(1, 2)) >= 0.5
    days = (series.dates - series.dates.astype("datetime64[Y]")).astype(int)
    return days[dates], index.sum(axis=(1, 2))[dates] / valid.sum(axis=(1, 2))[dates]


def _files(found: Inspection) -> Table:
    rows = [
        [_NAMES[m], found.missing[m].place or "", count(found.files[m]), count(found.missing[m].count)]
        for m in MODALITIES
    ]
    others = {
        "labelled or listed, without any file": found.absent,
        "with a file, without labels": found.without_labels,
        "with a file, in no list": found.without_split,
        "with a series, without a clear date": found.cloudy,
    }
    rows += [[name, "", count(len(stems)), ""] for name, stems in others.items()]
    return Table("Files", "", ["", "First missing file", "Patches", "Missing"], rows, 2)


def _series(found: Inspection) -> Table:
    head = ["", "Series", "Dates, least", "Median", "Most", "Repeated", "Not of the year", "Values", "Zeros", "NaN"]
    rows = []
    for modality, its in found.dates.items():
        dates = (its.files, its.least, its.median, its.most, its.repeated, its.outside)
        rows.append([_NAMES[modality], *(count(n) for n in (*dates, its.values, its.zeros, its.nans))])
    return Table("Series", "", head, rows, 1)


def _broken(found: Inspection) -> list[list[str]]:
    return [[one.file, ", ".join(_NAMES[m] for m in one.modalities), one.message] for one in found.broken[:_SHOWN]]
