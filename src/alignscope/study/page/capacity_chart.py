"""Capacity against λ as a map: the forecast as the ground, what training gave on top."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from alignscope.report.panels import Figure, Row, Steps, missing, panel
from alignscope.report.parts import Spec, tips
from alignscope.report.words import capital, lam, named, share, short
from alignscope.study.page.words import arms, fixed_arms, in_arm, plain, spread
from alignscope.study.results import StudyResults
from alignscope.study.spec import Variant

__all__ = ["capacity_map"]

CROWDED = 10  # λs beyond which the marks of the map have no room for their number


def capacity_map(results: StudyResults) -> Figure:
    """Draw the forecast retention over λ and latent size, the trained cells on top, and the sizes that are free."""
    if not results.forecast_map:
        return missing("It needs the forecast, which was not made for this study.")
    ways = fixed_arms(results) or arms(results)
    if not ways:
        return missing("It needs trainings with λ above 0.")
    rows = []
    for arm in ways:
        panels = [_map(results, arm, m) for m in (1, 2) if any(p.modality == m for p in results.forecast_map)]
        rows.append(Row(capital(plain(results, arm)), panels))
    return Figure(
        "How to read it: colour is the forecast, made before any aligned training: what the targets of a modality "
        "keep on average (held out), for a latent of each size (upwards) and each strength (to the right). Dark is "
        "lost, bright is kept, of what a latent of that size knows at λ = 0: a small one that never knew much can "
        "keep it all. The framed squares are what training then gave, in the same colours: a square that cannot be "
        "told from its surroundings was forecast well. Above the broken line alignment stays within a loss of 5%, "
        "above the full line it is free, whatever its strength (a line that is missing lies beyond the sizes drawn).",
        rows,
    )


def _edges(values: Sequence[float], low: float, high: float) -> list[tuple[float, float]]:
    """Return the cell around each of the ascending values: half-way to its neighbours."""
    inner = [(a + b) / 2 for a, b in pairwise(values)]
    return list(zip([low, *inner], [*inner, high], strict=True))


def _map(results: StudyResults, arm: Variant, modality: int) -> Spec:
    steps = Steps(sorted(results.spec.sweep.lambdas))
    points = [p for p in results.forecast_map if p.modality == modality]
    sizes = sorted({p.components for p in points} | set(results.spec.sweep.components))
    bottom, top = sizes[0] / 1.25, sizes[-1] * 1.25
    tall = dict(zip(sizes, _edges([math.log2(s) for s in sizes], math.log2(bottom), math.log2(top)), strict=True))
    places = sorted({steps.at(p.lambda_) for p in points})
    right = max(len(steps.lambdas) - 0.65, places[-1])
    wide = dict(zip(places, _edges(places, -0.35, right), strict=True))
    cells = [
        {
            "x": wide[steps.at(p.lambda_)][0],
            "x2": wide[steps.at(p.lambda_)][1],
            "y": 2 ** tall[p.components][0],
            "y2": 2 ** tall[p.components][1],
            "kept": p.retention,
            "lam": lam(p.lambda_),
            "K": p.components,
            "text": share(p.retention),
        }
        for p in points
    ]
    x = steps.axis(high=right)
    y = {
        "field": "y",
        "type": "quantitative",
        "scale": {"type": "log", "base": 2, "domain": [bottom, top], "nice": False},
        "axis": {
            "title": "latent size K (log scale)",
            "values": _ticks(sizes, results.spec.sweep.components),
            "format": "d",
            "grid": False,
            "labelOverlap": "greedy",
        },
    }
    keys: Spec = {"title": "kept", "titleColor": "var(--ink)"}
    keys |= {"columns": {"expr": "legend_columns * 3"}, "tickCount": 4, "offset": 4}
    marks = _measured(results, arm, modality, steps)
    least = max(0.0, math.floor(10 * min(0.9, *(c["kept"] for c in [*cells, *marks]))) / 10)
    heat = {
        "field": "kept",
        "type": "quantitative",
        "scale": {"scheme": "cividis", "domain": [least, 1], "clamp": True},
    }
    layers: list[Spec] = [
        {
            "mark": {"type": "rect", "strokeWidth": 0.7},
            "encoding": {
                "x": x,
                "x2": {"field": "x2"},
                "y": y,
                "y2": {"field": "y2"},
                "fill": {**heat, "legend": keys},
                "stroke": {**heat, "legend": None},  # closes the seams
                "tooltip": tips(λ="lam", Latent_size_K="K", **{"Forecast_kept_(held_out)": "text"}),
            },
        },
        *_sizes(results, modality, y, sizes),
        *_squares(marks, x, y, heat, len(steps.lambdas) <= CROWDED),
    ]
    text = f"Forecast and measured retention over λ and latent size, modality {modality}, {plain(results, arm)}."
    names = " and ".join(short(named(n), 20) for n in results.trained_on[modality - 1][:3])
    names = (
        names
        if len(results.trained_on[modality - 1]) <= 3
        else f"mean of {len(results.trained_on[modality - 1])} targets"
    )
    return panel(f"Modality {modality}: {names}", plain(results, arm), text, cells, layers, 300, steps)


def _ticks(sizes: list[int], trained: Sequence[int]) -> list[int]:
    powers = [2**i for i in range(20) if sizes[0] <= 2**i <= sizes[-1]]
    return sorted({*powers, *trained}) if len(powers) < 4 else sorted(powers)


def _measured(results: StudyResults, arm: Variant, modality: int, steps: Steps) -> list[Spec]:
    """Return the mean retention of the asked targets in each trained cell: over the targets that have one."""
    longest = max(results.spec.sweep.epochs)
    marks = []
    for k in results.spec.sweep.components:
        for strength in steps.lambdas:
            some = [
                r
                for r in results.retention
                if in_arm(r, arm)
                and (r.modality, r.components, r.lambda_) == (modality, k, strength)
                and r.epochs == r.epoch == longest
                and r.trained_on
                and r.retention
            ]
            if some:
                kept = sum(r.retention.value for r in some if r.retention) / len(some)
                each = "; ".join(f"{short(named(r.target), 24)} {spread(r.retention, 2)}" for r in some)
                marks.append(
                    {
                        "x": steps.at(strength),
                        "y": k,
                        "kept": kept,
                        "lam": lam(strength),
                        "text": share(kept, 2),
                        "each": each,
                    }
                )
    return marks


def _squares(marks: list[Spec], x: Spec, y: Spec, heat: Spec, numbers: bool) -> list[Spec]:
    shape = {"shape": "M-1,-0.55H1V0.55H-1Z", "size": 900} if numbers else {"shape": "square", "size": 50}
    tip = tips(λ="lam", Latent_size_K="y", **{"Measured_kept_(held_out)": "text"}, Each="each")
    layers: list[Spec] = [
        {
            "data": {"values": marks},
            "mark": {"type": "point", "strokeWidth": 1.6, "opacity": 1, "stroke": "#ffffff", **shape},
            "encoding": {"x": x, "y": y, "fill": {**heat, "legend": None}, "tooltip": tip},
        }
    ]
    if numbers:
        low = heat["scale"]["domain"][0]
        white = {"condition": {"test": f"datum.kept < {(low + 1) / 2!r}", "value": "#ffffff"}, "value": "#000000"}
        layers.append(
            {
                "data": {"values": marks},
                "mark": {"type": "text", "fontSize": 10.5, "fontWeight": "bold", "baseline": "middle", "tooltip": None},
                "encoding": {"x": x, "y": y, "text": {"field": "text"}, "color": white},
            }
        )
    return layers


def _sizes(results: StudyResults, modality: int, y: Spec, sizes: list[int]) -> list[Spec]:
    """Return lines at the sizes that keep within the budget, and that are free, by the audit at the largest K."""
    rows = [r for r in results.capacity if r.modality == modality]
    if not rows:
        return []
    row = max(rows, key=lambda r: r.components)
    marks: list[Spec] = []
    for value, words, dash in ((row.within_budget_at, "at most 5% lost", [5, 4]), (row.lossless_at, "free", [1, 0])):
        if value is not None and sizes[0] / 1.25 <= value.value <= sizes[-1] * 1.25:
            text = spread(value, 1 if value.value % 1 else 0)
            marks.append({"y": value.value, "words": f"{words}: K ≥ {text}", "dash": dash})
    # The words of two lines that lie close together would cover each other.
    if len(marks) == 2 and abs(math.log(marks[0]["y"] / marks[1]["y"])) < 0.1:
        marks = [{**marks[1], "words": f"at most 5% lost, and {marks[1]['words']}"}]
    layers: list[Spec] = []
    for mark in marks:
        data = {"values": [mark]}
        layers += [
            {"data": data, "mark": {"type": "rule", "color": "#ffffff", "strokeWidth": 3.5}, "encoding": {"y": y}},
            {
                "data": data,
                "mark": {"type": "rule", "color": "#000000", "strokeWidth": 1.6, "strokeDash": mark["dash"]},
                "encoding": {"y": y},
            },
            {
                "data": data,
                "mark": {
                    "type": "text",
                    "align": "right",
                    "baseline": "bottom",
                    "dy": -3,
                    "fontWeight": "bold",
                    "color": "#000000",
                },
                "encoding": {"x": {"value": {"expr": "width - 4"}}, "y": y, "text": {"field": "words"}},
            },
        ]
    return layers
