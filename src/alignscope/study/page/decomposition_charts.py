"""The apparent loss taken apart: into shrinkage, delay, capacity and what remains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from alignscope.report.panels import Figure, Row, Steps, key, missing, panel, span, value_axis
from alignscope.report.parts import Spec, tips
from alignscope.report.words import capital, lam, number
from alignscope.study.page.words import (
    Target,
    asked_targets,
    epochs_text,
    fixed_arms,
    plain_gauge,
    size_text,
    spread,
    spread_percent,
    unique_targets,
)
from alignscope.study.results import CostParts, LossParts, SeedInterval, StudyResults

__all__ = ["apart", "cost_parts", "headline", "loss_parts"]

NO_COST = (
    "It needs the paper's raw scale beside a fixed one (normalised or whitened), at least two lengths of training, "
    "at least two latent sizes, and λ above 0."
)
NO_FALL = "It needs trainings with λ above 0, and the λ = 0 they are compared with."


class Part(NamedTuple):
    """One part of a sum: its field, its words and its colour."""

    field: str
    words: str
    hue: str


FALL = [
    Part("norm_collapse", "shrinkage: the second representation became smaller", "var(--cap)"),
    Part("alignment", "real alignment: it is predicted better, whatever its size", "var(--align)"),
]
COST = [
    Part("norm_collapse", "shrinkage: gone once the scale is fixed", "var(--cap)"),
    Part("under_training", "delay: gone after longer training", "var(--two)"),
    Part("capacity", "capacity: gone with the largest latent", "var(--one)"),
    Part("residual", "rest: still there after all three", "var(--loss)"),
]


def headline(results: StudyResults) -> CostParts | None:
    """Return the cost that the page speaks of first.

    It is at the smallest latent size and at the largest λ of the paper's range, from 0 to 1 (or the smallest λ above
    it); among the targets that one modality alone was asked for, the one with the largest apparent cost.
    """
    rows = [r for r in results.cost_parts if Target(r.modality, r.target) in unique_targets(results)]
    if not rows:
        return None
    lambdas = {r.lambda_ for r in rows}
    strength = max((v for v in lambdas if v <= 1), default=min(lambdas))
    least = min(r.components for r in rows)
    some = [r for r in rows if (r.lambda_, r.components) == (strength, least)]
    return max(some, key=lambda r: r.apparent.value, default=None)


def fall_beside(results: StudyResults, row: CostParts) -> LossParts | None:
    """Return the fall of the raw loss at the same λ, latent size and length as the apparent cost."""
    short = min(results.spec.sweep.epochs)
    where = ("raw", row.components, row.lambda_, short)
    return next((p for p in results.loss_parts if (p.gauge, p.components, p.lambda_, p.epochs) == where), None)


def apart(results: StudyResults) -> Figure:
    """Draw one λ, one latent size and the target hit hardest as two sums, step by step."""
    row = headline(results)
    if row is None:
        return missing(NO_COST)
    fall, here = fall_beside(results, row), f"λ = {lam(row.lambda_)}, {size_text(row.components)}"
    panels = []
    if fall is not None:
        steps = [("fall of the raw alignment loss", fall.fall), *((p.words, getattr(fall, p.field)) for p in FALL)]
        hues = ["var(--ink)", *(p.hue for p in FALL)]
        title = "What the paper's axis shows"
        panels.append(_sum(title, f"raw scale, {here}, in sample", steps, hues, "decades (factors of ten)", False))
    steps = [("apparent cost", row.apparent), *((p.words, getattr(row, p.field)) for p in COST)]
    hues = ["var(--ink)", *(p.hue for p in COST)]
    target = Target(row.modality, row.target)
    panels.append(
        _sum(
            "What prediction seems to pay",
            f"{target.text}, {here}, held out",
            steps,
            hues,
            "share of what was known",
            True,
        )
    )
    short, long = min(results.spec.sweep.epochs), max(results.spec.sweep.epochs)
    ways = fixed_arms(results)
    fixed = f" ({plain_gauge(ways[0].gauge)})" if ways else ""
    return Figure(
        "How to read it: left, the fall of the raw alignment loss from λ = 0 is the sum of two steps. If the grey "
        "step is long and the green one short, the loss fell because a representation shrank, not because the two "
        f"agree. Right, the cost seen in the paper's setting ({epochs_text(short)}, raw scale) is taken apart the "
        f"same way. Each step undoes one cause: the scale is fixed{fixed}, training goes on to {epochs_text(long)}, "
        f"the latent grows to {size_text(max(results.spec.sweep.components))}; what remains is the last step. The "
        "thin lines are 95% intervals of the steps, over seeds. A raw and a fixed scale are compared at the same "
        "number λ, which need not mean the same pull.",
        [Row("", panels)],
    )


def _sum(
    title: str, subtitle: str, steps: list[tuple[str, SeedInterval]], hues: Sequence[str], unit: str, percent: bool
) -> Spec:
    """Draw the total on top, and beneath it the steps that add up to it, each starting where the last one ended."""
    bars: list[Spec] = []
    at = 0.0
    for row, (words, value) in enumerate(steps):
        start = 0.0 if row < 2 else at
        at = start + value.value
        text = spread_percent(value) if percent else spread(value, 2)
        ends = (
            {"low": start + value.low, "high": start + value.high}
            if value.low is not None and value.high is not None
            else {}
        )
        bars.append({"row": row, "x": start, "x2": at, **ends, "words": f"{text}  {words}", "hue": hues[row]})
    low, high = span([v for b in bars for k in ("x", "x2", "low", "high") if (v := b.get(k)) is not None] + [0.0])
    x = value_axis("x", unit, low, high, ".0%" if percent else ".1f")
    y = {"field": "row", "type": "ordinal", "axis": None, "scale": {"domain": list(range(len(bars)))}}
    layers: list[Spec] = [
        {
            "data": {"values": [{}]},
            "mark": {"type": "rule", "color": "var(--soft)", "strokeWidth": 1},
            "encoding": {"x": {"datum": 0.0}},
        },
        *(
            {
                "transform": [{"filter": f"datum.row === {row}"}],
                "mark": {"type": "bar", "height": 13, "yOffset": 9, "color": hue},
                "encoding": {"x": x, "x2": {"field": "x2"}, "y": y, "tooltip": tips(Step="words")},
            }
            for row, hue in enumerate(hues)
        ),
        {
            "transform": [{"filter": "isValid(datum.low)"}],
            "mark": {"type": "rule", "strokeWidth": 1.5, "color": "var(--ink)", "yOffset": 19},
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y},
        },
        *(
            {
                "mark": {"type": "text", "align": "left", "yOffset": -8, "limit": {"expr": "width"}, **halo},
                "encoding": {"x": {"value": 0}, "y": y, "text": {"field": "words"}},
            }
            for halo in ({"stroke": "var(--paper)", "strokeWidth": 4}, {})  # so that no line runs through the words
        ),
    ]
    text = f"{title}: {'; '.join(b['words'] for b in bars)}."
    return panel(title, subtitle, text, bars, layers, 48 * len(bars), None)


def loss_parts(results: StudyResults) -> Figure:
    """Draw the fall of the raw alignment loss at every λ, latent size and gauge as stacked parts."""
    longest = max(results.spec.sweep.epochs)
    rows = [r for r in results.loss_parts if r.epochs == longest]
    if not rows:
        return missing(NO_FALL)
    steps = Steps(sorted(v for v in results.spec.sweep.lambdas if v > 0))
    low, high = _reach([(r.fall, [getattr(r, p.field) for p in FALL]) for r in rows])
    y = value_axis("y", "decades (in sample)", low, high, "~g")
    out = []
    for gauge in results.spec.sweep.gauges:
        panels = []
        for k in results.spec.sweep.components:
            some = [r for r in rows if (r.gauge, r.components) == (gauge, k)]
            bars = [(r.lambda_, r.fall, FALL, [getattr(r, p.field) for p in FALL]) for r in some]
            if some:
                where = f"{plain_gauge(gauge)}, {epochs_text(longest)}"
                text = f"Fall of the raw alignment loss along λ and its two parts, {where}, {size_text(k)}."
                panels.append(_stacks(size_text(k), where, text, bars, y, steps, False))
        if panels:
            out.append(Row(f"{capital(plain_gauge(gauge))}, {epochs_text(longest)}", panels))
    return Figure(
        "How to read it: the diamond is how far the raw alignment loss fell from λ = 0, in factors of ten (in "
        "sample, with a 95% interval over seeds); the bars are its two parts, which add up to it. A bar below 0 "
        "counts against the other: there the representations agree less than without any alignment.",
        out,
        _part_key(FALL, "total fall"),
    )


def cost_parts(results: StudyResults) -> Figure:
    """Draw the apparent cost at every λ and latent size for every target as stacked parts."""
    if not results.cost_parts:
        return missing(NO_COST)
    steps = Steps(sorted(v for v in results.spec.sweep.lambdas if v > 0))
    low, high = _reach([(r.apparent, [getattr(r, p.field) for p in COST]) for r in results.cost_parts])
    y = value_axis("y", "share lost (held out)", low, high, ".0%")
    out = []
    for target in asked_targets(results):
        panels = []
        for k in results.spec.sweep.components:
            some = [r for r in results.cost_parts if (r.modality, r.target, r.components) == (*target, k)]
            bars = [(r.lambda_, r.apparent, COST, [getattr(r, p.field) for p in COST]) for r in some]
            if some:
                text = f"Apparent cost along λ and its four parts, {target.text}, {size_text(k)}."
                panels.append(_stacks(size_text(k), target.text, text, bars, y, steps, True))
        if panels:
            out.append(Row(capital(target.text), panels))
    return Figure(
        "How to read it: the diamond is the cost seen in the paper's setting (raw scale, shortest training), with "
        "its 95% interval over seeds; the bars are its parts and add up to it (held out). Bars below 0 are gains; "
        "intervals that reach the edge go beyond it.",
        out,
        _part_key(COST, "apparent cost"),
    )


def _reach(bars: list[tuple[SeedInterval, list[SeedInterval]]]) -> tuple[float, float]:
    """Return how far the stacks reach; intervals that reach further end at the edge."""
    ends = [0.0]
    for total, parts in bars:
        ends += [total.value, sum(p.value for p in parts if p.value < 0), sum(p.value for p in parts if p.value > 0)]
    return span(ends, 0.12)


Bar = tuple[float, SeedInterval, list[Part], list[SeedInterval]]


def _stacks(title: str, subtitle: str, text: str, bars: list[Bar], y: Spec, steps: Steps, percent: bool) -> Spec:
    write = spread_percent if percent else lambda value: spread(value, 2)
    blocks, totals = [], []
    for strength, total, parts, values in bars:
        ends = {True: 0.0, False: 0.0}
        row = {"x": steps.at(strength), "lam": lam(strength), "total": write(total)}
        row |= {part.field: write(value) for part, value in zip(parts, values, strict=True)}
        for part, value in zip(parts, values, strict=True):
            up = value.value >= 0
            blocks.append({**row, "part": part.words, "y": ends[up], "y2": ends[up] + value.value})
            ends[up] += value.value
        totals.append({**row, "y": total.value, "low": total.low, "high": total.high})
    parts = bars[0][2]
    size = max(3, min(18, round(170 / len(steps.lambdas))))
    x = steps.axis()
    tip = tips(λ="lam", Total="total", **{p.field.capitalize(): p.field for p in parts})
    scale = {"domain": [p.words for p in parts], "range": [p.hue for p in parts]}
    layers: list[Spec] = [
        {
            "mark": {"type": "bar", "orient": "vertical", "size": size, "stroke": "var(--paper)", "strokeWidth": 0.7},
            "encoding": {
                "x": x,
                "y": y,
                "y2": {"field": "y2"},
                "fill": {"field": "part", "type": "nominal", "scale": scale, "legend": None},
                "tooltip": tip,
            },
        },
        {
            "data": {"values": [{}]},
            "mark": {"type": "rule", "color": "var(--soft)", "strokeWidth": 1},
            "encoding": {"y": {"datum": 0.0}},
        },
        {
            "data": {"values": totals},
            "transform": [{"filter": "isValid(datum.low)"}],
            "mark": {"type": "rule", "color": "var(--ink)", "strokeWidth": 1.3},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
        },
        {
            "data": {"values": totals},
            "mark": {
                "type": "point",
                "shape": "diamond",
                "size": 45,
                "filled": True,
                "opacity": 1,
                "color": "var(--ink)",
                "stroke": "var(--paper)",
                "strokeWidth": 1,
            },
            "encoding": {"x": x, "y": y, "tooltip": tip},
        },
    ]
    return panel(title, subtitle, text, blocks, layers, 180, steps)


def _part_key(parts: list[Part], total: str) -> Spec:
    words, hues = [p.words for p in parts], [p.hue for p in parts]
    return key(
        ("Parts", words, {"fill": hues, "shape": ["square"] * len(parts)}),
        ("Sum", [f"{total}, with interval"], {"fill": ["var(--ink)"], "shape": ["diamond"]}),
    )


def factor(value: float) -> str:
    """Write a fall in decades as a factor, for sentences."""
    return number(10**value, ".2g" if value < 2 else ",.0f")
