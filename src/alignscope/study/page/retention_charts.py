"""What each modality retains of each target: along λ, and along training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from alignscope.report.panels import (
    DASHES,
    HUES,
    SHAPES,
    Figure,
    Steps,
    key,
    missing,
    panel,
    panel_rows,
    ramp,
    value_axis,
)
from alignscope.report.parts import Spec, by, dots, layer, reference, tips
from alignscope.report.words import at_size, capital, estimate, lam, named, short
from alignscope.study.page.selection import (
    TargetOf,
    fixed_variants,
    in_variant,
    lambda_steps,
    longest,
    own_targets,
    targets,
    variants,
)
from alignscope.study.page.words import epochs_text, variant_text
from alignscope.study.results import RetentionRow, SeedInterval, StudyResults

STILL = " With the scale alignable the target stands still: only modality {} is aligned."
PRETRAINED = " Epoch 0 is the encoder after pre-training, before any label; what follows is fine-tuning."
MOST = 2  # targets of each modality that are drawn along training
_TIP = tips(
    Target="target", λ="lam", Epoch="epoch", Retention_held_out="retained", **{"R²_held_out": "r2"}, Seeds="seeds"
)


def target_looks(results: StudyResults) -> dict[str, tuple[str, str]]:
    """Return colour and shape of every target, the same in all charts."""
    first, second = results.trained_on
    names = dict.fromkeys([*first, *second, *results.classes, *(r.target for r in results.retention)])
    return {name: (HUES[i % len(HUES)], SHAPES[i % len(SHAPES)]) for i, name in enumerate(names)}


def fitted(values: Iterable[float], least: float = -0.2, most: float = 1.6) -> tuple[float, float]:
    """Return the ends of an axis that holds the values: tenths around them, from `least` to `most`."""
    known = list(values)
    low, high = math.floor(10 * min(known) - 0.1) / 10, math.ceil(10 * max(known) + 0.1) / 10
    return max(least, low), min(most, high)


def retention_axis(values: Iterable[float], channel: str = "y") -> Spec:
    """Return the axis of retention: 1 is as without alignment."""
    return value_axis(channel, "retention (held out)", *fitted([1.0, *values]))


def ends_of(values: Iterable[SeedInterval | None]) -> list[float]:
    """Return the values and the ends of their intervals, as far as there are any."""
    return [v for i in values if i is not None for v in (i.value, i.low, i.high) if v is not None]


def _points(rows: list[RetentionRow], steps: Steps) -> list[Spec]:
    return [
        {
            "x": steps.at(r.lambda_),
            "epoch": r.epoch,
            "y": r.retention.value,
            "low": r.retention.low,
            "high": r.retention.high,
            "target": r.target,
            "trained_on": r.trained_on,
            "lam": lam(r.lambda_),
            "retained": estimate(r.retention),
            "r2": estimate(r.r2),
            "seeds": r.retention.seeds,
        }
        for r in rows
        if r.retention is not None
    ]


def along_lambda(results: StudyResults) -> Figure:
    """Draw retention along λ at the end of the longest training, one line per target."""
    end = longest(results)
    last = [r for r in results.retention if r.epochs == r.epoch == end and r.retention]
    if not any(r.lambda_ > 0 for r in last):
        return missing("It needs trainings with λ above 0 that finished, and the λ = 0 they are compared with.")
    looks, steps = target_looks(results), lambda_steps(results)
    y = retention_axis(ends_of(r.retention for r in last if r.trained_on))
    shown = {name: looks[name] for name in looks if any(r.target == name for r in last)}
    rows = panel_rows(
        (
            f"Modality {modality}, {variant_text(results, variant)}, {epochs_text(end)}",
            [
                _lambda_panel(f"modality {modality}, {variant_text(results, variant)}", k, some, y, steps, looks)
                for k in results.spec.sweep.components
                if (some := [r for r in last if in_variant(r, variant) and (r.modality, r.components) == (modality, k)])
            ],
        )
        for variant in dict.fromkeys([*fixed_variants(results), *variants(results)])  # those with a fixed scale first
        for modality in (1, 2)
    )
    hues, shapes = zip(*shown.values(), strict=True)
    channels: list[tuple[str, list[str], dict[str, Sequence[Any]]]] = [
        ("Target", [short(named(n), 30) for n in shown], {"stroke": hues, "fill": hues, "shape": shapes})
    ]
    if not all(r.trained_on for r in last):
        kinds: dict[str, Sequence[Any]] = {"stroke": ["var(--ink)"] * 2, "strokeDash": DASHES[:2]}
        channels.append(("Trained on it?", ["trained on", "seen, but not trained on"], kinds))
    return Figure(
        "How to read it: 1 is how well the same encoder predicts the target without alignment, at the same latent size "
        "and length of training (held out, by a linear probe). A line that stays at 1 loses nothing. Bands are 95% "
        "intervals over seeds (for what is trained on; what lies beyond the axis is drawn at its end). Targets that "
        "were not predicted to begin with have no line." + _still(results),
        rows,
        key(*channels),
    )


def _still(results: StudyResults) -> str:
    """Say which modality alone feels an alignment whose target stands still."""
    directions = results.spec.sweep.directions
    if "alignable" not in results.spec.sweep.gauges or len(directions) > 1 or directions[0] == "both":
        return ""
    return STILL.format(2 if directions[0] == "2to1" else 1)


def _lambda_panel(
    where: str, k: int, rows: list[RetentionRow], y: Spec, steps: Steps, looks: dict[str, tuple[str, str]]
) -> Spec:
    points = _points(rows, steps)
    names = list(dict.fromkeys(p["target"] for p in points))
    at = {"x": steps.axis(), "y": y, "color": by("target", names, [looks[name][0] for name in names])}
    shape = by("target", names, [looks[name][1] for name in names])
    layers: list[Spec] = [_one()]
    if any(p["low"] is not None for p in points):
        band = {**at, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
        layers.append(layer("area", band, where="isValid(datum.low) && datum.trained_on", opacity=0.16))
    for some, dash, width, size in (("datum.trained_on", 0, 2.2, 42), ("!datum.trained_on", 1, 1.3, 24)):
        faint = 0.75 if dash else 1
        layers.append(layer("line", at, where=some, strokeWidth=width, strokeDash=DASHES[dash], opacity=faint))
        layers.append(dots({**at, "shape": shape, "tooltip": _TIP}, size, where=some))
    text = f"Retention of each target along λ, {where}, {at_size(k)}."
    return panel(at_size(k), where, text, points, layers, 190, steps)


def _one() -> Spec:
    """Return the line at 1: as without alignment."""
    return reference("y", 1.0, color="var(--soft)", strokeDash=[2, 3], strokeWidth=1.2)


def along_training(results: StudyResults) -> Figure:
    """Draw retention along the longest training, a line for each λ, for what one modality alone is trained on."""
    end = longest(results)
    rows = [r for r in results.retention if r.epochs == end and r.retention and r.trained_on and r.lambda_ > 0]
    if len({r.epoch for r in rows}) < 2:
        return missing("It needs figures at two moments of training at least: set `marks` in the specification.")
    drawn = _hardest_hit(results, rows)
    shown = [r for r in rows if TargetOf(r.modality, r.target) in drawn]
    steps, moments = lambda_steps(results), sorted({r.epoch for r in shown})
    y = retention_axis(ends_of(r.retention for r in shown))
    panels = panel_rows(
        (
            f"{capital(target.text)}, {variant_text(results, variant)}",
            [
                _training_panel(target, variant_text(results, variant), k, some, moments, y, steps)
                for k in results.spec.sweep.components
                if (
                    some := [
                        r
                        for r in shown
                        if in_variant(r, variant) and (r.modality, r.target, r.components) == (*target, k)
                    ]
                )
            ],
        )
        for variant in variants(results)
        for target in drawn
    )
    which = ""
    if len(drawn) < len(targets(results)):
        which = " Drawn are the targets that one modality alone is trained on"
        which += f", the {MOST} of each modality that lose most; the tables have all."
    above = [i for i, value in enumerate(steps.lambdas) if value > 0]
    colours = ramp(steps.lambdas)
    return Figure(
        "How to read it: from left to right training goes on; lighter is a smaller λ. Retention is relative to λ = 0 "
        "at the same epoch (held out). A line that climbs back to 1 was only late: alignment delayed the target, it "
        "did not lose it. A line that stays below 1 is a loss. Intervals are in the tables."
        + (PRETRAINED if results.spec.pretraining else "")
        + which,
        panels,
        key(("λ", [steps.labels[i] for i in above], {"fill": [colours[i] for i in above]})),
    )


def _hardest_hit(results: StudyResults, rows: list[RetentionRow]) -> list[TargetOf]:
    """Return the targets of one modality alone, at most `MOST` of each modality: those with the least retention."""
    chosen: list[TargetOf] = []
    for modality in (1, 2):
        least = {
            t: min((r.retention.value for r in rows if (r.modality, r.target) == t and r.retention), default=1.0)
            for t in own_targets(results)
            if t.modality == modality
        }
        worst = sorted(least, key=lambda t: least[t])[:MOST]
        chosen += [t for t in least if t in worst]
    return chosen


def _epoch_axis(epochs: list[int]) -> tuple[Spec, Steps | None]:
    """Return the axis, and its steps where it starts at 0, after pre-training: no log axis holds a 0."""
    if epochs[0] == 0:
        steps = Steps(epochs)
        x = steps.axis("at")
        return {**x, "axis": {**x["axis"], "title": "epoch of fine-tuning (equal steps)"}}, steps
    wide = epochs[-1] / epochs[0] >= 8
    scale = {"type": "log" if wide else "linear", "domain": [epochs[0], epochs[-1]], "nice": False, "zero": False}
    axis = {"title": f"epoch{' (log scale)' if wide else ''}", "values": epochs, "format": "d", "grid": False}
    axis |= {"labelOverlap": "greedy", "labelFlush": False}
    return {"field": "epoch", "type": "quantitative", "scale": scale, "axis": axis}, None


def _training_panel(
    target: TargetOf, where: str, k: int, rows: list[RetentionRow], epochs: list[int], y: Spec, steps: Steps
) -> Spec:
    x, moments = _epoch_axis(epochs)
    at = {"x": x, "y": y, "color": by("lam", steps.labels, ramp(steps.lambdas))}
    points = _points(rows, steps)
    if moments:
        points = [{**p, "at": moments.at(p["epoch"])} for p in points]
    layers = [_one(), layer("line", at, strokeWidth=2), dots({**at, "tooltip": _TIP}, 30)]
    text = f"Retention of {target.text} along training, {where}, {at_size(k)}."
    return panel(at_size(k), f"{target.text}, {where}", text, points, layers, 180, moments)
