"""The page of a study: one HTML file that needs nothing else, and its figures as files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alignscope.report.panels import Figure, figure_files, panel_specs
from alignscope.report.shell import write_page
from alignscope.study.page import tables as _study_tables
from alignscope.study.page.charts import study_figures
from alignscope.study.page.classes import class_words, unknown_words
from alignscope.study.page.forecast_words import forecast_text, forecast_words
from alignscope.study.page.score_tables import baselines, pretraining, score_tables
from alignscope.study.page.scores import score_words, scored
from alignscope.study.page.sentences import data_text, pretraining_text
from alignscope.study.page.texts import CONTENTS, GLOSSARY, OPTIONAL, TEXTS, WORDS_OF
from alignscope.study.page.verdict import cards, tone, verdict
from alignscope.study.results import StudyResults

__all__ = ["render_study", "study_charts", "study_context"]


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
    contents = {id: title for id, title in CONTENTS.items() if id not in OPTIONAL or id in _optional(results)}
    return {
        "name": results.spec.name,
        "contents": contents,
        "glossary": {w: text for w, text in GLOSSARY.items() if WORDS_OF.get(w, "published") in contents},
        "sizes": _study_tables.sizes(results),
        "verdict": verdict(results),
        "tone": tone(results),
        "cards": cards(results),
        "texts": {
            **TEXTS,
            "forecast": forecast_text(results),
            "data": data_text(results),
            "trained": pretraining_text(results),
        },
        "figures": figures,
        "scores": {"words": score_words(results), "table": baselines(results)},
        "forecast_words": forecast_words(results),
        "classes": {"words": class_words(results), "unknown": unknown_words(results)},
        "pretraining": pretraining(results) if results.spec.pretraining else None,
        "notes": results.notes,
        "failures": _study_tables.failures(results),
        "tables": [*_study_tables.tables(results), *score_tables(results)],
        "settings": _study_tables.settings(results),
    }


def _optional(results: StudyResults) -> set[str]:
    """Return which of the optional sections have something to show."""
    has = {
        "scores": bool(scored(results)),
        "classes": bool(results.class_rows),
        "pretraining": results.spec.pretraining is not None,
        "notes": bool(results.notes),
    }
    return {section for section in OPTIONAL if has[section]}
