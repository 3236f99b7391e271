"""The paper's experiment on satellite data: what two studies of TreeSatAI-Time-Series say of its reading.

In the first both modalities are asked for the genera, as in the paper. In the second the aerial picture is asked for
the age of the stand, which the series do not show, and the series for the genera. A cost is 1 - retention, held out,
against lambda = 0 at the same K, seed and length of training.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from scipy import stats

from alignscope.paper._record import Claim, decimal, judge, numbers, percent
from alignscope.study.spec import TreeSatAIData

if TYPE_CHECKING:
    from alignscope.study.results import ClassRow, RetentionRow, StudyResults

__all__ = ["claims_of"]

_SOURCE = "Experiment on TreeSatAI-Time-Series"
_OURS = f"{_SOURCE} (ours)"
_NOTICEABLE = 0.02  # a mean cost below 2 % of what is known at lambda = 0 is called none
_FIXED = ("whitened", "normalised")


def claims_of(same: StudyResults, different: StudyResults) -> list[Claim]:
    """Return the claims on satellite data, from the study with one target and from that with a target each."""
    return [no_harm(same), average(same), own_target(different), foreseen(same, different)]


def no_harm(results: StudyResults) -> Claim:
    """Whether alignment leaves what both modalities are asked for as it is."""
    rows = _rows(results)
    found = (
        f"{_data(results)} At λ = {_strength(results):g} ({_ways(rows)}) {_mean_words(rows, 1)} and "
        f"{_mean_words(rows, 2)} of what it knows of its target (means over latent sizes)."
        if rows
        else "No training with alignment finished beside one without."
    )
    cost = max((_cost([r for r in rows if r.modality == m]) for m in {r.modality for r in rows}), default=0.0)
    verdict = judge(cost <= _NOTICEABLE) if rows and not _generated(results) else "not tested here"
    return Claim(
        key="real-data",
        source=_SOURCE,
        claim="On satellite images with tree species alignment does not hurt, which is read as redundancy of "
        "modalities.",
        found=found,
        verdict=verdict,
        measured=numbers({"cost": cost, "generated": _generated(results)}),
        trials=_trainings(results),
        shown="figure:real-data",
    )


def average(results: StudyResults) -> Claim:
    """Whether the mean over genera hides what single genera lose."""
    claim = "With one target for both modalities, the mean over genera says what every genus pays."
    rows = [r for r in _classes(results) if r.retention is not None]
    if not rows:
        return _untested("real-average", claim, "no genus is known well enough at λ = 0")
    kept = {(r.modality, r.label): r.retention for r in rows if r.retention is not None}
    (modality, label), worst = min(kept.items(), key=lambda item: item[1].value)
    mean = fmean(i.value for i in kept.values())
    clear = sum(i.high is not None and i.high < 1 - _NOTICEABLE for i in kept.values())
    return Claim(
        key="real-average",
        source=_OURS,
        claim=claim,
        found=f"{_data(results)} Over {len(kept)} genera and modalities {percent(mean)} is kept in the mean; "
        f"{label} keeps least ({percent(worst.value)} in modality {modality}); {clear} lose more than 2 % with an "
        "interval that leaves it out.",
        verdict="holds" if clear == 0 and mean - worst.value < 0.05 else "does not hold" if clear else "undecided",
        measured=numbers({"mean": mean, "worst": worst.value, "clear": clear, "classes": len(kept)}),
        trials=_trainings(results),
        shown="figure:real-data",
    )


def own_target(results: StudyResults) -> Claim:
    """What alignment costs where each modality is asked for something of its own."""
    claim = "Where each modality is asked for something of its own, alignment costs it."
    rows = [r for r in _rows(results) if r.modality == 1]
    if not rows:
        return _untested("real-own-target", claim, "no age is known at λ = 0")
    sizes = sorted({r.components for r in rows})
    apart = ", ".join(f"{percent(_cost([r for r in rows if r.components == k]))} at K = {k}" for k in sizes)
    clear = sum(r.retention is not None and r.retention.high is not None and r.retention.high < 1 for r in rows)
    lossy = _cost(rows) > _NOTICEABLE and clear > 0
    free = {k for k in sizes if _cost([r for r in rows if r.components == k]) <= _NOTICEABLE}
    return Claim(
        key="real-own-target",
        source=_OURS,
        claim=claim,
        found=f"{_data(results)} The aerial picture is asked for the stand's age, the series for the genera. At λ = "
        f"{_strength(results):g} alignment costs {apart} of what is known of age ({_ways(rows)}; clearly so in "
        f"{clear} of {len(rows)}).",
        verdict=judge(lossy and not free, lossy) if clear or not lossy else "undecided",
        measured=numbers({"cost": _cost(rows), "clear": clear, "rows": len(rows)}),
        trials=_trainings(results),
        shown="figure:real-data",
    )


def foreseen(same: StudyResults, different: StudyResults) -> Claim:
    """Whether the forecast ranks what every class and target loses."""
    claim = "What alignment costs can be foreseen from encoders trained without it, class by class."
    rows = [
        r for study in (same, different) for r in study.class_rows if r.retention is not None and r.forecast is not None
    ]
    if len(rows) < 8:
        return _untested("real-forecast", claim, "too few classes are known at λ = 0")
    told = [r.forecast.value for r in rows if r.forecast is not None]
    kept = [r.retention.value for r in rows if r.retention is not None]
    rank = float(stats.spearmanr(told, kept).statistic)
    error, naive = fmean(abs(a - b) for a, b in zip(told, kept, strict=True)), fmean(abs(1 - b) for b in kept)
    return Claim(
        key="real-forecast",
        source=_OURS,
        claim=claim,
        found=f"{_data(same)} Over {len(rows)} points (class, latent size, strength) the rank correlation of forecast "
        f"and measured retention is {decimal(rank)}. The mean error is {decimal(error)}; saying that nothing is lost "
        f"has {decimal(naive)}.",
        verdict=judge(rank >= 0.8, rank >= 0.5),
        measured=numbers({"rank_correlation": rank, "points": len(rows), "error": error, "error_no_loss": naive}),
        trials=_trainings(same) + _trainings(different),
        shown="figure:real-data",
    )


def _untested(key: str, claim: str, why: str) -> Claim:
    return Claim(
        key=key, source=_OURS, claim=claim, found=f"Not tested here: {why}.", verdict="not tested here", measured={},
        trials=0, shown="figure:real-data",
    )  # fmt: skip


def _generated(results: StudyResults) -> bool:
    return isinstance(results.spec.data, TreeSatAIData) and results.spec.data.path is None


def _data(results: StudyResults) -> str:
    if _generated(results):
        return "On generated patches of the same format, which are not the archive:"
    return "On the archive:"


def _strength(results: StudyResults) -> float:
    return max((lam for lam in results.spec.sweep.lambdas if 0 < lam <= 1), default=max(results.spec.sweep.lambdas))


def _rows(results: StudyResults) -> list[RetentionRow]:
    """Return what each modality keeps of what it was asked for, at the end of training."""
    lam = _strength(results)
    return [r for r in results.retention if r.asked and r.retention and r.lambda_ == lam and r.epoch == r.epochs]


def _classes(results: StudyResults) -> list[ClassRow]:
    """Return the classes in a fixed gauge, at the smallest latent size."""
    rows = [r for r in results.class_rows if r.lambda_ == _strength(results) and r.gauge in _FIXED]
    return [r for r in rows if r.components == min(row.components for row in rows)]


def _cost(rows: Sequence[RetentionRow]) -> float:
    return 1 - fmean(r.retention.value for r in rows if r.retention is not None)


def _ways(rows: Sequence[RetentionRow]) -> str:
    gauges = " and ".join(dict.fromkeys(r.gauge for r in rows))
    return f"{gauges} scale"


def _mean_words(rows: Sequence[RetentionRow], modality: int) -> str:
    mine = [r for r in rows if r.modality == modality]
    return f"modality {modality} loses {percent(_cost(mine))}" if mine else f"modality {modality} knows nothing"


def _trainings(results: StudyResults) -> int:
    return sum(c.status == "finished" for c in results.cells)
