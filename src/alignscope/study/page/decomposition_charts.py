"""The apparent loss decomposed: into norm collapse, under-training, capacity, unpredictable target and a residual."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from alignscope.report.panels import Figure, Row, Steps, key, missing, panel, panel_rows, span, value_axis
from alignscope.report.parts import Spec, by, dots, intervals, layer, reference, tips
from alignscope.report.words import at_lambda, at_size, capital, estimate, estimate_percent, lam
from alignscope.study.page.selection import TargetOf, fixed_variants, longest, own_targets, targets, up_to_one
from alignscope.study.page.words import epochs_text, gauge_text
from alignscope.study.results import CostParts, LossParts, SeedInterval, StudyResults

NO_COST = (
    "It needs a fixed scale (normalised or whitened) and λ above 0; next to it the scale alignable, or the paper's raw "
    "scale with at least two lengths of training and at least two latent sizes."
)
NO_FALL = "It needs trainings with λ above 0, and the λ = 0 they are compared with."


class Part(NamedTuple):
    """One part of a sum: its field, its name, what it means, and its colour."""

    field: str
    name: str
    meaning: str
    hue: str

    @property
    def words(self) -> str:
        """Return the name with what it means."""
        return f"{self.name}: {self.meaning}"


FALL = [
    Part("norm_collapse", "norm collapse", "the second representation’s norm fell", "var(--cap)"),
    Part("alignment", "real alignment", "predicted better, whatever its norm", "var(--align)"),
]
COST = [
    Part("norm_collapse", "norm collapse", "gone once the scale is fixed", "var(--cap)"),
    Part("under_training", "under-training", "gone after longer training", "var(--two)"),
    Part("capacity", "capacity", "gone with the largest latent", "var(--one)"),
    Part("unpredictable", "unpredictable target", "gone with an alignable target", "var(--align)"),
    Part("residual", "residual", "still there after all of these", "var(--loss)"),
]


class Sum(NamedTuple):
    """A total and what adds up to it, at one λ; None for a part that stays within those after it."""

    lambda_: float
    total: SeedInterval
    values: list[SeedInterval | None]


def _fall(row: LossParts) -> Sum:
    return Sum(row.lambda_, row.fall, [getattr(row, p.field) for p in FALL])


def known_parts(row: CostParts) -> list[Part]:
    """Return the parts that a study has the trainings for."""
    return [part for part in COST if getattr(row, part.field) is not None]


def _cost(row: CostParts, kinds: Sequence[Part]) -> Sum:
    return Sum(row.lambda_, row.apparent, [getattr(row, p.field) for p in kinds])


def first_scale(results: StudyResults, row: CostParts) -> str:
    """Name the scale in which the apparent cost is seen: the paper's raw one where the study has it."""
    return gauge_text("raw" if row.norm_collapse is not None else fixed_variants(results)[0].gauge)


def headline(results: StudyResults) -> CostParts | None:
    """Return the cost that the page speaks of first.

    It is at the smallest latent size and at the largest λ of the paper's range, from 0 to 1 (or the smallest λ above
    it); among the targets that one modality alone is trained on, the one with the largest apparent cost.
    """
    rows = [r for r in results.cost_parts if TargetOf(r.modality, r.target) in own_targets(results)]
    if not rows:
        return None
    where = up_to_one(r.lambda_ for r in rows), min(r.components for r in rows)
    return max((r for r in rows if (r.lambda_, r.components) == where), key=lambda r: r.apparent.value, default=None)


def fall_next_to(results: StudyResults, row: CostParts) -> LossParts | None:
    """Return the fall of the raw loss at the same λ, latent size and length as the apparent cost."""
    where = ("raw", row.components, row.lambda_, min(results.spec.sweep.epochs))
    return next((p for p in results.loss_parts if (p.gauge, p.components, p.lambda_, p.epochs) == where), None)


def decomposition(results: StudyResults) -> Figure:
    """Draw one λ, one latent size and the target hit hardest as two sums, step by step."""
    row = headline(results)
    if row is None:
        return missing(NO_COST)
    fall, here = fall_next_to(results, row), f"{at_lambda(row.lambda_)}, {at_size(row.components)}"
    target, panels = TargetOf(row.modality, row.target), []
    if fall is not None:
        name, unit = "fall of the raw alignment loss", "decades (factors of ten)"
        panels.append(
            _steps("What the paper's axis shows", f"raw scale, {here}, in sample", name, _fall(fall), FALL, unit)
        )
    title, where, unit = (
        "What prediction seems to pay",
        f"{target.text}, {here}, held out",
        "share of the explained variance",
    )
    panels.append(_steps(title, where, "apparent cost", _cost(row, COST), COST, unit, percent=True))
    return Figure(f"How to read it: {_how_to_read(results, row, fall is not None)}", [Row("", panels)])


def _how_to_read(results: StudyResults, row: CostParts, fall: bool) -> str:
    left = (
        "left, the fall of the raw alignment loss from λ = 0 is the sum of two steps. If the grey "
        "step is long and the green one short, the loss fell because the norm of a representation collapsed, not "
        "because the two agree. Right, the"
    )
    undone = {
        "norm_collapse": f"the scale is fixed ({gauge_text(fixed_variants(results)[0].gauge)})",
        "under_training": f"training goes on to {epochs_text(longest(results))}",
        "capacity": f"the latent grows to {at_size(max(results.spec.sweep.components))}",
        "unpredictable": "only what can be predicted is aligned (alignable, whose target also stands still)",
    }
    steps = [words for field, words in undone.items() if getattr(row, field) is not None]
    raw = " A raw and a fixed scale are compared at the same number λ, which need not mean the same weight."
    return (
        f"{left if fall else 'The'} cost seen at first ({epochs_text(min(results.spec.sweep.epochs))}, "
        f"{first_scale(results, row)}) is decomposed{' the same way' if fall else ''}. Each step undoes one cause: "
        f"{', '.join(steps)}; the last step is the residual. The thin lines are 95% intervals of the steps, over "
        f"seeds.{raw if row.norm_collapse is not None else ''}"
    )


def _steps(
    title: str, where: str, name: str, parts: Sum, kinds: Sequence[Part], unit: str, percent: bool = False
) -> Spec:
    """Draw the total on top, and beneath it the steps that add up to it, each starting where the last one ended."""
    bars: list[Spec] = []
    at = 0.0
    known = [(p.words, p.hue, v) for p, v in zip(kinds, parts.values, strict=True) if v is not None]
    named = [(name, "var(--ink)", parts.total), *known]
    for row, (meaning, hue, value) in enumerate(named):
        start = 0.0 if row < 2 else at
        at = start + value.value
        text = estimate_percent(value) if percent else estimate(value, 2)
        bars.append({"row": row, "x": start, "x2": at, "words": f"{text}  {meaning}", "hue": hue})
        if value.low is not None and value.high is not None:
            bars[-1] |= {"low": start + value.low, "high": start + value.high}
    low, high = span([v for b in bars for k in ("x", "x2", "low", "high") if (v := b.get(k)) is not None] + [0.0])
    x = value_axis("x", unit, low, high, ".0%" if percent else ".1f")
    y = {"field": "row", "type": "ordinal", "axis": None, "scale": {"domain": list(range(len(bars)))}}
    bar = {"x": x, "x2": {"field": "x2"}, "y": y, "tooltip": tips(Step="words")}
    words = {"x": {"value": 0}, "y": y, "text": {"field": "words"}}
    halos: tuple[Spec, Spec] = (
        {"stroke": "var(--paper)", "strokeWidth": 4},
        {},
    )  # so that no line runs through the words
    layers = [
        reference("x", 0.0, color="var(--soft)", strokeWidth=1),
        *(
            layer("bar", bar, where=f"datum.row === {row}", height=13, yOffset=9, color=hue)
            for row, (_, hue, _) in enumerate(named)
        ),
        intervals({"x": x, "y": y}, along="x", strokeWidth=1.5, color="var(--ink)", yOffset=19),
        *(layer("text", words, align="left", yOffset=-8, limit={"expr": "width - 12"}, **halo) for halo in halos),
    ]
    return panel(title, where, f"{title}: {'; '.join(b['words'] for b in bars)}.", bars, layers, 48 * len(bars), None)


def loss_parts(results: StudyResults) -> Figure:
    """Draw the fall of the raw alignment loss at every λ, latent size and gauge as stacked parts."""
    rows = [r for r in results.loss_parts if r.epochs == longest(results)]
    if not rows:
        return missing(NO_FALL)
    steps, y = _axes(results, [_fall(r) for r in rows], "decades (in sample)", "~g")

    def draw(gauge: str, k: int) -> Spec | None:
        sums = [_fall(r) for r in rows if (r.gauge, r.components) == (gauge, k)]
        where = f"{gauge_text(gauge)}, {epochs_text(longest(results))}"
        text = f"Fall of the raw alignment loss along λ and its two parts, {where}, {at_size(k)}."
        return _stacks(at_size(k), where, text, sums, FALL, y, steps, lambda v: estimate(v, 2)) if sums else None

    return Figure(
        "How to read it: the diamond is how far the raw alignment loss fell from λ = 0, in factors of ten (in "
        "sample, with a 95% interval over seeds); the bars are its two parts, which add up to it. A bar below 0 "
        "counts against the other: there the representations agree less than without any alignment.",
        panel_rows(
            (
                f"{capital(gauge_text(gauge))}, {epochs_text(longest(results))}",
                [draw(gauge, k) for k in results.spec.sweep.components],
            )
            for gauge in results.spec.sweep.gauges
        ),
        _part_key(FALL, "total fall"),
    )


def cost_parts(results: StudyResults) -> Figure:
    """Draw the apparent cost at every λ and latent size for every target as stacked parts."""
    if not results.cost_parts:
        return missing(NO_COST)
    kinds = [p for p in COST if any(getattr(r, p.field) is not None for r in results.cost_parts)]
    every = [_cost(r, kinds) for r in results.cost_parts]
    steps, y = _axes(results, every, "share lost (held out)", ".0%")

    def draw(target: TargetOf, k: int) -> Spec | None:
        sums = [_cost(r, kinds) for r in results.cost_parts if (r.modality, r.target, r.components) == (*target, k)]
        text = f"Apparent cost along λ and its parts, {target.text}, {at_size(k)}."
        return _stacks(at_size(k), target.text, text, sums, kinds, y, steps, estimate_percent) if sums else None

    scale = first_scale(results, results.cost_parts[0])
    return Figure(
        f"How to read it: the diamond is the cost seen at first ({scale}, shortest training), with "
        "its 95% interval over seeds; the bars are its parts and add up to it (held out). Bars below 0 are gains; "
        "intervals that reach the edge go beyond it.",
        panel_rows(
            (capital(target.text), [draw(target, k) for k in results.spec.sweep.components])
            for target in targets(results)
        ),
        _part_key(kinds, "apparent cost"),
    )


def _axes(results: StudyResults, sums: list[Sum], title: str, form: str) -> tuple[Steps, Spec]:
    """Return the axis of λ, and that of the stacks as far as they reach; intervals beyond end at the edge."""
    ends = [0.0]
    for _, total, values in sums:
        known = [v.value for v in values if v is not None]
        ends += [total.value, *(sum(v for v in known if (v > 0) == up) for up in (False, True))]
    return Steps(sorted(v for v in results.spec.sweep.lambdas if v > 0)), value_axis(
        "y", title, *span(ends, 0.12), form
    )


def _stacks(
    title: str,
    where: str,
    text: str,
    sums: list[Sum],
    kinds: list[Part],
    y: Spec,
    steps: Steps,
    write: Callable[[SeedInterval | None], str],
) -> Spec:
    blocks, totals = [], []
    for value, total, values in sums:
        ends = {True: 0.0, False: 0.0}
        row = {"x": steps.at(value), "lam": lam(value), "total": write(total)}
        row |= {part.field: write(share) for part, share in zip(kinds, values, strict=True)}
        for part, share in zip(kinds, values, strict=True):
            if share is None:
                continue
            up = share.value >= 0
            blocks.append({**row, "part": part.words, "y": ends[up], "y2": ends[up] + share.value})
            ends[up] += share.value
        totals.append({**row, "y": total.value, "low": total.low, "high": total.high})
    x, size = steps.axis(), max(3, min(18, round(170 / len(steps.lambdas))))
    tip = tips(λ="lam", Total="total", **{capital(p.name).replace(" ", "_"): p.field for p in kinds})
    fill = by("part", [p.words for p in kinds], [p.hue for p in kinds])
    bar, white = {"x": x, "y": y, "y2": {"field": "y2"}, "fill": fill, "tooltip": tip}, "var(--paper)"
    layers = [
        layer("bar", bar, orient="vertical", size=size, strokeWidth=0.7, stroke=white),
        reference("y", 0.0, color="var(--soft)", strokeWidth=1),
        intervals({"x": x, "y": y}, totals, color="var(--ink)", strokeWidth=1.3),
        dots(
            {"x": x, "y": y, "tooltip": tip},
            45,
            totals,
            shape="diamond",
            color="var(--ink)",
            strokeWidth=1,
            stroke=white,
        ),
    ]
    return panel(title, where, text, blocks, layers, 180, steps)


def _part_key(kinds: list[Part], total: str) -> Spec:
    squares = {"fill": [p.hue for p in kinds], "shape": ["square"] * len(kinds)}
    diamond = {"fill": ["var(--ink)"], "shape": ["diamond"]}
    return key(("Parts", [p.words for p in kinds], squares), ("Sum", [f"{total}, with interval"], diamond))
