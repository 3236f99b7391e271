"""Findings: what is worth saying about an audit, under stable codes that the documentation explains.

A finding never stops an audit. `CODES` is the catalogue; `find` says which of them hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from alignscope.auditing.codes import CODES
from alignscope.auditing.facts import Facts
from alignscope.auditing.results import Audit, Direction, Finding
from alignscope.auditing.verdict import MATERIAL, below_chance, extreme_only
from alignscope.report.words import lam, percent


def find(audit: Audit, facts: Facts) -> list[Finding]:
    """Return all findings of an audit, in the order of their codes."""
    found = [*_about_data(audit, facts), *_about_prediction(audit), *_about_directions(audit)]
    return sorted(found, key=lambda f: f.code)


def _some(names: Sequence[str], most: int = 5) -> str:
    """Return the first few names, and how many more there are."""
    shown = ", ".join(f"'{n}'" for n in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _finding(code: str, text: str) -> Finding:
    return Finding(code, CODES[code].severity, text)


def _about_data(audit: Audit, facts: Facts) -> Iterator[Finding]:
    for record, missing in zip(audit.modalities.values(), facts.missing, strict=True):
        rows, width = audit.n - missing, record.features
        if rows <= width + 1:
            yield _finding("AS101", f"{record.name}: {rows} rows for {width} features; in-sample figures mean nothing.")
        elif rows < 10 * width:
            yield _finding("AS102", f"{record.name}: {rows} rows for {width} features; read the held-out figures.")
    for record in audit.modalities.values():
        if record.constant:
            yield _finding("AS103", f"{record.name}: columns that never vary, left out: {_some(record.constant)}.")
        spare = record.features - len(record.constant) - record.rank
        if spare > 0 and audit.n > record.features:
            yield _finding(
                "AS104",
                f"{record.name}: {spare} of {record.features} columns are combinations of the others.",
            )
    if facts.form == "root":
        condition = audit.provenance.moments.condition
        size = "without bound (redundant columns)" if np.isinf(condition) else f"{condition:.0e}"
        yield _finding("AS105", f"Condition number {size}: second moments were kept in the square-root form.")
    if facts.scale_ratio > 1e6:
        yield _finding("AS106", f"Standard deviations of columns differ by a factor of {facts.scale_ratio:.0e}.")
    if facts.far_mean[1] > 1e4:
        yield _finding(
            "AS107",
            f"{facts.far_mean[0]}: the mean lies {facts.far_mean[1]:.0e} standard deviations from zero.",
        )
    if any(facts.missing):
        yield _finding(
            "AS108",
            f"Rows without {audit.modalities['1'].name}: {facts.missing[0]}; without "
            f"{audit.modalities['2'].name}: {facts.missing[1]}.",
        )
    yield from _about_sampling(audit, facts)
    for note in facts.notes:
        yield _finding("AS116", note)


def _about_sampling(audit: Audit, facts: Facts) -> Iterator[Finding]:
    if facts.groups is not None and facts.groups < 10:
        yield _finding("AS109", f"{facts.groups} groups only: take the intervals as rough.")
    if facts.folds < facts.folds_wanted:
        yield _finding("AS110", f"{facts.folds} folds instead of {facts.folds_wanted}.")
    if facts.lonely_classes:
        yield _finding("AS111", f"{_some(facts.lonely_classes)}: in one fold only, so held-out figures do not apply.")
    if facts.rare_classes:
        yield _finding("AS112", f"{_some(facts.rare_classes)}: fewer than ten rows.")
    if facts.groups is None and facts.autocorrelation > 0.2:
        yield _finding(
            "AS115",
            f"Residuals of consecutive rows are correlated ({facts.autocorrelation:.2f}): if neighbouring rows "
            "belong together, pass --groups.",
        )
    if audit.targets["1"].kind == "modality":
        yield _finding("AS901", "No labels: each modality is its own target.")


def _about_prediction(audit: Audit) -> Iterator[Finding]:
    verdict = audit.non_redundant.verdict
    code = {"yes": "AS201", "no": "AS202", "undecided": "AS203"}[verdict]
    yield _finding(code, audit.non_redundant.text)
    for j, gain in audit.non_redundant.complementary.items():
        both = audit.sigma.held_out[f"b{j}"]
        if gain.answer == "yes" and gain.gain.value > MATERIAL and both.exceeds(max(both.null95, 0.0)) == "yes":
            g = gain.gain
            yield _finding(
                "AS204",
                f"Target {j}: both modalities together explain {g.value:.3f} more of it than the better one alone "
                f"({g.low:.3f} to {g.high:.3f}, held out).",
            )
    for i, record in audit.modalities.items():
        own = audit.sigma.held_out[i + i]
        if below_chance(audit, i):
            yield _finding(
                "AS205",
                f"{record.name} on its own target: {own.value:.3f} ({own.low:.3f} to {own.high:.3f}), not "
                f"above chance ({max(own.null95, 0.0):.3f}).",
            )
        excess = audit.sigma.in_sample[i + i] - own.value
        if excess > 0.1:
            yield _finding("AS206", f"{record.name}: the in-sample figure is {excess:.2f} above the held-out one.")


def _about_directions(audit: Audit) -> Iterator[Finding]:
    for i, d in audit.directions.items():
        name = audit.modalities[i].name
        yield from _about_size(audit, i, d, name)
        yield from _about_cost(audit, i, d, name)
        if below_chance(audit, i):
            continue
        claims, loses = d.theorem2.claims_loss, d.theorem2.loses_by_alignment
        if claims and not loses:
            yield _finding("AS501", f"{name}: theorem 2 claims a loss; exactly, alignment costs nothing.")
        if loses and not claims:
            yield _finding("AS502", f"{name}: theorem 2 is silent; alignment costs up to {d.at_risk:.3f} in sample.")
    yield _finding("AS601", audit.regime.text)


def _about_size(audit: Audit, i: str, d: Direction, name: str) -> Iterator[Finding]:
    k, rank = d.capacity.components, audit.modalities[i].rank
    if k > min(rank, max(d.capacity.lossless_at, 1)):
        yield _finding("AS113", f"{name}: of {k} components {min(rank, d.capacity.lossless_at)} can be used.")
    if d.capacity.gap < 1e-3:
        yield _finding("AS114", f"{name}: directions {k} and {k + 1} of the target are equally strong.")
    if d.loss_capacity > MATERIAL * d.sigma:
        yield _finding(
            "AS306",
            f"{name}: at K = {k}, {d.loss_capacity:.3f} of {d.sigma:.3f} is lost before any alignment.",
        )


def _about_cost(audit: Audit, i: str, d: Direction, name: str) -> Iterator[Finding]:
    first = d.limits["prediction_first"].sigma_z
    if d.at_risk <= 1e-9:
        yield _finding("AS302", f"{name}: nothing is lost at any lambda (K = {d.capacity.components}).")
        return
    if d.at_risk < MATERIAL * first:
        yield _finding(
            "AS303",
            f"{name}: at most {d.at_risk:.4f} of {first:.3f} is lost, by unlimited alignment (in sample).",
        )
        return
    if below_chance(audit, i):
        return
    risk = d.held_out_at_risk
    base = d.held_out_limits["prediction_first"]
    text = f"{risk.value:.3f} ({risk.low:.3f} to {risk.high:.3f}) of {base:.3f} (held out)"
    if risk.sign > 0 and extreme_only(d):
        yield _finding("AS308", f"{name}: up to lambda = {lam(d.lambdas[-1])} next to nothing is lost; beyond, {text}.")
        return
    if risk.sign > 0:
        yield _finding("AS301", f"{name}: unlimited alignment loses {text}.")
    elif risk.sign < 0:
        gain = -risk
        yield _finding(
            "AS307",
            f"{name}: unlimited alignment gains {gain.value:.3f} ({gain.low:.3f} to {gain.high:.3f}), held out.",
        )
    else:
        yield _finding("AS305", f"{name}: {d.at_risk:.3f} is lost in sample, but on held-out samples {text}.")
    worst = d.targets_at_risk[0]
    if len(d.targets_at_risk) < 2:
        yield _finding("AS902", f"{name}: its target has one column.")
    elif worst.at_risk > 2 * float(np.mean([t.at_risk for t in d.targets_at_risk])):
        yield _finding(
            "AS304",
            f"{name}: '{worst.target}' loses most, from {worst.sigma_z_prediction_first:.3f} to "
            f"{worst.sigma_z_align_first:.3f} of its variance (in sample).",
        )
    wider = d.remedies["capacity"]
    if wider.components is not None and wider.components > d.capacity.components:
        yield _finding("AS401", f"{name}: with {wider.components} components alignment is lossless.")
    if np.isfinite(d.lambda_budget):
        yield _finding(
            "AS402",
            f"{name}: up to lambda = {lam(d.lambda_budget)} at most {percent(d.budget, None)} is lost (in sample).",
        )
