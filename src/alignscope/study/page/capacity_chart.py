"""Capacity against λ as a map: the forecast as the ground, what training gave on top."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from alignscope.report.panels import Figure, Row, Steps, missing, panel
from alignscope.report.parts import Spec, layer, tips
from alignscope.report.words import at_size, capital, estimate, lam, latent_size, named, share, short
from alignscope.study.page.selection import fixed_variants, in_variant, lambda_steps, longest, variants
from alignscope.study.page.verdict import above_words, forecast_size
from alignscope.study.page.words import variant_text
from alignscope.study.results import StudyResults
from alignscope.study.spec import Variant

CROWDED = 10  # λs beyond which the marks of the map have no room for their number
EDGE = 1.25  # the map ends at this multiple of its largest size, and share of its smallest


def capacity_map(results: StudyResults) -> Figure:
    """Draw forecast retention over λ and latent size, the trained cells on top, and the sizes that are forecast."""
    if not results.forecast_map:
        return missing("It needs the forecast, which takes more held-out rows than features.")
    drawn = fixed_variants(results) or variants(results)
    if not drawn:
        return missing("It needs trainings with λ above 0.")
    modalities = [m for m in (1, 2) if any(p.modality == m for p in results.forecast_map)]
    return Figure(
        "How to read it: colour is the forecast, made before any aligned training: the mean retention of the targets "
        "of a modality (held out), for a latent of each size (upwards) and each λ (to the right). Dark is lost, bright "
        "is retained, relative to what a latent of that size predicts at λ = 0: a small one that never predicted much "
        "can retain it all. The framed squares are what training then gave, in the same colours: a square that looks "
        "like its surroundings was predicted well. By the linear forecast alignment loses at most 5% above the broken "
        "line (held out), and loses nothing above the full line (in sample), whatever λ; the squares say what "
        f"training made of that (a line that is missing lies beyond the sizes drawn).{_contradiction(results)}",
        [
            Row(capital(variant_text(results, variant)), [_map(results, variant, m) for m in modalities])
            for variant in drawn
        ],
    )


def _contradiction(results: StudyResults) -> str:
    """Return what was trained above the broken line, led by a space; nothing where there is no such line."""
    size = forecast_size(results)
    if size is None or size.within_budget_at is None:
        return ""
    where = f"{at_size(math.ceil(size.within_budget_at.value))}, modality {size.modality}"
    return f" At the broken line ({where}): {above_words(results, size.within_budget_at)}"


def _edges(values: Sequence[float], low: float, high: float) -> list[tuple[float, float]]:
    """Return the cell around each of the ascending values: half-way to its neighbours."""
    inner = [(a + b) / 2 for a, b in pairwise(values)]
    return list(zip([low, *inner], [*inner, high], strict=True))


def _map(results: StudyResults, variant: Variant, modality: int) -> Spec:
    steps = lambda_steps(results)
    points = [p for p in results.forecast_map if p.modality == modality]
    sizes = sorted({p.components for p in points} | set(results.spec.sweep.components))
    bottom, top = sizes[0] / EDGE, sizes[-1] * EDGE
    tall = dict(zip(sizes, _edges([math.log2(s) for s in sizes], math.log2(bottom), math.log2(top)), strict=True))
    across = sorted({steps.at(p.lambda_) for p in points})
    right = max(len(steps.lambdas) - 0.65, across[-1])
    wide = dict(zip(across, _edges(across, -0.35, right), strict=True))
    cells = [
        {
            "x": wide[steps.at(p.lambda_)][0],
            "x2": wide[steps.at(p.lambda_)][1],
            "y": 2 ** tall[p.components][0],
            "y2": 2 ** tall[p.components][1],
            "retention": p.retention,
            "lam": lam(p.lambda_),
            "K": p.components,
            "text": share(p.retention),
        }
        for p in points
    ]
    x = steps.axis(high=right)
    ticks = {"values": _ticks(sizes, results.spec.sweep.components), "format": "d", "labelOverlap": "greedy"}
    y = {
        "field": "y",
        "type": "quantitative",
        "scale": {"type": "log", "base": 2, "domain": [bottom, top], "nice": False},
        "axis": {"title": "latent size K (log scale)", "grid": False, **ticks},
    }
    marks = _measured(results, variant, modality, steps)
    least = max(0.0, math.floor(10 * min(0.9, *(c["retention"] for c in [*cells, *marks]))) / 10)
    scale = {"scheme": "cividis", "domain": [least, 1], "clamp": True}
    heat = {"field": "retention", "type": "quantitative", "scale": scale, "legend": None}
    keys = {"title": "retention", "titleColor": "var(--ink)", "columns": {"expr": "legend_columns * 3"}}
    filled = {**heat, "legend": {**keys, "tickCount": 4, "offset": 4}}
    tip = tips(λ="lam", Latent_size_K="K", **{"Forecast_retention_(held_out)": "text"})
    encoding = {"x": x, "x2": {"field": "x2"}, "y": y, "y2": {"field": "y2"}, "fill": filled, "tooltip": tip}
    layers = [
        layer("rect", {**encoding, "stroke": heat}, strokeWidth=0.7),  # a stroke closes the seams
        *_sizes(results, modality, y, sizes),
        *_squares(marks, x, y, heat, len(steps.lambdas) <= CROWDED),
    ]
    where, trained_on = variant_text(results, variant), results.trained_on[modality - 1]
    names = " and ".join(short(named(n), 20) for n in trained_on)
    title = f"Modality {modality}: {names if len(trained_on) <= 3 else f'mean of {len(trained_on)} targets'}"
    text = f"Forecast and measured retention over λ and latent size, modality {modality}, {where}."
    return panel(title, where, text, cells, layers, 300, steps)


def _ticks(sizes: list[int], trained: Sequence[int]) -> list[int]:
    powers = [2**i for i in range(20) if sizes[0] <= 2**i <= sizes[-1]]
    return sorted({*powers, *trained}) if len(powers) < 4 else sorted(powers)


def _measured(results: StudyResults, variant: Variant, modality: int, steps: Steps) -> list[Spec]:
    """Return the mean retention in each trained cell, over the targets trained on that have one."""
    marks, end = [], longest(results)
    for k in results.spec.sweep.components:
        for value in steps.lambdas:
            some = [
                (r.target, r.retention)
                for r in results.retention
                if in_variant(r, variant)
                and (r.modality, r.components, r.lambda_) == (modality, k, value)
                and r.epochs == r.epoch == end
                and r.trained_on
                and r.retention
            ]
            if some:
                mean = sum(i.value for _, i in some) / len(some)
                each = "; ".join(f"{short(named(target), 24)} {estimate(i, 2)}" for target, i in some)
                text = {"lam": lam(value), "text": share(mean, 2), "each": each}
                marks.append({"x": steps.at(value), "y": k, "retention": mean, **text})
    return marks


def _squares(marks: list[Spec], x: Spec, y: Spec, heat: Spec, numbers: bool) -> list[Spec]:
    shape: Spec = {"shape": "M-1,-0.55H1V0.55H-1Z", "size": 900} if numbers else {"shape": "square", "size": 50}
    tip = tips(λ="lam", Latent_size_K="y", **{"Measured_retention_(held_out)": "text"}, Each="each")
    encoding = {"x": x, "y": y, "fill": heat, "tooltip": tip}
    layers = [layer("point", encoding, marks, strokeWidth=1.6, opacity=1, stroke="#ffffff", **shape)]
    if numbers:
        middle = (heat["scale"]["domain"][0] + 1) / 2
        white = {"condition": {"test": f"datum.retention < {middle!r}", "value": "#ffffff"}, "value": "#000000"}
        look: Spec = {"fontSize": 10.5, "fontWeight": "bold", "baseline": "middle", "tooltip": None}
        layers.append(layer("text", {"x": x, "y": y, "text": {"field": "text"}, "color": white}, marks, **look))
    return layers


def _sizes(results: StudyResults, modality: int, y: Spec, sizes: list[int]) -> list[Spec]:
    """Return lines at the sizes within the budget, and that lose nothing in sample, by the audit at the largest K."""
    row = max((r for r in results.capacity if r.modality == modality), key=lambda r: r.components, default=None)
    if row is None:
        return []
    marks: list[Spec] = []
    for value, words, dash in (
        (row.within_budget_at, "forecast: at most 5% lost", [5, 4]),
        (row.lossless_at, "none lost (in sample)", [1, 0]),
    ):
        if value is not None and sizes[0] / EDGE <= value.value <= sizes[-1] * EDGE:
            text = estimate(value, 1, latent_size)
            marks.append({"y": value.value, "words": f"{words}: K ≥ {text}", "dash": dash})
    # The words of two lines that lie close together would cover each other.
    if len(marks) == 2 and abs(math.log(marks[0]["y"] / marks[1]["y"])) < 0.1:
        marks = [{**marks[1], "words": f"{marks[0]['words'].split(': K')[0]}, {marks[1]['words']}"}]
    text_at = {"x": {"value": {"expr": "width - 4"}}, "y": y, "text": {"field": "words"}}
    look: Spec = {"align": "right", "fontWeight": "bold", "color": "#000000"}
    above: Spec = {"baseline": "bottom", "dy": -3}
    below: Spec = {"baseline": "top", "dy": 6}
    halos: tuple[Spec, Spec] = ({"stroke": "#ffffff", "strokeWidth": 3, "strokeJoin": "round"}, {})  # dark ground
    crowded = (sizes[-1] * EDGE**2 / sizes[0]) ** 0.09  # a square so little above the line covers the words
    covered = bool(marks) and any(1 < k / marks[0]["y"] < crowded for k in results.spec.sweep.components)
    return [
        made
        for mark in marks
        for made in (
            layer("rule", {"y": y}, [mark], color="#ffffff", strokeWidth=3.5),
            layer("rule", {"y": y}, [mark], color="#000000", strokeWidth=1.6, strokeDash=mark["dash"]),
            *(
                layer("text", text_at, [mark], **look, **(below if covered and mark is marks[0] else above), **halo)
                for halo in halos
            ),
        )
    ]
