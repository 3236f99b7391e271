"""What a study found, in sentences and headline figures made from its records."""

from __future__ import annotations

import math

from alignscope.report.words import (
    at_lambda,
    at_size,
    capital,
    count,
    estimate,
    estimate_100,
    estimate_percent,
    latent_size,
    number,
    percent,
    times_100,
)
from alignscope.study.contest import Contest
from alignscope.study.page.classes import class_lead
from alignscope.study.page.contrastive import contrastive_lead, contrastive_words, least_retained
from alignscope.study.page.decomposition_charts import fall_next_to, first_scale, headline, known_parts
from alignscope.study.page.forecast_charts import correlation_text, missed_words, ranks_words
from alignscope.study.page.selection import (
    TargetOf,
    fixed_variants,
    longest,
    main_variant,
    own_targets,
    up_to_one,
    variants,
)
from alignscope.study.page.words import epochs_text, gauge_text, variant_text
from alignscope.study.results import (
    Agreement,
    Capacity,
    CostParts,
    LossParts,
    RetentionRow,
    SeedInterval,
    StudyResults,
)
from alignscope.study.rules import FEWEST, contest
from alignscope.study.spec import Variant

SMALL = 0.05  # a loss of less than this share is called small
BUDGET = 0.05  # what the forecast latent size allows to be lost, as in `alignscope.study.summary.forecast`
MATERIAL = 0.01  # a measured loss of less than this share is not held against the forecast


def verdict(results: StudyResults) -> list[str]:
    """Return the verdict: what seems lost, what of it is real, whether it was predicted, and which class pays."""
    row, agreement = headline(results), main_agreement(results)
    contrastive = contrastive_words(results)
    sentences = [] if contrastive and not variants(results) else [lead(results)]
    sentences += contrastive
    if row is not None:
        fall = fall_next_to(results, row)
        sentences += [parts_words(results, row), *([fall_words(fall, "There")] if fall is not None else [])]
    if agreement is not None and agreement.correlation is not None:
        sentences.append(forecast_sentence(results, agreement))
    return sentences + ([by_class] if (by_class := class_lead(results)) else [])


def lead(results: StudyResults) -> str:
    """Return the first sentence: what alignment seems to cost, or does cost where the parts are not known."""
    row, worst = headline(results), _least_retained(results)
    if row is not None:
        short = epochs_text(min(results.spec.sweep.epochs))
        where = f"{at_lambda(row.lambda_)}, {at_size(row.components)}, {short}"
        scale = "the paper’s raw scale" if row.norm_collapse is not None else f"the scale {first_scale(results, row)}"
        return (
            f"Trained in {scale} ({where}), alignment seems to cost {estimate_percent(row.apparent)} of "
            f"the explained variance of {TargetOf(row.modality, row.target).text} (held out)."
        )
    if worst is not None:
        return _loss_words(results, worst)
    return "No training with alignment finished next to one without, so nothing can be said yet."


def parts_words(results: StudyResults, row: CostParts) -> str:
    """Return what the apparent cost is made of, in percentage points, and what of it is significant over seeds."""
    fixed = fixed_variants(results)
    scale = gauge_text(fixed[0].gauge) if fixed else "fixed"
    undone = {
        "norm_collapse": f", undone by a fixed scale ({scale}),",
        "under_training": f", undone by {epochs_text(longest(results))},",
        "capacity": f", undone by {at_size(max(results.spec.sweep.components))},",
        "unpredictable": ", undone by aligning only what can be predicted (alignable),",
    }
    kinds = known_parts(row)
    listed = [f"{part.name}{undone.get(part.field, '')} {estimate_100(getattr(row, part.field), 0)}" for part in kinds]
    significant = [part.name for part in kinds if getattr(row, part.field).significant]
    found = f"Significant (95% CI excludes 0): {', '.join(significant)}."
    if not significant:
        found = "No part is significant: every 95% CI contains 0."
    if row.apparent.low is None:
        found = "With one seed there is no interval, and nothing is significant."
    return f"Decomposed, in percentage points: {'; '.join(listed)}. {found}"


def fall_words(fall: LossParts, where: str) -> str:
    """Return how far the raw loss fell, and by what."""
    return (
        f"{where} the raw alignment loss falls {_times(fall.fall)} in sample: {_times(fall.norm_collapse)} by norm "
        f"collapse of the second representation, {_times(fall.alignment)} by aligning it."
    )


def _times(decades: SeedInterval) -> str:
    """Write decades as a factor with its interval: "5.1-fold (1.1 to 23)"."""

    def factor(value: float) -> str:
        return number(10**value, ".2g") if value < 2 else count(round(10**value))

    text = f"{factor(decades.value)}-fold"
    if decades.low is None or decades.high is None or decades.low == decades.high:
        return text
    return f"{text} ({factor(decades.low)} to {factor(decades.high)})"


def _least_retained(results: StudyResults) -> RetentionRow | None:
    """Return the lowest retention of what one modality alone is trained on, at the end of the longest training.

    At the largest λ up to 1, and in a fixed scale where there is one.
    """
    variant, end = main_variant(results), longest(results)
    rows = [
        r
        for r in results.retention
        if r.epochs == r.epoch == end
        and r.lambda_ > 0
        and r.retention is not None
        and TargetOf(r.modality, r.target) in own_targets(results)
        and (r.gauge, r.direction, r.training) == variant
    ]
    top = up_to_one(r.lambda_ for r in rows) if rows else 0.0
    some = [r for r in rows if r.lambda_ == top]
    return min(some, key=lambda r: r.retention.value if r.retention else 1.0, default=None)


def _loss_words(results: StudyResults, row: RetentionRow) -> str:
    variant = variant_text(results, Variant(row.gauge, row.direction, row.training))
    where = f"{at_lambda(row.lambda_)}, {at_size(row.components)}, {variant}, {epochs_text(row.epochs)}"
    return (
        f"Hit hardest is {TargetOf(row.modality, row.target).text}: its retention is "
        f"{estimate_percent(row.retention)} of the variance explained without alignment (held out; {where})."
    )


def main_agreement(results: StudyResults) -> Agreement | None:
    """Return the agreement over all latent sizes in the first fixed scale."""
    rows = [a for a in results.agreement if a.components is None]
    fixed = [a for a in rows if a.gauge != "raw"]
    return next(iter(fixed or rows), None)


def forecast_sentence(results: StudyResults, a: Agreement) -> str:
    """Return how far off the forecast is, next to the best rules of one line, and whether it is shown to beat them."""
    found = contest(results, a.variant)
    if found is None:
        return (
            f"A forecast made before any aligned training, from the λ = 0 encoders, has a {correlation_text(a)}, and a "
            f"mean error of {percent(a.error)} (held out)."
        )
    mine, error = found.forecast, found.by_error
    return (
        f"A forecast made before any aligned training, from the λ = 0 encoders, is off by {percent(mine.error)} on "
        f"average, against {percent(error.error)} for “{error.name}” (held out, {found.points} retentions). "
        f"{ranks_words(found)} {missed_words(found)} {_beaten_words(found)}"
    )


def _beaten_words(found: Contest) -> str:
    """Say if the forecast is shown to beat every one-line rule, by error and by rank, and which of them is used."""
    if found.error.low is None:
        return _beaten(found, f" (an interval takes two seeds and {FEWEST} {found.unit})")
    return _beaten(
        found,
        f" (mean error lower by {estimate_100(found.error)} percentage points, rank correlation higher by "
        f"{estimate(found.rank, 2)}, {found.units} {found.unit} resampled)",
    )


def _beaten(found: Contest, why: str = "") -> str:
    if found.beaten:
        return f"It beats the best one-line rule{why}."
    return f"It is not shown to beat the best one-line rule{why}, so this page goes by “{found.used}”."


def tone(results: StudyResults) -> str:
    """Return "loss" where a real loss is significant, "free" where it is significantly small, else "open"."""
    row, worst = headline(results), _least_retained(results)
    if row is not None:
        real = [part for part in (row.capacity, row.unpredictable, row.residual) if part is not None]
        if any(part.sign > 0 for part in real):
            return "loss"
        return "free" if all(part.high is not None and part.high < SMALL for part in real) else "open"
    alone = least_retained(results)
    found = [r.retention for r in (worst, alone) if r is not None and r.retention is not None]
    retention = min(found, key=lambda r: r.value, default=None)
    if retention is None or retention.low is None or retention.high is None:
        return "open"
    return "loss" if retention.high < 1 else "free" if retention.low > 1 - SMALL else "open"


def cards(results: StudyResults) -> list[dict[str, str]]:
    """Return the headline figures."""
    row, worst, agreement = headline(results), _least_retained(results), main_agreement(results)
    out = []
    if row is not None:
        out += _cost_cards(row)
    elif worst is not None and worst.retention is not None:
        big = percent(worst.retention.value)
        out.append({"title": "Retention of the target hit hardest", "big": big, "text": _loss_words(results, worst)})
    if (alone := least_retained(results)) is not None and alone.retention is not None:
        big, text = percent(alone.retention.value), contrastive_lead(alone)
        out.append({"title": "Contrastive: retention of the target hit hardest", "big": big, "text": text})
    if (size := forecast_size(results)) is not None:
        text = f"By the linear audit of its λ = 0 encoders modality {size.modality} {_within(size)} (held out)."
        limit = size.within_budget_at
        if limit is not None:
            text += f" {above_words(results, limit)}"
        if agreement and (judged := contest(results, agreement.variant)) and not judged.beaten:
            text += " The forecast is not shown to beat a one-line rule."
        big = f"K > {size.components}" if limit is None else f"K ≥ {math.ceil(limit.value)}"
        out.append({"title": "Latent size by the linear forecast", "big": big, "text": text})
    if agreement is not None and agreement.correlation is not None:
        text, error = f"{capital(correlation_text(agreement))}, {agreement.points} points (held out).", agreement.error
        if (found := contest(results, agreement.variant)) is not None:
            best, error = found.by_error, found.forecast.error
            text = (
                f"Mean error of the forecast from the λ = 0 encoders, against {percent(best.error)} of “{best.name}” "
                f"(held out). {ranks_words(found)} {missed_words(found)} {_beaten(found)}"
            )
        out.append({"title": "Forecast against one-line rules", "big": percent(error), "text": text})
    return out


def forecast_size(results: StudyResults) -> Capacity | None:
    """Return what the audit at the largest K says of the modality that needs the larger latent."""
    return max(
        (c for c in results.capacity if c.components == max(d.components for d in results.capacity)),
        key=lambda c: math.inf if c.within_budget_at is None else c.within_budget_at.value,
        default=None,
    )


def _within(size: Capacity) -> str:
    if size.within_budget_at is None:
        return f"stays within a loss of {percent(BUDGET)} at no latent size up to {at_size(size.components)}"
    return f"stays within a loss of {percent(BUDGET)} from K = {estimate(size.within_budget_at, 1, latent_size)} on"


def above_words(results: StudyResults, limit: SeedInterval) -> str:
    """Say what trained cells at and above a forecast latent size lost, at the end of the longest training.

    A loss counts where its interval excludes 0 and its mean is at least 1%; it contradicts the forecast where the whole
    interval lies above the 5% that the forecast allows.
    """
    shown, end = fixed_variants(results) or variants(results), longest(results)
    rows = [
        (r, r.retention)
        for r in results.retention
        if r.trained_on
        and r.retention is not None
        and r.lambda_ > 0
        and r.components >= math.ceil(limit.value)
        and r.epochs == r.epoch == end
        and r.variant in shown
    ]
    if not rows:
        return "No cell of this size or above was trained with alignment."
    count_words = f"{len(rows)} measured {'retention' if len(rows) == 1 else 'retentions'} from this size on"
    known = [(kept.high, r, kept) for r, kept in rows if kept.high is not None]
    if not known:
        return f"Of {count_words} none has an interval (one seed): no loss can be shown or ruled out."
    losing = [item for item in known if item[0] < 1 and item[2].value <= 1 - MATERIAL]
    if not losing:
        return f"Of {count_words} none shows a loss."
    high, row, kept = min(losing, key=lambda item: item[0])
    loss = SeedInterval(1 - kept.value, 1 - high, 1 - (kept.low if kept.low is not None else kept.value), kept.seeds)
    start = "Contradicted: trained" if 1 - high > BUDGET else "Trained"
    return (
        f"{start} encoders with {at_size(row.components)} lost {estimate_percent(loss)} of "
        f"{TargetOf(row.modality, row.target).text} at {at_lambda(row.lambda_)} (held out); of {count_words} "
        f"{len(losing)} {'shows' if len(losing) == 1 else 'show'} a loss."
    )


def _cost_cards(row: CostParts) -> list[dict[str, str]]:
    where = f"{at_lambda(row.lambda_)}, {at_size(row.components)}"
    target = f"{TargetOf(row.modality, row.target).text}, the target hit hardest, at {where}"
    first = "the paper’s setting" if row.norm_collapse is not None else "the shortest training"
    cards = [
        {
            "title": f"Seems lost in {first}",
            "big": percent(row.apparent.value),
            "text": f"{estimate_percent(row.apparent)} of the explained variance of {target} (held out).",
        }
    ]
    kinds = known_parts(row)
    for some, head in (
        ({"norm_collapse": "gone with a fixed scale", "under_training": "gone with longer training"}, "artefacts, "),
        ({"unpredictable": "a loss that is gone with a target that can be predicted and stands still"}, ""),
        (
            {"capacity": "by a latent too small for both tasks", "residual": "by whatever else alignment does"},
            "the real loss, ",
        ),
    ):
        parts = [part for part in kinds if part.field in some]
        if not parts:
            continue
        values = [getattr(row, part.field) for part in parts]
        words = head + " and ".join(some[part.field] for part in parts)
        cards.append(
            {
                "title": f"Of it, {' and '.join(part.name for part in parts)}",
                "big": f"{' and '.join(times_100(v.value, 0) for v in values)} points",
                "text": f"{' and '.join(estimate_100(v, 0) for v in values)} percentage points: {words} (held out).",
            }
        )
    return cards
