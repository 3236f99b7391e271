"""What alignment does to the latents: how much of it is learned by heart, and how many dimensions stay in use."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from alignscope.report.panels import DASHES, Figure, key, missing, panel, panel_rows, value_axis
from alignscope.report.parts import Spec, by, dots, intervals, layer, tips
from alignscope.report.words import at_lambda, at_size, capital, estimate, estimate_percent, lam
from alignscope.study.page.alignment_charts import NOTHING, alignment_r2
from alignscope.study.page.selection import ended, fixed_variants, in_variant, lambda_steps, longest, variants
from alignscope.study.page.words import epochs_text, gauge_text, variant_text
from alignscope.study.results import CellRecord, SeedInterval, StudyResults
from alignscope.study.spec import Variant

SETS = {"held_out": "held-out samples", "in_sample": "samples trained on (in sample)"}
SIDES = {"one": "modality 1", "two": "modality 2"}
MATERIAL = 0.05  # of alignment R² that is learned by heart, or of a rank that is lost, less is not spoken of


class LatentRow(NamedTuple):
    """Both latents at the end of the trainings of one kind, over seeds.

    Attributes
    ----------
    variant, components, lambda_, epochs : of the trainings; those at lambda = 0 stand in every variant.
    in_sample, held_out : alignment R^2, in the variant's direction. memorised : the first less the second.
    rank : effective rank of both latents (held out). fall : the share of that at lambda = 0 that it lacks.
    """

    variant: Variant
    components: int
    lambda_: float
    epochs: int
    in_sample: SeedInterval
    held_out: SeedInterval
    memorised: SeedInterval
    rank: tuple[SeedInterval, SeedInterval]
    fall: tuple[SeedInterval, SeedInterval] | None


def latent_rows(results: StudyResults) -> list[LatentRow]:
    """Return a row for every variant, latent size, length and lambda that has figures."""
    return list(_rows(results))


def _rows(results: StudyResults) -> Iterator[LatentRow]:
    s, cells = results.spec.sweep, list(ended(results.cells))
    for variant, k, epochs in itertools.product(variants(results), s.components, sorted(s.epochs)):
        here = [r for r in cells if in_variant(r.cell, variant) and (r.cell.components, r.cell.epochs) == (k, epochs)]
        before = {r.cell.seed: r for r in here if r.cell.lambda_ == 0}
        for value in sorted({r.cell.lambda_ for r in here}):
            some = [r for r in here if r.cell.lambda_ == value]
            r2 = [[alignment_r2(scores, variant) for scores in (r.last.train, r.last.test)] for r in some]
            pairs = [(_ranks(before[r.cell.seed]), _ranks(r)) for r in some if r.cell.seed in before]
            yield LatentRow(
                variant,
                k,
                value,
                epochs,
                in_sample=SeedInterval.of(train for train, _ in r2),
                held_out=SeedInterval.of(test for _, test in r2),
                memorised=SeedInterval.of(train - test for train, test in r2),
                rank=(SeedInterval.of(_ranks(r)[0] for r in some), SeedInterval.of(_ranks(r)[1] for r in some)),
                fall=(
                    SeedInterval.of(1 - b[0] / a[0] for a, b in pairs),
                    SeedInterval.of(1 - b[1] / a[1] for a, b in pairs),
                )
                if pairs
                else None,
            )


def _ranks(record: CellRecord) -> tuple[float, float]:
    return record.last.test.effective_rank


def memorising(results: StudyResults) -> Figure:
    """Draw alignment R² of training and of held-out samples along λ, at the end of the longest training."""
    return _along_lambda(
        results,
        lambda row: {"in_sample": row.in_sample, "held_out": row.held_out},
        ("Alignment R² on", SETS, ["var(--align)", "var(--loss)"]),
        lambda rows: value_axis(
            "y", "alignment R²", max(-0.5, min(0.0, *(r.held_out.value - 0.03 for r in rows))), 1.02
        ),
        "How to read it: how well one representation is predicted from the other, on the samples that were trained on "
        "and on held-out ones. What lies between the two lines is learned by heart: it is aligned for the samples seen "
        "and for no others. Lines through dots are 95% intervals over seeds.",
    )


def ranks(results: StudyResults) -> Figure:
    """Draw the effective rank of both latents along λ, at the end of the longest training."""
    return _along_lambda(
        results,
        lambda row: dict(zip(SIDES, row.rank, strict=True)),
        ("Latent of", SIDES, ["var(--one)", "var(--two)"]),
        lambda rows: value_axis(
            "y", "effective rank (held out)", 0.0, 1.05 * max(i.ends[1] for r in rows for i in r.rank)
        ),
        "How to read it: how many of the K dimensions of each representation are in use. A line that falls is a rank "
        "collapse: an encoder that gives up dimensions, and what only it could show in them, is easier to align.",
    )


def _along_lambda(
    results: StudyResults,
    figures: Callable[[LatentRow], dict[str, SeedInterval]],
    kinds: tuple[str, dict[str, str], list[str]],
    axis: Callable[[Sequence[LatentRow]], Spec],
    caption: str,
) -> Figure:
    rows = [r for r in latent_rows(results) if r.epochs == longest(results)]
    if not any(r.lambda_ > 0 for r in rows):
        return missing(NOTHING)
    y, steps, (title, names, hues) = axis(rows), lambda_steps(results), kinds

    def draw(variant: Variant, k: int) -> Spec | None:
        some = [r for r in rows if (r.variant, r.components) == (variant, k)]
        points = [
            {
                "x": steps.at(r.lambda_),
                "lam": lam(r.lambda_),
                "kind": names[name],
                "y": figure.value,
                "low": figure.low,
                "high": figure.high,
                "text": "; ".join(f"{names[n]} {estimate(f, 2)}" for n, f in figures(r).items()),
            }
            for r in some
            for name, figure in figures(r).items()
        ]
        where = variant_text(results, variant)
        at = {"x": steps.axis(), "y": y}
        line = {**at, "color": by("kind", list(names.values()), hues)}
        dashed = {**line, "strokeDash": by("kind", list(names.values()), DASHES[: len(names)])}
        layers = [
            layer("line", dashed, strokeWidth=2.2),
            intervals(line, strokeWidth=1.2),
            dots({**line, "tooltip": tips(λ="lam", Figures="text")}, 42),
        ]
        text = f"{capital(title)} {' and '.join(names.values())} along λ, {where}, {at_size(k)}."
        return panel(at_size(k), where, text, points, layers, 190, steps) if points else None

    return Figure(
        caption,
        panel_rows(
            (
                f"{capital(variant_text(results, v))}, {epochs_text(longest(results))}",
                [draw(v, k) for k in results.spec.sweep.components],
            )
            for v in variants(results)
        ),
        key((title, list(names.values()), {"stroke": hues, "strokeDash": DASHES[: len(names)]})),
    )


def latent_words(results: StudyResults) -> list[str]:
    """Return what is learned by heart and which rank falls, at the largest λ and latent size of the longest training.

    Of a fixed scale where there is one, and of the alignable one where that stands next to it.
    """
    some = fixed_variants(results) or variants(results)
    rows = [r for r in latent_rows(results) if r.epochs == longest(results) and r.lambda_ > 0]
    found = [r for r in rows if some and r.variant == some[0]]
    if not found:
        return []
    row = max(found, key=lambda r: (r.lambda_, r.components))
    where = f"{at_lambda(row.lambda_)}, {at_size(row.components)}, {epochs_text(row.epochs)}"
    beside = next((r for r in rows if r[1:4] == row[1:4] and _is_alignable(r.variant, row.variant)), None)
    words = [f"{_memorised(row)} ({where}). {_compared(row, beside)}"]
    for each, side in itertools.product([row, *([beside] if beside else [])], (0, 1)):
        fall = each.fall[side] if each.fall else None
        if fall is not None and fall.sign > 0 and fall.value > MATERIAL:
            words.append(
                f"Rank collapse: in the scale {gauge_text(each.variant.gauge)} the effective rank of representation "
                f"{side + 1} is {estimate(each.rank[side], 1)}, {estimate_percent(fall)} less than at λ = 0 ({where})."
            )
    return words


def _is_alignable(variant: Variant, like: Variant) -> bool:
    return variant == like._replace(gauge="alignable")


def _memorised(row: LatentRow) -> str:
    return (
        f"In the scale {gauge_text(row.variant.gauge)} the alignment R² is {estimate(row.in_sample, 2)} in sample and "
        f"{estimate(row.held_out, 2)} held out, {_difference(row)}"
    )


def _difference(row: LatentRow) -> str:
    text = f"a difference of {estimate(row.memorised, 2)}"
    return f"{text} that is learned by heart" if row.memorised.sign > 0 and row.memorised.value > MATERIAL else text


def _compared(row: LatentRow, beside: LatentRow | None) -> str:
    if beside is None:
        return (
            "That is observed; whether it costs prediction is shown only by trainings in which what cannot be "
            "predicted is not aligned (the scale alignable)."
        )
    return (
        f"Where only what can be predicted is aligned it is {estimate(beside.in_sample, 2)} and "
        f"{estimate(beside.held_out, 2)}, a difference of {estimate(beside.memorised, 2)}."
    )
