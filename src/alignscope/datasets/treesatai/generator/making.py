"""A generated archive with its record and its page."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from alignscope._lib import files as _files
from alignscope._lib.contents import json_bytes
from alignscope._lib.outputs import Output
from alignscope._lib.types import Progress
from alignscope._lib.version import __version__
from alignscope.datasets.treesatai.format import AGES, GENERA, SPLITS
from alignscope.datasets.treesatai.generator.generator import Generated
from alignscope.datasets.treesatai.generator.page import page
from alignscope.datasets.treesatai.generator.truth import CLASSES
from alignscope.datasets.treesatai.generator.writer import write_archive


def make_treesatai_like(
    source: Generated, out: str | Path, *, layout: str = "released", progress: Progress | None = None
) -> Path:
    """Write an archive with results.json (options, counts) and report.html next to it; return the path of the page.

    Patches and their order of writing are those of `write_archive`: a run that was killed is gone on with by the same
    call.

    Raises
    ------
    AlignscopeError : as `write_archive`, and E404 for a results.json or report.html of somebody else.
    """
    Output("treesatai-like").check(out)
    out = write_archive(source, out, layout=layout, progress=progress)
    if progress is not None:
        progress("drawing the page", 0.99)
    record = _record(source, layout, out)
    drawn = page(source, record).encode()
    _files.write_all(out, {"results.json": json_bytes(record), "report.html": drawn})
    return out / "report.html"


def _record(source: Generated, layout: str, out: Path) -> dict[str, Any]:
    small = sorted(path for pattern in ("*.csv", "labels/*.json", "split/*.lst") for path in out.glob(pattern))
    return {
        "kind": "treesatai-like",
        "version": __version__,
        "options": {"layout": layout} | dataclasses.asdict(source),
        "n": source.n,
        "identity": source.identity,
        "counts": _counts(source),
        "sha256": {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in small},
    }


def _counts(source: Generated) -> dict[str, dict[str, int]]:
    """How many patches there are by factor and by split; genera by `Labels.present`, so a patch may count twice."""
    present = dict(zip(GENERA, source.labels.present.sum(axis=0).tolist(), strict=True))
    sizes = {"age": AGES, "phenology_class": CLASSES, "moisture_class": CLASSES}
    counts = {name: np.bincount(source.truth[name], minlength=size).tolist() for name, size in sizes.items()}
    named = {name: {str(k): count for k, count in enumerate(values)} for name, values in counts.items()}
    return {"genus": present, **named, "split": {s: int(np.sum(source.labels.split == s)) for s in SPLITS}}
