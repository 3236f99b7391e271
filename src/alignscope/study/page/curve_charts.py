"""Training curves."""

from __future__ import annotations

import math
from collections import defaultdict

from alignscope.report.panels import Figure, Row, Steps, key, missing, panel, ramp
from alignscope.report.parts import Spec, tips
from alignscope.report.words import capital, lam, number
from alignscope.study.page.words import arms, epochs_text, in_arm, plain, size_text
from alignscope.study.results import CellRecord, StudyResults
from alignscope.study.spec import Variant

__all__ = ["training_curves"]

MOST = 60  # epochs drawn of a curve; a longer one is thinned evenly


def training_curves(results: StudyResults) -> Figure:
    """Draw the prediction loss of every epoch of the longest training, one line a λ: mean over seeds, in sample."""
    longest = max(results.spec.sweep.epochs)
    cells = [cell for cell in results.cells if cell.curve and cell.cell.epochs == longest]
    if not cells:
        return missing("It needs at least one training that got as far as its first epoch.")
    steps = Steps(sorted(results.spec.sweep.lambdas))
    ways = arms(results) or [Variant("none", "none", "none")]
    rows = []
    for arm in ways:
        panels = []
        for k in results.spec.sweep.components:
            some = [c for c in cells if in_arm(c.cell, arm) and c.cell.components == k]
            if some:
                panels.append(_panel(results, arm, k, some, steps))
        if panels:
            rows.append(Row(capital(_name(results, arm)), panels))
    every = [p for row in rows for spec in row.panels for p in spec["data"]["values"]]
    ends = [p["y"] for p in every if not p["alone"]] or [p["y"] for p in every] or [1.0]
    for row in rows:  # one scale for all panels
        for spec in row.panels:
            for layer in spec["layer"]:
                layer["encoding"]["y"]["scale"]["domain"] = [min(ends) / 1.15, max(ends) * 1.15]
                layer["encoding"]["y"]["axis"]["values"] = _ticks(min(ends) / 1.15, max(ends) * 1.15)
    return Figure(
        f"How to read it: prediction loss (both modalities, in sample) along the {epochs_text(longest)} of training, "
        "a line for each λ (mean over the seeds that finished); lighter is a smaller λ. Crosses mark a training "
        "that diverged. Lines that are still falling at the right end had not converged, and figures taken there "
        "would speak of delay.",
        rows,
        key(("λ", steps.labels, {"fill": ramp(steps.lambdas)})),
    )


def _ticks(low: float, high: float) -> list[float]:
    """Return 1, 3, 10, ... and as far down; 1, 2, 5, ... where few of these lie between `low` and `high`."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    few, many = ([f * 10.0**d for d in decades for f in steps] for steps in ((1, 3), (1, 2, 3, 5, 7)))
    inside = [v for v in few if low <= v <= high]
    return inside if len(inside) > 2 else [v for v in many if low <= v <= high]


def _name(results: StudyResults, arm: Variant) -> str:
    return "no alignment" if arm.gauge == "none" else plain(results, arm)


def _panel(results: StudyResults, arm: Variant, k: int, cells: list[CellRecord], steps: Steps) -> Spec:
    losses: dict[tuple[float, str, int], list[float]] = defaultdict(list)
    for cell in cells:
        every = max(1, -(-len(cell.curve) // MOST))
        alone = "" if cell.marks else f"seed {cell.cell.seed}, {cell.status}"
        for i, epoch in enumerate(cell.curve):
            if i % every == 0 or i == len(cell.curve) - 1:
                losses[cell.cell.lambda_, alone, epoch.epoch].append(epoch.task1 + epoch.task2)
    points = [
        {
            "epoch": epoch,
            "y": sum(v) / len(v),
            "lam": lam(strength),
            "line": f"{lam(strength)} {alone}",
            "alone": alone,
            "text": number(sum(v) / len(v), ".3g"),
            "seeds": alone or f"mean of {len(v)}",
        }
        for (strength, alone, epoch), v in sorted(losses.items())
        if 0 < sum(v) < float("inf")
    ]
    x = {
        "field": "epoch",
        "type": "quantitative",
        "scale": {"nice": False, "zero": False},
        "axis": {"title": "epoch", "tickMinStep": 1, "format": "d", "grid": False, "tickCount": 5, "labelFlush": False},
    }
    axis = {"title": "prediction loss (in sample, log scale)", "tickCount": 4, "format": "~g", "labelOverlap": "greedy"}
    y = {"field": "y", "type": "quantitative", "scale": {"type": "log", "nice": False, "clamp": True}, "axis": axis}
    scale = {"domain": steps.labels, "range": ramp(steps.lambdas)}
    colour = {"field": "lam", "type": "nominal", "scale": scale, "legend": None}
    tip = tips(λ="lam", Epoch="epoch", Loss_in_sample="text", Seeds="seeds")
    layers: list[Spec] = [
        {
            "mark": {"type": "line", "strokeWidth": 1.8},
            "encoding": {"x": x, "y": y, "color": colour, "detail": {"field": "line"}},
        },
        {
            "transform": [{"filter": "datum.alone !== ''"}],
            "mark": {"type": "point", "shape": "cross", "filled": True, "size": 45, "opacity": 1},
            "encoding": {"x": x, "y": y, "color": colour},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 60, "opacity": 0},
            "encoding": {"x": x, "y": y, "color": colour, "tooltip": tip},
        },
    ]
    text = f"Training curves, {_name(results, arm)}, {size_text(k)}."
    return panel(size_text(k), _name(results, arm), text, points, layers, 170, None)
