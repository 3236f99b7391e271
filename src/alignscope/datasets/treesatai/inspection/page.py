"""The page of an inspection of TreeSatAI: what the folder holds, to be checked by eye."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Sequence
from html import escape

import numpy as np

from alignscope.datasets.treesatai.archive import Archive
from alignscope.datasets.treesatai.format import MODALITIES, SERIES, Patch, Series, parse_stem
from alignscope.datasets.treesatai.inspection.inspection import Inspection
from alignscope.datasets.treesatai.inspection.scan import CLOUD
from alignscope.errors import AlignscopeError
from alignscope.report.frame import template

__all__ = ["page"]

_SHOWN = 20
_NAMES = {"aerial": "Aerial", "s2": "Sentinel-2", "s1_asc": "Sentinel-1 ascending", "s1_des": "Sentinel-1 descending"}
_COLOURS = {"train": "#0072b2", "val": "#007d5b", "test": "#c65200", "none": "#9aa3ad"}
_MONTHS = "JFMAMJJASOND"

_PAGE = template(
    "TreeSatAI",
    """p, li { max-width: 88ch; overflow-wrap: anywhere; } svg, img { max-width: 100%; display: block; }
svg text { font: 12px system-ui, sans-serif; fill: #1c2430; } svg .small { font-size: 9px; }
.patches { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 20px; }
.patches figure { margin: 0; font-size: .85rem; } figcaption { overflow-wrap: anywhere; }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 1em; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid #d7dce3; vertical-align: top; }
td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
""",
    """<p>$summary</p>
<h2>Some patches</h2>
<p>Natural colours over 60 m, and the vegetation index (NDVI) of Sentinel-2 over the year: mean of the pixels with at
most $cloud % cloud, on dates of which half the pixels are. Clouds that the mask does not mark show as drops. The scale
runs from 0 to 1.</p>
<div class="patches">$sheet</div>
<h2>Genera</h2>
<p>Patches where the genus has more than 7% of the area. $key</p>
<div class="scroll">$genera</div>
<h2>Age classes</h2>
<p>From the name of the patch. $key</p>
<div class="scroll">$ages</div>
<h2>Dates by month</h2>
<p>$months</p>
<div class="scroll">$months_chart</div>
<h2>Files</h2>
<div class="scroll"><table>$files</table></div>
<h2>Series</h2>
<div class="scroll"><table>$dates</table></div>
<h2>Broken files</h2>
$broken
<h2>Notes</h2>
$notes
""",
)


def page(archive: Archive, found: Inspection) -> str:
    """Return the page as one HTML file that needs nothing else."""
    splits = ", ".join(f"{count:,} {split}" for split, count in found.splits.items() if count) or "none in a split"
    read = "headers only" if found.quick else "every file read"
    notes = "".join(f"<li>{escape(note)}</li>" for note in found.notes)
    return _PAGE.substitute(
        title=f"{found.patches:,} patches",
        summary=escape(
            f"{found.path}: {found.whole:,} patches with all four modalities; {splits}; "
            f"{len(found.broken):,} broken files; {read}. alignscope {found.version}."
        ),
        sheet=_sheet(archive, found) or "<p>No patch has both an aerial picture and Sentinel-2 that can be read.</p>",
        cloud=f"{CLOUD:.0f}",
        key="".join(f'<span class="key" style="background:{c}"></span>{name}' for name, c in _COLOURS.items()),
        genera=_bars(found.genera),
        ages=_bars({str(age): by for age, by in enumerate(found.ages)}),
        months="All dates" + ("." if found.clear_share is None else "; the dark part of Sentinel-2 is clear."),
        months_chart=_months(found),
        files=_files(found),
        dates=_dates(found),
        broken=_broken(found),
        notes=f"<ul>{notes}</ul>" if notes else "<p>None.</p>",
    )


def _bars(rows: dict[str, dict[str, int]]) -> str:
    """Draw one bar a row, its parts one a split, the total beside it."""
    if not rows:
        return "<p>The label file or the lists cannot be used; see the broken files.</p>"
    most = max(1, *(sum(by.values()) for by in rows.values()))
    step, left, width = 22, 110, 600
    parts = []
    for k, (name, by) in enumerate(rows.items()):
        y, x = k * step, float(left)
        parts.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
        for split, count in by.items():
            size = width * count / most
            parts += _box(x, y + 3, size, step - 6, _COLOURS[split], f"{name}, {split}: {count:,}")
            x += size
        parts.append(f'<text x="{x + 6:.1f}" y="{y + 15}">{sum(by.values()):,}</text>')
    return _svg(left + width + 80, step * len(rows), parts)


def _months(found: Inspection) -> str:
    """Draw the dates of each modality by month, clear ones darker."""
    if not found.dates:
        return "<p>No series could be read.</p>"
    parts = []
    bar, height, gap = 22, 110, 60
    for k, (modality, its) in enumerate(found.dates.items()):
        left, most, floor = k * (12 * bar + gap), max(1, *its.months), height + 24
        parts.append(f'<text x="{left}" y="14">{_NAMES[modality]}, {sum(its.months):,} dates</text>')
        layers = [(its.months, "#8fbad8", "dates"), (its.clear_months or (), "#0072b2", "clear dates")]
        for months, colour, what in layers:
            for month, count in enumerate(months):
                size = height * count / most
                parts += _box(left + month * bar, floor - size, bar - 3, size, colour, f"{count:,} {what}")
        parts += [
            f'<text x="{left + (month + 0.5) * bar - 1}" y="{floor + 16}" text-anchor="middle">{name}</text>'
            for month, name in enumerate(_MONTHS)
        ]
    return _svg(len(found.dates) * (12 * bar + gap), height + 46, parts)


def _box(x: float, y: float, width: float, height: float, colour: str, title: str) -> list[str]:
    """Draw a rectangle that says what it stands for; none where it would have no area."""
    if not width or not height:
        return []
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return [f'<rect {place} fill="{colour}"><title>{escape(title)}</title></rect>']


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    box = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {box}>{"".join(parts)}</svg>'


def _sheet(archive: Archive, found: Inspection, most: int = 8) -> str:
    """Draw the first patch of each genus in its name, then second ones, until there are enough."""
    bad = {parse_stem(one.file).text for one in found.broken if one.modalities}
    turns: Counter[str] = Counter()
    ranked = []
    for stem in archive.stems:
        if stem in archive.aerial and stem in archive.series and stem not in bad:
            genus = parse_stem(stem).genus
            ranked.append((turns[genus], stem))
            turns[genus] += 1
    figures: list[str] = []
    for _, stem in sorted(ranked):
        if len(figures) == most:
            break
        try:
            figures.append(_figure(archive.patch(stem, ("aerial", "s2")), archive.year(stem)))
        except AlignscopeError:  # only after a quick inspection, which has not read the values
            continue
    return "".join(figures)


def _figure(patch: Patch, year: int | None) -> str:
    from PIL import Image

    assert patch.aerial is not None
    natural = np.ascontiguousarray(patch.aerial[[3, 1, 2]].transpose(1, 2, 0))
    buffer = io.BytesIO()
    Image.fromarray(natural).resize((200, 200), Image.Resampling.BOX).save(buffer, "JPEG", quality=85)
    source = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    stem = patch.stem
    words = f"{stem.species}, age class {stem.age}{'' if year is None else f', {year}'}, {stem.number} {stem.source}"
    image = f'<img src="{source}" width="200" height="200" alt="{escape(stem.text)}">'
    curve = _curve(*_ndvi(patch.series["s2"]))
    return f"<figure>{image}{curve}<figcaption>{escape(words)}</figcaption></figure>"


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


def _curve(days: np.ndarray, values: np.ndarray) -> str:
    x, y = 200 * days / 366, 62 - 60 * np.clip(values, 0, 1)
    places = [f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)]
    frame = '<path d="M0 62H200M0 2H200" stroke="#d7dce3"/>'
    line = f'<polyline points="{" ".join(places)}" fill="none" stroke="#007d5b" stroke-opacity=".45"/>'
    dots = [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="1.6" fill="#007d5b"/>' for a, b in zip(x, y, strict=True)]
    months = [
        f'<text class="small" x="{200 * (k + 0.5) / 12:.1f}" y="75" text-anchor="middle">{name}</text>'
        for k, name in enumerate(_MONTHS)
    ]
    return _svg(200, 78, [frame, line, *dots, *months])


def _files(found: Inspection) -> str:
    rows = [["", "patches", "missing", "the first should be at"]]
    for modality in MODALITIES:
        missing = found.missing[modality]
        rows.append([_NAMES[modality], f"{found.files[modality]:,}", f"{missing.count:,}", missing.place or ""])
    others = {
        "labelled or listed, without any file": found.absent,
        "with a file, without labels": found.without_labels,
        "with a file, in no list": found.without_split,
        "with a series, without a clear date": found.cloudy,
    }
    rows += [[name, f"{len(stems):,}", "", ""] for name, stems in others.items()]
    return _table(rows)


def _dates(found: Inspection) -> str:
    rows = [["", "series", "dates, least", "median", "most", "repeated", "not of the year", "values", "zeros", "NaN"]]
    for modality, its in found.dates.items():
        counts = (
            its.files,
            its.least,
            its.median,
            its.most,
            its.repeated,
            its.outside,
            its.values,
            its.zeros,
            its.nans,
        )
        rows.append([_NAMES[modality], *(f"{count:,.10g}" for count in counts)])
    return _table(rows)


def _broken(found: Inspection) -> str:
    if not found.broken:
        return "<p>None.</p>"
    listed = found.broken[:_SHOWN]
    rows = [["file", "for", "why"]]
    rows += [[one.file, ", ".join(_NAMES[m] for m in one.modalities), one.message] for one in listed]
    more = f"<p>The first {_SHOWN} of {len(found.broken):,}; results.json has all.</p>"
    return f'<div class="scroll"><table>{_table(rows)}</table></div>{more if len(found.broken) > _SHOWN else ""}'


def _table(rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows[1:])
    return "".join(f"<tr>{row}</tr>" for row in (head, *body))
