"""The paper's experiment on synthetic data: what a study with encoders that are not linear says of each claim.

A cost is 1 - retention of what only one modality was asked to predict, held out, against lambda = 0 at the same K,
seed and length of training.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from alignscope.auditing.results import Answer
from alignscope.paper.claim import Claim, Verdict, decimal, judge, numbers, percent

if TYPE_CHECKING:
    from alignscope.study.results import Agreement, ForecastRow, RetentionRow, StudyResults

__all__ = ["claims_of"]

_SYNTHETIC = "Experiment on synthetic data"
_NOTICEABLE = 0.02  # a mean cost below 2 % of what is known at lambda = 0 is called none


def claims_of(results: StudyResults) -> list[Claim]:
    """Return the claims on the experiment, in the order of the page."""
    return [trade_off(results), shrinkage(results), delay(results), capacity(results), forecast(results)]


def trade_off(results: StudyResults) -> Claim:
    """Whether prediction falls as the raw alignment term is given weight, at both lengths of training."""
    claim = "The more two encoders are aligned, the less they predict of what only one modality knows."
    lam = _strength(results)
    rows = [r for r in _specific(results) if r.gauge == "raw" and r.lambda_ == lam]
    lengths = results.spec.sweep.epochs
    short, long = ([r for r in rows if r.epochs == epochs] for epochs in (min(lengths), max(lengths)))
    if not short or not long:
        return _untested("synthetic-trade-off", _SYNTHETIC, claim, "the study has no raw alignment up to λ = 1")
    sizes = sorted({r.components for r in long})
    apart = ", ".join(f"{percent(_cost([r for r in long if r.components == k]))} at K = {k}" for k in sizes)
    return Claim(
        key="synthetic-trade-off",
        source=_SYNTHETIC,
        claim=claim,
        found=f"With the alignment as published (nothing fixes the scale), at λ = {lam:g}: {_summary(short)} after "
        f"{short[0].epochs} epochs of training, {_summary(long)} after {long[0].epochs} ({apart}).",
        verdict=_verdict(_everywhere(short), _everywhere(long)),
        measured=numbers({"lambda": lam, "cost_short": _cost(short), "cost_long": _cost(long),
                          "clear_short": _clear(short), "clear_long": _clear(long)}),
        trials=_trainings(results),
        shown="figure:study_trade_off",
    )  # fmt: skip


def shrinkage(results: StudyResults) -> Claim:
    """How much of the fall of the raw alignment loss is the second encoder making its output small."""
    claim = "A smaller alignment loss means that the representations are more alike."
    parts = [p for p in results.loss_parts if p.gauge == "raw" and p.epochs == max(results.spec.sweep.epochs)]
    fallen = [p for p in parts if p.lambda_ == _strength(results) and p.fall.value > 0]
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
    lam = _strength(results)
    rows = [p for p in rows if p.lambda_ == lam]
    apparent = fmean(p.apparent.value for p in rows) if rows else 0.0
    if apparent <= _NOTICEABLE or len(results.spec.sweep.epochs) < 2:
        why = "there is no apparent cost to take apart, or a single length of training"
        return _untested("synthetic-delay", _SYNTHETIC, claim, why)
    parts = {
        name: fmean(getattr(p, name).value for p in rows)
        for name in ("apparent", "shrinkage", "delay", "capacity", "rest")
    }
    share = parts["delay"] / apparent
    return Claim(
        key="synthetic-delay",
        source=_SYNTHETIC,
        claim=claim,
        found=f"At λ = {lam:g} the apparent cost is {percent(apparent)} of what is known "
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
    lam = _strength(results)
    rows = [r for r in rows if r.lambda_ == lam]
    small = _too_small(results, gauge, lam)
    below, above = [r for r in rows if r.components in small], [r for r in rows if r.components not in small]
    if not below or not above:
        why = "the audit of the λ = 0 features calls none of the latent sizes too small, or all of them"
        return _untested("synthetic-capacity", _SYNTHETIC, claim, why)
    return Claim(
        key="synthetic-capacity",
        source=_SYNTHETIC,
        claim=claim,
        found=f"After the longest training and with the scale fixed, at λ = {lam:g}: {_summary(below)} with latents "
        f"that the linear audit calls too small ({_sizes(below)}), {_summary(above)} with the rest ({_sizes(above)}).",
        verdict=_verdict(_answer(below), _answer(above)),
        measured=numbers({"lambda": lam, "cost_below": _cost(below),
                          "cost_above": _cost(above), "clear_below": _clear(below), "clear_above": _clear(above)}),
        trials=_trainings(results),
        shown="figure:study_capacity",
    )  # fmt: skip


def forecast(results: StudyResults) -> Claim:
    """Whether the audit of the lambda = 0 features ranks what training with alignment costs."""
    claim = "What alignment will cost can be known before training with it, from encoders trained without it."
    gauge = _fixed_gauge(results)
    found = [a for a in results.agreement if a.gauge == gauge and a.components is None and _main(a, results)]
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
    own = _own(results)
    return [
        r
        for r in results.retention
        if (r.modality, r.target) in own and r.epoch == r.epochs and r.retention is not None and _main(r, results)
    ]


def _strength(results: StudyResults) -> float:
    """Return the strength at which claims are judged: the largest of the paper's range, which ends at 1."""
    lambdas = [lam for lam in results.spec.sweep.lambdas if lam > 0]
    return max((lam for lam in lambdas if lam <= 1), default=max(lambdas, default=0.0))


def _too_small(results: StudyResults, gauge: str | None, lam: float) -> set[int]:
    """Return the latent sizes at which the forecast has a noticeable mean cost of what is one modality's own."""
    own, told = _own(results), defaultdict(list)
    for row in results.forecast:
        if row.gauge == gauge and row.lambda_ == lam and _main(row, results) and (row.modality, row.target) in own:
            told[row.components].append(row.forecast.value)
    return {k for k, kept in told.items() if 1 - fmean(kept) > _NOTICEABLE}


def _sizes(rows: Sequence[RetentionRow]) -> str:
    return "K = " + ", ".join(str(k) for k in sorted({r.components for r in rows}))


def _main(row: RetentionRow | ForecastRow | Agreement, results: StudyResults) -> bool:
    """Whether a row is of the first direction and kind of training of the study."""
    sweep = results.spec.sweep
    return (row.direction, row.training) == (sweep.directions[0], sweep.trainings[0])


def _fixed_gauge(results: StudyResults) -> str | None:
    return next((g for g in ("whitened", "normalised") if g in results.spec.sweep.gauges), None)


def _cost(rows: Sequence[RetentionRow]) -> float:
    return 1 - fmean(r.retention.value for r in rows if r.retention is not None)


def _clear(rows: Sequence[RetentionRow]) -> int:
    """Count the rows whose whole interval lies below "nothing is lost"."""
    return sum(r.retention is not None and r.retention.high is not None and r.retention.high < 1 for r in rows)


def _answer(rows: Sequence[RetentionRow]) -> Answer:
    """Return whether rows lose: in the mean, and where there are intervals, clearly so in at least one of them."""
    if _cost(rows) <= _NOTICEABLE:
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
    gone = _cost(rows)
    if gone <= _NOTICEABLE:
        return f"nothing noticeable is lost ({percent(gone)} in the mean)"
    sure = f"clearly so for {_clear(rows)} of" if _intervals(rows) else "one seed, so without an interval;"
    return f"{percent(gone)} is lost ({sure} {len(rows)} targets and latent sizes)"


def _trainings(results: StudyResults) -> int:
    return sum(c.status == "finished" for c in results.cells)
