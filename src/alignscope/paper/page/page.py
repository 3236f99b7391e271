"""The page of the paper: what it claims, what is true, and what it means for one's own encoders."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from alignscope.paper.claim import GLOSSARY as SYMBOLS
from alignscope.paper.claim import Claim
from alignscope.paper.page.linear_charts import Rows, linear_charts
from alignscope.paper.page.opening import MARKS, Group, opening, verdicts_by_group
from alignscope.paper.page.satellite import Satellite, real_context, real_figures, real_words
from alignscope.report.panels import Figure, figure_files, panel_specs
from alignscope.report.shell import write_page
from alignscope.report.words import MISSING, at_lambda, at_size, capital, count, estimate_100
from alignscope.study.page.decomposition_charts import fall_next_to, headline
from alignscope.study.page.latent_charts import latent_words
from alignscope.study.page.page import study_context, study_figures
from alignscope.study.page.texts import CLOSED, GLOSSARY, WORDS_OF
from alignscope.study.page.verdict import fall_words, forecast_sentence, lead, main_agreement
from alignscope.study.results import SeedInterval, StudyResults
from alignscope.study.rules import contest

MANY = {"holds": "hold", "holds with a correction": "hold with a correction", "does not hold": "do not hold"}
SHOWN = {  # where a claim's figure stands on the page, and how it is called
    "study_trade_off": ("published", "published picture"),
    "study_loss_parts": ("loss_parts", "fall of the loss, decomposed"),
    "study_cost_parts": ("cost_parts", "cost, decomposed"),
    "study_capacity": ("capacity", "latent size against alignment weight"),
    "study_forecast": ("forecast", "forecast and measured"),
    "paths": ("paths", "capacity decides"),
    "theorem2_counts": ("theorem2_counts", "theorem 2, counted"),
    "two_projector_loss": ("two_projector_loss", "two directions"),
}
FEW = 8  # panels of scores or classes of the synthetic experiment; its full scale has dozens, which say little there
_SATELLITE_WORDS = [word for word, section in WORDS_OF.items() if section == "scores"]
_CLOSED = {**CLOSED, "retention": "Retention of every target, along λ and along training."}
_HEAD = {
    "means": "What it means for your encoders",
    "checks": "Every claim, checked",
    "linear": "The linear theory in figures",
    "experiment": "The synthetic experiment",
    "real": "Real data",
}


def render_paper(
    results: StudyResults,
    claims: Sequence[Claim],
    figures: Mapping[str, Rows],
    scale: str,
    satellite: Satellite | None = None,
) -> str:
    """Return the page of the paper as one self-contained HTML file; the same input gives the same text.

    Parameters
    ----------
    results : of the study that recomputes the synthetic experiment.
    claims : the table of checks.
    figures : rows of the linear figures, by name.
    scale : "quick" or "full".
    satellite : the studies of satellite patches: "same", with one target for both modalities, and "different", with a
        target for each. Without them the page says that they were not run.
    """
    satellite = satellite or {}
    groups = claim_groups(claims)
    drawn = {"claims": verdicts_by_group(groups), **paper_figures(results, figures, satellite)}
    study = study_context(results, drawn)
    left_out = {"settings", "glossary", *(name for name in ("scores", "classes") if name not in drawn)}
    contents = {k: v for k, v in _HEAD.items() if k != "real"}
    contents |= {k: v for k, v in study["contents"].items() if k not in left_out}
    contents |= {"real": _HEAD["real"], "settings": "Settings and limits", "glossary": study["contents"]["glossary"]}
    words = {w: text for w, text in GLOSSARY.items() if w in study["glossary"] or (satellite and w in _SATELLITE_WORDS)}
    titles = {title for word in words for title in re.split(r", | \(|\)", word.casefold())}
    words |= {capital(w): text for w, text in SYMBOLS.items() if w.casefold() not in titles}
    names = {
        **study,
        "contents": contents,
        "closed": _CLOSED,
        "glossary": dict(sorted(words.items(), key=lambda word: word[0].casefold())),
        "scale": scale,
        "opening": opening(claims, _summary(results, claims)),
        "found": real_words(satellite, claims),
        "advice": _advice(results),
        "groups": groups,
        "claims": claims,
        "marks": MARKS,
        "tally": tally,
        "trained": lambda check: _synthetic(check) or _real(check),
        "place": lambda check: _place(check, drawn),
        "real": real_context(satellite, claims),
    }
    return write_page("paper/page/paper.html.j2", results.version, names, panel_specs(drawn))


def paper_charts(
    results: StudyResults, figures: Mapping[str, Rows], satellite: Satellite | None = None
) -> dict[str, bytes]:
    """Return every figure of the page as files on white: {"charts/paths.svg": ..., "charts/paths.pdf": ..., ...}."""
    return figure_files(paper_figures(results, figures, satellite or {}))


def paper_figures(results: StudyResults, figures: Mapping[str, Rows], satellite: Satellite) -> dict[str, Figure]:
    """Return every figure of the page by name."""
    own = study_figures(results)
    many = {k for k in ("scores", "classes") if k in own and sum(len(row.panels) for row in own[k].rows) > FEW}
    return {
        **linear_charts(figures),
        **{name: figure for name, figure in own.items() if name not in many},
        **real_figures(satellite),
    }


def tally(claims: Sequence[Claim]) -> list[tuple[str, str]]:
    """Count the claims of each verdict in words: ("holds", "6 hold")."""
    counted = [(verdict, sum(c.verdict == verdict for c in claims)) for verdict in MARKS]
    return [(verdict, f"{n} {verdict if n == 1 else MANY.get(verdict, verdict)}") for verdict, n in counted if n]


def _synthetic(check: Claim) -> bool:
    return check.source.startswith("Experiment on synthetic") or check.key in ("forecast", "alignable")


def _real(check: Claim) -> bool:
    return "TreeSatAI" in check.source


def claim_groups(claims: Sequence[Claim]) -> list[Group]:
    """Return the claims in the tables that the page has for them."""
    real = [c for c in claims if _real(c)]
    made = [c for c in claims if _synthetic(c)]
    linear = [c for c in claims if c not in real and c not in made]
    tried = [c for c in linear if c.key.startswith("counter-example")]
    ours = [c for c in linear if c.source == "ours" or c.source.endswith("(ours)")]
    stated = [c for c in linear if c not in tried and c not in ours]
    groups = [
        Group("Synthetic experiment: encoders that are not linear", "", made),
        Group("Linear theory: what the paper states", "", stated),
        Group("Linear theory: counter-examples to theorem 2", "Each is a small problem with a known answer.", tried),
        Group("Linear theory: what holds instead", "Not in the paper; worked out and checked here.", ours),
        Group("Real data", _real_text(real), real),
    ]
    return [group for group in groups if group.checks]


def _real_text(checks: Sequence[Claim]) -> str:
    """Say that the patches were generated, where they were."""
    if not any(check.measured.get("generated") for check in checks):
        return ""
    return "The archive was not given: these verdicts are on generated patches and say nothing of forests."


def _place(check: Claim, drawn: Mapping[str, Any]) -> tuple[str, str]:
    """Return the link to what shows a claim, if it is on the page, and its words."""
    kind, _, name = check.shown.partition(":")
    if kind == "figure":
        figure, words = SHOWN.get(name, ("", MISSING))
        if name == "real-data":
            return "#real", "real data"
        return (f"#fig-{figure}", words) if figure in drawn else ("", MISSING)
    guide, _, section = check.shown.partition("#")
    return "", f"{guide} guide, “{section.replace('-', ' ')}”" if section else check.shown


def _summary(results: StudyResults, claims: Sequence[Claim]) -> list[str]:
    """Return two sentences: what is true in the linear theory, and what is true in training."""
    counted = next((c.measured for c in claims if c.key == "theorem-2"), {})
    first = (
        "In the linear theory alignment is lossless at any λ once the latent has the capacity for what is predicted "
        "and for what is aligned to"
    )
    if counted.get("claimed") and "conclusion_fails" in counted:
        held, fails = counted["claimed"], counted["conclusion_fails"]
        first += (
            f"; the theorem’s conclusion fails in {count(int(fails))} of the {count(int(held))} random problems that "
            "meet its assumptions"
        )
    return [f"{first}.", lead(results)]


def _advice(results: StudyResults) -> list[tuple[str, str]]:
    """Return what to do, each with the figure of this study that says so."""
    row, agreement = headline(results), main_agreement(results)
    fall = fall_next_to(results, row) if row is not None else None
    scale = "A raw alignment loss also falls when the norm of a representation collapses."
    if fall is not None:
        scale = fall_words(fall, f"Here ({at_lambda(fall.lambda_)}, {at_size(fall.components)})")
    length, size = "What is late is not lost.", "A small latent has to choose."
    known = "What cannot be predicted of the other modality can only be learned by heart."
    if row is not None and row.under_training is not None:
        length = _part(row.under_training, row.apparent, "under-training")
    if row is not None and row.capacity is not None:
        size = _part(row.capacity, row.apparent, "capacity")
    if row is not None and row.unpredictable is not None:
        known = _part(row.unpredictable, row.apparent, "by the unpredictable part of the target")
    elif seen := latent_words(results):
        known = seen[0]
    audit = "Audit before you train"
    forecast = "The audit works out what alignment would cost linear encoders, and which latent size that takes."
    if agreement is not None and agreement.correlation is not None:
        forecast = forecast_sentence(results, agreement)
        found = contest(results, agreement.variant)
        if found is not None and not found.beaten:
            audit = "Measure the cost in a small study: no forecast of it is shown to beat a rule of one line"
    return [
        ("Normalise or whiten what you align to, and plot the alignment R² next to the loss", scale),
        ("Train to convergence, and compare with λ = 0 at the same length of training", length),
        ("Give the latent the capacity for both tasks, or align only to what your targets can use", size),
        ("Align only what can be aligned, and keep a loss of its own for the rest", known),
        (audit, forecast),
    ]


def _part(part: SeedInterval, whole: SeedInterval, name: str) -> str:
    cost = f"of an apparent cost of {estimate_100(whole, 0)}"
    if part.sign > 0:
        return f"Here {estimate_100(part, 0)} percentage points {cost} are {name} (held out)."
    return f"Here {name} is {estimate_100(part, 0)} percentage points {cost}: not significant (held out)."
