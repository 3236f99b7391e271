"""Findings: what is worth saying about an audit, under stable codes that the documentation explains.

A finding never stops an audit. `CODES` is the catalogue; `find` says which of them hold. Figures in their texts are
held out, or counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from alignscope._lib.types import Codes
from alignscope.auditing.claims import (
    FEW_GROUPS,
    MATERIAL,
    Claim,
    alignable,
    aligned_alone,
    claim,
    extreme_only,
    least_seen,
    rows_words,
    standing,
    units,
    unlabelled,
)
from alignscope.auditing.codes import CODES
from alignscope.auditing.facts import Facts
from alignscope.auditing.results import AuditRecord, Direction, Finding, Training
from alignscope.auditing.verdict import at_most, share_words
from alignscope.pair.notes import Note
from alignscope.report.words import count, estimate, lam, lambda_value, percent, size_limit


def find(audit: AuditRecord, facts: Facts) -> list[Finding]:
    """Return all findings of an audit, in the order of their codes."""
    found = [*_about_data(audit, facts), *_about_prediction(audit), *_about_directions(audit)]
    return sorted(found, key=lambda f: f.code)


def _some(names: Sequence[str], most: int = 5) -> str:
    """Return the first few names, and how many more there are."""
    shown = ", ".join(f"'{n}'" for n in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def finding(code: str, text: str) -> Finding:
    """Return a finding with the severity of its code."""
    return Finding(code, CODES[code].severity, text)


def _about_data(audit: AuditRecord, facts: Facts) -> Iterator[Finding]:
    for record, missing in zip(audit.modalities.values(), facts.missing, strict=True):
        rows, width = audit.n - missing, record.features
        if rows <= width + 1:
            yield finding("AS101", f"{record.name}: {rows} rows for {width} features; in-sample figures mean nothing.")
        elif rows < 10 * width:
            yield finding("AS102", f"{record.name}: {rows} rows for {width} features; read the held-out figures.")
    for record in audit.modalities.values():
        if record.constant:
            yield finding("AS103", f"{record.name}: columns that never vary, left out: {_some(record.constant)}.")
        spare = record.features - len(record.constant) - record.rank
        if spare > 0 and audit.n > record.features:
            yield finding(
                "AS104",
                f"{record.name}: {spare} of {record.features} columns are combinations of the others.",
            )
    if facts.form == "root":
        condition = audit.provenance.moments.condition
        size = "without bound (redundant columns)" if np.isinf(condition) else f"{condition:.0e}"
        yield finding("AS105", f"Condition number {size}: second moments were kept in the square-root form.")
    if facts.scale_ratio > 1e6:
        yield finding("AS106", f"Standard deviations of columns differ by a factor of {facts.scale_ratio:.0e}.")
    if facts.far_mean[1] > 1e4:
        yield finding(
            "AS107",
            f"{facts.far_mean[0]}: the mean lies {facts.far_mean[1]:.0e} standard deviations from zero.",
        )
    if any(facts.missing):
        yield finding(
            "AS108",
            f"Rows without {audit.modalities['1'].name}: {facts.missing[0]}; without "
            f"{audit.modalities['2'].name}: {facts.missing[1]}.",
        )
    for record, rows in zip(audit.modalities.values(), facts.constant_rows, strict=True):
        if rows:
            yield finding("AS119", f"{record.name}: rows that hold one value throughout: {count(rows)}.")
    yield from _about_sampling(audit, facts)
    for note in facts.notes:
        yield finding(note.code, str(note))


def about_rows(groups: Codes | None, dependent: bool, notes: Iterable[Note]) -> Iterator[Finding]:
    """Yield what is to be known of the rows wherever intervals rest on them, and what was done to the inputs."""
    if dependent:
        yield finding("AS115", "Neighbouring rows are alike and there are no groups: no interval is valid.")
    if groups is not None and (few := int(np.unique(groups).size)) < FEW_GROUPS:
        yield finding("AS109", f"{few} groups only: take the intervals as rough.")
    for note in notes:
        yield finding(note.code, str(note))


def _about_sampling(audit: AuditRecord, facts: Facts) -> Iterator[Finding]:
    valid = audit.sigma.interval.valid
    if "AS109" in audit.warnings:
        yield finding(
            "AS109",
            f"{facts.groups} groups only: {'take the' if valid else 'there are no'} intervals"
            f"{' as rough' if valid else ''}.",
        )
    if facts.folds < facts.folds_wanted:
        yield finding("AS110", f"{facts.folds} folds instead of {facts.folds_wanted}.")
    if facts.lonely_classes:
        yield finding("AS111", f"{_some(facts.lonely_classes)}: in one fold only, so held-out figures do not apply.")
    if facts.rare_classes:
        yield finding("AS112", f"{_some(facts.rare_classes)}: fewer than ten rows.")
    if "AS115" in audit.warnings:
        yield finding(
            "AS115",
            f"Residuals of neighbouring rows are correlated ({facts.autocorrelation:.2f}): no interval can be given, "
            "and held-out figures are too good; give --groups.",
        )
    if unlabelled(audit):
        yield finding("AS901", "No labels: each modality is its own target.")


def _about_prediction(audit: AuditRecord) -> Iterator[Finding]:
    code = {"yes": "AS201", "no": "AS202", "undecided": "AS203"}[audit.non_redundant.verdict]
    if not unlabelled(audit):  # every modality predicts itself
        yield finding(code, audit.non_redundant.text)
    common = audit.targets["1"] == audit.targets["2"]
    for j, gain in audit.non_redundant.complementary.items():
        if common and j != "1":  # the same figure
            continue
        both = audit.sigma.held_out[f"b{j}"]
        if gain.answer == "yes" and gain.gain.value > MATERIAL and both.exceeds(max(both.null95, 0.0)) == "yes":
            yield finding(
                "AS204",
                f"{'The target' if common else f'Target {j}'}: both modalities together explain {gain.gain.value:.3f} "
                f"more of it than the better one alone ({gain.gain.low:.3f} to {gain.gain.high:.3f}, held out).",
            )
    for i, record in audit.modalities.items():
        own, seen = audit.sigma.held_out[i + i], standing(audit, i)
        figure = f"{record.name} on its own target: {estimate(own)}"
        if seen == "few":
            show = least_seen(audit, i)
            least = f"; an R² below {show:.2f} may not show" if show < 1 else ""
            yield finding("AS117", f"{figure}, too few {rows_words(audit)} to tell{least}.")
        elif seen == "chance":
            yield finding("AS205", f"{figure}, not above chance ({max(own.null95, 0.0):.3f}).")
        elif seen == "groups":
            yield finding("AS312", f"{figure} over {units(audit)} groups held out whole: it does not transfer.")
        if not unlabelled(audit) and audit.sigma.in_sample[i + i] - own.value > 0.1:
            yield finding(
                "AS206", f"{record.name}: in sample the figures are far too good; the held-out one is {estimate(own)}."
            )


def _about_directions(audit: AuditRecord) -> Iterator[Finding]:
    limited = False
    for i, d in audit.directions.items():
        name = audit.modalities[i].name
        yield from _about_size(audit, i, d, name)
        if standing(audit, i) != "known":
            continue
        yield from _about_cost(audit, i, d, name)
        if not unlabelled(audit):
            yield from _about_theorem(audit, i, d, name)
        yield from _about_training(audit, i, "contrastive", "AS309")
        if audit.training == "predictive":
            yield from _about_training(audit, i, "predictive", "AS310")
        limited |= claim(audit, i, "supervised").kind == "loses"
    if audit.directions["1"].contrastive.directions == 0:
        yield finding("AS311", "No shared direction is detectable: what contrastive training retains is undetermined.")
    else:
        yield _alignable(audit)
    if limited:
        yield finding(
            "AS403",
            "lambda compares shares of variance and is not the weight in your loss: let alignscope.nn.Budget set that "
            "weight, and alignscope.nn.Monitor report what is lost.",
        )
    yield finding("AS601", audit.regime.text)


def _alignable(audit: AuditRecord) -> Finding:
    shared = audit.directions["1"].contrastive
    found, of = alignable(shared), f"Of {count(shared.directions)} shared direction{'s' * (shared.directions > 1)}"
    if found == 0:
        text = f"{of} none can be aligned by linear encoders (held out): unless yours find more, the term is 0."
        return finding("AS404", text)
    return finding("AS404", f"{of} {count(found)} can be aligned (held out).")


def _about_theorem(audit: AuditRecord, i: str, d: Direction, name: str) -> Iterator[Finding]:
    found = claim(audit, i, "supervised")
    if d.theorem2.claims_loss and found.kind in ("none", "undetermined"):
        yield finding("AS501", f"{name}: theorem 2 claims a loss; held out none is shown.")
    if found.kind == "loses" and not d.theorem2.claims_loss:
        yield finding(
            "AS502",
            f"{name}: theorem 2 is silent; supervised training loses {share_words(found.share)} of what is predicted.",
        )


def _about_training(audit: AuditRecord, i: str, training: Training, code: str) -> Iterator[Finding]:
    found, alone = claim(audit, i, training), aligned_alone(audit.directions[i], training)
    if found.kind == "few":
        yield _vague(audit, i, found, training)
    if found.kind == "loses":
        r = alone.directions
        counted = "one shared direction retains" if r == 1 else f"{r} shared directions retain"
        yield finding(
            code,
            f"{audit.modalities[i].name}: {training} training loses {share_words(found.share)} of {_whole(audit)}; "
            f"{counted} {estimate(alone.all)} (held out).",
        )


def _vague(audit: AuditRecord, i: str, found: Claim, training: Training) -> Finding:
    name, lost = audit.modalities[i].name, f"{share_words(found.share)} of {_whole(audit)}"
    return finding(
        "AS117",
        f"{name}, {_named(audit, training)} training: {lost} may be lost (held out), too few {rows_words(audit)} to "
        "tell.",
    )


def _whole(audit: AuditRecord) -> str:
    """Return what a share lost is of."""
    return "its own variance" if unlabelled(audit) else "what is predicted"


def _named(audit: AuditRecord, training: Training) -> str:
    """Return the name of a training: without labels each modality is its own task."""
    return "self-supervised and contrastive" if training == "supervised" and unlabelled(audit) else training


def _about_size(audit: AuditRecord, i: str, d: Direction, name: str) -> Iterator[Finding]:
    k, rank = d.capacity.components, audit.modalities[i].rank
    usable = min(rank, d.raw.lossless_at)
    if k > max(usable, 1):
        yield finding("AS113", f"{name}: of {k} components {usable} can be used.")
    if d.capacity.gap < 1e-3:
        yield finding("AS114", f"{name}: directions {k} and {k + 1} of the target are equally strong.")
    if standing(audit, i) != "known" or k not in d.capacity.curve.components:
        return
    fits = d.capacity.curve.sigma_z_prediction_first[d.capacity.curve.components.index(k)]
    own = audit.sigma.held_out[i + i]
    if fits.high is not None and fits.high < (1 - MATERIAL) * own.value:
        yield finding(
            "AS306", f"{name}: K = {k} retains {estimate(fits)} of {own.value:.3f} before any alignment (held out)."
        )


def _about_cost(audit: AuditRecord, i: str, d: Direction, name: str) -> Iterator[Finding]:
    found, k = claim(audit, i, "supervised"), d.capacity.components
    lost, training = f"{share_words(found.share)} of {_whole(audit)} (held out)", _named(audit, "supervised")
    if found.kind == "loses" and extreme_only(d):
        yield finding("AS308", f"{name}: up to lambda = {lam(d.lambdas[-1])} next to nothing is lost; beyond, {lost}.")
    elif found.kind == "loses":
        yield finding("AS301", f"{name}: {training} training with K = {k} and unlimited alignment loses {lost}.")
        yield from _about_limits(d, name)
    elif found.kind == "gains":
        yield finding("AS307", f"{name}: unlimited alignment gains {estimate(-d.held_out_at_risk)}, held out.")
    elif found.kind == "none" and d.at_risk <= 1e-9:
        yield finding(
            "AS302",
            f"{name}: K = {k} holds the target and all that is detectable to align to: at most {at_most(found)} is "
            "lost (held out).",
        )
    elif found.kind == "none" and (found.share.ends[1] < MATERIAL or d.held_out_at_risk.sign > 0):
        yield finding("AS303", f"{name}: unlimited alignment loses at most {percent(found.share.high, 1)} (held out).")
    elif found.kind == "none":
        yield finding("AS305", f"{name}: no loss is shown with K = {k}: {lost}.")
    elif found.kind == "few":
        yield _vague(audit, i, found, "supervised")
    worst = d.targets_at_risk[0]
    if len(d.targets_at_risk) < 2:
        yield finding("AS902", f"{name}: its target has one column.")
    elif (
        worst.at_risk.sign > 0
        and worst.at_risk.value > MATERIAL
        and worst.at_risk.value > 2 * float(np.mean([t.at_risk.value for t in d.targets_at_risk]))
    ):
        yield finding(
            "AS304", f"{name}: '{worst.target}' loses most, {estimate(worst.at_risk)} of its variance (held out)."
        )


def _about_limits(d: Direction, name: str) -> Iterator[Finding]:
    size, weight, allowed = d.capacity.lossless_at, d.lambda_budget, percent(d.budget, None)
    if np.isfinite(size.value) and size.value > d.capacity.components:
        yield finding("AS401", f"{name}: with K = {size_limit(size)} at most {allowed} is lost (held out).")
    if np.isfinite(weight.value):
        sign = "" if weight.grid_end else "= "
        upto = (
            f"up to lambda {sign}{lambda_value(weight)} at most" if weight.value > 0 else "no lambda above 0 loses only"
        )
        yield finding("AS402", f"{name}: {upto} {allowed} is lost (held out).")
