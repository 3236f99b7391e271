"""The figures of the paper's linear part: paths below and above the capacity, theorem 2 counted, two projectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alignscope.report.panels import DASHES, Figure, Row, key, missing, panel, value_axis
from alignscope.report.parts import Spec, tips
from alignscope.report.words import capital, count, lam, percent, share
from alignscope.study.page.words import size_text

__all__ = ["linear_figures"]

Rows = Sequence[Mapping[str, Any]]
ROOMS = {  # where the latent size stands to the capacity: colour and dash
    "below": ("below the capacity", "var(--loss)", DASHES[0]),
    "at": ("at the capacity", "var(--align)", DASHES[0]),
    "above": ("above it", "var(--cap)", DASHES[1]),
}
OUTCOMES = ["var(--loss)", "var(--cap)", "var(--align)"]
CLOSE = 0.045  # lines whose ends are closer than this share of the axis carry one label


def linear_figures(data: Mapping[str, Rows]) -> dict[str, Figure]:
    """Return the figures of the rows that are there."""
    makers = {"paths": _paths, "theorem2_counts": _counts, "two_projector_loss": _projectors}
    return {
        name: make(data[name]) if data.get(name) else missing("Its rows were not worked out.")
        for name, make in makers.items()
    }


def _lambda_axis(rows: Rows) -> Spec:
    positive = [row["lambda"] for row in rows if row["lambda"] > 0]
    axis = {
        "title": "alignment strength λ (log scale)",
        "format": "~g",
        "values": [
            10.0**i for i in range(-6, 7) if min(positive) <= 10.0**i * 1.001 and 10.0**i <= max(positive) * 1.001
        ],
        "grid": False,
        "labelOverlap": "greedy",
        "labelFlush": False,
    }
    scale = {"type": "log", "domain": [min(positive), max(positive)], "nice": False}
    return {"field": "lam", "type": "quantitative", "scale": scale, "axis": axis}


def _paths(rows: Rows) -> Figure:
    examples = list(dict.fromkeys(row["example"] for row in rows))
    what = {"sigma_z": "share of the target predicted", "alignment_r2": "R² of alignment"}
    out = [
        Row(
            f"{capital(words)} (in sample)",
            [_path(field, words, name, [r for r in rows if r["example"] == name]) for name in examples],
        )
        for field, words in what.items()
    ]
    looks: dict[str, list[Any]] = {
        "stroke": [look[1] for look in ROOMS.values()],
        "strokeDash": [look[2] for look in ROOMS.values()],
    }
    return Figure(
        "How to read it: each line is the exact optimum of the linear problem at one latent size K. Where the "
        "latent holds both what must be predicted and what is aligned to (at or above the capacity), prediction "
        "stays flat whatever the strength; below it, prediction gives way. Upper row: what is predicted; lower row: "
        "how aligned.",
        out,
        key(("Latent size K", [look[0] for look in ROOMS.values()], looks)),
    )


def _path(field: str, words: str, example: str, rows: Rows) -> Spec:
    points = [
        {
            "lam": r["lambda"],
            "y": r[field],
            "K": r["components"],
            "room": ROOMS[r["room"]][0],
            "λ": lam(r["lambda"]),
            "text": share(r[field]),
            "size": f"{size_text(r['components'])}, {ROOMS[r['room']][0]}",
        }
        for r in rows
        if r["lambda"] > 0
    ]
    x, y = _lambda_axis(rows), value_axis("y", words, 0.0, 1.15, values=[0, 0.2, 0.4, 0.6, 0.8, 1])
    rooms = [look[0] for look in ROOMS.values()]
    colour = {
        "field": "room",
        "type": "nominal",
        "scale": {"domain": rooms, "range": [v[1] for v in ROOMS.values()]},
        "legend": None,
    }
    dash = {**colour, "scale": {"domain": rooms, "range": [v[2] for v in ROOMS.values()]}}
    last = max(p["lam"] for p in points)
    layers: list[Spec] = [
        {
            "mark": {"type": "line", "strokeWidth": 2},
            "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash, "detail": {"field": "K"}},
        },
        {
            "data": {"values": _labels([p for p in points if p["lam"] == last])},
            "mark": {"type": "text", "align": "right", "dx": -3, "dy": -3, "baseline": "bottom", "fontSize": 11},
            "encoding": {"x": x, "y": y, "text": {"field": "label"}},
        },
        {
            "mark": {"type": "point", "opacity": 0, "size": 50, "filled": True},
            "encoding": {
                "x": x,
                "y": y,
                "tooltip": tips(Latent="size", λ="λ", **{f"{capital(words)}_(in_sample)": "text"}),
            },
        },
    ]
    return panel(
        capital(example), "", f"{capital(words)} along λ, {example}, one line a latent size.", points, layers, 190, None
    )


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
    hues = dict(zip(outcomes, OUTCOMES, strict=False))
    bars, heads = [], []
    for at, kind in enumerate(kinds):
        mine, start = [r for r in rows if r["assumptions"] == kind], 0
        total = sum(r["problems"] for r in mine) or 1
        told = "; ".join(
            f"{r['outcome']} in {count(r['problems'])} ({percent(r['problems'] / total)})"
            for r in mine
            if r["problems"]
        )
        heads.append(
            {"row": at, "words": f"{capital(kind)}: {count(sum(r['problems'] for r in mine))} problems", "told": told}
        )
        for r in mine:
            text = f"{count(r['problems'])} of {count(total)}"
            bars.append(
                {
                    "row": at,
                    "x": start,
                    "x2": start + r["problems"],
                    "outcome": r["outcome"],
                    "kind": kind,
                    "text": text,
                }
            )
            start += r["problems"]
    x = value_axis("x", "random problems", 0, 1.02 * max(b["x2"] for b in bars), "d", tickMinStep=1, grid=False)
    y = {"field": "row", "type": "ordinal", "axis": None, "scale": {"domain": list(range(len(kinds)))}}
    fill = {
        "field": "outcome",
        "type": "nominal",
        "scale": {"domain": outcomes, "range": list(hues.values())},
        "legend": None,
    }
    layers: list[Spec] = [
        {
            "mark": {"type": "bar", "height": 18, "yOffset": 12, "stroke": "var(--paper)", "strokeWidth": 1},
            "encoding": {
                "x": x,
                "x2": {"field": "x2"},
                "y": y,
                "fill": fill,
                "tooltip": tips(Assumptions="kind", Outcome="outcome", Problems="text"),
            },
        },
        *(
            {
                "data": {"values": heads},
                "mark": {
                    "type": "text",
                    "align": "left",
                    "yOffset": offset,
                    "fontSize": 12,
                    "limit": {"expr": "width"},
                    **look,
                },
                "encoding": {"x": {"value": 0}, "y": y, "text": {"field": field}},
            }
            for field, offset, look in (("words", -20, {"fontWeight": "bold"}), ("told", -5, {"color": "var(--soft)"}))
        ),
    ]
    text = "; ".join(f"{h['words']}: {h['told']}" for h in heads)
    return Figure(
        "How to read it: the theorem claims a loss wherever both of its assumptions hold. The upper bar shows what the "
        "exact solution says of those problems, the lower bar of those where it claims nothing (in sample, at any λ).",
        [Row("", [panel("Theorem 2 against the exact answer", "", text, bars, layers, 76 * len(kinds), None)])],
        key(("What happens", outcomes, {"fill": list(hues.values()), "shape": ["square"] * len(hues)})),
    )


def _projectors(rows: Rows) -> Figure:
    angles, lambdas = sorted({r["angle"] for r in rows}), sorted({r["lambda"] for r in rows})
    step, ratio = (
        angles[1] - angles[0] if len(angles) > 1 else 1,
        (lambdas[1] / lambdas[0]) ** 0.5 if len(lambdas) > 1 else 2.0,
    )
    cells = [
        {
            "lam": max(r["lambda"] / ratio, lambdas[0]),
            "lam2": min(r["lambda"] * ratio, lambdas[-1]),
            "y": max(r["angle"] - step / 2, angles[0]),
            "y2": min(r["angle"] + step / 2, angles[-1]),
            "kept": 1 - r["loss"],
            "λ": lam(r["lambda"]),
            "angle": f"{r['angle']}°",
            "text": percent(r["loss"]),
        }
        for r in rows
    ]
    heat = {"field": "kept", "type": "quantitative", "scale": {"scheme": "cividis", "domain": [0, 1], "clamp": True}}
    keys: Spec = {"title": "kept", "titleColor": "var(--ink)"}
    keys |= {"columns": {"expr": "legend_columns * 3"}, "tickCount": 4, "format": ".0%"}
    axis = {
        "title": "angle between what is predicted and what is aligned to",
        "labelExpr": "datum.value + '°'",
        "tickCount": 5,
    }
    y = {
        "field": "y",
        "type": "quantitative",
        "scale": {"domain": [angles[0], angles[-1]], "nice": False},
        "axis": {**axis, "grid": False},
    }
    layers: list[Spec] = [
        {
            "mark": {"type": "rect", "strokeWidth": 0.7},
            "encoding": {
                "x": _lambda_axis(rows),
                "x2": {"field": "lam2"},
                "y": y,
                "y2": {"field": "y2"},
                "fill": {**heat, "legend": keys},
                "stroke": {**heat, "legend": None},  # closes the seams
                "tooltip": tips(Angle="angle", λ="λ", Lost="text"),
            },
        }
    ]
    text = (
        "Share kept of a target over the angle to what is aligned to and the strength, for a latent with room for one."
    )
    return Figure(
        "How to read it: one direction must be predicted, another is aligned to, and the latent has room for one. "
        "Bright is kept, dark is lost. At small angles both are nearly the same and little is lost at any strength; "
        "at right angles the stronger one takes all, and the change comes at λ = 1.",
        [Row("", [panel("Two directions, room for one", "exact formula", text, cells, layers, 300, None)])],
    )
