"""Charts of one row per figure: which modality predicts what, which targets lose, which features hold the loss."""

from __future__ import annotations

from alignscope.auditing.claims import MATERIAL
from alignscope.report.parts import BAR, HUE, Audit, Spec, by, chart, high_end, low_end, row_axis, share_axis, tips
from alignscope.report.words import SIDES, direction_name, estimate, finite, modality_name, share, signed

TOP = 12  # rows drawn; the table next to the chart has them all


def sigma(audit: Audit) -> Spec:
    """Draw held-out sigma with its interval, the chance level and the in-sample figure, one row per pair."""
    kinds = ["held out, with interval", "chance (95% of permutations)"]
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
    high = min(1.0, high_end([s["high"] for s in spans] + [p["x"] for p in points]))
    x = share_axis("x", "explained variance (R²; 1 = all of it)", low, high)
    colour = by("who", list(HUE), list(HUE.values()))
    shapes = ["circle", BAR]
    tip = tips(Row="Row", Held_out="Held", Interval="Interval", Chance="Chance")
    layers: list[Spec] = [
        {
            "data": {"values": spans},
            "transform": [{"filter": "isValid(datum.low)"}],
            "mark": {"type": "rule", "strokeWidth": 4, "opacity": 0.45, "strokeCap": "round"},
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y, "color": colour},
        },
        {  # draws nothing: it is there for the legend, whose keys are in no modality's colour
            "transform": [{"filter": "false"}],
            "mark": {"type": "point", "size": 90, "strokeWidth": 2, "opacity": 1},
            "encoding": {
                "x": x,
                "y": y,
                "stroke": by("kind", kinds, ["var(--both)"] * 2, "point"),
                "fill": by("kind", kinds, ["var(--both)", "transparent"], "point"),
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
    held = audit["sigma"]["held_out"][who + target]
    tip = {
        "who": who,
        "Row": f"{modality_name(audit, who)} on target {target}",
        "Held": share(held["value"], 4),
        "Interval": "none" if held["low"] is None else f"{share(held['low'], 4)} to {share(held['high'], 4)}",
        "Chance": share(held["null95"], 4),
    }
    places = zip(kinds, (held["value"], held["null95"]), strict=True)
    return {**tip, "low": held["low"], "high": held["high"]}, [{**tip, "kind": k, "x": x} for k, x in places]


def by_loss(d: Audit) -> list[Audit]:
    """Return the targets, the greatest loss first: to supervised training, or where that loses none to contrastive."""
    rows, alone = list(d["targets_at_risk"]), d["contrastive"]
    if alone["directions"] and all(row["at_risk"]["value"] < MATERIAL for row in rows):
        rows.sort(key=lambda row: -alone["loss_per_target"][row["target"]]["value"])
    return rows


def targets(audit: Audit, side: str, _live: bool) -> Spec | None:
    """Draw what each target retains in both limits of lambda and in contrastive training, the greatest loss on top."""
    d = audit["directions"][side]
    rows = by_loss(d)[:TOP]
    if not rows:
        return None
    kinds = ["λ → 0", "supervised, λ → ∞", "contrastive"]
    points, spans = [], []
    for row, target in enumerate(rows):
        name = target["target"]
        alone = (
            (d["contrastive"]["per_target"].get(name) or {}).get("value") if d["contrastive"]["directions"] else None
        )
        ends = (target["sigma_z_prediction_first"], target["sigma_z_align_first"], alone)
        tip = {
            "Target": name,
            **{key: share(end, 4) for key, end in zip(("First", "Last", "Alone"), ends, strict=True)},
            "Lost": estimate(target["at_risk"], 4),
        }
        points += [{"row": row, "kind": k, "x": x, **tip} for k, x in zip(kinds, ends, strict=True) if finite(x)]
        known = [float(end) for end in ends if end is not None and finite(end)]
        loss = signed(-target["at_risk"]["value"], 2)
        spans.append({"row": row, "x": ends[0], "x2": ends[1], "right": max(known), "text": loss})
    y, params = row_axis([target["target"] for target in rows])
    x = share_axis(
        "x",
        "variance retained (R², held out)",
        low_end(p["x"] for p in points),
        high_end((p["x"] for p in points), 1.16),
    )
    hues = [HUE[side], "var(--align)", "var(--loss)"]
    fills = [HUE[side], "transparent", "transparent"]
    tip_fields = tips(Target="Target", λ_to_0="First", λ_to_infinity="Last", Lost="Lost", Contrastive="Alone")
    layers: list[Spec] = [
        {
            "data": {"values": spans},
            "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.4, "color": "var(--align)"},
            "encoding": {"x": x, "x2": {"field": "x2"}, "y": y},
        },
        {
            "mark": {"type": "point", "size": 80, "strokeWidth": 2, "opacity": 1},
            "encoding": {
                "x": x,
                "y": y,
                "shape": by("kind", kinds, ["diamond", "circle", "square"], "point"),
                "stroke": by("kind", kinds, hues, "point"),
                "fill": by("kind", kinds, fills, "point"),
                "tooltip": tip_fields,
            },
        },
        {
            "data": {"values": spans},
            "mark": {"type": "text", "align": "left", "dx": 10, "baseline": "middle"},
            "encoding": {"x": {**x, "field": "right"}, "y": y, "text": {"field": "text"}},
        },
    ]
    text = f"{direction_name(audit, side)}: what each target retains unaligned and in each training, held out."
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
