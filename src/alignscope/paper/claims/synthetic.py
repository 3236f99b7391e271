"""The paper's experiment on synthetic data: what a study with encoders that are not linear says of each claim.

A cost is 1 - retention of what only one modality is trained to predict, held out, against lambda = 0 at the same K,
seed and length of training.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from alignscope._lib.interval import Answer
from alignscope.paper.claim import Found, Verdict, check, judge, untested
from alignscope.paper.claims.trainings import (
    NOTICEABLE,
    end_rows,
    first_variant,
    judged_lambda,
    rules_words,
    trained,
)
from alignscope.report.words import percent, share
from alignscope.study.page.selection import own_targets
from alignscope.study.rules import contest
from alignscope.study.spec import FIXED_GAUGES

if TYPE_CHECKING:
    from alignscope.study.results import RetentionRow, StudyResults

_SYNTHETIC = "Experiment on synthetic data"


@check("synthetic-trade-off", _SYNTHETIC, "figure:study_trade_off")
def trade_off(results: StudyResults) -> Found:
    """Whether prediction falls as the raw alignment term is given weight, at both lengths of training."""
    claim = "The more two encoders are aligned, the worse each predicts what is specific to its modality."
    lam, lengths = judged_lambda(results), results.spec.sweep.epochs
    rows = _own_rows(results, "raw")
    short, long = ([r for r in rows if r.epochs == epochs] for epochs in (min(lengths), max(lengths)))
    if not short or not long:
        return untested(claim, "the study has no raw alignment up to λ = 1")
    sizes = sorted({r.components for r in long})
    by_size = ", ".join(f"{percent(_cost([r for r in long if r.components == k]))} at K = {k}" for k in sizes)
    return Found(
        claim=claim,
        found=f"With the alignment as published (nothing fixes the scale), at λ = {lam:g}: {_summary(short)} after "
        f"{short[0].epochs} epochs of training, {_summary(long)} after {long[0].epochs} ({by_size}).",
        verdict=_verdict(_everywhere(short), _everywhere(long)),
        measured={"lambda": lam, "cost_short": _cost(short), "cost_long": _cost(long),
                  "clear_short": _clear(short), "clear_long": _clear(long)},
        trials=trained(results),
    )  # fmt: skip


@check("synthetic-norm-collapse", _SYNTHETIC, "figure:study_loss_parts")
def norm_collapse(results: StudyResults) -> Found:
    """How much of the fall of the raw alignment loss is the second encoder making its output small."""
    claim = "A smaller alignment loss means that the representations are more alike."
    parts = [p for p in results.loss_parts if p.gauge == "raw" and p.epochs == max(results.spec.sweep.epochs)]
    fallen = [p for p in parts if p.lambda_ == judged_lambda(results) and p.fall.value > 0]
    if not fallen:
        return untested(claim, "no raw alignment loss of the study falls")
    fall = fmean(p.fall.value for p in fallen)
    collapse = fmean(p.norm_collapse.value for p in fallen) / fall
    return Found(
        claim=claim,
        found=f"At λ = {fallen[0].lambda_:g} the loss falls {10**fall:,.0f}-fold from λ = 0. Counted in factors of "
        f"ten, {percent(collapse)} of that is norm collapse: the second encoder makes its output small, which costs "
        "nothing and aligns nothing. R² of alignment does not depend on the scale.",
        verdict=judge(collapse < 0.1, collapse < 0.5),
        measured={"lambda": fallen[0].lambda_, "decades": fall, "norm_collapse_share": collapse},
        trials=trained(results),
    )


@check("synthetic-under-training", _SYNTHETIC, "figure:study_cost_parts")
def under_training(results: StudyResults) -> Found:
    """How much of the apparent cost is gone when training goes on."""
    claim = "What aligned encoders predict less well is lost."
    own, lam = own_targets(results), judged_lambda(results)
    rows = [p for p in results.cost_parts if (p.modality, p.target) in own and p.lambda_ == lam]
    apparent = fmean(p.apparent.value for p in rows) if rows else 0.0
    if apparent <= NOTICEABLE or len(results.spec.sweep.epochs) < 2:
        return untested(claim, "there is no apparent cost to decompose, or a single length of training")
    parts = {
        name: fmean(0.0 if (part := getattr(p, name)) is None else part.value for p in rows)
        for name in ("apparent", "norm_collapse", "under_training", "capacity", "unpredictable", "residual")
        if any(getattr(p, name) is not None for p in rows)
    }
    if "norm_collapse" not in parts or "capacity" not in parts:
        return untested(claim, "the study has no raw alignment, or a single latent size")
    learned = ""
    if "unpredictable" in parts:
        learned = f"{percent(parts['unpredictable'])} by what cannot be predicted of the target, "
    late = parts["under_training"] / apparent
    return Found(
        claim=claim,
        found=f"At λ = {lam:g} the apparent cost is {percent(apparent)} of the variance explained without alignment: "
        f"{percent(parts['norm_collapse'])} by norm collapse, since nothing fixes the scale, "
        f"{percent(parts['under_training'])} by under-training, since aligned encoders learn more slowly, "
        f"{percent(parts['capacity'])} by a small latent, {learned}and a residual of "
        f"{percent(parts['residual'])} that none of these explains (means over latent sizes and targets).",
        verdict=judge(late < 0.1, late < 0.5),
        measured=parts | {"lambda": lam, "under_training_share": late},
        trials=trained(results),
    )


@check("synthetic-capacity", _SYNTHETIC, "figure:study_capacity")
def capacity(results: StudyResults) -> Found:
    """Whether alignment costs after long training and with a fixed target scaling, below and above the capacity."""
    claim = "Alignment costs modality-specific information."
    gauge, lam = _fixed_gauge(results), judged_lambda(results)
    rows = [r for r in _own_rows(results, gauge) if r.epochs == max(results.spec.sweep.epochs)]
    small = _too_small(results, gauge)
    below, above = [r for r in rows if r.components in small], [r for r in rows if r.components not in small]
    if not below or not above:
        return untested(
            claim, "the audit of the λ = 0 features calls none of the latent sizes too small, or all of them"
        )
    return Found(
        claim=claim,
        found=f"After the longest training and with the scale fixed, at λ = {lam:g}: {_summary(below)} with latents "
        f"that the linear audit calls too small ({_sizes(below)}), {_summary(above)} with larger ones "
        f"({_sizes(above)}).",
        verdict=_verdict(_answer(below), _answer(above)),
        measured={"lambda": lam, "cost_below": _cost(below),
                  "cost_above": _cost(above), "clear_below": _clear(below), "clear_above": _clear(above)},
        trials=trained(results),
    )  # fmt: skip


@check("forecast", "ours", "figure:study_forecast")
def forecast(results: StudyResults) -> Found:
    """Whether the audit of the lambda = 0 features says more of what alignment costs than a rule of one line.

    It holds only where it beats the best of them, by error and by rank, with a 95% interval, and does not where it is
    shown to be worse.
    """
    claim = "What alignment will cost can be forecast before training with it, from encoders trained without it."
    gauge = _fixed_gauge(results)
    found = [a for a in results.agreement if a.gauge == gauge and a.components is None and first_variant(a, results)]
    if not found or (correlation := found[0].correlation) is None:
        return untested(claim, "the study has no forecast with a fixed target scaling")
    a = found[0]
    within = "one seed, so no interval"
    if a.low is not None and a.high is not None:
        within = f"95% interval {share(a.low, 2)} to {share(a.high, 2)}"
    against = contest(results, a.variant)
    beaten, rules = against is not None and against.beaten, rules_words(against)
    worse = against is not None and min(against.error.sign, against.rank.sign) < 0
    return Found(
        claim=claim,
        found=f"Forecast and measured retention have a rank correlation of {share(correlation, 2)} ({within}) "
        f"over {a.points} points. The forecast is off by {a.error:.3f} in the mean; "
        f"saying “nothing is lost” would be off by {a.error_no_loss:.3f}. {rules}",
        verdict=judge(beaten) if beaten or worse else "undecided",
        measured={"correlation": correlation, "error": a.error, "error_no_loss": a.error_no_loss,
                  "points": a.points, "beats_rules": beaten},
        trials=trained(results),
    )  # fmt: skip


def _own_rows(results: StudyResults, gauge: str | None) -> list[RetentionRow]:
    """Return retention at the ends of trainings in a target scaling of what only one modality is trained to predict."""
    own = own_targets(results)
    return [r for r in end_rows(results, judged_lambda(results)) if r.gauge == gauge and (r.modality, r.target) in own]


def _too_small(results: StudyResults, gauge: str | None) -> set[int]:
    """Return the latent sizes at which the forecast has a noticeable mean cost of what is one modality's own."""
    own, lam, by_size = own_targets(results), judged_lambda(results), defaultdict(list)
    for row in results.forecast:
        here = first_variant(row, results) and (row.gauge, row.lambda_) == (gauge, lam)
        if here and (row.modality, row.target) in own:
            by_size[row.components].append(row.forecast.value)
    return {k for k, retained in by_size.items() if 1 - fmean(retained) > NOTICEABLE}


def _sizes(rows: Sequence[RetentionRow]) -> str:
    return "K = " + ", ".join(str(k) for k in sorted({r.components for r in rows}))


def _fixed_gauge(results: StudyResults) -> str | None:
    return next((g for g in FIXED_GAUGES if g in results.spec.sweep.gauges), None)


def _cost(rows: Sequence[RetentionRow]) -> float:
    return 1 - fmean(r.retention.value for r in rows if r.retention is not None)


def _clear(rows: Sequence[RetentionRow]) -> int:
    """Count the rows whose whole interval lies below "nothing is lost"."""
    return sum(r.retention is not None and r.retention.high is not None and r.retention.high < 1 for r in rows)


def _answer(rows: Sequence[RetentionRow]) -> Answer:
    """Return whether rows lose: in the mean, and where there are intervals, clearly so in at least one of them."""
    if _cost(rows) <= NOTICEABLE:
        return "no"
    return "yes" if _clear(rows) > 0 or not _intervals(rows) else "undecided"


def _everywhere(rows: Sequence[RetentionRow]) -> Answer:
    """Return whether rows lose at every latent size."""
    answers = {_answer([r for r in rows if r.components == k]) for k in {r.components for r in rows}}
    return "no" if "no" in answers else "undecided" if "undecided" in answers else "yes"


def _verdict(expected: Answer, beyond: Answer) -> Verdict:
    """Return the verdict on "it costs" from where the paper's reading expects it, and from where ours does not."""
    if "undecided" in (expected, beyond):
        return "undecided"
    return judge(expected == beyond == "yes", expected != beyond)


def _intervals(rows: Sequence[RetentionRow]) -> bool:
    return any(r.retention is not None and r.retention.high is not None for r in rows)


def _summary(rows: Sequence[RetentionRow]) -> str:
    lost = percent(_cost(rows))
    if _cost(rows) <= NOTICEABLE:
        return f"nothing noticeable is lost ({lost} in the mean)"
    clear = f"clearly so for {_clear(rows)} of" if _intervals(rows) else "one seed, so without an interval;"
    return f"{lost} is lost ({clear} {len(rows)} targets and latent sizes)"


CHECKS = (trade_off, norm_collapse, under_training, capacity, forecast)
"""In the order of the page."""
