"""The paper's experiment on satellite data: what two studies of TreeSatAI-Time-Series say of its reading.

In the first both modalities are trained to predict the genera, as in the paper. In the second the aerial picture is
trained to predict the age of the stand, which the series do not show, and the series the genera. A cost is
1 - retention, held out, against lambda = 0 at the same K, seed and length of training. It is a loss where its mean is
above 2% and its 95% interval above 0, none where the interval ends below 2%, and undecided otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from scipy import stats

from alignscope._lib.interval import Answer
from alignscope.paper.claim import Claim, Found, Verdict, check, judge, untested
from alignscope.paper.claims.satellite_figures import ClassAgreement, classes_of, compare_forecast, fused_gain
from alignscope.paper.claims.trainings import NOTICEABLE, end_rows, judged_lambda, rules_words, trained
from alignscope.report.words import percent, share
from alignscope.study.results import SeedInterval

if TYPE_CHECKING:
    from alignscope.study.results import RetentionRow, StudyResults

_SOURCE = "Experiment on TreeSatAI-Time-Series"
_OURS = f"{_SOURCE} (ours)"
_SHOWN = "figure:real-data"
_HIDDEN = 0.05  # a mean over classes says what each retains if none retains so much less
_CHANCE = 0.025  # of 95% intervals, so many lie below the truth


def claims_of(same: StudyResults, different: StudyResults) -> list[Claim]:
    """Return the claims on satellite data, from the study with one target and from that with a target each."""
    return [no_harm(same), average(same), own_target(different), class_forecast(same, different)]


@check("real-data", _SOURCE, _SHOWN)
def no_harm(results: StudyResults) -> Found:
    """Whether alignment leaves what both modalities predict as it is, and whether they are redundant."""
    claim = "On satellite images with tree species alignment does not hurt, which is read as redundancy of modalities."
    rows, lam = _rows(results), judged_lambda(results)
    if not rows:
        return untested(claim, _why(results))
    cost = _cost(rows)
    hurt = sum(_answer(_cost([r])) == "yes" for r in rows)
    gain = fused_gain(results)
    redundant = _redundant(gain)
    verdict: Verdict = "undecided"
    if _answer(cost) == "yes":
        verdict = "does not hold"
    elif _answer(cost) == "no" and (hurt or redundant != "undecided"):
        verdict = judge(not hurt and redundant == "yes", True)
    return Found(
        claim=claim,
        found=f"{_data(results)} at λ = {lam:g} alignment costs {_words(cost)} of the explained variance of the genera "
        f"(mean over modalities, scales and latent sizes; a significant loss in {hurt} of {len(rows)})."
        f"{_gain_words(gain, redundant)}",
        verdict="not tested here" if results.spec.data.synthetic else verdict,
        measured={"lambda": lam, "hurt": hurt, "parts": len(rows), "generated": results.spec.data.synthetic}
        | _figures("cost", cost)
        | _decided("harm", _answer(cost))
        | (_figures("fused_gain", gain) if gain else {})
        | _decided("redundant", redundant),
        trials=trained(results),
    )


@check("real-average", _OURS, _SHOWN)
def average(results: StudyResults) -> Found:
    """Whether the mean over genera hides what single genera lose."""
    claim, lam = (
        "With one target for both modalities, the mean over genera says what every genus pays.",
        judged_lambda(results),
    )
    rows = classes_of(results, lam)
    if len(rows) < 2:
        few = "fewer than two genera are predicted well enough at λ = 0"
        return untested(claim, few if _rows(results) else _why(results))
    retained = [(r, r.retention) for r in rows if r.retention is not None]
    worst, least = min(retained, key=lambda pair: pair[1].value)
    mean = fmean(i.value for _, i in retained)
    bounds = [(i.low, i.high) for _, i in retained if i.low is not None and i.high is not None]
    below, clear = (
        sum(_high(i, among) < mean - NOTICEABLE for _, i in retained if i.high is not None)
        for among in (1, len(bounds))
    )
    close = bool(bounds) and all(low >= mean - _HIDDEN for low, _ in bounds)
    counted = "With one seed there are no intervals, so nothing is significant."
    if bounds:
        counted = (
            f"Of {len(bounds)} intervals {below} lie more than 2 percentage points below that mean; by chance alone "
            f"about {_CHANCE * len(bounds):.1f} would. Widened for so many comparisons, {clear} still do."
        )
    return Found(
        claim=claim,
        found=f"{_data(results)} at λ = {lam:g} and K = {worst.components}, with the scale "
        f"{'as it is' if worst.gauge == 'raw' else 'fixed'}, mean retention is {percent(mean)} over the "
        f"{len(retained)} pairs of a genus and a modality that are predicted at λ = 0. {worst.label} retains least, "
        f"{_words(least)}, in modality {worst.modality}. {counted}",
        verdict="does not hold" if clear else "holds" if close else "undecided",
        measured={"mean": mean, "worst": least.value, "below": below, "clear": clear, "chance": _CHANCE * len(bounds)}
        | {"classes": len(retained)}
        | _decided("hides", "yes" if clear else "no" if close else "undecided"),
        trials=trained(results),
    )


def _high(value: SeedInterval, among: int) -> float:
    """Return the upper end of an interval, widened so that all of so many hold together (Bonferroni)."""
    assert value.high is not None
    wide, plain = (stats.t.ppf(1 - _CHANCE / n, value.seeds - 1) for n in (among, 1))
    return value.value + (value.high - value.value) * float(wide / plain)


@check("real-own-target", _OURS, _SHOWN)
def own_target(results: StudyResults) -> Found:
    """What alignment costs where each modality has a target of its own."""
    claim = "Where each modality has a target of its own, alignment costs it."
    rows, lam = [r for r in _rows(results) if r.modality == 1], judged_lambda(results)
    if not rows:
        return untested(claim, _why(results))
    sizes = sorted({r.components for r in rows})
    costs = {k: _cost([r for r in rows if r.components == k]) for k in sizes}
    cost, answers = _cost(rows), [_answer(c) for c in costs.values()]
    answer, losing, lossless = _answer(cost), answers.count("yes"), answers.count("no")
    verdict: Verdict = "undecided"
    if losing and lossless:
        verdict = "holds with a correction"
    elif answer != "undecided":
        verdict = judge(answer == "yes" and not lossless, losing > 0)
    return Found(
        claim=claim,
        found=f"{_data(results)} the aerial picture is trained to predict the age of the stand, the series the genera, "
        f"and the aerial picture is aligned to the finished series. At λ = {lam:g} alignment costs "
        f"{', '.join(f'{_words(c)} at K = {k}' for k, c in costs.items())} of the explained variance of age.",
        verdict=verdict,
        measured={"lambda": lam, "sizes_losing": losing, "sizes_lossless": lossless, "sizes": len(sizes)}
        | _figures("cost", cost)
        | _decided("harm", answer),
        trials=trained(results),
    )


@check("real-forecast", _OURS, _SHOWN)
def class_forecast(same: StudyResults, different: StudyResults) -> Found:
    """Whether the forecast ranks what every class loses."""
    claim = "What alignment costs each class can be forecast from encoders trained without it."
    found = compare_forecast((same, different))
    if found is None:
        return untested(claim, "too few classes have a forecast and are predicted at λ = 0")
    between = "" if found.between is None else f" Between the classes of one setting it is {share(found.between, 2)}."
    return Found(
        claim=claim,
        found=f"{_data(same)} over {found.points} points (class, latent size, λ) of {found.classes} classes the rank "
        f"correlation of forecast and measured retention is {share(found.rank, 2)} (95% interval over classes "
        f"{share(found.low, 2)} to {share(found.high, 2)}).{between} The forecast is off by {share(found.error, 2)} in "
        f"the mean; saying “nothing is lost” would be off by {share(found.error_no_loss, 2)}. "
        f"{rules_words(found.rules)}",
        verdict=_ranks(found),
        measured={k: v for k, v in found._asdict().items() if v is not None and k != "rules"}
        | {"beats_rules": found.rules.beaten},
        trials=trained(same) + trained(different),
    )


def _ranks(found: ClassAgreement) -> Verdict:
    if found.low > 0:
        holds = found.rank >= 0.8 and found.rules.beaten and (found.between or 0) > 0
        return judge(True) if holds else "undecided"
    return "undecided" if found.high >= 0.5 else "does not hold"


def _why(results: StudyResults) -> str:
    """Say why there is no cost to look at."""
    if not any(r.lambda_ > 0 for r in results.retention):
        return "no training with alignment finished next to one without"
    return "with some seed nothing of the target is predicted at λ = 0"


def _data(results: StudyResults) -> str:
    return "On generated patches, which are not the archive:" if results.spec.data.synthetic else "On the archive:"


def _rows(results: StudyResults) -> list[RetentionRow]:
    """Return what each modality retains of its targets at the end of the longest training."""
    longest = max(results.spec.sweep.epochs)
    return [r for r in end_rows(results, judged_lambda(results)) if r.epochs == longest]


def _cost(rows: Sequence[RetentionRow]) -> SeedInterval:
    """Return the mean cost; its interval is at most as wide as the mean of the rows' intervals, which is given.

    All are cut at 1: a probe that is worse than the mean has nothing left, and no more than there was is lost.
    """
    retained = [r.retention for r in rows if r.retention is not None]
    lows, highs = [i.low for i in retained if i.low is not None], [i.high for i in retained if i.high is not None]
    whole = len(lows) == len(highs) == len(retained)
    return SeedInterval(
        min(1.0, 1 - fmean(i.value for i in retained)),
        min(1.0, 1 - fmean(highs)) if whole else None,
        min(1.0, 1 - fmean(lows)) if whole else None,
        min(i.seeds for i in retained),
    )


def _answer(cost: SeedInterval) -> Answer:
    """Say if something is lost: more than is noticeable, and clearly above 0; or clearly no more than that."""
    if cost.low is None or cost.high is None:
        return "undecided"
    if cost.low > 0 and cost.value > NOTICEABLE:
        return "yes"
    return "no" if cost.high <= NOTICEABLE else "undecided"


def _redundant(gain: SeedInterval | None) -> Answer:
    """Say if either modality predicts alone what both predict together."""
    negated: dict[Answer, Answer] = {"yes": "no", "no": "yes", "undecided": "undecided"}
    return "undecided" if gain is None else negated[_answer(gain)]


def _gain_words(gain: SeedInterval | None, redundant: Answer) -> str:
    if gain is None:
        return ""
    found = {"yes": "they are redundant here", "no": "they are not redundant", "undecided": "redundancy is undecided"}
    low, high = gain.low, gain.high
    within = f" ({share(low, 2)} to {share(high, 2)})" if low is not None and high is not None else " (one seed)"
    return (
        f" A model that sees both modalities gains {share(gain.value, 2)}{within} on the better one alone in held-out "
        f"macro F1 (the mean over genera): {found[redundant]}."
    )


def _words(value: SeedInterval) -> str:
    if value.low is None or value.high is None:
        return f"{percent(value.value)} (one seed, so without an interval)"
    return f"{percent(value.value)} (95% interval {percent(value.low)} to {percent(value.high)})"


def _figures(name: str, value: SeedInterval) -> dict[str, float]:
    found = {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
    return {key: figure for key, figure in found.items() if figure is not None}


def _decided(name: str, answer: Answer) -> dict[str, float]:
    return {} if answer == "undecided" else {name: float(answer == "yes")}
