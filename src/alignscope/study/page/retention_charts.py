"""What each modality keeps of each target: along λ, and along training."""

from __future__ import annotations

import math
from typing import Any

from alignscope.report.panels import (
    DASHES,
    HUES,
    SHAPES,
    Figure,
    Row,
    Steps,
    key,
    missing,
    panel,
    ramp,
    value_axis,
)
from alignscope.report.parts import Spec, tips
from alignscope.report.words import capital, lam, named, short
from alignscope.study.page.words import (
    Target,
    arms,
    asked_targets,
    epochs_text,
    in_arm,
    plain,
    size_text,
    spread,
    unique_targets,
)
from alignscope.study.results import RetentionRow, StudyResults
from alignscope.study.spec import Variant

__all__ = ["along_lambda", "along_training", "retention_axis", "target_looks"]

PRETRAINED = " Epoch 0 is the encoder after pre-training, before any label; what follows is fine-tuning."
MOST = 2  # targets of each modality that are drawn along training


def target_looks(results: StudyResults) -> dict[str, tuple[str, str]]:
    """Return colour and shape of every target, the same in all charts."""
    names = dict.fromkeys(
        [*results.trained_on[0], *results.trained_on[1], *results.classes, *(r.target for r in results.retention)]
    )
    return {name: (HUES[i % len(HUES)], SHAPES[i % len(SHAPES)]) for i, name in enumerate(names)}


def retention_axis(values: list[float], title: str = "kept (retention, held out)") -> Spec:
    """Return the axis of retention: 1 is as without alignment."""
    low = max(-0.2, math.floor(10 * min([0.0, *values])) / 10)
    high = min(1.6, math.ceil(10 * max([1.0, *values]) + 0.5) / 10)
    return value_axis("y", title, low, high)


def _ends(rows: list[RetentionRow]) -> list[float]:
    return [
        v for r in rows if r.retention for v in (r.retention.value, r.retention.low, r.retention.high) if v is not None
    ]


def _points(rows: list[RetentionRow], steps: Steps) -> list[Spec]:
    return [
        {
            "x": steps.at(r.lambda_),
            "epoch": r.epoch,
            "y": r.retention.value,
            "low": r.retention.low,
            "high": r.retention.high,
            "target": r.target,
            "asked": r.trained_on,
            "lam": lam(r.lambda_),
            "kept": spread(r.retention),
            "r2": spread(r.r2),
            "seeds": r.retention.seeds,
        }
        for r in rows
        if r.retention is not None
    ]


_TIP = {
    "Target": "target",
    "λ": "lam",
    "Epoch": "epoch",
    "Kept_held_out": "kept",
    "R²_held_out": "r2",
    "Seeds": "seeds",
}


def along_lambda(results: StudyResults) -> Figure:
    """Draw retention along λ at the end of the longest training, one line a target."""
    longest = max(results.spec.sweep.epochs)
    last = [r for r in results.retention if r.epochs == r.epoch == longest and r.retention]
    if not any(r.lambda_ > 0 for r in last):
        return missing("It needs trainings with λ above 0 that finished, and the λ = 0 they are compared with.")
    looks, steps = target_looks(results), Steps(sorted(results.spec.sweep.lambdas))
    y = retention_axis(_ends([r for r in last if r.trained_on]))
    rows = []
    for arm in arms(results):
        for modality in (1, 2):
            panels = []
            for k in results.spec.sweep.components:
                some = [r for r in last if in_arm(r, arm) and (r.modality, r.components) == (modality, k)]
                if some:
                    panels.append(_along_lambda(results, arm, modality, k, some, y, steps, looks))
            if panels:
                rows.append(Row(f"Modality {modality}, {plain(results, arm)}, {epochs_text(longest)}", panels))
    shown = [name for name in looks if any(r.target == name for r in last)]
    colours = {"stroke": [looks[n][0] for n in shown], "fill": [looks[n][0] for n in shown]}
    channels: list[tuple[str, list[str], dict[str, Any]]] = [
        ("Target", [short(named(n), 30) for n in shown], {**colours, "shape": [looks[n][1] for n in shown]})
    ]
    if not all(r.trained_on for r in last):
        kinds = {"stroke": ["var(--ink)"] * 2, "strokeDash": DASHES[:2]}
        channels.append(("Trained to predict it?", ["asked for", "seen, but not asked for"], kinds))
    return Figure(
        "How to read it: 1 is what the same encoder tells of the target without alignment, at the same latent size "
        "and length of training (held out, by a linear probe). A line that stays at 1 loses nothing. Bands are 95% "
        "intervals over seeds (for what was asked for; what lies beyond the axis is drawn at its end). Targets of "
        "which nothing was known to begin with have no line.",
        rows,
        key(*channels),
    )


def _along_lambda(
    results: StudyResults,
    arm: Variant,
    modality: int,
    k: int,
    rows: list[RetentionRow],
    y: Spec,
    steps: Steps,
    looks: dict[str, tuple[str, str]],
) -> Spec:
    x, points = steps.axis(), _points(rows, steps)
    names = list(dict.fromkeys(p["target"] for p in points))
    hue = _by_target("color", names, looks, 0)
    layers: list[Spec] = [_one()]
    if any(p["low"] is not None for p in points):
        layers.append(
            {
                "transform": [{"filter": "isValid(datum.low) && datum.asked"}],
                "mark": {"type": "area", "opacity": 0.16},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, **hue},
            }
        )
    for asked, dash, width in ((True, DASHES[0], 2.2), (False, DASHES[1], 1.3)):
        here = {"transform": [{"filter": f"datum.asked === {str(asked).lower()}"}]}
        line = {"type": "line", "strokeWidth": width, "strokeDash": dash, "opacity": 1 if asked else 0.75}
        layers.append({**here, "mark": line, "encoding": {"x": x, "y": y, **hue}})
        layers.append(
            {
                **here,
                "mark": {"type": "point", "filled": True, "size": 42 if asked else 24, "opacity": 1},
                "encoding": {"x": x, "y": y, **hue, **_by_target("shape", names, looks, 1), "tooltip": tips(**_TIP)},
            }
        )
    text = f"What modality {modality} keeps of each target along λ, {plain(results, arm)}, {size_text(k)}."
    return panel(size_text(k), f"modality {modality}, {plain(results, arm)}", text, points, layers, 190, steps)


def _by_target(channel: str, names: list[str], looks: dict[str, tuple[str, str]], which: int) -> Spec:
    scale = {"domain": names, "range": [looks[name][which] for name in names]}
    return {channel: {"field": "target", "type": "nominal", "scale": scale, "legend": None}}


def _one() -> Spec:
    """Return the line at 1: as without alignment."""
    return {
        "data": {"values": [{}]},
        "mark": {"type": "rule", "color": "var(--soft)", "strokeDash": [2, 3], "strokeWidth": 1.2},
        "encoding": {"y": {"datum": 1.0}},
    }


def along_training(results: StudyResults) -> Figure:
    """Draw retention along the longest training, a line for each λ, for what one modality alone was asked for."""
    longest = max(results.spec.sweep.epochs)
    rows = [r for r in results.retention if r.epochs == longest and r.retention and r.trained_on and r.lambda_ > 0]
    if len({r.epoch for r in rows}) < 2:
        return missing("It needs figures at two moments of training at least: set `marks` in the specification.")
    targets = _hardest_hit(results, rows)
    shown = [r for r in rows if Target(r.modality, r.target) in targets]
    steps = Steps(sorted(results.spec.sweep.lambdas))
    moments = sorted({r.epoch for r in shown})
    y = retention_axis(_ends(shown))
    out = []
    for arm in arms(results):
        for target in targets:
            panels = []
            for k in results.spec.sweep.components:
                some = [r for r in shown if in_arm(r, arm) and (r.modality, r.target, r.components) == (*target, k)]
                if some:
                    panels.append(_along_training(results, arm, target, k, some, moments, y, steps))
            if panels:
                out.append(Row(f"{capital(target.text)}, {plain(results, arm)}", panels))
    few = len(targets) < len(asked_targets(results))
    which = " Drawn are the targets that one modality alone was asked for" if few else ""
    which += f", the {MOST} of each modality that lose most; the tables have all." if few else ""
    above = [i for i, value in enumerate(steps.lambdas) if value > 0]
    colours = ramp(steps.lambdas)
    legend = key(("λ", [steps.labels[i] for i in above], {"fill": [colours[i] for i in above]}))
    return Figure(
        "How to read it: from left to right training goes on; lighter is a smaller λ. What is kept is "
        "relative to λ = 0 at the same epoch (held out). A line that climbs back to 1 was only late: "
        "alignment delayed the target, it did not lose it. A line that stays below 1 is a loss. Intervals "
        "are in the tables." + (PRETRAINED if results.spec.pretraining else "") + which,
        out,
        legend,
    )


def _hardest_hit(results: StudyResults, rows: list[RetentionRow]) -> list[Target]:
    """Return the targets of one modality alone, at most `MOST` of each modality: those that keep least."""
    chosen: list[Target] = []
    for modality in (1, 2):
        own = [t for t in unique_targets(results) if t.modality == modality]
        least = {
            t: min((r.retention.value for r in rows if (r.modality, r.target) == t and r.retention), default=1.0)
            for t in own
        }
        worst = sorted(own, key=lambda t: least[t])[:MOST]
        chosen += [t for t in own if t in worst]
    return chosen


def _epoch_axis(epochs: list[int]) -> tuple[Spec, Steps | None]:
    """Return the axis, and its steps where it starts at 0, after pre-training: no log axis holds a 0."""
    if epochs[0] == 0:
        steps = Steps(epochs)
        x = steps.axis("at")
        return {**x, "axis": {**x["axis"], "title": "epoch of fine-tuning (equal steps)"}}, steps
    wide = epochs[-1] / epochs[0] >= 8
    scale = {"type": "log" if wide else "linear", "domain": [epochs[0], epochs[-1]], "nice": False, "zero": False}
    axis = {
        "title": f"epoch{' (log scale)' if wide else ''}",
        "values": epochs,
        "format": "d",
        "grid": False,
        "labelOverlap": "greedy",
        "labelFlush": False,
    }
    return {"field": "epoch", "type": "quantitative", "scale": scale, "axis": axis}, None


def _along_training(
    results: StudyResults,
    arm: Variant,
    target: Target,
    k: int,
    rows: list[RetentionRow],
    epochs: list[int],
    y: Spec,
    steps: Steps,
) -> Spec:
    x, moments = _epoch_axis(epochs)
    scale = {"domain": steps.labels, "range": ramp(steps.lambdas)}
    colour = {"field": "lam", "type": "nominal", "scale": scale, "legend": None}
    points = _points(rows, steps)
    if moments:
        points = [{**p, "at": moments.at(p["epoch"])} for p in points]
    layers: list[Spec] = [
        _one(),
        {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {"x": x, "y": y, "color": colour}},
        {
            "mark": {"type": "point", "filled": True, "size": 30, "opacity": 1},
            "encoding": {"x": x, "y": y, "color": colour, "tooltip": tips(**_TIP)},
        },
    ]
    text = f"What is kept of {target.text} along training, {plain(results, arm)}, {size_text(k)}."
    return panel(size_text(k), f"{target.text}, {plain(results, arm)}", text, points, layers, 180, moments)
