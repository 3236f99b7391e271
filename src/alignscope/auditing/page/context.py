"""What the page's template is given: the audit, and everything about it that takes more than a look-up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from alignscope.auditing.page.lambda_chart import start
from alignscope.auditing.page.plane_charts import letters
from alignscope.auditing.page.row_charts import TOP
from alignscope.auditing.page.texts import CONTENTS, GLOSSARY, REGIMES, SEVERITIES
from alignscope.report.tables import setting_rows
from alignscope.report.words import (
    REMEDIES,
    SIDES,
    at_lambda,
    at_size,
    direction_name,
    estimate,
    finite,
    lam,
    lambda_limit,
    modality_name,
    other,
    percent,
    share,
    signed,
)

Audit = Mapping[str, Any]
NOTHING = 5e-4  # a share that reads 0.000 is called nothing


def context(audit: Audit) -> dict[str, Any]:
    """Return the names that the templates use."""
    one, two = modality_name(audit, "1"), modality_name(audit, "2")
    lambdas = [lam(value) for value in audit["directions"]["1"]["lambda"]]
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
        "cost_words": lambda side: _cost_words(audit, side),
        "at_risk": lambda side: audit["directions"][side]["at_risk"] > NOTHING,
        "exact_words": _exact_words,
        "theorem_words": _theorem_words,
        "level": percent(audit["sigma"]["interval"]["level"], None),
        "cards": _cards(audit),
        "contents": {**CONTENTS, "classes": _who_pays(audit)},
        "regimes": REGIMES,
        "glossary": GLOSSARY,
        "lambdas": lambdas,
        "at": start(audit["directions"]["1"]["lambda"]),
        "top": TOP,
        "targets": {side: _target_rows(audit["directions"][side]) for side in SIDES},
        "remedies": {side: _remedy_rows(audit["directions"][side]) for side in SIDES},
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
            "targets": [{"kept": row["kept"], "held": row["held"]} for row in _target_rows(d)],
        }
        for side in SIDES
        for d in [audit["directions"][side]]
    }
    lambdas = [lam(value) for value in audit["directions"]["1"]["lambda"]]
    return {"lambdas": lambdas, "directions": directions}


def _target_rows(d: Audit) -> list[dict[str, Any]]:
    ranked = [row["target"] for row in d["targets_at_risk"]]
    names = [*(n for n in ranked if n in d["per_target"]), *(n for n in d["per_target"] if n not in ranked)]
    held = d.get("held_out_per_target") or {}
    return [{"name": name, "kept": d["per_target"][name], "held": held.get(name)} for name in names]


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


def _together(audit: Audit) -> str:
    """Say what both modalities together add to the better one, which alignment could erase."""
    gains = audit["non_redundant"]["complementary"]
    more = [f"{signed(g['gain']['value'])} of target {j}" for j, g in gains.items() if g["answer"] == "yes"]
    if not more:
        return "Both together are not seen to predict more than the better one alone."
    return f"Both together predict more than the better one alone: {' and '.join(more)}."


def _cards(audit: Audit) -> list[dict[str, str]]:
    """Return the headline figures, of the direction that can lose more; the other one stands beneath."""
    worst = max(SIDES, key=lambda side: audit["directions"][side]["at_risk"])
    d, e = audit["directions"][worst], audit["directions"][other(worst)]
    here, there = direction_name(audit, worst), direction_name(audit, other(worst))
    budget = percent(d.get("budget", 0.05), None)
    limit = "no λ costs more than that"
    if d["lambda_budget"] != "inf":
        limit = f"beyond this, more than {budget} of the retained share of target {worst} is lost"
    verdict = str(audit["non_redundant"]["verdict"])
    return [
        {
            "title": "Does each predict its own target best?",
            "big": verdict.capitalize(),
            "text": audit["non_redundant"]["text"],
            "more": f"Held out. {_together(audit)}",
        },
        {"title": "Maximum loss", **_maximum_loss(audit, worst)},
        {
            "title": f"Alignment weight λ that costs at most {budget}",
            "big": lambda_limit(d["lambda_budget"]),
            "text": f"{here}: {limit} (in sample; held out: {lambda_limit(d.get('held_out_lambda_budget'))}).",
            "more": f"{there}: {lambda_limit(e['lambda_budget'])}.",
        },
        {
            "title": "Latent size from which alignment is lossless",
            "big": f"K ≥ {d['capacity']['lossless_at']}",
            "text": f"{here}: with so many latent dimensions nothing is lost at any λ (in sample). "
            f"This audit has K = {d['capacity']['components']}.",
            "more": f"{there}: K ≥ {e['capacity']['lossless_at']}.",
        },
    ]


def _maximum_loss(audit: Audit, worst: str) -> dict[str, str]:
    d, e = audit["directions"][worst], audit["directions"][other(worst)]
    held = estimate(d.get("held_out_at_risk"), 2)
    if d["at_risk"] <= NOTHING:
        text = f"Even unlimited alignment costs neither target anything (in sample; held out: {held})."
        return {"big": "Nothing", "text": text, "more": ""}
    return {
        "big": f"{share(d['at_risk'], 2)} of {share(d['sigma_z'][0], 2)}",
        "text": f"{direction_name(audit, worst)}: this much of the explained variance (R²) of target {worst} would be "
        f"lost (in sample; held out: {held}).",
        "more": f"{direction_name(audit, other(worst))}: {share(e['at_risk'], 2)} of {share(e['sigma_z'][0], 2)} of "
        f"target {other(worst)}.",
    }


def _cost_words(audit: Audit, side: str) -> str:
    d = audit["directions"][side]
    if d["at_risk"] <= NOTHING:
        return f"Alignment costs target {side} nothing, at any λ (in sample)."
    critical, allowed = d["lambda_critical"], d["lambda_budget"]
    budget = percent(d.get("budget", 0.05), None)
    onset = "Any λ above 0 costs something" if critical == 0 else f"Up to {at_lambda(critical)} it costs nothing"
    limit = {"inf": "no λ costs more"}.get(str(allowed), f"the {budget} budget ends at {at_lambda(allowed)}")
    part = percent(d["at_risk"] / d["sigma_z"][0]) if d["sigma_z"][0] > 0 else "–"
    return (
        f"{onset}; {limit}. As λ → ∞, {share(d['at_risk'])} of the {share(d['sigma_z'][0])} "
        f"retained at λ\u00a0=\u00a00 is lost ({part}; in sample)."
    )


def _exact_words(t: Audit) -> str:
    if _aligned_away(t):
        return "alignment costs something"
    return "a loss, but to capacity: alignment costs nothing" if t["loses"] else "there is no loss"


def _theorem_words(t: Audit) -> str:
    if t["claims_loss"]:
        return "right this time" if _aligned_away(t) else "false alarm"
    return "silent, and misses it" if _aligned_away(t) else "silent, and rightly so"


def _aligned_away(t: Audit) -> bool:
    return bool(t.get("loses_by_alignment", t["loses"]))


def _remedy_rows(d: Audit) -> list[dict[str, Any]]:
    marks, base = letters(d), d["limits"]["prediction_first"]["sigma_z"]
    rows = [
        {"letter": letter, "title": REMEDIES[name], "setting": _setting(d["remedies"][name]), **d["remedies"][name]}
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
        {"text": "", "call": "", **row, "part": row["sigma_z"] / base if base and finite(row["sigma_z"]) else None}
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
