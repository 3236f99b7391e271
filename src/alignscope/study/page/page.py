"""The page of a study: one HTML file that needs nothing else, and its figures as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from alignscope.report.panels import Figure, figure_files, panel_specs
from alignscope.report.shell import write_page
from alignscope.report.tables import failure_table
from alignscope.study.page import tables as _study_tables
from alignscope.study.page.alignment_charts import aligned, published
from alignscope.study.page.capacity_chart import capacity_map
from alignscope.study.page.classes import class_words, classes, unknown_words
from alignscope.study.page.contrastive import retained_by_k
from alignscope.study.page.curve_charts import training_curves
from alignscope.study.page.decomposition_charts import cost_parts, decomposition, loss_parts
from alignscope.study.page.forecast_charts import forecast_curves, forecast_points
from alignscope.study.page.latent_charts import latent_words, memorising, ranks
from alignscope.study.page.opening.chart import lead_chart
from alignscope.study.page.opening.decision import opening
from alignscope.study.page.retention_charts import along_lambda, along_training
from alignscope.study.page.score_charts import scores
from alignscope.study.page.score_tables import baselines, pretraining, score_tables
from alignscope.study.page.scores import score_words, scored
from alignscope.study.page.sentences import (
    data_text,
    forecast_text,
    forecast_words,
    objectives_text,
    pretraining_text,
)
from alignscope.study.page.texts import BESIDE, CLOSED, CONTENTS, GLOSSARY, OPTIONAL, REGRESSION, TEXTS, WORDS_OF
from alignscope.study.page.verdict import cards, tone, verdict
from alignscope.study.results import StudyResults

_FIGURES: dict[str, Callable[[StudyResults], Figure]] = {
    "published": published,
    "aligned": aligned,
    "retention": along_lambda,
    "training": along_training,
    "capacity": capacity_map,
    "decomposition": decomposition,
    "loss_parts": loss_parts,
    "cost_parts": cost_parts,
    "memorising": memorising,
    "ranks": ranks,
    "forecast": forecast_points,
    "forecast_curves": forecast_curves,
    "curves": training_curves,
}


_SECTIONS = {
    "published": "published",
    "aligned": "aligned",
    "retention": "retention",
    "training": "retention",
    "capacity": "capacity",
    **dict.fromkeys(("decomposition", "loss_parts", "cost_parts", "memorising", "ranks"), "decomposition"),
    **dict.fromkeys(("forecast", "forecast_curves"), "forecast"),
}
"""Figure -> the section that it stands in, which a study may not have."""


def study_figures(results: StudyResults) -> dict[str, Figure]:
    """Return every figure of a study by name; some only say what they lack.

    Those of sections that the study has not are left out.
    """
    absent = {name for name, section in _SECTIONS.items() if section not in _contents(results)}
    figures = {name: make(results) for name, make in _FIGURES.items() if name not in absent}
    more = {
        "contrastive": (retained_by_k, _has_contrastive(results)),
        "scores": (scores, scored(results)),
        "classes": (classes, results.class_rows),
    }
    return (
        {"lead": lead_chart(results)} | figures | {name: make(results) for name, (make, found) in more.items() if found}
    )


def render_study(results: StudyResults) -> str:
    """Return the page of a study as one self-contained HTML file; the same results give the same text."""
    figures = study_figures(results)
    return write_page(
        "study/page/study.html.j2", results.version, study_context(results, figures), panel_specs(figures)
    )


def study_charts(results: StudyResults) -> dict[str, bytes]:
    """Return every figure as files on white: {"charts/published.svg": ..., "charts/published.pdf": ..., ...}."""
    return figure_files(study_figures(results))


def study_context(results: StudyResults, figures: Mapping[str, Figure]) -> dict[str, Any]:
    """Return the names that the sections of a study use."""
    contents, objectives = _contents(results), bool(results.spec.sweep.objectives)
    return {
        "name": results.spec.name,
        "contents": contents,
        "closed": CLOSED,
        "glossary": {w: text for w, text in GLOSSARY.items() if WORDS_OF.get(w, "glossary") in contents},
        "sizes": _study_tables.sizes(results),
        "opening": opening(results),
        "verdict": verdict(results),
        "tone": tone(results),
        "cards": cards(results),
        "texts": {
            **TEXTS,
            "how": TEXTS["how_contrastive" if objectives and not results.spec.sweep.variants else "how"],
            "aligned": TEXTS["aligned_objective" if objectives else "aligned"],
            "forecast": forecast_text(results),
            "data": data_text(results),
            "trained": pretraining_text(results) or objectives_text(results),
        },
        "figures": figures,
        "scores": {"words": score_words(results), "table": baselines(results)},
        "latent_words": latent_words(results),
        "forecast_words": forecast_words(results),
        "classes": {"words": class_words(results), "unknown": unknown_words(results)},
        "pretraining": pretraining(results) if results.spec.pretraining else None,
        "notes": results.notes,
        "failures": failure_table(results.failures, len(results.cells) + len(results.baselines)),
        "tables": [*_study_tables.tables(results), *score_tables(results)],
        "settings": _study_tables.settings(results),
    }


def _contents(results: StudyResults) -> dict[str, str]:
    """Return the sections of a study with their titles."""
    sweep = results.spec.sweep
    absent = set(OPTIONAL) - _optional(results)
    if sweep.objectives:
        absent |= {*REGRESSION, *(() if sweep.variants else BESIDE)}
    found = {id: title for id, title in CONTENTS.items() if id not in absent}
    return found | {"aligned": "Prediction against alignment"} if sweep.objectives and sweep.variants else found


def _has_contrastive(results: StudyResults) -> bool:
    return bool(results.spec.sweep.contrastive)


def _optional(results: StudyResults) -> set[str]:
    """Return which of the optional sections have something to show."""
    has = {
        "contrastive": _has_contrastive(results),
        "scores": bool(scored(results)),
        "classes": bool(results.class_rows),
        "pretraining": results.spec.pretraining is not None,
        "notes": bool(results.notes),
    }
    return {section for section in OPTIONAL if has[section]}
