"""The chart along lambda: what is retained, what is reached, and what each loss is due to."""

from __future__ import annotations

import math
from typing import Any

from alignscope.report.parts import HUE, Audit, Spec, by, chart, high_end, layer, low_end, rules, share_axis
from alignscope.report.words import direction_name, finite, lam, percent, share

SERIES = ("retained, held out", "retained, in sample, whole target", "alignment R², in sample, whole target")
BAND = "lost to alignment, held out"
LOOKS = list(
    zip(["circle", "square", "triangle-up"], [1, 0.55, 0.55], strict=True)
)  # shape and strength of each series


def start(lambdas: list[float]) -> int:
    """Return the place of the lambda nearest to 1 on the log axis: where the slider starts."""
    return min(range(1, len(lambdas)), key=lambda k: abs(math.log(lambdas[k])), default=0)


def path(audit: Audit, side: str, live: bool) -> Spec:
    """Draw sigma_z held out along lambda, shade the loss, and lightly the theory of the whole target in sample."""
    d = audit["directions"][side]
    lambdas, first = d["lambda"], d["held_out_sigma_z"][0]
    zero, x = _axis(lambdas)
    curves = dict(zip(SERIES, (d["held_out_sigma_z"], d["sigma_z"], d["alignment_r2"]), strict=True))
    places = [{"i": i, "x": zero if i == 0 else v, "λ": lam(v)} for i, v in enumerate(lambdas)]
    points = [{**p, "series": name, "y": curve[p["i"]]} for name, curve in curves.items() for p in places]
    hover = [
        {
            **p,
            **{name: share(curve[p["i"]], 4) for name, curve in curves.items()},
            "lost": share(_less(first, d["held_out_sigma_z"][p["i"]]), 4),
        }
        for p in places
    ]
    y = share_axis(
        "y", "share of variance (R²)", low_end(p["y"] for p in points), high_end((p["y"] for p in points), 1.18)
    )
    layers = [*_bands(d, places, x, y), *_lines(x, y, side), *rules(_limits(d), x)]
    params: list[Spec] = []
    if live:
        params.append({"name": "lambda_i", "value": start(lambdas)})
        layers += _slider(hover, x, y, side)
    text = f"{direction_name(audit, side)}: share of target {side} retained and alignment reached along λ."
    return chart(text, points, layers, 300, params)


def _axis(lambdas: list[float]) -> tuple[float, Spec]:
    """Return where lambda = 0 is drawn on the log axis, left of the smallest one, and the axis."""
    least, most = lambdas[min(1, len(lambdas) - 1)] or 1.0, lambdas[-1] or 1.0
    zero = least * (least / most) ** 0.08 if most > least else least / 3
    decades = range(math.ceil(math.log10(least) - 1e-9), math.floor(math.log10(most) + 1e-9) + 1)
    axis = {
        "title": "alignment weight λ (no unit, log scale)",
        "values": [zero, *([10.0**k for k in decades] or [least, most])],
        "labelExpr": f"datum.value < {least * 0.999!r} ? '0' : format(datum.value, '~g')",
        "grid": False,
        "labelOverlap": "greedy",
        "labelFlush": False,
    }
    scale = {"type": "log", "domain": [zero, most], "nice": False}
    return zero, {"field": "x", "type": "quantitative", "axis": axis, "scale": scale}


def _less(first: Any, later: Any) -> float | None:
    return first - later if finite(first) and finite(later) else None


def _limits(d: Audit) -> list[Spec]:
    """Return the mark at the budget, where it falls on the axis."""
    lambdas, value = d["lambda"], d["lambda_budget"]["value"]
    least = lambdas[min(1, len(lambdas) - 1)]
    if not finite(value) or not 0 < least <= value <= lambdas[-1]:
        return []
    label = f"{percent(d['budget'], None)} budget: λ {'>' if d['lambda_budget']['grid_end'] else '='} {lam(value)}"
    return [{"x": value, "label": label, "line": 0, "left": value < math.sqrt(lambdas[-1] * least)}]


def _bands(d: Audit, places: list[Spec], x: Spec, y: Spec) -> list[Spec]:
    held = d["held_out_sigma_z"]
    lost = [{"band": BAND, "x": p["x"], "y": held[0], "y2": held[p["i"]]} for p in places[1:]]
    fill = by("band", [BAND], ["var(--loss)"], "square")
    return [layer("area", {"x": x, "y": y, "y2": {"field": "y2"}, "fill": fill}, lost, opacity=0.35)]


def _dots(side: str, test: str, x: Spec, y: Spec, **mark: Any) -> list[Spec]:
    """Return one layer of points per curve where `test` holds: constant marks, so the legend stays with the lines."""
    hues = [HUE[side], HUE[side], "var(--align)"]
    return [
        {
            "transform": [{"filter": f"{test} && datum.series === '{name}'"}],
            "mark": {"type": "point", "filled": True, "opacity": strength, "color": hue, "shape": shape, **mark},
            "encoding": {"x": x, "y": y},
        }
        for name, hue, (shape, strength) in zip(SERIES, hues, LOOKS, strict=True)
    ]


def _lines(x: Spec, y: Spec, side: str) -> list[Spec]:
    hues = [HUE[side], HUE[side], "var(--align)"]
    looks = {
        "color": by("series", SERIES, hues, "stroke"),
        "strokeDash": by("series", SERIES, [[1, 0], [6, 4], [2, 3]], "stroke"),
        "strokeWidth": by("series", SERIES, [3, 1.5, 1.5]),
        "opacity": by("series", SERIES, [strength for _, strength in LOOKS]),
    }
    line = {
        "transform": [{"filter": "datum.i > 0"}],
        "mark": {"type": "line"},
        "encoding": {"x": x, "y": y, **looks},
    }
    return [line, *_dots(side, "datum.i === 0", x, y, size=55)]


def _slider(hover: list[Spec], x: Spec, y: Spec, side: str) -> list[Spec]:
    """Return what follows the slider, and the invisible rules that show figures and take clicks."""
    low, high = y["scale"]["domain"]
    here = [{"filter": "datum.i === lambda_i"}]
    tip = [{"field": "λ"}, *({"field": name} for name in SERIES), {"field": "lost", "title": BAND}]
    return [
        {
            "name": "rule",
            "data": {"values": hover},
            "transform": here,
            "mark": {"type": "rule", "color": "var(--ink)", "strokeWidth": 1.5},
            "encoding": {
                "x": x,
                "y": {"datum": high / 1.12},
                "y2": {"datum": low},
            },
        },
        *_dots(side, "datum.i === lambda_i", x, y, size=75, stroke="var(--paper)", strokeWidth=1.5),
        {
            "data": {"values": hover},
            "mark": {"type": "rule", "opacity": 0, "strokeWidth": 7, "cursor": "pointer"},
            "encoding": {"x": x, "tooltip": tip},
        },
    ]
