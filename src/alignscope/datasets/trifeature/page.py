"""The page of a folder of pictures: what it holds, to be checked by eye."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from alignscope.datasets.trifeature.pairs import PairView
from alignscope.datasets.trifeature.sheet import contact_sheet, pair_sheet
from alignscope.report.frame import inline_png, rows, template

__all__ = ["page"]

_PAGE = template(
    "Trifeature",
    """p { max-width: 88ch; } img { max-width: 100%; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid #d7dce3; }
td { font-variant-numeric: tabular-nums; } code { font-size: .85em; overflow-wrap: anywhere; }
""",
    """<p>$summary</p>
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
""",
)


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
        pairs=inline_png(pair_sheet(view, first, cell=cell)),
        pairs_alt=f"The first {len(first)} samples in every modality",
        size=size,
        sheet=inline_png(contact_sheet(view.pictures, cell=cell)),
        counts=rows({name: ", ".join(f"{v} {n:,}" for v, n in by.items()) for name, by in record["counts"].items()}),
        options=rows(record["options"]),
        files=rows(record["sha256"], code=True),
    )
