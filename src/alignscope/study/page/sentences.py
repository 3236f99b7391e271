"""What a study's page says of its data, of pre-training and of its forecast, in sentences."""

from __future__ import annotations

from statistics import fmean

from alignscope.report.words import at_lambda, at_size, estimate_100, named, percent, share
from alignscope.study.page.texts import TEXTS
from alignscope.study.page.words import epochs_text, variant_text
from alignscope.study.results import SigmaRow, StudyResults
from alignscope.study.rules import RULES
from alignscope.study.spec import Variant

_OBJECTIVES = {
    "regression": "by regression of the representations",
    "mil_nce": "by contrasting patches (MIL-NCE, as in OmniSat)",
    "jepa": "by predicting the other modality’s patches (JEPA, as in AnySat)",
    "anysat": "by contrasting patches and by predicting the other modality’s (MIL-NCE and JEPA, as in AnySat)",
}


def data_text(results: StudyResults) -> str:
    """Say what the data are, and what each modality is trained to predict."""
    first, second = (" and ".join(named(n) for n in names) for names in results.trained_on)
    return results.spec.data.describe(first, second)


def pretraining_text(results: StudyResults) -> str:
    """Say what pre-training did, or nothing where there was none."""
    spec = results.spec.pretraining
    if spec is None:
        return ""
    return (
        f"Each encoder is first pre-trained without labels, for {epochs_text(spec.epochs)}: {percent(spec.mask)} "
        f"of its patches are hidden, and it fills them in. Only here, at λ above 0, are the two aligned, "
        f"{_OBJECTIVES[spec.objective]}; at λ = 0 each is pre-trained alone. Epoch 0 is the pre-trained encoder as it "
        "is, under a linear probe; the epochs after it are fine-tuning on the task alone. Training curves show "
        "fine-tuning."
    )


def objectives_text(results: StudyResults) -> str:
    """Say what the objectives are, and what is trained with them; nothing for the regression."""
    s = results.spec.sweep
    if not s.objectives:
        return ""
    words = [f"Here the two are aligned by {', '.join(o.text for o in s.each_objective)}, not by regression."]
    if s.variants:
        words.append("At λ above 0 the objective is trained next to the task, weighed by λ.")
    if s.contrastive:
        probed = "of the embedding at length 1 and of the embedding as it is"
        if results.spec.encoder.hidden_layers:
            probed += "; and of the last hidden layer (trunk), which often has more than the embedding made of it"
        words.append(
            "In contrastive trainings it is trained alone: no label enters and there is no λ. What they retain is read "
            f"by linear probes fitted afterwards, {probed}."
        )
    return " ".join([*words, "The linear theory of the regression is no forecast for these objectives."])


def forecast_text(results: StudyResults) -> str:
    """Say what the forecast is; results without σ come from a version in which it was the audit throughout."""
    return TEXTS["forecast_own" if results.sigma_rows else "forecast"]


def forecast_words(results: StudyResults) -> list[str]:
    """Return the mean error of the forecast of σ next to that of the best one-line rule, and the largest loss."""
    rows = results.sigma_rows
    if not rows:
        return []
    off = fmean(abs(r.measured.value - r.forecast.value) for r in rows)
    by_rule = {name: fmean(abs(r.measured.value - _by_rule(results, name, r)) for r in rows) for name in RULES}
    best = min(by_rule, key=lambda name: by_rule[name])
    useless = "" if off < by_rule[best] else ": no better than that rule"
    cases = f"{len(rows)} case{'s' if len(rows) > 1 else ''}"
    worst = max(rows, key=lambda r: r.measured.value)
    where = variant_text(results, Variant(worst.gauge, worst.direction, worst.training))
    one = "" if worst.measured.low is not None else ", one seed, no interval"
    return [
        "Of all targets of a modality together, in percentage points of their variance, the forecast is off by "
        f"{share(100 * off, 1)} on average over {cases} (variant, latent size, λ), against "
        f"{share(100 * by_rule[best], 1)} for the rule “{best}”{useless} (held out).",
        f"Most is lost by modality {worst.modality} at {at_lambda(worst.lambda_)}, {at_size(worst.components)}, "
        f"{where}: {estimate_100(worst.measured, 0)} of {estimate_100(worst.before, 0)} percentage points, where "
        f"{estimate_100(worst.forecast, 0)} were forecast (held out{one}).",
    ]


def _by_rule(results: StudyResults, name: str, row: SigmaRow) -> float:
    """Return σ lost by a one-line rule: mean over the targets of the modality."""
    mine, other = results.trained_on[row.modality - 1], results.trained_on[2 - row.modality]
    return row.before.value * (1 - fmean(RULES[name](row.lambda_, row.components, t not in other) for t in mine))
