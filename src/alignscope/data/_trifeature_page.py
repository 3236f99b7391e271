"""The page of a folder of pictures: what it holds, to be checked by eye."""

from __future__ import annotations

import base64
import io
from html import escape
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from alignscope.data._trifeature_pairs import PairView
from alignscope.data._trifeature_sheet import contact_sheet, pair_sheet

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["page"]

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Trifeature: $title</title>
<style>
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 1160px; padding: 24px 20px; font: 16px/1.55 system-ui, sans-serif; color: #1c2430; }
h1 { font-size: 1.7rem; line-height: 1.25; } h2 { font-size: 1.25rem; margin-top: 36px; }
p { max-width: 88ch; } img { max-width: 100%; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid #d7dce3; }
td { font-variant-numeric: tabular-nums; } code { font-size: .85em; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>Trifeature: $title</h1>
<p>$summary</p>
<h2>The first samples</h2>
<p>$modalities Each column is a sample; above it stand its factors.</p>
<div class="scroll"><img src="$pairs" alt="$pairs_alt"></div>
<h2>Every shape and texture</h2>
<p>Shapes in rows, textures in columns, colours in turn, at $size px and with the knobs of this folder.</p>
<div class="scroll"><img src="$sheet" alt="Every shape with every texture"></div>
<h2>Counts</h2>
<div class="scroll"><table>$counts</table></div>
<h2>Options</h2>
<div class="scroll"><table>$options</table></div>
<h2>Files</h2>
<p>SHA-256 of every file. The same options give the same bytes on every machine.</p>
<div class="scroll"><table>$files</table></div>
</body>
</html>
""")


def page(view: PairView, index: np.ndarray, record: dict[str, Any]) -> str:
    """Return the page as one HTML file that needs nothing else. `record` is what results.json holds."""
    first = index[:12]
    size = view.pictures.size
    cell = max(size, 96)
    parts = [f"{count:,} for {part}" for part, count in record["parts"].items() if count]
    shown = [f"Modality {k} shows {' and '.join(seen)}." for k, seen in enumerate(view.visible, start=1)]
    return _PAGE.substitute(
        title=escape(f"{record['n']:,} samples at {size} px, view {record['options']['view']}"),
        summary=escape(
            f"{', '.join(parts)}; seed {view.pictures.seed}; the parts share no "
            f"{'sample' if view.held_out == 'samples' else 'combination of factors'}. alignscope {record['version']}."
        ),
        modalities=escape(" ".join(shown)),
        pairs=_inline(pair_sheet(view, first, cell=cell)),
        pairs_alt=f"The first {len(first)} samples in every modality",
        size=size,
        sheet=_inline(contact_sheet(view.pictures, cell=cell)),
        counts=_rows({name: ", ".join(f"{v} {n:,}" for v, n in by.items()) for name, by in record["counts"].items()}),
        options=_rows(record["options"]),
        files=_rows(record["sha256"], code=True),
    )


def _rows(values: dict[str, Any], code: bool = False) -> str:
    cells = {name: escape(str(value)) for name, value in values.items()}
    return "".join(
        f"<tr><th>{escape(name)}</th><td>{f'<code>{cell}</code>' if code else cell}</td></tr>"
        for name, cell in cells.items()
    )


def _inline(image: Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
