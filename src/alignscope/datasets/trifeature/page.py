"""The page of a folder of pictures: what it holds, to be checked by eye."""

from __future__ import annotations

from typing import Any

import numpy as np

from alignscope.datasets.trifeature.pairs import PairView
from alignscope.datasets.trifeature.sheet import contact_sheet, pair_sheet
from alignscope.report.opening import Opening
from alignscope.report.pictures import inline
from alignscope.report.shell import write_page
from alignscope.report.words import capital, count, counts

_CONTENTS = {
    "sheet": "Every shape and texture",
    "counts": "Counts",
    "options": "Options",
    "files": "Files",
}


def page(view: PairView, index: np.ndarray, record: dict[str, Any]) -> str:
    """Return the page as one HTML file that needs nothing else. `record` is what results.json holds."""
    first, size = index[:12], view.pictures.size
    cell = max(size, 96)
    names = {
        "contents": _CONTENTS,
        "record": {**record, "counts": {name: counts(by) for name, by in record["counts"].items()}},
        "opening": _opening(view, record),
        "first": len(first),
        "pairs": inline(pair_sheet(view, first, cell=cell)),
        "size": size,
        "sheet": inline(contact_sheet(view.pictures, cell=cell)),
    }
    return write_page("datasets/trifeature/trifeature.html.j2", record["version"], names)


def _opening(view: PairView, record: dict[str, Any]) -> Opening:
    parts = ", ".join(f"{count(n)} for {part}" for part, n in record["parts"].items() if n)
    shared = "sample" if view.held_out == "samples" else "combination of factors"
    shows = "; ".join(f"modality {i} shows {' and '.join(names)}" for i, names in enumerate(view.visible, 1))
    found = [f"{capital(parts)}; the parts share no {shared}. {capital(shows)}."]
    code = 'alignscope study study.toml --out study/\n\n# study.toml\n[data]\nkind = "trifeature"'
    action = "Train encoders on such pairs over λ and latent sizes; the study draws its own pictures."
    return Opening(f"{count(record['n'])} samples drawn", "align", found, action, code)
