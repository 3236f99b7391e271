"""The charts that compare the three trainings: what each retains, and the curves over the latent size (held out)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alignscope.auditing.claims import claim
from alignscope.auditing.page.record import record_of
from alignscope.report.parts import (
    Audit,
    Spec,
    by,
    chart,
    dots,
    high_end,
    intervals,
    layer,
    low_end,
    reference,
    row_axis,
    rules,
    share_axis,
    tips,
)
from alignscope.report.words import SIDES, direction_name, estimate, finite, modality_name, percent

TRAININGS = ("unaligned", "supervised", "contrastive", "predictive")
SHAPES = ["diamond", "circle", "square", "triangle-up"]
HUES = ["var(--both)", "var(--align)", "var(--loss)", "var(--cap)"]
MANY = 40  # latent sizes beyond which their axis is logarithmic


def retained(audit: Audit, side: str, training: str) -> Mapping[str, Any] | None:
    """Return what a modality retains of its target in a training, held out: of all that it predicts unaligned."""
    d = audit["directions"][side]
    if training == "unaligned":
        held: Mapping[str, Any] = audit["sigma"]["held_out"][side + side]
        return held
    if training == "supervised":
        curve = d["capacity"]["curve"]
        at = dict(zip(curve["components"], curve["sigma_z_align_first"], strict=True))
        alone = {"value": d["held_out_limits"]["align_first"], "low": None, "high": None}
        return at.get(d["capacity"]["components"], alone)
    return d[training]["all"] if d[training]["directions"] else None


def trainings(audit: Audit) -> Spec:
    """Draw what each modality retains in each training, with its interval, and what is lost in words."""
    record = record_of(audit)
    labels: list[str] = []
    heads: list[int] = []
    points: list[Spec] = []
    for side in SIDES:
        heads.append(len(labels))
        labels.append(modality_name(audit, side))
        for training in TRAININGS:
            figure = retained(audit, side, training)
            name = f"supervised, K = {audit['components']}" if training == "supervised" else training
            note = "" if training == "unaligned" else _note(claim(record, side, training))  # type: ignore[arg-type]
            value, low, high = (None, None, None) if figure is None else (figure[k] for k in ("value", "low", "high"))
            points.append(
                {
                    "row": len(labels), "training": training, "x": value, "low": low, "high": high, "note": note,
                    "end": max(float(v) for v in (value, high, 0.0) if v is not None and finite(v)),
                    "Row": f"{labels[heads[-1]]}, {name}", "R": estimate(figure, 4),
                }
            )  # fmt: skip
            labels.append(name)
    y, params = row_axis(labels, heads)
    low = _low(points)
    x = share_axis("x", "explained variance of its target (R², held out)", low, _with_notes(points, low))
    colour = by("training", TRAININGS, HUES)
    encoding = {"x": x, "y": y, "color": colour, "tooltip": tips(Training="Row", Retained="R")}
    shape = by("training", TRAININGS, SHAPES)
    layers = [
        intervals(encoding, along="x", strokeWidth=4, opacity=0.45, strokeCap="round"),
        dots({**encoding, "shape": shape}, 100, where="isValid(datum.x)"),
        layer(
            "text",
            {"x": {**x, "field": "end"}, "y": y, "text": {"field": "note"}},
            align="left", dx=9, baseline="middle",
        ),
    ]  # fmt: skip
    return chart(
        "What each modality retains of its target in each training, held out.", points, layers, 30 * len(labels), params
    )


def _with_notes(points: list[Spec], low: float) -> float:
    """Return where the axis ends, so that what is written next to a mark has room on a narrow screen too."""
    most = high_end((p["end"] for p in points), 1.0)
    noted = max([p["end"] for p in points if p["note"]], default=low)
    return max(most + 0.05 * (most - low), noted + 0.5 * (most - low))


def _low(points: list[Spec]) -> float:
    return low_end(p[k] for p in points for k in ("x", "low"))


def _note(found: Any) -> str:
    digits = 0 if abs(found.share.value) >= 0.095 else 1
    return {
        "loses": f"{percent(found.share.value, digits)} lost",
        "none": "no loss shown",
        "gains": "gains",
        "undetermined": "nothing shared",
        "point": "no interval",
        "few": "too few rows",
        "chance": "chance level",
        "groups": "no transfer",
    }[found.kind]


def size(audit: Audit, side: str, _live: bool) -> Spec | None:
    """Draw what each training retains at each latent size, with intervals as bands (held out)."""
    d, names = audit["directions"][side], TRAININGS[1:]
    curve = d["capacity"]["curve"]
    curves = {
        "supervised": (curve["components"], curve["sigma_z_align_first"]),
        **{name: (d[name]["components"], d[name]["sigma_z"]) for name in names[1:]},
    }
    points = [
        {"k": k, "training": name, "y": e["value"], "low": e["low"], "high": e["high"], "R": estimate(e, 4)}
        for name, (sizes, figures) in curves.items()
        for k, e in zip(sizes, figures, strict=True)
    ]
    if not points:
        return None
    audited, limit = d["capacity"]["components"], d["capacity"]["lossless_at"]["value"]
    limit = limit if finite(limit) else None
    most = max([*(p["k"] for p in points), audited, limit or 1])
    wide = most > MANY
    axis = {"title": "latent size K (dimensions)", "tickMinStep": 1, "format": "d", "grid": False}
    domain = [0.9, most * 1.1] if wide else [0.7, most + 0.3]
    scale = {"type": "log" if wide else "linear", "nice": False, "domain": domain}
    x = {"field": "k", "type": "quantitative", "scale": scale, "axis": axis}
    whole = audit["sigma"]["held_out"][side + side]["value"]
    top = max([float(v) for p in points for v in (p["y"], p["high"]) if v is not None and finite(v)], default=1.0)
    title, low = f"share of target {side} retained (R², held out)", _low([{**p, "x": p["y"]} for p in points])
    y = share_axis("y", title, low, min(1.2, max(1.25 * top, 1.25 * whole, 0.05)))
    hue, dash = by("training", names, HUES[1:], "stroke"), by("training", names, [[1, 0], [6, 4], [2, 3]], "stroke")
    encoding = {"x": x, "y": y, "color": hue}
    middle = (most * 0.9) ** 0.5 if wide else most / 2
    named = {audited: "K audited"} | ({limit: "within budget"} if limit and limit != audited else {})
    marks = [{"k": k, "label": f"{t}: {k:g}", "line": n, "left": k < middle} for n, (k, t) in enumerate(named.items())]
    band = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
    layers: list[Spec] = [
        *(
            layer("area", band, where=f"isValid(datum.low) && datum.training === '{name}'", opacity=0.18, color=colour)
            for name, colour in zip(names, HUES[1:], strict=True)
        ),
        layer("line", {**encoding, "strokeDash": dash}, strokeWidth=2.5),
        *(
            dots({"x": x, "y": y, "tooltip": tips(K="k", Training="training", Retained="R")}, 45,
                 where=f"datum.training === '{name}'", color=colour, shape=shape)
            for name, colour, shape in zip(names, HUES[1:], SHAPES[1:], strict=True)
        ),
        *([reference("y", whole, color="var(--both)", strokeDash=[4, 3])] if finite(whole) and whole > 0 else []),
        *rules(marks, x),
    ]  # fmt: skip
    text = f"{direction_name(audit, side)}: what each training retains at each latent size, held out."
    return chart(text, points, layers, 270, [])
