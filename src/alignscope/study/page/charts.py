"""The charts of a study, for the page and for the figure files."""

from __future__ import annotations

from collections.abc import Callable

from alignscope.report.panels import Figure
from alignscope.study.page.alignment_charts import aligned, published
from alignscope.study.page.capacity_chart import capacity_map
from alignscope.study.page.class_charts import classes
from alignscope.study.page.curve_charts import training_curves
from alignscope.study.page.decomposition_charts import apart, cost_parts, loss_parts
from alignscope.study.page.forecast_charts import forecast_curves, forecast_points
from alignscope.study.page.retention_charts import along_lambda, along_training
from alignscope.study.page.score_charts import scores
from alignscope.study.page.scores import scored
from alignscope.study.results import StudyResults

__all__ = ["study_figures"]

_FIGURES: dict[str, Callable[[StudyResults], Figure]] = {
    "published": published,
    "aligned": aligned,
    "retention": along_lambda,
    "training": along_training,
    "capacity": capacity_map,
    "apart": apart,
    "loss_parts": loss_parts,
    "cost_parts": cost_parts,
    "forecast": forecast_points,
    "forecast_curves": forecast_curves,
    "curves": training_curves,
}


def study_figures(results: StudyResults) -> dict[str, Figure]:
    """Return every figure of a study by name; some only say what they lack.

    Those of classes are left out where the study has none.
    """
    figures = {name: make(results) for name, make in _FIGURES.items()}
    more = {"scores": (scores, scored(results)), "classes": (classes, results.class_rows)}
    return figures | {name: make(results) for name, (make, found) in more.items() if found}
