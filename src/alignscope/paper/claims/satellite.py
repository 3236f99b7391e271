"""The paper's experiment on satellite data: what two studies of TreeSatAI-Time-Series say of its reading.

In the first both modalities are asked for the genera, as in the paper. In the second the aerial picture is asked for
the age of the stand, which the series do not show, and the series for the genera. A cost is 1 - retention, held out,
against lambda = 0 at the same K, seed and length of training. It is a loss where its mean is above 2 % and its 95 %
interval above 0, none where the interval ends below 2 %, and undecided otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from scipy import stats

from alignscope.auditing.results import Answer
from alignscope.paper.claim import Claim, Verdict, decimal, judge, numbers, percent
from alignscope.paper.claims.satellite_figures import Foretold, classes_of, foretold, fused_gain
from alignscope.study.results import Interval
from alignscope.study.spec import TreeSatAIData

if TYPE_CHECKING:
    from alignscope.study.results import RetentionRow, StudyResults

__all__ = ["claims_of"]

_SOURCE = "Experiment on TreeSatAI-Time-Series"
_OURS = f"{_SOURCE} (ours)"
_NOTICEABLE = 0.02  # of what is known at lambda = 0, or of F1
_HIDDEN = 0.05  # a mean over classes says what each keeps if none keeps so much less
_CHANCE = 0.025  # of 95 % intervals, so many lie below the truth


def claims_of(same: StudyResults, different: StudyResults) -> list[Claim]:
    """Return the claims on satellite data, from the study with one target and from that with a target each."""
    return [no_harm(same), average(same), own_target(different), retention_curve(same, different)]


def no_harm(results: StudyResults) -> Claim:
    """Whether alignment leaves what both modalities are asked for as it is, and whether they are redundant."""
    claim = "On satellite images with tree species alignment does not hurt, which is read as redundancy of modalities."
    rows = _rows(results)
    if not rows:
        return _untested("real-data", _SOURCE, claim, _why(results))
    cost, parts = _cost(rows), [[r] for r in rows]
    hurt = sum(_answer(_cost(part)) == "yes" for part in parts)
    gain = fused_gain(results)
    redundant = _redundant(gain)
    verdict: Verdict = "undecided"
    if _answer(cost) == "yes":
        verdict = "does not hold"
    elif _answer(cost) == "no" and (hurt or redundant != "undecided"):
        verdict = judge(not hurt and redundant == "yes", True)
    return Claim(
        key="real-data",
        source=_SOURCE,
        claim=claim,
        found=f"{_data(results)} at λ = "
        f"{_strength(results):g} alignment costs {_words(cost)} of what is known of the genera (mean over modalities, "
        f"scales and latent sizes; an established loss in {hurt} of {len(parts)}).{_gain_words(gain, redundant)}",
        verdict="not tested here" if _generated(results) else verdict,
        measured=numbers(
            {"lambda": _strength(results), "hurt": hurt, "parts": len(parts), "generated": _generated(results)}
            | _figures("cost", cost)
            | _decided("harm", _answer(cost))
            | (_figures("fused_gain", gain) if gain else {})
            | _decided("redundant", redundant)
        ),
        trials=_trainings(results),
        shown="figure:real-data",
    )


def average(results: StudyResults) -> Claim:
    """Whether the mean over genera hides what single genera lose."""
    claim = "With one target for both modalities, the mean over genera says what every genus pays."
    rows = classes_of(results, _strength(results))
    if len(rows) < 2:
        why = "fewer than two genera are known well enough at λ = 0" if _rows(results) else _why(results)
        return _untested("real-average", _OURS, claim, why)
    kept = [(r, r.retention) for r in rows if r.retention is not None]
    worst, least = min(kept, key=lambda pair: pair[1].value)
    mean = fmean(i.value for _, i in kept)
    bounds = [(i.low, i.high) for _, i in kept if i.low is not None and i.high is not None]
    below, clear = (
        sum(_high(i, among) < mean - _NOTICEABLE for _, i in kept if i.high is not None) for among in (1, len(bounds))
    )
    close = bool(bounds) and all(low >= mean - _HIDDEN for low, _ in bounds)
    counted = "With one seed there are no intervals, so nothing is established."
    if bounds:
        counted = (
            f"Of {len(bounds)} intervals {below} lie more than 2 points below that mean; by chance alone about "
            f"{_CHANCE * len(bounds):.1f} would. Widened for so many looks, {clear} still do."
        )
    return Claim(
        key="real-average",
        source=_OURS,
        claim=claim,
        found=f"{_data(results)} at λ = {_strength(results):g} and K = {worst.components}, with the scale "
        f"{'as it is' if worst.gauge == 'raw' else 'fixed'}, {percent(mean)} is kept in the mean over the {len(kept)} "
        f"pairs of a genus and a modality that are known at λ = 0. {worst.label} keeps least, "
        f"{_words(least)}, in modality {worst.modality}. {counted}",
        verdict="does not hold" if clear else "holds" if close else "undecided",
        measured=numbers(
            {"mean": mean, "worst": least.value, "below": below, "clear": clear, "chance": _CHANCE * len(bounds)}
            | {"classes": len(kept)}
            | _decided("hides", "yes" if clear else "no" if close else "undecided")
        ),
        trials=_trainings(results),
        shown="figure:real-data",
    )


def _high(value: Interval, among: int) -> float:
    """Return the upper end of an interval, widened so that all of so many hold together (Bonferroni)."""
    assert value.high is not None
    wide, plain = (stats.t.ppf(1 - _CHANCE / n, value.seeds - 1) for n in (among, 1))
    return value.value + (value.high - value.value) * float(wide / plain)


def own_target(results: StudyResults) -> Claim:
    """What alignment costs where each modality is asked for something of its own."""
    claim = "Where each modality is asked for something of its own, alignment costs it."
    rows = [r for r in _rows(results) if r.modality == 1]
    if not rows:
        return _untested("real-own-target", _OURS, claim, _why(results))
    sizes = sorted({r.components for r in rows})
    costs = {k: _cost([r for r in rows if r.components == k]) for k in sizes}
    cost, answers = _cost(rows), [_answer(c) for c in costs.values()]
    answer, losing, free = _answer(cost), answers.count("yes"), answers.count("no")
    verdict: Verdict = "undecided"
    if losing and free:
        verdict = "holds with a correction"
    elif answer != "undecided":
        verdict = judge(answer == "yes" and not free, losing > 0)
    apart = ", ".join(f"{_words(c)} at K = {k}" for k, c in costs.items())
    return Claim(
        key="real-own-target",
        source=_OURS,
        claim=claim,
        found=f"{_data(results)} the aerial picture is asked for the age of the stand, the series for the genera, and "
        f"the aerial picture is aligned to the finished series. At λ = {_strength(results):g} alignment costs {apart} "
        "of what is known of age.",
        verdict=verdict,
        measured=numbers(
            {"lambda": _strength(results), "sizes_losing": losing, "sizes_free": free, "sizes": len(sizes)}
            | _figures("cost", cost)
            | _decided("harm", answer)
        ),
        trials=_trainings(results),
        shown="figure:real-data",
    )


def retention_curve(same: StudyResults, different: StudyResults) -> Claim:
    """Whether the forecast ranks what every class loses."""
    claim = "What alignment costs each class can be foreseen from encoders trained without it."
    found = foretold((same, different))
    if found is None:
        return _untested("real-forecast", _OURS, claim, "too few classes have a forecast and are known at λ = 0")
    between = "" if found.between is None else f" Between the classes of one setting it is {decimal(found.between)}."
    return Claim(
        key="real-forecast",
        source=_OURS,
        claim=claim,
        found=f"{_data(same)} over {found.points} points (class, latent size, strength) of {found.classes} classes the "
        f"rank correlation of forecast and measured retention is {decimal(found.rank)} (95 % interval over classes "
        f"{decimal(found.low)} to {decimal(found.high)}).{between} The forecast is off by {decimal(found.error)} in "
        f"the mean; saying “nothing is lost” would be off by {decimal(found.error_no_loss)}.",
        verdict=_ranks(found),
        measured=numbers({k: v for k, v in found._asdict().items() if v is not None}),
        trials=_trainings(same) + _trainings(different),
        shown="figure:real-data",
    )


def _ranks(found: Foretold) -> Verdict:
    better = found.error < found.error_no_loss
    if found.low > 0:
        return judge(found.rank >= 0.8 and better and (found.between or 0) > 0, True)
    return "undecided" if found.high >= 0.5 else "does not hold"


def _untested(key: str, source: str, claim: str, why: str) -> Claim:
    return Claim(
        key=key, source=source, claim=claim, found=f"Not tested here: {why}.", verdict="not tested here", measured={},
        trials=0, shown="figure:real-data",
    )  # fmt: skip


def _why(results: StudyResults) -> str:
    """Say why there is no cost to look at."""
    if not any(r.lambda_ > 0 for r in results.retention):
        return "no training with alignment finished beside one without"
    return "with some seed nothing is known of what was asked at λ = 0"


def _generated(results: StudyResults) -> bool:
    return isinstance(results.spec.data, TreeSatAIData) and results.spec.data.path is None


def _data(results: StudyResults) -> str:
    return "On generated patches, which are not the archive:" if _generated(results) else "On the archive:"


def _strength(results: StudyResults) -> float:
    """Return the strength at which claims are judged: the largest of the paper's range, which ends at 1."""
    above = [lam for lam in results.spec.sweep.lambdas if lam > 0]
    return max((lam for lam in above if lam <= 1), default=min(above, default=0.0))


def _rows(results: StudyResults) -> list[RetentionRow]:
    """Return what each modality keeps of what it was asked for, at the end of the longest training."""
    sweep = results.spec.sweep
    return [
        r
        for r in results.retention
        if r.asked
        and r.retention is not None
        and 0 < r.lambda_ == _strength(results)
        and r.epoch == r.epochs == max(sweep.epochs)
        and (r.direction, r.training) == (sweep.directions[0], sweep.trainings[0])
    ]


def _cost(rows: Sequence[RetentionRow]) -> Interval:
    """Return the mean cost; its interval is at most as wide as the mean of the rows' intervals, which is given."""
    kept = [r.retention for r in rows if r.retention is not None]
    lows, highs = [i.low for i in kept if i.low is not None], [i.high for i in kept if i.high is not None]
    whole = len(lows) == len(highs) == len(kept)
    return Interval(
        1 - fmean(i.value for i in kept),
        1 - fmean(highs) if whole else None,
        1 - fmean(lows) if whole else None,
        min(i.seeds for i in kept),
    )


def _answer(cost: Interval) -> Answer:
    """Say if something is lost: more than is noticeable, and clearly above 0; or clearly no more than that."""
    if cost.low is None or cost.high is None:
        return "undecided"
    if cost.low > 0 and cost.value > _NOTICEABLE:
        return "yes"
    return "no" if cost.high <= _NOTICEABLE else "undecided"


def _redundant(gain: Interval | None) -> Answer:
    """Say if either modality tells alone what both tell together."""
    if gain is None:
        return "undecided"
    answer = _answer(gain)
    return answer if answer == "undecided" else "no" if answer == "yes" else "yes"


def _gain_words(gain: Interval | None, redundant: Answer) -> str:
    if gain is None:
        return ""
    said = {"yes": "they are redundant here", "no": "they are not redundant", "undecided": "redundancy is undecided"}
    low, high = gain.low, gain.high
    within = f" ({decimal(low)} to {decimal(high)})" if low is not None and high is not None else " (one seed)"
    return (
        " A model that sees both modalities gains "
        f"{decimal(gain.value)}{within} on the better one alone in held-out macro F1 (the mean over genera): "
        f"{said[redundant]}."
    )


def _words(value: Interval) -> str:
    if value.low is None or value.high is None:
        return f"{percent(value.value)} (one seed, so without an interval)"
    return f"{percent(value.value)} (95 % interval {percent(value.low)} to {percent(value.high)})"


def _figures(name: str, value: Interval) -> dict[str, float]:
    found = {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
    return {key: figure for key, figure in found.items() if figure is not None}


def _decided(name: str, answer: Answer) -> dict[str, float]:
    return {} if answer == "undecided" else {name: float(answer == "yes")}


def _trainings(results: StudyResults) -> int:
    return sum(c.status == "finished" for c in results.cells)
