"""The page of a generated archive: what it holds, to be checked by eye."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from alignscope.datasets.treesatai.format import AGES, GENERA
from alignscope.datasets.treesatai.generator.generator import Generated
from alignscope.datasets.treesatai.generator.truth import CLASSES, TRAITS
from alignscope.datasets.trifeature.sheet import sheet
from alignscope.report.frame import inline_png, rows, template

__all__ = ["page"]

_PAGE = template(
    "TreeSatAI-like",
    """p { max-width: 88ch; } svg { max-width: 100%; height: auto; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid #d7dce3; vertical-align: top; }
td { font-variant-numeric: tabular-nums; } code { font-size: .85em; overflow-wrap: anywhere; }
""",
    """\
<p>$summary Nothing here was measured: the pixels are drawn, and what stands behind them is in <code>truth.csv</code>.
</p>
<h2>Who shows what</h2>
<div class="scroll"><table>
<tr><th>factor</th><th>aerial</th><th>Sentinel-2</th><th>Sentinel-1</th><th>strength</th></tr>
<tr><th>genus</th><td>colour</td><td>spectrum and season</td><td>level</td><td>$shared</td></tr>
<tr><th>age</th><td>width of the crowns</td><td></td><td></td><td>$texture</td></tr>
<tr><th>phenology</th><td></td><td>date of the leaves</td><td>the same, faintly</td><td>$phenology</td></tr>
<tr><th>moisture</th><td></td><td></td><td>VH against VV</td><td>$moisture</td></tr>
</table></div>
$aerial
$curves
<h2>Counts</h2>
<div class="scroll"><table>$counts</table></div>
<h2>Options</h2>
<div class="scroll"><table>$options</table></div>
<h2>Files</h2>
<p>SHA-256 of the small files. The same options give the same bytes with the same version of numpy.</p>
<div class="scroll"><table>$files</table></div>
""",
)

_CROP = 150  # pixels: 30 m
_STEP = 12  # days
_COLOURS = ("#0b6e4f", "#3a86c8", "#c77700", "#a3333d")
_MONTHS = {"January": 1, "March": 60, "May": 121, "July": 182, "September": 244, "November": 305}


def page(source: Generated, record: dict[str, Any]) -> str:
    """Return the page as one HTML file that needs nothing else. `record` is what results.json holds."""
    options = record["options"]
    return _PAGE.substitute(
        title=escape(f"{source.n:,} patches"),
        summary=escape(f"{_parts(record)}; seed {source.seed}; alignscope {record['version']}."),
        **{name: f"{options[name]:g}" for name in ("shared", "texture", "phenology", "moisture")},
        aerial=_aerial(source) if "aerial" in source.modalities else "",
        curves=_curves(source) if "s2" in source.modalities else "",
        counts=rows({name: ", ".join(f"{v} {n:,}" for v, n in by.items()) for name, by in record["counts"].items()}),
        options=rows(options),
        files=rows(record["sha256"], code=True),
    )


def _parts(record: dict[str, Any]) -> str:
    return ", ".join(f"{count:,} for {part}" for part, count in record["counts"]["split"].items() if count)


def _aerial(source: Generated) -> str:
    """The first patch of every age class that is there, in true and false colours."""
    ages = source.truth["age"]
    first = {age: int(np.argmax(ages == age)) for age in range(AGES) if np.any(ages == age)}
    crops = []
    for number in first.values():
        aerial = source.patch(source.stems[number], ["aerial"]).aerial
        assert aerial is not None
        crops.append(aerial[:, :_CROP, :_CROP])
    tops = [f"age {age}\n{GENERA[source.truth['genus'][number]]}" for age, number in first.items()]
    shown = [np.stack(crops)[:, channels] for channels in ([3, 1, 2], [0, 3, 1])]
    picture = inline_png(sheet(shown, ["R G B", "IR R G"], tops, _CROP))
    return (
        "<h2>Crowns by age</h2>\n<p>30 m of the first patch of every age class, in red, green and blue, and with the "
        'near infrared as red. Crowns widen with age; colours go with genus.</p>\n<div class="scroll">'
        f'<img src="{picture}" style="max-width: 100%" alt="A patch of every age class in two colourings"></div>'
    )


def _curves(source: Generated) -> str:
    """Median NDVI by day of year of up to 24 patches of each class of phenology, most of whose trees lose leaves."""
    bare = np.array([its.evergreen < 0.5 for its in TRAITS.values()])[source.truth["genus"]]
    lines = {}
    for its in range(CLASSES):
        numbers = np.flatnonzero(bare & (source.truth["phenology_class"] == its))[:24]
        if len(numbers):
            lines[its] = _ndvi(source, numbers)
    drawn = [_line(its, points) for its, points in lines.items()]
    months = [
        f'<text x="{_across(day):.0f}" y="312" font-size="12">{month}</text>'
        f'<path d="M{_across(day):.0f} 20V296" stroke="#e3e7ec"/>'
        for month, day in _MONTHS.items()
    ]
    levels = [
        f'<text x="8" y="{_up(level) + 4:.0f}" font-size="12">{level:.1f}</text>'
        f'<path d="M40 {_up(level):.0f}H800" stroke="#e3e7ec"/>'
        for level in (0.5, 0.6, 0.7, 0.8, 0.9)
    ]
    return (
        "<h2>Leaves by phenology</h2>\n<p>Median NDVI of Sentinel-2 over dates that are marked free of cloud and snow, "
        "in steps of 12 days, of patches of deciduous genera: up to 24 of each class. Class 0 comes out first.</p>\n"
        '<svg viewBox="0 0 900 320" width="900" role="img" aria-label="NDVI by day of year and class of phenology" '
        f'font-family="system-ui, sans-serif" fill="#1c2430">{"".join(levels + months + drawn)}</svg>'
    )


def _ndvi(source: Generated, numbers: np.ndarray) -> list[tuple[float, float]]:
    """The median NDVI in each step of the year that has a clear date: (day of year, NDVI)."""
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for number in numbers:
        series = source.patch(source.stems[number], ["s2"]).series["s2"]
        assert series.snow is not None and series.cloud is not None
        clear = (series.snow + series.cloud).max(axis=(1, 2)) == 0
        red, infrared = (series.data[clear, channel].mean(axis=(1, 2)) for channel in (2, 6))
        found.append((source.passes(int(number), "s2").days[clear] // _STEP, (infrared - red) / (infrared + red)))
    steps, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return [(_STEP * (step + 0.5), float(np.median(values[steps == step]))) for step in np.unique(steps)]


def _line(its: int, points: list[tuple[float, float]]) -> str:
    path = "L".join(f"{_across(day):.1f} {_up(value):.1f}" for day, value in points)
    style = f'stroke="{_COLOURS[its]}" stroke-width="2" fill="none"'
    legend = f'<text x="836" y="{44 + 22 * its}" font-size="12">class {its}</text>'
    return f'<path d="M{path}" {style}/><path d="M808 {40 + 22 * its}h22" {style}/>{legend}'


def _across(day: float) -> float:
    return 40.0 + 760.0 * day / 366.0


def _up(ndvi: float) -> float:
    return 296.0 - 276.0 * float(np.clip((ndvi - 0.45) / 0.5, 0.0, 1.0))
