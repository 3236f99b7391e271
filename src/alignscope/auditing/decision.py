"""The decision of an audit: one badge for the training that leads the page, and its reason in one sentence.

Only held-out figures and their intervals decide (see `alignscope.auditing.claims`), those of linear encoders:

- ``do not align``: a loss above the budget is claimed, and no larger K and no smaller lambda stays within it.
- ``align with care``: a loss above the budget is claimed that a K or a lambda avoids, or cannot be excluded.
- ``align``: the upper end of every modality's loss lies within the budget, and no single target is shown to lose more.
- ``cannot tell``: too few rows, no valid interval, nothing to protect, or nothing to align to.

Without labels there is no saying whether what is lost matters: the badge is then neither ``align`` nor
``do not align``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from alignscope._lib.interval import Interval
from alignscope.auditing.claims import Claim, aligned_alone, claim, leads, units, unlabelled
from alignscope.auditing.results import AuditRecord, Badge, Decision, Training
from alignscope.auditing.verdict import at_most, clause, fit, heads, modality, share_words, training_sentence
from alignscope.report.words import brief, estimate, percent, size_limit, thousands

TELLING = ("loses", "none", "gains")
"""Claims that an interval stands behind."""

Claims = Mapping[str, Claim]


def decide(audit: AuditRecord) -> Decision:
    """Return the badge of an audit and its reason, from its figures and `warnings`."""
    training = leads(audit.training, unlabelled(audit))
    claims = {i: claim(audit, i, training) for i in "12"}
    if "AS120" in audit.warnings:
        return Decision("cannot tell", "Both modalities hold the same values, so figures between them say nothing.")
    if not audit.sigma.interval.valid:
        return Decision("cannot tell", f"{_invalid(audit)}, so no loss can be claimed or excluded.")
    over = [i for i in "12" if _over(audit, claims[i])]
    if over:
        worst = max(over, key=lambda i: claims[i].share.value)
        return _claimed(audit, training, worst, claims[worst])
    if any(found.kind not in TELLING for found in claims.values()):
        return Decision("cannot tell", training_sentence(audit, training))
    return _not_claimed(audit, training, claims)


def _over(audit: AuditRecord, found: Claim) -> bool:
    """Return whether a loss above the budget is claimed."""
    low = found.share.low
    return found.kind == "loses" and low is not None and low > audit.provenance.budget


def _invalid(audit: AuditRecord) -> str:
    groups = units(audit)
    if groups is None:
        return "Neighbouring rows are alike, and no interval can be given without --groups"
    return f"With {groups} groups no interval can be given"


def _claimed(audit: AuditRecord, training: Training, i: str, found: Claim) -> Decision:
    """Return the decision where a modality is shown to lose more than the budget."""
    allowed = f"the budget of {_budget(audit)}"
    if unlabelled(audit):
        return _decided("align with care", audit, training, i, found, "; only labels tell whether that matters")
    if training != "supervised":
        return _decided("do not align", audit, training, i, found, f", above {allowed}, at any K")
    size, weight = audit.directions[i].capacity.lossless_at, audit.directions[i].lambda_budget.value
    if math.isfinite(size.value) and size.value > audit.components:
        return _decided("align with care", audit, training, i, found, f"; K = {size_limit(size)} keeps to {allowed}")
    if weight > 0:
        end = f"; lambda up to {thousands(weight)} keeps to {allowed}"
        return _decided("align with care", audit, training, i, found, end)
    return _decided("do not align", audit, training, i, found, f", above {allowed}, at any K and lambda")


def _decided(badge: Badge, audit: AuditRecord, training: Training, i: str, found: Claim, end: str) -> Decision:
    """Return a decision that names what a modality loses."""
    options = (
        f"{head}: {clause(audit, i, found, training, size)}{end}"
        for size in (0, 1, 2)
        for head in heads(audit, training)
    )
    return Decision(badge, f"{fit(options)}.")


def _not_claimed(audit: AuditRecord, training: Training, claims: Claims) -> Decision:
    """Return the decision where no modality is shown to lose more than the budget, and both have intervals."""
    budget = audit.provenance.budget
    worst = max(claims, key=lambda i: _most(claims[i]))
    most, name = _most(claims[worst]), modality(audit, worst)
    if most > budget:
        return Decision("align with care", f"{fit(_not_excluded(audit, training, claims[worst], name))}.")
    if target := _losing_target(audit, training):
        return Decision("align with care", f"{fit(_of_target(audit, training, *target))}.")
    lost = f"at most {at_most(claims[worst])} of"
    if unlabelled(audit):
        end = f"{lost} either's variance is lost; only labels tell whether that matters"
        return Decision("align with care", f"{fit(f'{head}: {end}' for head in heads(audit, training))}.")
    rough = "AS109" in audit.warnings
    end = f"{lost} what either modality predicts is lost, within the budget of {_budget(audit)}"
    end += f", but {units(audit)} groups are few" * rough
    sentence = fit(f"{head}: {end}" for head in heads(audit, training))
    return Decision("align with care" if rough else "align", f"{sentence}.")


def _most(found: Claim) -> float:
    """Return the upper end of a loss."""
    return max(found.share.value, found.share.ends[1]) if found.kind != "gains" else 0.0


def _not_excluded(audit: AuditRecord, training: Training, found: Claim, name: str) -> Iterator[str]:
    allowed = f"the budget of {_budget(audit)}"
    for head in heads(audit, training):
        if found.kind == "loses":
            yield f"{head}: {name} loses {share_words(found.share)}, which may exceed {allowed}"
        else:
            yield f"{head}: no loss is shown, but {name} may lose up to {at_most(found)}, above {allowed}"


def _losing_target(audit: AuditRecord, training: Training) -> tuple[str, Interval] | None:
    """Return the target column that is shown to lose more of its variance than the budget (Bonferroni), if any does."""
    found: dict[str, Interval] = {}
    for i in "12":
        d = audit.directions[i]
        lost = {t.target: t.at_risk for t in d.targets_at_risk}
        found |= lost if training == "supervised" else aligned_alone(d, training).loss_per_target
    over = {name: e for name, e in found.items() if e.low is not None and e.low > audit.provenance.budget}
    return max(over.items(), key=lambda item: item[1].value, default=None)


def _of_target(audit: AuditRecord, training: Training, name: str, lost: Interval) -> Iterator[str]:
    for head in heads(audit, training):
        yield f"{head}: both keep to the budget, but '{brief(name)}' loses {estimate(lost, 2)} of its variance"


def _budget(audit: AuditRecord) -> str:
    return percent(audit.provenance.budget, None)
