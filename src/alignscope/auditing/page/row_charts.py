"""Charts of one row per figure: which modality predicts what, which targets lose, which features hold the loss."""

from __future__ import annotations

from alignscope.auditing.page.lambda_chart import start
from alignscope.report.parts import BAR, HUE, Audit, Spec, by, chart, low_end, row_axis, share_axis, tips
from alignscope.report.words import SIDES, direction_name, estimate, lam, modality_name, share, signed

TOP = 12  # rows drawn; the table next to the chart has them all


def sigma(audit: Audit) -> Spec:
    """Draw held-out sigma with its interval, the chance level and the in-sample figure, one row per pair."""
    kinds = ["held out, with interval", "in sample", "chance (95% of permutations)"]
    labels: list[str] = []
    heads, spans, points = [], [], []
    for target in SIDES:
        heads.append(len(labels))
        labels.append(f"on target {target}")
        for who in ("1", "2", "b"):
            span, marks = _figures(audit, who, target, kinds)
            spans.append({"row": len(labels), **span})
            points += [{"row": len(labels), **mark} for mark in marks]
            labels.append(modality_name(audit, who))
    low = low_end([s["low"] for s in spans] + [p["x"] for p in points])
    y, params = row_axis(labels, heads)
    x = share_axis("x", "explained variance (R²; 1 = all of it)", low, 1.0)
    colour = by("who", list(HUE), list(HUE.values()))
    shapes = ["circle", "diamond", BAR]
    tip = tips(Row="Row", Held_out="Held", Interval="Interval", Chance="Chance", In_sample="In")
    layers: list[Spec] = [
        {
            "data": {"values": spans},
            "mark": {"type": "rule", "strokeWidth": 4, "opacity": 0.45, "strokeCap": "round"},
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y, "color": colour},
        },
        {  # draws nothing: it is there for the legend, whose keys are in no modality's colour
            "transform": [{"filter": "false"}],
            "mark": {"type": "point", "size": 90, "strokeWidth": 2, "opacity": 1},
            "encoding": {
                "x": x,
                "y": y,
                "stroke": by("kind", kinds, ["var(--both)"] * 3, "point"),
                "fill": by("kind", kinds, ["var(--both)", "transparent", "transparent"], "point"),
                "shape": by("kind", kinds, shapes, "point"),
            },
        },
        *(
            {
                "transform": [{"filter": f"datum.kind === '{kind}'"}],
                "mark": {
                    "type": "point",
                    "size": 90,
                    "strokeWidth": 2.2,
                    "opacity": 1,
                    "shape": shape,
                    "filled": shape == "circle",
                },
                "encoding": {"x": x, "y": y, "color": colour, "tooltip": tip},
            }
            for kind, shape in zip(kinds, shapes, strict=True)
        ),
    ]
    text = "Held-out share of each target's variance that each modality, and both together, explain."
    return chart(text, points, layers, 30 * len(labels), params)


def _figures(audit: Audit, who: str, target: str, kinds: list[str]) -> tuple[Spec, list[Spec]]:
    held, sample = audit["sigma"]["held_out"][who + target], audit["sigma"]["in_sample"][who + target]
    tip = {
        "who": who,
        "Row": f"{modality_name(audit, who)} on target {target}",
        "Held": share(held["value"], 4),
        "Interval": f"{share(held['low'], 4)} to {share(held['high'], 4)}",
        "Chance": share(held["null95"], 4),
        "In": share(sample, 4),
    }
    places = zip(kinds, (held["value"], sample, held["null95"]), strict=True)
    return {**tip, "low": held["low"], "high": held["high"]}, [{**tip, "kind": k, "x": x} for k, x in places]


def targets(audit: Audit, side: str, live: bool) -> Spec | None:
    """Draw what each target retains in both limits of lambda, those that lose most on top."""
    d = audit["directions"][side]
    rows = d["targets_at_risk"][:TOP]
    if not rows:
        return None
    kinds = ["limit λ → 0", "limit λ → ∞", "at the slider's λ"][: 3 if live else 2]
    points, spans = [], []
    for row, target in enumerate(rows):
        ends = (target["sigma_z_prediction_first"], target["sigma_z_align_first"])
        tip = {
            "Target": target["target"],
            "First": share(ends[0], 4),
            "Last": share(ends[1], 4),
            "Lost": share(target["at_risk"], 4),
            "Held": estimate(target.get("held_out_at_risk"), 4),
        }
        points += [{"row": row, "i": -1, "kind": k, "x": x, **tip} for k, x in zip(kinds, ends, strict=False)]
        loss = signed(-target["at_risk"], 2)
        spans.append({"row": row, "x": ends[0], "x2": ends[1], "right": max(ends), "text": loss})
        curve = d["per_target"].get(target["target"], []) if live else []
        points += [
            {"row": row, "i": i, "kind": kinds[2], "x": v, "At": f"λ = {lam(d['lambda'][i])}", "Now": share(v, 4)}
            for i, v in enumerate(curve)
        ]
    y, params = row_axis([target["target"] for target in rows])
    if live:
        params.append({"name": "lambda_i", "value": start(d["lambda"])})
    x = share_axis("x", "variance retained (R², in sample)", low_end(p["x"] for p in points), 1.12)
    hues = [HUE[side], "var(--loss)", "var(--ink)"][: len(kinds)]
    fills = [HUE[side], "transparent", "transparent"][: len(kinds)]
    tip_fields = tips(Target="Target", λ_to_0="First", λ_to_infinity="Last", Lost_in_sample="Lost")
    layers: list[Spec] = [
        {
            "data": {"values": spans},
            "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.4, "color": "var(--loss)"},
            "encoding": {"x": x, "x2": {"field": "x2"}, "y": y},
        },
        {
            "transform": [{"filter": "datum.i < 0 || datum.i === lambda_i" if live else "datum.i < 0"}],
            "mark": {"type": "point", "size": 80, "strokeWidth": 2, "opacity": 1},
            "encoding": {
                "x": x,
                "y": y,
                "shape": by("kind", kinds, ["circle", "square", BAR][: len(kinds)], "point"),
                "stroke": by("kind", kinds, hues, "point"),
                "fill": by("kind", kinds, fills, "point"),
                "tooltip": [*tip_fields, *tips(Lost_held_out="Held")],
            },
        },
        {
            "data": {"values": spans},
            "mark": {"type": "text", "align": "left", "dx": 10, "baseline": "middle"},
            "encoding": {"x": {**x, "field": "right"}, "y": y, "text": {"field": "text"}},
        },
    ]
    text = f"{direction_name(audit, side)}: what each target retains in the limits λ → 0 and λ → ∞."
    return chart(text, points, layers, 26 * len(rows) + 10, params)


def carriers(audit: Audit, side: str, _live: bool) -> Spec | None:
    """Draw the feature attribution: the share of the lost signal that each input feature alone accounts for."""
    rows = audit["directions"][side]["carriers"][:TOP]
    if not rows:
        return None
    digits = 2 if rows[0]["weight"] >= 0.1 else 3
    bars = [
        {
            "row": row,
            "x": c["weight"],
            "Feature": c["feature"],
            "Weight": share(c["weight"], 4),
            "Most": c.get("most_affected", ""),
            "text": share(c["weight"], digits),
        }
        for row, c in enumerate(rows)
    ]
    y, params = row_axis([c["feature"] for c in rows])
    high = 1.15 * max([0.05, *(b["x"] for b in bars)])
    x = {
        "field": "x",
        "type": "quantitative",
        "scale": {"domain": [0, high], "nice": False, "clamp": True},
        "axis": {"title": "share of the lost signal (in sample)", "tickCount": 5},
    }
    tip = tips(Feature="Feature", Share="Weight", Matters_most_for="Most")
    layers: list[Spec] = [
        {
            "mark": {"type": "bar", "color": HUE[side], "height": {"band": 0.66}},
            "encoding": {"x": x, "y": y, "tooltip": tip},
        },
        {
            "mark": {"type": "text", "align": "left", "dx": 4, "baseline": "middle"},
            "encoding": {"x": x, "y": y, "text": {"field": "text"}},
        },
    ]
    text = f"{direction_name(audit, side)}: the features of {modality_name(audit, side)} that hold what is lost."
    return chart(text, bars, layers, 24 * len(rows) + 10, params)
