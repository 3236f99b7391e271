"""What the forecast is, and how far it was off for all targets of a modality together, in sentences."""

from __future__ import annotations

from statistics import fmean

from alignscope.report.words import lam, share
from alignscope.study.page.texts import TEXTS
from alignscope.study.page.verdict import points
from alignscope.study.page.words import plain, size_text
from alignscope.study.results import StudyResults
from alignscope.study.spec import Variant

__all__ = ["forecast_text", "forecast_words"]


def forecast_text(results: StudyResults) -> str:
    """Say what the forecast is; results without σ come from a version in which it was the audit throughout."""
    return TEXTS["forecast_own" if results.sigma_rows else "forecast"]


def forecast_words(results: StudyResults) -> list[str]:
    """Return the mean error of the forecast of σ beside that of "nothing is lost", and the largest loss."""
    rows = results.sigma_rows
    if not rows:
        return []
    off, none = (
        fmean(abs(r.measured.value - guess) for r, guess in zip(rows, guesses, strict=True))
        for guesses in ([r.forecast.value for r in rows], [0.0] * len(rows))
    )
    useless = "" if off < none else ": no better than that guess"
    ways = f"{len(rows)} way{'s' if len(rows) > 1 else ''} to align"
    worst = max(rows, key=lambda r: r.measured.value)
    where = plain(results, Variant(worst.gauge, worst.direction, worst.training))
    one = "" if worst.measured.low is not None else ", one seed, no interval"
    return [
        "Of all targets of a modality together, in points of a hundred of their variance, the forecast is off by "
        f"{share(100 * off, 1)} on average over {ways}, against {share(100 * none, 1)} for the guess that nothing is "
        f"lost{useless} (held out).",
        f"Most is lost by modality {worst.modality} at λ = {lam(worst.lambda_)}, {size_text(worst.components)}, "
        f"{where}: {points(worst.measured)} of {points(worst.before)} points, where {points(worst.forecast)} were "
        f"forecast (held out{one}).",
    ]
