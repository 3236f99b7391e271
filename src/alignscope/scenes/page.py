"""The page of a folder of chips: what was cut, to be checked by eye."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from alignscope.datasets.trifeature.sheet import sheet
from alignscope.report.frame import inline_png, template
from alignscope.scenes.spec import SceneSpec
from alignscope.scenes.survey import Survey

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["page", "shown_chips"]

SHOWN = 24
"""Chips on the page."""

SCENES = 16
"""Scenes whose blocks are drawn."""

LISTED = 200
"""Scenes in the table; results.json lists all."""

_ACROSS = 12
_BINS = 20

_PAGE = template(
    "Scenes",
    """p, li { max-width: 88ch; } img { max-width: 100%; image-rendering: pixelated; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
.many { display: flex; flex-wrap: wrap; gap: 16px; } figure { margin: 0; } figcaption { font-size: .85rem; }
th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid #d7dce3; vertical-align: top; }
td { font-variant-numeric: tabular-nums; } code { font-size: .85em; overflow-wrap: anywhere; }
""",
    """<p>$summary</p>
<h2>Chips</h2>
<p>$chips</p>
$sheets
<h2>Blocks</h2>
<p>$blocks</p>
<div class="many">$maps</div>
<h2>Targets</h2>
<p>$targets</p>
$histograms
<h2>Scenes</h2>
<div class="scroll"><table><tr><th>scene</th><th>kept</th><th>dropped</th></tr>$scenes</table></div>
<h2>Channels</h2>
<div class="scroll"><table>
<tr><th>modality</th><th>pixels a side</th><th>channels</th><th>filled in</th></tr>$modalities
</table></div>
<h2>Next</h2>
<p><code>alignscope audit --pair FOLDER/features --out RESULTS</code> with this folder says what aligning the two would
cost a linear encoder; <code>[data] kind = "files", pair = "FOLDER"</code> in a study trains encoders on the pixels.</p>
<h2>Files</h2>
<p>SHA-256 of every file. The same rasters and specification give the same bytes.</p>
<div class="scroll"><table>$files</table></div>
""",
)


def shown_chips(n: int) -> np.ndarray:
    """Return the rows of the chips on the page, spread evenly."""
    return np.unique(np.linspace(0, n - 1, min(n, SHOWN)).astype(np.int64))


def page(spec: SceneSpec, survey: Survey, shown: Sequence[np.ndarray], record: dict[str, Any]) -> str:
    """Return the page as one HTML file that needs nothing else. `record` is what results.json holds."""
    first, second = (modality.name for modality in spec.modalities)
    dropped = ", ".join(f"{n:,} for {reason}" for reason, n in record["dropped"].items()) or "none"
    unit = "pixels of the finest raster" if spec.unit == "pixel" else "metres"
    return _PAGE.substitute(
        title=escape(f"{survey.n:,} chips of {first}, and of {second}"),
        summary=escape(
            f"{len(survey.scenes)} scenes; square chips of {spec.chip:g} {unit}, one every {spec.step:g}. "
            f"Chips left out: {dropped}. alignscope {record['version']}."
        ),
        chips=escape(
            f"{len(shown[0])} chips, spread evenly over the rows: 1 is {first}, 2 is {second}. Above each stands its "
            "scene, and its row and column. "
            "Colours are stretched from percentile 2 to 98 of every channel over these chips."
        ),
        sheets=_sheets(spec, survey, shown),
        blocks=escape(
            f"{record['blocks']:,} blocks, each of one colour: its chips stay in one fold. Grey chips were left out."
            + (
                f" {record['adjacent']:,} chips touch one of another block: a gap parts them."
                if record["adjacent"]
                else ""
            )
            + (f" The first {SCENES} of {len(survey.scenes)} scenes." if len(survey.scenes) > SCENES else "")
        ),
        maps="".join(_map(survey, k) for k in range(min(SCENES, len(survey.scenes)))),
        targets=escape(_constant(record)),
        histograms="".join(_histograms(survey, i, m.name) for i, m in enumerate(spec.modalities)),
        scenes="".join(_row(s["scene"], f"{s['kept']:,}", _reasons(s["dropped"])) for s in record["scenes"][:LISTED]),
        modalities="".join(
            _row(m["name"], str(m["side"]), ", ".join(m["channels"]), f"{m['filled']:.3%}")
            for m in record["modalities"]
        ),
        files="".join(_row(name, digest) for name, digest in record["sha256"].items()),
    )


def _row(name: str, *cells: str) -> str:
    return f"<tr><th>{escape(name)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _reasons(why: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {reason}" for reason, n in why.items())


def _constant(record: dict[str, Any]) -> str:
    gone = [f"{name} (modality {i})" for i, m in enumerate(record["modalities"], 1) for name in m["constant"]]
    text = "How many chips have which value; the first bar of many columns is that of chips without the class."
    return f"{text} Left out, since they do not vary: {', '.join(gone)}." if gone else text


def _sheets(spec: SceneSpec, survey: Survey, shown: Sequence[np.ndarray]) -> str:
    rows = [_pictures(chips, modality.show) for chips, modality in zip(shown, spec.modalities, strict=True)]
    at, images = shown_chips(survey.n), []
    names = [survey.scenes[survey.chips.scene[k]].name[:12] for k in at]
    tops = [f"{n}\n{survey.chips.row[k]}, {survey.chips.column[k]}" for n, k in zip(names, at, strict=True)]
    sides = ["1", "2"]
    for start in range(0, len(at), _ACROSS):
        part = slice(start, start + _ACROSS)
        drawn = sheet([r[part] for r in rows], sides, tops[part], 80)
        label = f"Chips {start + 1} to {start + len(tops[part])} in both modalities"
        images.append(f'<div class="scroll">{_image(drawn, label)}</div>')
    return "".join(images)


def _pictures(chips: np.ndarray, show: tuple[int, ...] | None) -> np.ndarray:
    """Return chips (n, C, h, w) as colours (n, 3, h, w) bytes."""
    chosen = list(show or (range(3) if chips.shape[1] >= 3 else (0,)))
    part = chips[:, chosen].astype(np.float64)
    low, high = np.percentile(part, (2, 98), axis=(0, 2, 3), keepdims=True)
    bright = np.clip((part - low) / np.where(high > low, high - low, 1.0), 0, 1)
    return np.rint(255 * np.repeat(bright, 3 // len(chosen), axis=1)).astype(np.uint8)


def _map(survey: Survey, k: int) -> str:
    """Return the blocks of a scene, one square a chip."""
    from PIL import Image

    keep, mine = survey.kept[k], survey.chips.scene == k
    colours = np.full((*keep.shape, 3), 205, np.uint8)
    if mine.any():
        # neighbouring blocks differ: the hue turns by the golden ratio from one to the next
        hue = (survey.chips.block[mine] * 0.618034) % 1.0
        turned = (hue[:, None] + np.array([0.0, 1 / 3, 2 / 3])) % 1.0
        colours[keep] = np.rint(70 + 150 * np.abs(2 * turned - 1)).astype(np.uint8)
    scale = max(1, 128 // max(keep.shape))
    drawn = Image.fromarray(np.kron(colours, np.ones((scale, scale, 1), np.uint8)))
    name = survey.scenes[k].name
    return f"<figure>{_image(drawn, f'Blocks of {name}')}<figcaption>{escape(name)}</figcaption></figure>"


def _histograms(survey: Survey, i: int, name: str) -> str:
    charts = "".join(
        _histogram(column, values) for column, values in zip(survey.columns[i], survey.values[i].T, strict=True)
    )
    title = f"<h3>What {escape(name)} should know</h3>"
    return f'{title}<div class="many">{charts}</div>' if charts else ""


def _histogram(name: str, values: np.ndarray) -> str:
    """Return the bars of one target column as a figure."""
    counts, edges = np.histogram(values.astype(np.float64), bins=_BINS)
    bars = "".join(
        f'<rect x="{8 * k}" y="{60 - height:.1f}" width="7" height="{height:.1f}"/>'
        for k, height in enumerate(60 * counts / counts.max())
    )
    caption = f"{escape(name)}, {edges[0]:.4g} to {edges[-1]:.4g}; largest bar {counts.max():,}"
    return (
        f'<figure><svg width="{8 * _BINS}" height="61" role="img" aria-label="{caption}"><g fill="#0072b2">{bars}</g>'
        f'<path d="M0 60.5H{8 * _BINS}" stroke="#555d67"/></svg><figcaption>{caption}</figcaption></figure>'
    )


def _image(image: Image, label: str) -> str:
    return f'<img src="{inline_png(image)}" alt="{escape(label)}">'
