"""What each part of the first run found, in a sentence and a few bars."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from alignscope.auditing.audit import Audit
from alignscope.paper.running import Paper
from alignscope.report.words import at_lambda, at_size, capital, count, estimate_percent
from alignscope.study.results import RetentionRow, StudyResults

_OWN = (1, "texture")  # which only modality 1 shows, and perceptrons learn late


class Bar(msgspec.Struct, frozen=True):
    """A share in 0..1 with its name, and the figure in words."""

    name: str
    share: float
    words: str


class Finding(msgspec.Struct, frozen=True):
    """What one part of the run found; `page` is the path of its page from the index."""

    title: str
    text: str
    caption: str
    bars: tuple[Bar, ...]
    page: str


def of_audit(audit: Audit, page: str) -> Finding:
    """Return the audit's verdict, and the share that each modality loses in each way of training."""
    bars = []
    for side, direction in audit.directions.items():
        name = audit.modalities[side].name or f"modality {side}"
        for training, lost in (
            (f"supervised, {at_size(audit.components)}", direction.held_out_share),
            ("contrastive", direction.contrastive.share),
        ):
            bars.append(Bar(f"{name}, {training}", lost.value, estimate_percent(lost)))
    caption = "Share lost of what a modality predicts of its target, for linear encoders (held out, 95% intervals)"
    text = f"{capital(audit.decision.badge)}. {audit.decision.reason} {audit.action}"
    return Finding("Before training: an audit", text, caption, tuple(bars), page)


def of_paper(paper: Paper, page: str) -> Finding:
    """Return what holds of the paper's linear theory, and how often the conclusion of its theorem 2 fails."""
    claims = [claim for claim in paper.claims if claim.key != "alignable"]
    counted = next(claim.measured for claim in claims if claim.key == "theorem-2")
    verdicts = {verdict: sum(claim.verdict == verdict for claim in claims) for verdict in paper.verdicts()}
    text = (
        f"Of the {count(int(counted['claimed']))} random problems that meet the assumptions of theorem 2, its "
        f"conclusion fails in {count(int(counted['conclusion_fails']))}. Where the latent holds what is predicted and "
        "what is aligned to, no λ costs linear encoders anything."
    )
    bars = tuple(Bar(v, n / len(claims), count(n)) for v, n in verdicts.items() if n)
    caption = "Claims on linear encoders, the paper’s and what holds instead, by verdict"
    return Finding("The paper: its linear theory, checked", text, caption, bars, page)


def of_study(results: StudyResults, page: str) -> Finding:
    """Return what is retained of a factor that one modality alone shows, aligned in each way."""
    bars = tuple(
        Bar(f"{_GAUGES[row.gauge]}, {at_lambda(row.lambda_)}", row.retention.value, estimate_percent(row.retention))
        for row in _own_rows(results)
        if row.retention is not None
    )
    sweep = results.spec.sweep
    least, most = min(lam for lam in sweep.lambdas if lam > 0), max(sweep.lambdas)
    kept = {(r.gauge, r.lambda_): estimate_percent(r.retention) for r in _own_rows(results)}
    text = (
        f"Perceptrons that are aligned to all of the other representation keep {kept['whitened', most]} of the texture "
        f"at {at_lambda(most)}; aligned only to what can be predicted of it they keep {kept['alignable', most]}. "
        f"At {at_lambda(least)} those aligned to all of it keep {kept['whitened', least]}."
    )
    caption = f"Texture retained, of that without alignment (held out; {len(sweep.seeds)} seeds, 95% intervals)"
    return Finding("By training: what it costs a network", text, caption, bars, page)


_GAUGES = {"whitened": "all of it", "alignable": "what can be predicted"}


def _own_rows(results: StudyResults) -> Iterator[RetentionRow]:
    longest = max(results.spec.sweep.epochs)
    rows = [r for r in results.retention if (r.modality, r.target) == _OWN and r.epoch == r.epochs == longest]
    for gauge in _GAUGES:
        yield from sorted((r for r in rows if r.gauge == gauge), key=lambda r: r.lambda_)
