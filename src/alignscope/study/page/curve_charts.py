"""Training curves."""

from __future__ import annotations

import math
from collections import defaultdict

from alignscope.report.panels import Figure, Steps, key, missing, panel, panel_rows, ramp
from alignscope.report.parts import Spec, by, dots, layer, tips
from alignscope.report.words import at_size, capital, lam, number
from alignscope.study.page.selection import in_variant, lambda_steps, longest, variants
from alignscope.study.page.words import epochs_text, variant_text
from alignscope.study.results import CellRecord, StudyResults
from alignscope.study.spec import Variant

MOST = 60  # epochs drawn of a curve; a longer one is thinned evenly


def training_curves(results: StudyResults) -> Figure:
    """Draw the prediction loss of every epoch of the longest training, one line per λ: mean over seeds, in sample."""
    cells = [cell for cell in results.cells if cell.curve and cell.cell.epochs == longest(results)]
    if not cells:
        return missing("It needs at least one training that got as far as its first epoch.")
    steps, sizes = lambda_steps(results), results.spec.sweep.components
    curves = {
        (variant, k): _points([c for c in cells if in_variant(c.cell, variant) and c.cell.components == k])
        for variant in variants(results) or [Variant("none", "none", "none")]
        for k in sizes
        if any(in_variant(c.cell, variant) and c.cell.components == k for c in cells)
    }
    every = [p for points in curves.values() for p in points]
    ends = [p["y"] for p in every if not p["alone"]] or [p["y"] for p in every] or [1.0]
    low, high = min(ends) / 1.15, max(ends) * 1.15  # one scale for all panels

    def draw(variant: Variant, k: int) -> Spec | None:
        if (variant, k) not in curves:
            return None
        text, points = f"Training curves, {_name(results, variant)}, {at_size(k)}.", curves[variant, k]
        return panel(at_size(k), _name(results, variant), text, points, _layers(steps, low, high), 170, None)

    return Figure(
        f"How to read it: prediction loss (both modalities, in sample) along the {epochs_text(longest(results))} of "
        "training, a line for each λ (mean over the seeds that finished); lighter is a smaller λ. Crosses mark a "
        "training that diverged. Lines that are still falling at the right end had not converged, and figures taken "
        "there would speak of under-training.",
        panel_rows(
            (capital(_name(results, variant)), [draw(variant, k) for k in sizes])
            for variant in dict.fromkeys(variant for variant, _ in curves)
        ),
        key(("λ", steps.labels, {"fill": ramp(steps.lambdas)})),
    )


def _ticks(low: float, high: float) -> list[float]:
    """Return 1, 3, 10, ... and as far down; 1, 2, 5, ... where few of these lie between `low` and `high`."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    few, many = ([f * 10.0**d for d in decades for f in steps] for steps in ((1, 3), (1, 2, 3, 5, 7)))
    inside = [v for v in few if low <= v <= high]
    return inside if len(inside) > 2 else [v for v in many if low <= v <= high]


def _name(results: StudyResults, variant: Variant) -> str:
    return "no alignment" if variant.gauge == "none" else variant_text(results, variant)


def _points(cells: list[CellRecord]) -> list[Spec]:
    losses: dict[tuple[float, str, int], list[float]] = defaultdict(list)
    for cell in cells:
        every = max(1, -(-len(cell.curve) // MOST))
        alone = "" if cell.marks else f"seed {cell.cell.seed}, {cell.status}"
        for i, epoch in enumerate(cell.curve):
            if i % every == 0 or i == len(cell.curve) - 1:
                losses[cell.cell.lambda_, alone, epoch.epoch].append(epoch.task1 + epoch.task2)
    return [
        {
            "epoch": epoch,
            "y": sum(v) / len(v),
            "lam": lam(value),
            "line": f"{lam(value)} {alone}",
            "alone": alone,
            "text": number(sum(v) / len(v), ".3g"),
            "seeds": alone or f"mean of {len(v)}",
        }
        for (value, alone, epoch), v in sorted(losses.items())
        if 0 < sum(v) < float("inf")
    ]


def _layers(steps: Steps, low: float, high: float) -> list[Spec]:
    axis = {"title": "epoch", "tickMinStep": 1, "format": "d", "grid": False, "tickCount": 5, "labelFlush": False}
    x = {"field": "epoch", "type": "quantitative", "scale": {"nice": False, "zero": False}, "axis": axis}
    axis = {"title": "prediction loss (in sample, log scale)", "values": _ticks(low, high), "tickCount": 4}
    axis |= {"format": "~g", "labelOverlap": "greedy"}
    scale = {"type": "log", "nice": False, "clamp": True, "domain": [low, high]}
    y = {"field": "y", "type": "quantitative", "scale": scale, "axis": axis}
    at = {"x": x, "y": y, "color": by("lam", steps.labels, ramp(steps.lambdas))}
    tip = tips(λ="lam", Epoch="epoch", Loss_in_sample="text", Seeds="seeds")
    return [
        layer("line", {**at, "detail": {"field": "line"}}, strokeWidth=1.8),
        dots(at, 45, where="datum.alone !== ''", shape="cross"),
        dots({**at, "tooltip": tip}, 60, opacity=0),
    ]
