"""What the page's template is given: the audit, and everything about it that takes more than a look-up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from alignscope.auditing.action import recommended, remedy
from alignscope.auditing.claims import claim, leads, unlabelled
from alignscope.auditing.page.cards import cards
from alignscope.auditing.page.lambda_chart import start
from alignscope.auditing.page.plane_charts import letters
from alignscope.auditing.page.record import record_of
from alignscope.auditing.page.row_charts import TOP, by_loss
from alignscope.auditing.page.texts import CLOSED, CONTENTS, GLOSSARY, REGIMES, SELF, SEVERITIES, TRAININGS
from alignscope.auditing.page.training_charts import retained
from alignscope.auditing.page.where_charts import located, strongest
from alignscope.auditing.results import AuditRecord as Record
from alignscope.auditing.results import Training
from alignscope.auditing.verdict import CALIBRATED, networks_sentence, training_sentence
from alignscope.report.tables import setting_rows
from alignscope.report.words import (
    REMEDIES,
    SIDES,
    at_lambda,
    at_size,
    count,
    direction_name,
    finite,
    lam,
    modality_name,
    other,
    percent,
)

Audit = Mapping[str, Any]


def context(audit: Audit) -> dict[str, Any]:
    """Return the names that the templates use."""
    record = record_of(audit)
    one, two = modality_name(audit, "1"), modality_name(audit, "2")
    lambdas = [lam(value) for value in audit["directions"]["1"]["lambda"]]
    bare = unlabelled(record)
    contents = {**CONTENTS, "classes": _who_pays(audit)}
    if bare:
        del contents["todo"]  # closed forms and theorem 2 are about targets
        contents["papers"] = "Align or predict?"
        contents |= {"cost": "Own features and alignment together, along λ", "classes": "Which features are shared"}
    if audit["lifted"] is None:
        del contents["lifted"]
    if audit["where"] is None:
        del contents["where"]
    return {
        "a": audit,
        "one": one,
        "two": two,
        "sides": SIDES,
        "dirs": [audit["directions"][side] for side in SIDES],
        "name": lambda who: modality_name(audit, who),
        "other": other,
        "direction": lambda side: direction_name(audit, side),
        "target_label": lambda side: _target_label(audit, side),
        "bare": bare,
        "exact_words": _exact_words,
        "theorem_words": _theorem_words,
        "located": lambda side: located(audit, side),
        "strongest": lambda side: strongest(audit, side),
        "level": percent(audit["sigma"]["interval"]["level"], None),
        "action": recommended(record),
        "cards": cards(record),
        "claimed": any(claim(record, side, t).kind == "loses" for side in SIDES for t in TRAININGS),  # type: ignore[arg-type]
        "trainings": [_training(record, name) for name in _trainings(record)],
        "networks": networks_sentence(record),
        "calibrated": CALIBRATED,
        "retained": lambda side, training: retained(audit, side, training),
        "interval_words": _interval_words(audit),
        "contents": contents,
        "closed": CLOSED,
        "regimes": REGIMES,
        "glossary": GLOSSARY,
        "lambdas": lambdas,
        "at": start(audit["directions"]["1"]["lambda"]),
        "top": TOP,
        "unnamed": {side: _unnamed(audit, side) for side in SIDES},
        "targets": {side: _target_rows(audit["directions"][side]) for side in SIDES},
        "remedies": {side: _remedy_rows(audit["directions"][side], remedy(record, side)) for side in SIDES},
        "findings": _findings(audit),
        "regime_rows": list(setting_rows({k: v for k, v in audit["regime"].items() if k not in ("verdict", "text")})),
        "settings": list(_settings(audit)),
    }


def live_data(audit: Audit) -> dict[str, Any]:
    """Return what the slider reads out, by direction; targets in the order of the page's table."""
    directions = {
        side: {
            "sigma_z": d["sigma_z"],
            "held": d["held_out_sigma_z"],
            "aligned": d["alignment_r2"],
            "targets": [row["held"] for row in _target_rows(d)],
        }
        for side in SIDES
        for d in [audit["directions"][side]]
    }
    lambdas = [lam(value) for value in audit["directions"]["1"]["lambda"]]
    return {"lambdas": lambdas, "directions": directions}


def _trainings(record: Record) -> list[Training]:
    """Return the trainings, that which leads the page first."""
    lead = leads(record.training, unlabelled(record))
    return sorted(("supervised", "contrastive", "predictive"), key=lambda name: name != lead)


def _training(record: Record, name: Training) -> dict[str, str]:
    """Return what the audit says of a training, and what that minimises."""
    own = name == "supervised" and unlabelled(record)
    return {"said": training_sentence(record, name), "what": SELF if own else TRAININGS[name]}


def _interval_words(audit: Audit) -> str:
    """Say how the intervals were made."""
    made = audit["sigma"]["interval"]
    if not made["valid"]:
        return "No interval can be given."
    units = "groups" if made["kind"] == "group" else "sets of rows"
    if made["kind"] == "group" and (audit["sigma"]["folds"].get("groups") or 0) > made["units"]:
        units = "sets of groups"
    again = ", everything fitted again" if made["refit"] else ""
    return f"{percent(made['level'], None)} intervals: {count(made['units'])} {units} left out in turn{again}."


def _target_rows(d: Audit) -> list[dict[str, Any]]:
    """Return one row per target, the greatest loss first: its curve, its figures in each training, and its class."""
    classes, alone = d["classes"] or {}, d["contrastive"]
    rows = []
    for target in by_loss(d):
        name = target["target"]
        rows.append(
            {
                **target,
                "name": name,
                "held": d["held_out_per_target"][name],
                "contrastive": alone["per_target"].get(name) if alone["directions"] else None,
                "support": classes.get("support", {}).get(name),
                "f1": [s["f1"][name] for s in classes["scores"].values()] if classes else None,
            }
        )
    return rows


def _unnamed(audit: Audit, side: str) -> bool:
    """Say if the features of a modality bear the names that columns without a name get."""
    names = [feature["feature"] for feature in audit["directions"][side]["carriers"]]
    return bool(names) and all(re.fullmatch(rf"x{side} [\d,]+", name) for name in names)


def _who_pays(audit: Audit) -> str:
    classes = [audit["targets"][side]["kind"] == "class" for side in SIDES]
    noun = "classes" if all(classes) else "classes and targets" if any(classes) else "targets"
    return f"Which {noun} pay"


def _target_label(audit: Audit, side: str) -> str:
    target = audit["targets"][side]
    if target["kind"] == "modality":
        return "the modality itself"
    many = len(target["names"])
    noun = {"class": ("class", "classes")}.get(target["kind"], ("quantity", "quantities"))[many != 1]
    return f"{many} {noun}"


def _exact_words(t: Audit) -> str:
    if _aligned_away(t):
        return "alignment costs something"
    return "a loss, but to capacity and not to alignment" if t["loses"] else "there is no loss"


def _theorem_words(t: Audit) -> str:
    if t["claims_loss"]:
        return "right this time" if _aligned_away(t) else "false alarm"
    return "silent, and misses it" if _aligned_away(t) else "silent, and rightly so"


def _aligned_away(t: Audit) -> bool:
    return bool(t.get("loses_by_alignment", t["loses"]))


def _remedy_rows(d: Audit, recommended: tuple[str, str] | None) -> list[dict[str, Any]]:
    chosen, why = recommended or ("", "")
    marks, base = letters(d), d["limits"]["prediction_first"]["sigma_z"]
    rows = [
        {
            "letter": letter,
            "title": REMEDIES[name],
            "setting": _setting(d["remedies"][name]),
            "why": why if name == chosen else "",
            **d["remedies"][name],
        }
        for name, letter in marks.items()
    ]
    last = {
        "letter": "",
        "title": "No remedy: align first",
        "setting": "λ → ∞",
        "text": "What unlimited alignment does, to compare with.",
        "call": "",
        **d["limits"]["align_first"],
    }
    return [
        {
            "text": "",
            "call": "",
            "why": "",
            **row,
            "part": row["sigma_z"] / base if base and finite(row["sigma_z"]) else None,
        }
        for row in [*rows, last]
    ]


def _setting(remedy: Audit) -> str:
    if "components_shared" in remedy:
        return f"K = {remedy['components_shared']} shared + {remedy['components_private']} private"
    if "lambda" in remedy:
        return "any λ" if remedy["lambda"] == "inf" else at_lambda(remedy["lambda"])
    if "components" in remedy:
        return at_size(remedy["components"])
    return ""


def _findings(audit: Audit) -> list[dict[str, Any]]:
    groups = []
    for severity, (title, look) in SEVERITIES.items():
        rows = [finding for finding in audit["findings"] if finding["severity"] == severity]
        if rows:
            groups.append({"title": title, "look": look, "rows": rows})
    return groups


def _settings(audit: Audit) -> Iterator[tuple[str, str]]:
    heads = ("version", "n", "d1", "d2", "components", "gauge", "modalities", "targets")
    yield from setting_rows({key: audit[key] for key in heads})
    yield from setting_rows({key: audit["sigma"][key] for key in ("folds", "interval", "null")}, "held out:")
    yield from setting_rows({key: value for key, value in audit["provenance"].items() if key != "data"})
