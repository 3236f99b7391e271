"""The figures of the paper's linear part: paths below and above the capacity, theorem 2 counted, two projectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alignscope.report.panels import DASHES, Figure, Row, key, missing, panel, value_axis
from alignscope.report.parts import Spec, by, dots, layer, tips
from alignscope.report.words import at_size, capital, count, lam, percent, share

Rows = Sequence[Mapping[str, Any]]
CAPACITY = {  # where the latent size stands to the capacity: colour and dash
    "below": ("below the capacity", "var(--loss)", DASHES[0]),
    "at": ("at the capacity", "var(--align)", DASHES[0]),
    "above": ("above it", "var(--cap)", DASHES[1]),
}
OUTCOMES = ["var(--loss)", "var(--cap)", "var(--align)"]
CLOSE = 0.045  # lines whose ends are closer than this share of the axis carry one label


def linear_charts(data: Mapping[str, Rows]) -> dict[str, Figure]:
    """Return the figures of the rows that are there."""
    makers = {"paths": _paths, "theorem2_counts": _counts, "two_projector_loss": _projectors}
    return {
        name: make(data[name]) if data.get(name) else missing("Its rows were not worked out.")
        for name, make in makers.items()
    }


def _lambda_axis(rows: Rows) -> Spec:
    positive = [row["lambda"] for row in rows if row["lambda"] > 0]
    low, high = min(positive), max(positive)
    ticks = [10.0**i for i in range(-6, 7) if low <= 10.0**i * 1.001 and 10.0**i <= high * 1.001]
    axis = {"title": "alignment weight λ (log scale)", "format": "~g", "values": ticks, "grid": False}
    scale = {"type": "log", "domain": [low, high], "nice": False}
    axis |= {"labelOverlap": "greedy", "labelFlush": False}
    return {"field": "lam", "type": "quantitative", "scale": scale, "axis": axis}


def _paths(rows: Rows) -> Figure:
    examples = list(dict.fromkeys(row["example"] for row in rows))
    what = {"sigma_z": "share of the target predicted", "alignment_r2": "R² of alignment"}
    panels = [
        Row(
            f"{capital(words)} (in sample)",
            [_path(field, words, name, [r for r in rows if r["example"] == name]) for name in examples],
        )
        for field, words in what.items()
    ]
    labels, hues, dashes = (list(column) for column in zip(*CAPACITY.values(), strict=True))
    return Figure(
        "How to read it: each line is the exact optimum of the linear problem at one latent size K. Where the "
        "latent holds both what must be predicted and what is aligned to (at or above the capacity), prediction "
        "stays flat whatever λ; below it, prediction gives way. Upper row: what is predicted; lower row: how aligned.",
        panels,
        key(("Latent size K", labels, {"stroke": hues, "strokeDash": dashes})),
    )


def _path(field: str, words: str, example: str, rows: Rows) -> Spec:
    points = [
        {
            "lam": r["lambda"],
            "y": r[field],
            "K": r["components"],
            "against_capacity": CAPACITY[r["against_capacity"]][0],
            "λ": lam(r["lambda"]),
            "text": share(r[field]),
            "size": f"{at_size(r['components'])}, {CAPACITY[r['against_capacity']][0]}",
        }
        for r in rows
        if r["lambda"] > 0
    ]
    x, y = _lambda_axis(rows), value_axis("y", words, 0.0, 1.15, values=[0, 0.2, 0.4, 0.6, 0.8, 1])
    labels, hues, dashes = (list(column) for column in zip(*CAPACITY.values(), strict=True))
    at, last = {"x": x, "y": y}, max(p["lam"] for p in points)
    line = {
        **at,
        "color": by("against_capacity", labels, hues),
        "strokeDash": by("against_capacity", labels, dashes),
        "detail": {"field": "K"},
    }
    ends = _labels([p for p in points if p["lam"] == last])
    look: Spec = {"align": "right", "dx": -3, "dy": -3, "baseline": "bottom", "fontSize": 11}
    tip = tips(Latent="size", λ="λ", **{f"{capital(words)}_(in_sample)": "text"})
    layers = [
        layer("line", line, strokeWidth=2),
        layer("text", {**at, "text": {"field": "label"}}, ends, **look),
        dots({**at, "tooltip": tip}, 50, opacity=0),
    ]
    text = f"{capital(words)} along λ, {example}, one line per latent size."
    return panel(capital(example), "", text, points, layers, 190, None)


def _labels(ends: list[Spec]) -> list[Spec]:
    """Return one label for the ends of lines that lie together."""
    groups: list[list[Spec]] = []
    for end in sorted(ends, key=lambda p: p["y"]):
        if groups and end["y"] - groups[-1][-1]["y"] < CLOSE:
            groups[-1].append(end)
        else:
            groups.append([end])
    return [{**g[-1], "label": "K\u00a0=\u00a0" + ", ".join(str(k) for k in sorted(p["K"] for p in g))} for g in groups]


def _counts(rows: Rows) -> Figure:
    kinds = list(dict.fromkeys(row["assumptions"] for row in rows))
    outcomes = list(dict.fromkeys(row["outcome"] for row in rows))
    hues = OUTCOMES[: len(outcomes)]
    bars, heads = [], []
    for at, kind in enumerate(kinds):
        mine, start = [r for r in rows if r["assumptions"] == kind], 0
        total = sum(r["problems"] for r in mine)
        found = "; ".join(
            f"{r['outcome']} in {count(r['problems'])} ({percent(r['problems'] / total)})"
            for r in mine
            if r["problems"]
        )
        heads.append({"row": at, "words": f"{capital(kind)}: {count(total)} problems", "found": found})
        for r in mine:
            text = f"{count(r['problems'])} of {count(total or 1)}"
            end = start + r["problems"]
            bars.append({"row": at, "x": start, "x2": end, "outcome": r["outcome"], "kind": kind, "text": text})
            start = end
    x = value_axis("x", "random problems", 0, 1.02 * max(b["x2"] for b in bars), "d", tickMinStep=1, grid=False)
    y = {"field": "row", "type": "ordinal", "axis": None, "scale": {"domain": list(range(len(kinds)))}}
    tip = tips(Assumptions="kind", Outcome="outcome", Problems="text")
    bar = {"x": x, "x2": {"field": "x2"}, "y": y, "fill": by("outcome", outcomes, hues), "tooltip": tip}
    look: Spec = {"align": "left", "fontSize": 12, "limit": {"expr": "width"}}
    words, found_at = ({"x": {"value": 0}, "y": y, "text": {"field": field}} for field in ("words", "found"))
    layers = [
        layer("bar", bar, height=18, yOffset=12, stroke="var(--paper)", strokeWidth=1),
        layer("text", words, heads, yOffset=-20, fontWeight="bold", **look),
        layer("text", found_at, heads, yOffset=-5, color="var(--soft)", **look),
    ]
    text = "; ".join(f"{h['words']}: {h['found']}" for h in heads)
    return Figure(
        "How to read it: the theorem claims a loss wherever both of its assumptions hold. The upper bar shows what the "
        "exact solution says of those problems, the lower bar of those where it claims nothing (in sample, at any λ).",
        [Row("", [panel("Theorem 2 against the exact answer", "", text, bars, layers, 76 * len(kinds), None)])],
        key(("What happens", outcomes, {"fill": hues, "shape": ["square"] * len(hues)})),
    )


def _projectors(rows: Rows) -> Figure:
    angles, lambdas = sorted({r["angle"] for r in rows}), sorted({r["lambda"] for r in rows})
    step = angles[1] - angles[0] if len(angles) > 1 else 1
    ratio = (lambdas[1] / lambdas[0]) ** 0.5 if len(lambdas) > 1 else 2.0
    cells = [
        {
            "lam": max(r["lambda"] / ratio, lambdas[0]),
            "lam2": min(r["lambda"] * ratio, lambdas[-1]),
            "y": max(r["angle"] - step / 2, angles[0]),
            "y2": min(r["angle"] + step / 2, angles[-1]),
            "retention": 1 - r["loss"],
            "λ": lam(r["lambda"]),
            "angle": f"{r['angle']}°",
            "text": percent(r["loss"]),
        }
        for r in rows
    ]
    scale = {"scheme": "cividis", "domain": [0, 1], "clamp": True}
    heat = {"field": "retention", "type": "quantitative", "scale": scale, "legend": None}
    keys = {"title": "retention", "titleColor": "var(--ink)", "columns": {"expr": "legend_columns * 3"}}
    axis = {"title": "angle between what is predicted and what is aligned to", "labelExpr": "datum.value + '°'"}
    y = {
        "field": "y",
        "type": "quantitative",
        "scale": {"domain": [angles[0], angles[-1]], "nice": False},
        "axis": {**axis, "tickCount": 5, "grid": False},
    }
    encoding = {
        "x": _lambda_axis(rows),
        "x2": {"field": "lam2"},
        "y": y,
        "y2": {"field": "y2"},
        "fill": {**heat, "legend": {**keys, "tickCount": 4, "format": ".0%"}},
        "stroke": heat,  # closes the seams
        "tooltip": tips(Angle="angle", λ="λ", Lost="text"),
    }
    text = "Retention of a target over the angle to what is aligned to and λ, for a latent with the capacity for one."
    layers = [layer("rect", encoding, strokeWidth=0.7)]
    return Figure(
        "How to read it: one direction must be predicted, another is aligned to, and the latent has the capacity for "
        "one. Bright is retained, dark is lost. At small angles both are nearly the same and little is lost at any λ; "
        "at right angles the stronger one takes all, and the change comes at λ = 1.",
        [Row("", [panel("Two directions, capacity for one", "exact formula", text, cells, layers, 300, None)])],
    )
