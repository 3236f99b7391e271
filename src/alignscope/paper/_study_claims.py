"""The paper's two experiments: what a study with encoders that are not linear says of each claim.

A cost is 1 - retention of what only one modality was asked to predict, held out, against lambda = 0 at the same K,
seed and length of training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from alignscope.paper._record import Claim, decimal, judge, numbers, percent

if TYPE_CHECKING:
    from alignscope.study.results import RetentionRow, StudyResults

__all__ = ["claims_of"]

_SYNTHETIC = "Experiment on synthetic data"
_NOTICEABLE = 0.02  # a mean cost below 2 % of what is known at lambda = 0 is called none


def claims_of(results: StudyResults) -> list[Claim]:
    """Return the claims on both experiments, in the order of the page."""
    return [trade_off(results), shrinkage(results), delay(results), capacity(results), forecast(results), real_data()]


def trade_off(results: StudyResults) -> Claim:
    """Whether prediction falls as the raw alignment term is given weight, at both lengths of training."""
    claim = "The more two encoders are aligned, the less they predict of what only one modality knows."
    rows = [r for r in _specific(results) if r.gauge == "raw" and 0 < r.lambda_ <= 1]
    lam = max((r.lambda_ for r in rows), default=0.0)
    lengths = results.spec.sweep.epochs
    short, long = (
        [r for r in rows if r.lambda_ == lam and r.epochs == epochs] for epochs in (min(lengths), max(lengths))
    )
    if not short or not long:
        return _untested("synthetic-trade-off", _SYNTHETIC, claim, "the study has no raw alignment up to λ = 1")
    return Claim(
        key="synthetic-trade-off",
        source=_SYNTHETIC,
        claim=claim,
        found=f"With the alignment as published (nothing fixes the scale), at λ = {lam:g}: {_summary(short)} after "
        f"{short[0].epochs} epochs of training, {_summary(long)} after {long[0].epochs}.",
        verdict=judge(_costs(short) and _costs(long), _costs(short) or _costs(long)),
        measured=numbers({"lambda": lam, "cost_short": _cost(short), "cost_long": _cost(long),
                          "clear_short": _clear(short), "clear_long": _clear(long)}),
        trials=_trainings(results),
        shown="figure:study_trade_off",
    )  # fmt: skip


def shrinkage(results: StudyResults) -> Claim:
    """How much of the fall of the raw alignment loss is the second encoder making its output small."""
    claim = "A smaller alignment loss means that the representations are more alike."
    parts = [p for p in results.loss_parts if p.gauge == "raw" and p.epochs == max(results.spec.sweep.epochs)]
    fallen = [p for p in parts if p.lambda_ == max(q.lambda_ for q in parts) and p.fall.value > 0]
    if not fallen:
        return _untested("synthetic-shrinkage", _SYNTHETIC, claim, "no raw alignment loss of the study falls")
    fall, shrunk = (fmean(i.value for i in part) for part in ([p.fall for p in fallen], [p.shrinkage for p in fallen]))
    share = shrunk / fall
    return Claim(
        key="synthetic-shrinkage",
        source=_SYNTHETIC,
        claim=claim,
        found=f"At λ = {fallen[0].lambda_:g} the loss falls {10**fall:,.0f}-fold from λ = 0. Counted in factors of "
        f"ten, {percent(share)} of that is the second encoder making its output small, which costs nothing and aligns "
        "nothing. R² of alignment does not see the scale and tells the rest.",
        verdict=judge(share < 0.1, share < 0.5),
        measured=numbers({"lambda": fallen[0].lambda_, "decades": fall, "shrinkage_share": share}),
        trials=_trainings(results),
        shown="figure:study_loss_parts",
    )


def delay(results: StudyResults) -> Claim:
    """How much of the apparent cost is gone when training goes on."""
    claim = "What aligned encoders predict less well is lost."
    own = _own(results)
    rows = [p for p in results.cost_parts if (p.modality, p.target) in own]
    by_lambda = {lam: [p for p in rows if p.lambda_ == lam] for lam in {p.lambda_ for p in rows}}
    lam = max(by_lambda, key=lambda v: (fmean(p.apparent.value for p in by_lambda[v]), v), default=0.0)
    apparent = fmean(p.apparent.value for p in by_lambda[lam]) if by_lambda else 0.0
    if apparent <= _NOTICEABLE or len(results.spec.sweep.epochs) < 2:
        why = "there is no apparent cost to take apart, or a single length of training"
        return _untested("synthetic-delay", _SYNTHETIC, claim, why)
    parts = {
        name: fmean(getattr(p, name).value for p in by_lambda[lam])
        for name in ("apparent", "shrinkage", "delay", "capacity", "rest")
    }
    share = parts["delay"] / apparent
    return Claim(
        key="synthetic-delay",
        source=_SYNTHETIC,
        claim=claim,
        found=f"At λ = {lam:g}, where it seems to cost most, the apparent cost is {percent(apparent)} of what is known "
        f"without alignment: {percent(parts['shrinkage'])} because nothing fixes the scale, {percent(parts['delay'])} "
        f"because aligned encoders learn more slowly, {percent(parts['capacity'])} because the latent is small, and "
        f"{percent(parts['rest'])} that none of these explains (means over latent sizes and targets).",
        verdict=judge(share < 0.1, share < 0.5),
        measured=numbers(parts | {"lambda": lam, "delay_share": share}),
        trials=_trainings(results),
        shown="figure:study_cost_parts",
    )


def capacity(results: StudyResults) -> Claim:
    """Whether alignment costs after long training and in a fixed gauge, below and above the capacity."""
    claim = "Alignment costs modality-specific information."
    gauge = _fixed_gauge(results)
    rows = [r for r in _specific(results) if r.gauge == gauge and r.epochs == max(results.spec.sweep.epochs)]
    rows = [r for r in rows if r.lambda_ == max(q.lambda_ for q in rows)]
    sizes = [c for c in results.capacity if c.components == max(d.components for d in results.capacity)]
    needed = max((c.within_budget_at.value if c.within_budget_at else math.inf for c in sizes), default=0.0)
    below, above = [r for r in rows if r.components < needed], [r for r in rows if r.components >= needed]
    if not below or not above:
        why = "the study has no latent size below, or none above, the one that the audit calls sufficient"
        return _untested("synthetic-capacity", _SYNTHETIC, claim, why)
    return Claim(
        key="synthetic-capacity",
        source=_SYNTHETIC,
        claim=claim,
        found=f"After the longest training and with the scale fixed, at λ = {rows[0].lambda_:g}: {_summary(below)} "
        f"with a latent below the K = {needed:.3g} that the linear audit calls sufficient, {_summary(above)} above.",
        verdict=judge(_costs(below) and _costs(above), _costs(below)),
        measured=numbers({"lambda": rows[0].lambda_, "sufficient": needed, "cost_below": _cost(below),
                          "cost_above": _cost(above), "clear_below": _clear(below), "clear_above": _clear(above)}),
        trials=_trainings(results),
        shown="figure:study_capacity",
    )  # fmt: skip


def forecast(results: StudyResults) -> Claim:
    """Whether the audit of the lambda = 0 features ranks what training with alignment costs."""
    claim = "What alignment will cost can be known before training with it, from encoders trained without it."
    gauge = _fixed_gauge(results)
    found = [a for a in results.agreement if a.gauge == gauge and a.components is None]
    if not found or (correlation := found[0].correlation) is None:
        return _untested("forecast", "ours", claim, "the study has no forecast in a fixed gauge")
    a = found[0]
    within = "one seed, so no interval"
    if a.low is not None and a.high is not None:
        within = f"95 % interval {decimal(a.low)} to {decimal(a.high)}"
    ranks, better = a.low is not None and a.low > 0, a.error < a.error_no_loss
    return Claim(
        key="forecast",
        source="ours",
        claim=claim,
        found=f"Forecast and measured retention have a rank correlation of {decimal(correlation)} ({within}) "
        f"over {a.points} points. The forecast is off by {a.error:.3f} in the mean; "
        f"saying “nothing is lost” would be off by {a.error_no_loss:.3f}.",
        verdict=judge(ranks and better, ranks or better),
        measured=numbers({"correlation": correlation, "error": a.error, "error_no_loss": a.error_no_loss,
                          "points": a.points}),
        trials=_trainings(results),
        shown="figure:study_forecast",
    )  # fmt: skip


def real_data() -> Claim:
    """The place of the experiment on satellite data."""
    claim = "On satellite images with tree species alignment does not hurt, which is read as redundancy of modalities."
    why = "it follows with the satellite data; one target for both modalities hides losses in its average, so it will "
    return _untested("real-data", "Experiment on TreeSatAI-Time-Series", claim, why + "be shown for every species")


def _untested(key: str, source: str, claim: str, why: str) -> Claim:
    return Claim(
        key=key, source=source, claim=claim, found=f"Not tested here: {why}.", verdict="not tested here", measured={},
        trials=0, shown=f"figure:{key}",
    )  # fmt: skip


def _own(results: StudyResults) -> set[tuple[int, str]]:
    """Return (modality, target) of what only that modality was asked to predict; of all where nothing is its own."""
    first, second = results.asked
    own = {(1, t) for t in first if t not in second} | {(2, t) for t in second if t not in first}
    return own or {(1, t) for t in first} | {(2, t) for t in second}


def _specific(results: StudyResults) -> list[RetentionRow]:
    """Return retention at the end of training of what only one modality was asked, in the first direction."""
    own, sweep = _own(results), results.spec.sweep
    return [
        r
        for r in results.retention
        if (r.modality, r.target) in own
        and r.epoch == r.epochs
        and r.retention is not None
        and (r.direction, r.training) == (sweep.directions[0], sweep.trainings[0])
    ]


def _fixed_gauge(results: StudyResults) -> str | None:
    return next((g for g in ("whitened", "normalised") if g in results.spec.sweep.gauges), None)


def _cost(rows: Sequence[RetentionRow]) -> float:
    return 1 - fmean(r.retention.value for r in rows if r.retention is not None)


def _clear(rows: Sequence[RetentionRow]) -> int:
    """Count the rows whose whole interval lies below "nothing is lost"."""
    return sum(r.retention is not None and r.retention.high is not None and r.retention.high < 1 for r in rows)


def _costs(rows: Sequence[RetentionRow]) -> bool:
    """Whether the mean cost is noticeable and, where there are intervals, at least one row clearly loses."""
    return bool(rows) and _cost(rows) > _NOTICEABLE and (_clear(rows) > 0 or not _intervals(rows))


def _intervals(rows: Sequence[RetentionRow]) -> bool:
    return any(r.retention is not None and r.retention.high is not None for r in rows)


def _summary(rows: Sequence[RetentionRow]) -> str:
    gone = _cost(rows)
    said = f"{percent(gone)} is lost" if gone > _NOTICEABLE else "nothing noticeable is lost"
    sure = f"clearly so for {_clear(rows)} of" if _intervals(rows) else "one seed, so without an interval;"
    return f"{said} ({sure} {len(rows)} targets and latent sizes)"


def _trainings(results: StudyResults) -> int:
    return sum(c.status == "finished" for c in results.cells)
