"""The section on satellite data of the paper's page: what was run, its pictures and tables, and what it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alignscope.paper.claim import Claim
from alignscope.report.panels import Figure, missing
from alignscope.report.tables import failure_table
from alignscope.report.words import count, estimate, estimate_percent, percent, share
from alignscope.study.page import tables as _study_tables
from alignscope.study.page.classes import class_words, unknown_words
from alignscope.study.page.page import study_figures
from alignscope.study.page.score_tables import baselines, score_tables
from alignscope.study.page.scores import score_words, scored
from alignscope.study.page.sentences import data_text
from alignscope.study.page.texts import CONTENTS
from alignscope.study.results import SeedInterval, StudyResults

Satellite = Mapping[str, StudyResults]

_DRAWN = {"same": ("scores", "classes"), "different": ("scores", "classes", "retention", "forecast")}
_MISSING = {
    "scores": "It needs a target with classes, and a finished training.",
    "classes": "No training with alignment finished next to one without, so nothing is known by class.",
}
_TITLES = {
    "same": "The same target for both, as in the paper",
    "different": "A target for each modality",
}


def real_figures(satellite: Satellite) -> dict[str, Figure]:
    """Return the figures of this section: "same_scores", "different_retention", ..."""
    drawn = {}
    for which, results in satellite.items():
        figures = study_figures(results)
        for name in _DRAWN[which]:
            drawn[f"{which}_{name}"] = figures.get(name) or missing(_MISSING[name])
    return drawn


def real_context(satellite: Satellite, claims: Sequence[Claim]) -> dict[str, Any] | None:
    """Return the names that the section uses; None where nothing was run."""
    if not satellite:
        return None
    return {
        "generated": any(results.spec.data.synthetic for results in satellite.values()),
        "parts": [_part(which, results) for which, results in satellite.items()],
        "means": _means({claim.key: claim.measured for claim in claims}),
    }


def _part(which: str, results: StudyResults) -> dict[str, Any]:
    runs = [*results.cells, *results.baselines]
    words = {"scores": score_words(results), "classes": class_words(results)}
    return {
        "title": _TITLES[which],
        "data": data_text(results),
        "sizes": _study_tables.sizes(results),
        "aligned": _way(results),
        "finished": f"{count(sum(r.status == 'finished' for r in runs))} of {count(len(runs))} trainings finished.",
        "failures": failure_table(results.failures, len(results.cells) + len(results.baselines)),
        "figures": [(f"{which}_{name}", CONTENTS[name], words.get(name, [])) for name in _DRAWN[which]],
        "baselines": baselines(results) if scored(results) else None,
        "unknown": unknown_words(results),
        "notes": results.notes,
        "tables": [*_study_tables.tables(results), *score_tables(results)],
    }


def _way(results: StudyResults) -> str:
    """Say how the two are aligned, where only one of them moves."""
    if results.spec.sweep.trainings[0] != "bilevel":
        return "Both encoders are trained together."
    return "As in the theory, one modality is trained first and then frozen, and the other one is aligned to it."


def real_words(satellite: Satellite, claims: Sequence[Claim]) -> list[str]:
    """Return the sentence of the page's summary on satellite data; none where nothing was run."""
    found = {claim.key: claim.measured for claim in claims}
    same, own = found.get("real-data", {}), found.get("real-own-target", {})
    if not satellite or not same or not own:
        return []
    made = any(results.spec.data.synthetic for results in satellite.values())
    where = (
        "generated satellite patches, which are not the archive," if made else "the satellite patches of the archive"
    )
    return [
        f"On {where} alignment costs {_cost(same)} of the explained variance of the genera where both modalities are "
        f"trained on them, and {_cost(own)} of the explained variance of the stand’s age where the aerial picture "
        "alone is trained on it."
    ]


def _means(found: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str]]:
    """Return the three readings of a null result, each with what the figures say of it."""
    same, own, mean = (found.get(key, {}) for key in ("real-data", "real-own-target", "real-average"))
    return [
        ("Because both have the same target (Y1 = Y2)?", _same_target(same, own)),
        ("Because the modalities are redundant?", _redundancy(same)),
        ("Because an average hides it?", _averaging(mean)),
    ]


def _same_target(same: Mapping[str, float], own: Mapping[str, float]) -> str:
    if "cost" not in same or "cost" not in own:
        return "Not tested here: one of the two studies has no cost to compare."
    figures = (
        f"Alignment costs {_cost(same)} of the genera where both are trained on them, and {_cost(own)} of the age "
        "where the aerial picture is trained on that."
    )
    if same.get("harm") == 1:
        return f"{figures} So there is no null result to explain here: something is lost with the same target too."
    if own.get("harm") == 0:
        return f"{figures} So no: a target of its own is not lost either."
    if same.get("harm") == 0 and own.get("harm") == 1:
        return f"{figures} So it may: the loss comes with the target. The way of training differs between the two too."
    known = "cost_low" in same and "cost_low" in own
    why = "these intervals allow a loss above 2% as well as none" if known else "one seed gives no interval"
    return f"{figures} Undecided: {why}."


def _redundancy(same: Mapping[str, float]) -> str:
    if "fused_gain" not in same:
        return "Not tested here: no model that sees both modalities finished."
    found = _interval(same, "fused_gain")
    one = "" if found.low is not None else " (one seed, no interval)"
    gain = f"A model that sees both gains {estimate(found, 2)}{one} in macro F1 on the better modality alone"
    answers: dict[float | None, str] = {
        1.0: "So they are redundant for this target, and redundancy can explain it.",
        0.0: "So they are not redundant: each predicts something that the other one does not.",
        None: "Undecided: the interval allows a gain above 0.02 as well as none.",
    }
    return f"{gain} (held out). {answers[same.get('redundant')]}"


def _averaging(mean: Mapping[str, float]) -> str:
    if "classes" not in mean:
        return "Not tested here: too few genera are predicted without alignment."
    figures = (
        f"Mean retention over {count(int(mean['classes']))} pairs of a genus and a modality is "
        f"{percent(mean['mean'])}; the least is {percent(mean['worst'])}."
    )
    counted = (
        f"{count(int(mean['below']))} intervals lie clearly below the mean, about {share(mean['chance'], 1)} would by "
        f"chance, and {count(int(mean['clear']))} still do when widened for the number of comparisons."
    )
    answers: dict[float | None, str] = {
        1.0: f"So in part: {counted}",
        0.0: "So no: every genus retains about as much as the mean.",
        None: f"Undecided: {counted}" if mean["chance"] else "Undecided: one seed gives no interval.",
    }
    return f"{figures} {answers[mean.get('hides')]}"


def _interval(some: Mapping[str, float], name: str) -> SeedInterval:
    return SeedInterval(some[name], some.get(f"{name}_low"), some.get(f"{name}_high"), 0)


def _cost(some: Mapping[str, float]) -> str:
    return estimate_percent(_interval(some, "cost"))
