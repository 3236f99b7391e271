"""The chart of what each remedy retains and reaches, in sample."""

from __future__ import annotations

from alignscope.report.parts import HUE, Audit, Spec, by, chart, tips
from alignscope.report.words import REMEDIES, direction_name, finite, lam, share

NEAR = 0.05  # marks closer than this part of both axes share one label, and further to the right of a longer one


def letters(d: Audit) -> dict[str, str]:
    """Return the letter of each remedy at hand, as the chart and its table show it: A, B, ..."""
    return {name: "ABCDEFGH"[place] for place, name in enumerate(name for name in REMEDIES if name in d["remedies"])}


def remedies(audit: Audit, side: str, _live: bool) -> Spec | None:
    """Draw the remedies in the plane of alignment reached and target retained, before the path as Pareto front."""
    if audit["targets"][side]["kind"] == "modality":
        return None
    d = audit["directions"][side]
    front = [
        {"i": i, "x": a, "y": s, "λ": lam(v), "kept": share(s, 4), "reached": share(a, 4)}
        for i, (v, s, a) in enumerate(zip(d["lambda"], d["sigma_z"], d["alignment_r2"], strict=True))
        if finite(s) and finite(a)
    ]
    last = d["limits"]["align_first"]
    figures = {"kept": share(last["sigma_z"], 4), "reached": share(last["alignment_r2"], 4)}
    front.append({"i": len(front), "x": last["alignment_r2"], "y": last["sigma_z"], "λ": "∞", **figures})
    marks = _remedy_marks(d, front)
    x = _near([p["x"] for p in front + marks], "x", "alignment reached (R², in sample)")
    y = _near([p["y"] for p in front + marks], "y", f"share of target {side} retained (R², in sample)")
    kinds = ["any λ from 0 to ∞", "remedy"]
    layers: list[Spec] = [
        {
            "data": {"values": [{**p, "kind": kinds[0]} for p in front]},
            "mark": {"type": "line", "strokeWidth": 2.5},
            "encoding": {
                "x": x,
                "y": y,
                "order": {"field": "i"},
                "color": by("kind", kinds[:1], [HUE[side]], "stroke"),
            },
        },
        {
            "data": {"values": front},
            "mark": {"type": "point", "opacity": 0, "size": 120, "filled": True},
            "encoding": {"x": x, "y": y, "tooltip": _tip("λ")},
        },
        {
            "mark": {"type": "point", "size": 110, "strokeWidth": 2, "opacity": 1, "fill": "var(--paper)"},
            "encoding": {
                "x": x,
                "y": y,
                "stroke": {"value": "var(--ink)"},
                "shape": by("kind", ["remedy"], ["diamond"], "point"),
                "tooltip": _tip("Remedy"),
            },
        },
        *(
            {
                "transform": [{"filter": f"datum.label !== '' && {where}"}],
                "mark": {"type": "text", "align": align, "dx": dx, "dy": -9, "fontWeight": "bold", "fontSize": 13},
                "encoding": {"x": x, "y": y, "text": {"field": "label"}},
            }
            for where, align, dx in (("!datum.before", "left", 9), ("datum.before", "right", -9))
        ),
    ]
    text = f"{direction_name(audit, side)}: alignment reached against the share of target {side} retained."
    return chart(text, marks, layers, 280, [])


def _tip(head: str) -> list[Spec]:
    return [{"field": head}, *tips(Retained_in_sample="kept", Alignment_in_sample="reached")]


def _near(values: list[float], field: str, title: str) -> Spec:
    """Return an axis just wide enough for `values`, with space for labels; it need not start at 0."""
    low, high = min(values), max(values)
    margin = max(0.02, 0.12 * (high - low))
    scale = {"domain": [low - margin, high + margin], "nice": False, "zero": False}
    return {
        "field": field,
        "type": "quantitative",
        "scale": scale,
        "axis": {"title": title, "tickCount": 5, "format": ".2f"},
    }


def _remedy_marks(d: Audit, front: list[Spec]) -> list[Spec]:
    """Return a mark for each remedy; those that fall together carry one label, on the first of them."""
    marks: list[Spec] = []
    spots = [*front, *({"x": r["alignment_r2"], "y": r["sigma_z"]} for r in d["remedies"].values())]
    wide, tall = (NEAR * max(0.1, _spread([spot[axis] for spot in spots])) for axis in "xy")
    for name, letter in letters(d).items():
        y, x = d["remedies"][name]["sigma_z"], d["remedies"][name]["alignment_r2"]
        if not (finite(x) and finite(y)):
            continue
        near = next((m for m in marks if _shares(m, x, y, wide, tall)), None)
        if near is not None:
            near["label"] += f", {letter}"
        mark: Spec = {
            "kind": "remedy",
            "Remedy": f"{letter}: {REMEDIES[name]}",
            "kept": share(y, 4),
            "reached": share(x, 4),
        }
        marks.append({"x": x, "y": y, "label": "" if near is not None else letter, **mark})
    xs = [spot["x"] for spot in spots if finite(spot["x"])]
    for mark in marks:  # on a narrow screen several letters do not fit between a mark on the right and the edge
        mark["before"] = "," in mark["label"] and 2 * mark["x"] >= min(xs) + max(xs)
    return marks


def _shares(mark: Spec, x: float, y: float, wide: float, tall: float) -> bool:
    """Say if the mark's label would cover that of another at (x, y)."""
    reach = wide * (mark["label"].count(",") + 1 if x > mark["x"] else 1)
    return bool(mark["label"]) and abs(mark["x"] - x) < reach and abs(mark["y"] - y) < tall


def _spread(values: list[float]) -> float:
    known = [value for value in values if finite(value)]
    return max(known) - min(known) if known else 0.0
