"""What a study found, in sentences and headline figures made from its records."""

from __future__ import annotations

import math

from alignscope.report.words import capital, count, lam, number, percent, share
from alignscope.study.page.classes import class_lead
from alignscope.study.page.decomposition_charts import fall_beside, headline
from alignscope.study.page.forecast_charts import correlation_text
from alignscope.study.page.words import (
    Target,
    arms,
    epochs_text,
    fixed_arms,
    in_arm,
    plain,
    plain_gauge,
    size_text,
    spread,
    spread_percent,
    unique_targets,
    up_to_one,
)
from alignscope.study.results import Agreement, CostParts, LossParts, RetentionRow, SeedInterval, StudyResults

__all__ = ["cards", "established", "fall_words", "lead", "main_agreement", "parts_words", "points", "tone", "verdict"]

SMALL = 0.05  # a loss of less than this share is called small


def verdict(results: StudyResults) -> list[str]:
    """Return the verdict: what seems lost, what of it is real, whether it was foreseen, and which class pays."""
    row, agreement = headline(results), main_agreement(results)
    said = [lead(results)]
    if row is not None:
        fall = fall_beside(results, row)
        said += [parts_words(results, row), *([fall_words(fall, "There")] if fall is not None else [])]
    said += [_foreseen(agreement)] if agreement is not None and agreement.correlation is not None else []
    return said + ([by_class] if (by_class := class_lead(results)) else [])


def lead(results: StudyResults) -> str:
    """Return the first sentence: what alignment seems to cost, or does cost where the parts cannot be told."""
    row, worst = headline(results), worst_kept(results)
    if row is not None:
        short = epochs_text(min(results.spec.sweep.epochs))
        where = f"λ = {lam(row.lambda_)}, {size_text(row.components)}, {short}"
        return (
            f"Trained in the paper’s raw scale ({where}), alignment seems to cost {spread_percent(row.apparent)} of "
            f"what was known of {Target(row.modality, row.target).text} (held out)."
        )
    if worst is not None:
        return _plain_loss(results, worst)
    return "No training with alignment finished beside one without, so nothing can be said yet."


def parts_words(results: StudyResults, row: CostParts) -> str:
    """Return what the apparent cost is made of, in points of a hundred, and what of it the seeds establish."""
    sweep, fixed = results.spec.sweep, fixed_arms(results)
    scale = plain_gauge(fixed[0].gauge) if fixed else "fixed"
    parts = {
        "shrinkage": (row.norm_collapse, f", undone by a fixed scale ({scale}),"),
        "delay": (row.under_training, f", undone by {epochs_text(max(sweep.epochs))},"),
        "capacity": (row.capacity, f", undone by {size_text(max(sweep.components))},"),
        "rest": (row.residual, ""),
    }
    listed = [f"{name}{undone} {points(value)}" for name, (value, undone) in parts.items()]
    sure = [name for name, (value, _) in parts.items() if established(value)]
    told = f"Established, with an interval that leaves out 0: {', '.join(sure)}."
    if not sure:
        told = "No part is established: every interval contains 0."
    if row.apparent.low is None:
        told = "With one seed there is no interval, and nothing is established."
    return f"Taken apart, in points of a hundred: {'; '.join(listed)}. {told}"


def established(value: SeedInterval) -> bool:
    """Say if the interval, where there is one, leaves out 0."""
    return value.low is not None and value.high is not None and not value.low <= 0 <= value.high


def _hundred(value: SeedInterval) -> str:
    return share(100 * value.value, 0)


def points(value: SeedInterval) -> str:
    """Write a share in points of a hundred, with its interval: "12 (7 to 18)"."""
    text = _hundred(value)
    if value.low is None or value.high is None:
        return text
    return f"{text} ({share(100 * value.low, 0)} to {share(100 * value.high, 0)})"


def fall_words(fall: LossParts, where: str) -> str:
    """Return how far the raw loss fell, and by what."""
    return (
        f"{where} the raw alignment loss falls {_times(fall.fall)} in sample: {_times(fall.norm_collapse)} by "
        f"shrinking the second representation, {_times(fall.alignment)} by aligning it."
    )


def _times(decades: SeedInterval) -> str:
    """Write decades as a factor with its interval: "5.1-fold (1.1 to 23)"."""

    def factor(value: float) -> str:
        return number(10**value, ".2g") if value < 2 else count(round(10**value))

    text = f"{factor(decades.value)}-fold"
    if decades.low is None or decades.high is None or decades.low == decades.high:
        return text
    return f"{text} ({factor(decades.low)} to {factor(decades.high)})"


def worst_kept(results: StudyResults) -> RetentionRow | None:
    """Return the lowest retention of what one modality alone was asked for, at the end of the longest training.

    At the largest λ up to 1, and in a fixed scale where there is one.
    """
    ways = fixed_arms(results) or arms(results)
    longest = max(results.spec.sweep.epochs)
    rows = [
        r
        for r in results.retention
        if r.epochs == r.epoch == longest
        and r.lambda_ > 0
        and r.retention is not None
        and Target(r.modality, r.target) in unique_targets(results)
        and any(r.gauge != "none" and in_arm(r, arm) for arm in ways[:1])
    ]
    top = up_to_one(r.lambda_ for r in rows) if rows else 0.0
    some = [r for r in rows if r.lambda_ == top]
    return min(some, key=lambda r: r.retention.value if r.retention else 1.0, default=None)


def _plain_loss(results: StudyResults, row: RetentionRow) -> str:
    arm = next(a for a in arms(results) if in_arm(row, a))
    where = f"λ = {lam(row.lambda_)}, {size_text(row.components)}, {plain(results, arm)}, {epochs_text(row.epochs)}"
    kept = spread_percent(row.retention)
    return (
        f"Hit hardest is {Target(row.modality, row.target).text}: it keeps {kept} of what was known of it without "
        f"alignment (held out; {where})."
    )


def main_agreement(results: StudyResults) -> Agreement | None:
    """Return the agreement over all latent sizes in the first fixed scale."""
    rows = [a for a in results.agreement if a.components is None]
    fixed = [a for a in rows if a.gauge != "raw"]
    return next(iter(fixed or rows), None)


def _foreseen(a: Agreement) -> str:
    better = a.error < a.error_no_loss
    return (
        "A forecast made before any aligned training, from the λ = 0 encoders, puts these losses in order with a "
        f"{correlation_text(a)}; it is off by {percent(a.error)} on average, against {percent(a.error_no_loss)} for "
        f"the guess that nothing is lost{'' if better else ': no better than that guess'} (held out)."
    )


def tone(results: StudyResults) -> str:
    """Return "loss" where a real loss is established, "free" where it is established to be small, else "open"."""
    row, worst = headline(results), worst_kept(results)
    if row is not None:
        real, high = (row.capacity, row.residual), [part.high for part in (row.capacity, row.residual)]
        if any(established(part) and part.value > 0 for part in real):
            return "loss"
        return "free" if all(h is not None and h < SMALL for h in high) else "open"
    kept = worst.retention if worst is not None else None
    if kept is None or kept.low is None or kept.high is None:
        return "open"
    return "loss" if kept.high < 1 else "free" if kept.low > 1 - SMALL else "open"


def cards(results: StudyResults) -> list[dict[str, str]]:
    """Return the headline figures."""
    row, worst, agreement = headline(results), worst_kept(results), main_agreement(results)
    out = []
    if row is not None:
        out += _cost_cards(row)
    elif worst is not None and worst.retention is not None:
        big = percent(worst.retention.value)
        out.append({"title": "Kept by the target hit hardest", "big": big, "text": _plain_loss(results, worst)})
    most = max(
        (c for c in results.capacity if c.components == max(d.components for d in results.capacity)),
        key=lambda c: c.lossless_at.value,
        default=None,
    )
    if most is not None:
        text = (
            f"Modality {most.modality}, by the audit of its λ = 0 encoders: {spread(most.lossless_at, 1)} (in sample); "
            f"{_within(most.within_budget_at)} (held out)."
        )
        big = f"K ≥ {math.ceil(most.lossless_at.value)}"
        out.append({"title": "Latent size at which alignment is free", "big": big, "text": text})
    if agreement is not None and agreement.correlation is not None:
        text = f"{capital(correlation_text(agreement))} of forecast and measured, {agreement.points} points (held out)."
        out.append({"title": "Foreseen before training?", "big": share(agreement.correlation, 2), "text": text})
    return out


def _within(value: SeedInterval | None) -> str:
    if value is None:
        return "no size looked at stays within a loss of 5%"
    return f"within a loss of 5% from {spread(value, 1)} on"


def _cost_cards(row: CostParts) -> list[dict[str, str]]:
    target = Target(row.modality, row.target).text
    where = f"{target}, the target hit hardest, at λ = {lam(row.lambda_)}, {size_text(row.components)}"
    return [
        {
            "title": "Seems lost in the paper’s setting",
            "big": percent(row.apparent.value),
            "text": f"{spread_percent(row.apparent)} of what was known of {where} (held out).",
        },
        {
            "title": "Of it, shrinkage and delay",
            "big": f"{_hundred(row.norm_collapse)} and {_hundred(row.under_training)} points",
            "text": f"{points(row.norm_collapse)} and {points(row.under_training)} points: artefacts, gone with a "
            "fixed scale and with longer training (held out).",
        },
        {
            "title": "Of it, capacity and rest",
            "big": f"{_hundred(row.capacity)} and {_hundred(row.residual)} points",
            "text": f"{points(row.capacity)} and {points(row.residual)} points: the real loss, by a latent too small "
            "for both tasks, and whatever else alignment does (held out).",
        },
    ]
