"""The page of a study: one HTML file that needs nothing else, and its figures as files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alignscope.report import _study_tables
from alignscope.report._look import DARK, LIGHT
from alignscope.report._shell import css, environment, safe_json, text, vega
from alignscope.report._study_charts import figure_files, panel_specs, study_figures
from alignscope.report._study_parts import RAMP_DARK, RAMP_LIGHT, Figure
from alignscope.report._study_texts import CONTENTS, GLOSSARY, TEXTS
from alignscope.report._study_verdict import cards, tone, verdict
from alignscope.report._words import named
from alignscope.report.charts import dumps
from alignscope.study.results import StudyResults
from alignscope.study.spec import TrifeatureData

__all__ = ["render_study", "study_charts", "study_context", "write_page"]


def render_study(results: StudyResults) -> str:
    """Return the page of a study as one self-contained HTML file; the same results give the same text."""
    figures = study_figures(results)
    names = {**study_context(results, figures), "contents": CONTENTS, "glossary": GLOSSARY}
    return write_page("study.html.j2", names, figures, results.version)


def study_charts(results: StudyResults) -> dict[str, bytes]:
    """Return every figure as files on white: {"charts/published.svg": ..., "charts/published.pdf": ..., ...}."""
    return figure_files(study_figures(results))


def study_context(results: StudyResults, figures: Mapping[str, Figure]) -> dict[str, Any]:
    """Return the names that the sections of a study use."""
    return {
        "name": results.spec.name,
        "sizes": _study_tables.sizes(results),
        "verdict": verdict(results),
        "tone": tone(results),
        "cards": cards(results),
        "texts": {**TEXTS, "data": _data_text(results)},
        "figures": figures,
        "failures": _study_tables.failures(results),
        "tables": _study_tables.tables(results),
        "settings": _study_tables.settings(results),
    }


def _data_text(results: StudyResults) -> str:
    first, second = (" and ".join(named(n) for n in names) for names in results.asked)
    if isinstance(results.spec.data, TrifeatureData):
        return (
            "The data are pictures drawn for this purpose, with three independent factors. Modality 1 shows shape "
            f"and texture in grey and is asked for {first}; modality 2 shows the same shape in a solid colour and is "
            f"asked for {second}. So texture is known to modality 1 alone, and colour to modality 2 alone: what "
            "alignment costs of these two is the question."
        )
    return f"The data are your own pairs. Modality 1 is asked for {first}; modality 2 is asked for {second}."


def write_page(template: str, names: Mapping[str, Any], figures: Mapping[str, Figure], version: str) -> str:
    """Return a page of figures made of panels."""
    import vl_convert

    specs = panel_specs(figures)
    data = {"charts": {name: vl_convert.vegalite_to_vega(dumps(spec)) for name, spec in specs.items()}}
    markup = environment().filters["markup"]
    return (
        environment()
        .get_template(template)
        .render(
            **names,
            version=version,
            css=markup(css(LIGHT | RAMP_LIGHT, DARK | RAMP_DARK) + text("study.css")),
            js=markup(text("report.js")),
            vega=markup(vega()),
            data=markup(safe_json(data)),
        )
    )
