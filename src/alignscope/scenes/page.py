"""The page of a folder of chips: what was cut, to be checked by eye."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from alignscope.report.opening import Opening
from alignscope.report.pictures import inline, sheet
from alignscope.report.shell import write_page
from alignscope.report.tables import Bars, Table
from alignscope.report.words import count, number, percent
from alignscope.scenes.spec import SceneSpec
from alignscope.scenes.survey import Survey

SHOWN = 24
"""Chips on the page."""

SCENES = 16
"""Scenes whose blocks are drawn."""

LISTED = 200
"""Scenes in the table; results.json lists all."""

_ACROSS = 12
_BINS = 20

_CONTENTS = {
    "chips": "Chips",
    "blocks": "Blocks",
    "targets": "Targets",
    "scenes": "Scenes",
    "channels": "Channels",
    "notes": "How the rasters were read",
    "next": "Next",
    "files": "Files",
}


def shown_chips(n: int) -> np.ndarray:
    """Return the rows of the chips on the page, spread evenly."""
    return np.unique(np.linspace(0, n - 1, min(n, SHOWN)).astype(np.int64))


def page(spec: SceneSpec, survey: Survey, shown: Sequence[np.ndarray], record: dict[str, Any]) -> str:
    """Return the page as one HTML file that needs nothing else. `record` is what results.json holds."""
    first, second = (modality.name for modality in spec.modalities)
    scenes = [
        [s["scene"], ", ".join(f"{count(n)} {why}" for why, n in s["dropped"].items()) or "none", count(s["kept"])]
        for s in record["scenes"][:LISTED]
    ]
    channels = [
        [m["name"], ", ".join(m["channels"]), str(m["side"]), percent(m["filled"], 3)] for m in record["modalities"]
    ]
    names = {
        "contents": _CONTENTS,
        "spec": spec,
        "survey": survey,
        "record": record,
        "first": first,
        "second": second,
        "opening": _opening(spec, survey, record),
        "shown": len(shown[0]),
        "sheets": _sheets(spec, survey, shown),
        "maps": [(_map(survey, k), scene.name) for k, scene in enumerate(survey.scenes[:SCENES])],
        "constant": [f"{name} (modality {i})" for i, m in enumerate(record["modalities"], 1) for name in m["constant"]],
        "targets": [(m.name, charts) for i, m in enumerate(spec.modalities) if (charts := _histograms(survey, i))],
        "scenes": Table("Scenes", "", ["Scene", "Left out", "Kept"], scenes, 2),
        "channels": Table("Channels", "", ["Modality", "Channels", "Pixels a side", "Filled in"], channels, 2),
    }
    return write_page("scenes/scenes.html.j2", record["version"], names)


def _opening(spec: SceneSpec, survey: Survey, record: dict[str, Any]) -> Opening:
    unit = "pixels of the finest raster" if spec.unit == "pixel" else "metres"
    left_out = ", ".join(f"{count(n)} for {reason}" for reason, n in record["dropped"].items())
    found = [
        f"Chips of {number(spec.chip)} {unit} from {count(len(survey.scenes))} scenes, in {count(record['blocks'])} "
        "blocks that are held out together.",
        f"Left out: {left_out or 'none'}.",
    ]
    action = "Audit what aligning the two would cost, on simple features of the chips."
    code = "alignscope audit --pair FOLDER/features --out RESULTS"
    return Opening(f"{count(survey.n)} chips", "align-with-care" if left_out else "align", found, action, code)


def _sheets(spec: SceneSpec, survey: Survey, shown: Sequence[np.ndarray]) -> list[tuple[str, str]]:
    rows = [_pictures(chips, modality.show) for chips, modality in zip(shown, spec.modalities, strict=True)]
    at, images = shown_chips(survey.n), []
    names = [survey.scenes[survey.chips.scene[k]].name[:12] for k in at]
    tops = [f"{n}\n{survey.chips.row[k]}, {survey.chips.column[k]}" for n, k in zip(names, at, strict=True)]
    sides = ["1", "2"]
    for start in range(0, len(at), _ACROSS):
        part = slice(start, start + _ACROSS)
        drawn = sheet([r[part] for r in rows], sides, tops[part], 80)
        images.append((inline(drawn), f"Chips {start + 1} to {start + len(tops[part])} in both modalities"))
    return images


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
    return inline(drawn)


def _histograms(survey: Survey, i: int) -> list[tuple[Bars, str]]:
    return [_histogram(name, values) for name, values in zip(survey.columns[i], survey.values[i].T, strict=True)]


def _histogram(name: str, values: np.ndarray) -> tuple[Bars, str]:
    """Return the bars of one target column, and the words beneath them."""
    found, edges = np.histogram(values.astype(np.float64), bins=_BINS)
    bars = [[(n / found.max(), "one", count(n))] for n in found.tolist()]
    least, most = number(edges[0]), number(edges[-1])
    return bars, f"{name}, {least} to {most}; largest bar {count(int(found.max()))}"
