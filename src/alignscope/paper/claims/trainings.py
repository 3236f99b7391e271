"""What the claims on trained encoders share: which figures they are judged by, and how many trainings stand behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alignscope.report.words import share

if TYPE_CHECKING:
    from alignscope.study.contest import Contest
    from alignscope.study.results import Agreement, ForecastRow, RetentionRow, StudyResults

NOTICEABLE = 0.02  # a cost below 2% of the variance explained at lambda = 0 (or of F1) is called none


def judged_lambda(results: StudyResults) -> float:
    """Return the lambda at which claims are judged: the largest of the paper's range, from 0 to 1; 0 without any."""
    above = [lam for lam in results.spec.sweep.lambdas if lam > 0]
    return max((lam for lam in above if lam <= 1), default=min(above, default=0.0))


def first_variant(row: RetentionRow | ForecastRow | Agreement, results: StudyResults) -> bool:
    """Return whether a row is of the first direction and kind of training of the study."""
    sweep = results.spec.sweep
    return (row.direction, row.training) == (sweep.directions[0], sweep.trainings[0])


def end_rows(results: StudyResults, lam: float) -> list[RetentionRow]:
    """Return retention at the ends of trainings at one lambda, of what a modality is trained to predict."""
    return [
        r
        for r in results.retention
        if r.trained_on
        and r.retention is not None
        and 0 < r.lambda_ == lam
        and r.epoch == r.epochs
        and first_variant(r, results)
    ]


def trained(results: StudyResults) -> int:
    """Return how many trainings finished."""
    return sum(c.status == "finished" for c in results.cells)


def rules_words(found: Contest | None) -> str:
    """Say what the best one-line rules reach, and whether the forecast is shown to beat them."""
    if found is None:
        return "It is not compared with rules of one line."
    mine, error, rank = found.forecast, found.by_error, found.by_rank
    each = "classes" if found.unit == "classes" else "seeds"
    return (
        f"By single {each} it is off by {share(mine.error)} with a rank correlation of {share(mine.rank, 2)} and "
        f"misses {mine.missed} of {found.losses} losses above 5%. Of rules of one line the best are off by "
        f"{share(error.error)} (“{error.name}”, missing {error.missed}) and have a rank correlation of "
        f"{share(rank.rank, 2)} (“{rank.name}”): the forecast {'beats' if found.beaten else 'is not shown to beat'} "
        "them."
    )
