"""The cards of an audit's page: what each training loses, and the limits within the budget.

A card is empty (a dash, and why) where nothing can be said; all figures are held out.
"""

from __future__ import annotations

from dataclasses import dataclass

from alignscope.auditing.claims import Claim, alignable, aligned_alone, claim, rows_words, unlabelled
from alignscope.auditing.results import AuditRecord, Training
from alignscope.auditing.verdict import at_most, modality, share_words, target_words
from alignscope.report.words import MISSING, SIDES, brief, count, lambda_value, percent, share, size_limit

EMPTY = {
    "few": "Too few {rows} to tell",
    "chance": "Not above chance",
    "groups": "Does not transfer between groups",
    "undetermined": "Nothing detectable to align to",
    "point": "No interval can be given, so no loss can be claimed",
}
NETWORKS = "For linear encoders: above such a limit trained networks have lost 45% to 83% of a target, so watch them."
"""At lambda = 3 and 30: texture, K = 48, whitened, ten epochs, in the kept results of the study (docs)."""
WEIGHT = (
    "from alignscope.nn import Budget\n\n"
    "budget = Budget(epsilon={epsilon:g})\n"
    "loss = task_loss + budget.weight * alignment_loss  # in every step\n"
    "budget.update(monitor.end_epoch())  # after every epoch: see the code of the recommended action"
)


@dataclass(frozen=True)
class Card:
    """One headline: a title, a large figure, what it is of, the other direction, and code in a fold."""

    title: str
    big: str
    text: str
    more: str = ""
    code: str = ""


def cards(audit: AuditRecord) -> list[Card]:
    """Return the cards of a page."""
    if unlabelled(audit):
        return [*(_shared(audit, i) for i in SIDES), _directions(audit)]
    lost: list[Training] = ["supervised", "predictive" if audit.training == "predictive" else "contrastive"]
    if audit.training != "supervised":
        lost.reverse()
    return [*(_lost(audit, training) for training in lost), _size(audit), _weight(audit)]


def _empty(audit: AuditRecord, found: Claim, otherwise: str = "") -> str:
    """Return why a card is empty."""
    return EMPTY.get(found.kind, otherwise).format(rows=rows_words(audit))


def _ordered(claims: dict[str, Claim]) -> list[str]:
    """Return the directions, the one that has most to say first: a loss, then an upper end, then none."""
    rank = {"loses": 0, "none": 1, "gains": 2}
    most = {i: c.share.value if c.kind == "loses" else c.share.ends[1] for i, c in claims.items()}
    return sorted(claims, key=lambda i: (rank.get(claims[i].kind, 3), -most[i]))


def _big(found: Claim) -> str:
    if found.kind == "loses":
        return share_words(found.share)
    return {"none": f"≤ {at_most(found)}", "gains": "None"}.get(found.kind, MISSING)


def _lost(audit: AuditRecord, training: Training) -> Card:
    claims = {i: claim(audit, i, training) for i in SIDES}
    worst, least = _ordered(claims)
    at = f", K = {audit.components}" if training == "supervised" else ""
    limit = " by unlimited alignment" if training == "supervised" else ", whatever K"
    found = claims[worst]
    name = modality(audit, worst)
    texts = {
        "loses": f"of what {name} predicts of {target_words(audit, worst)} is lost{limit} (held out).",
        "none": f"No loss is shown for {name}: at most this share is lost{limit} (held out).",
        "gains": f"{name} predicts more when it is aligned (held out).",
    }
    text = texts.get(found.kind) or f"{_empty(audit, found)}: {name}."
    if found.kind == "loses":
        text += _most_of_all(audit, worst, training)
    if training != "supervised" and found.kind == "undetermined":
        text = "Nothing shared is detectable, so what is retained is undetermined."
    return Card(
        f"Lost in {training} training{at}",
        _big(found),
        text,
        f"{modality(audit, least)}: {_short(audit, claims[least])}.",
    )


def _most_of_all(audit: AuditRecord, i: str, training: Training) -> str:
    """Return which target column loses most, where it is shown to lose at all (Bonferroni); nothing of a single one."""
    d = audit.directions[i]
    if training == "supervised":
        lost = {t.target: t.at_risk for t in d.targets_at_risk}
    else:
        lost = aligned_alone(d, training).loss_per_target
    most = max(lost, key=lambda name: lost[name].value)
    if len(lost) < 2 or lost[most].sign <= 0:
        return ""
    return f" Most of all '{brief(most)}', {share(lost[most].value, 2)} of its variance."


def _short(audit: AuditRecord, found: Claim) -> str:
    return _big(found) if found.kind in ("loses", "none", "gains") else _empty(audit, found).lower()


def _limits(audit: AuditRecord) -> tuple[list[str], dict[str, Claim]]:
    claims = {i: claim(audit, i, "supervised") for i in SIDES}
    return _ordered(claims), claims


def _size(audit: AuditRecord) -> Card:
    order, claims = _limits(audit)
    words = {i: _size_words(audit, i, claims[i]) for i in SIDES}
    allowed = percent(audit.directions["1"].budget, None)
    lead, other = order
    text = f"{modality(audit, lead)}: from this latent size supervised training loses at most {allowed} (held out)."
    if words[lead] == MISSING:
        text = f"{_empty(audit, claims[lead], 'No size of the curve is within the budget')}: {modality(audit, lead)}."
    more = f"{modality(audit, other)}: {words[other]}. This audit has K = {audit.components}. {NETWORKS}"
    return Card(f"Latent size that loses at most {allowed}", words[lead], text, more)


def _size_words(audit: AuditRecord, i: str, found: Claim) -> str:
    limit = audit.directions[i].capacity.lossless_at
    if found.kind not in ("loses", "none", "gains"):
        return MISSING
    return MISSING if size_limit(limit) == "none" else f"K ≥ {size_limit(limit)}"


def _weight(audit: AuditRecord) -> Card:
    order, claims = _limits(audit)
    lead, other = order
    words = {i: _weight_words(audit, i, claims[i]) for i in SIDES}
    allowed = percent(audit.directions["1"].budget, None)
    text = f"{modality(audit, lead)}, K = {audit.components}: up to this λ at most {allowed} is lost (held out)."
    if words[lead] == MISSING:
        text = f"{_empty(audit, claims[lead])}: {modality(audit, lead)}."
    elif words[lead] == "any λ":
        text = f"{modality(audit, lead)}, K = {audit.components}: no λ loses more than {allowed} (held out)."
    more = f"{modality(audit, other)}: {words[other]}. λ is not the weight in your loss: a budget sets that."
    code = WEIGHT.format(epsilon=audit.directions["1"].budget)
    return Card(f"λ that loses at most {allowed}", words[lead], text, more, code)


def _weight_words(audit: AuditRecord, i: str, found: Claim) -> str:
    if found.kind not in ("loses", "none", "gains"):
        return MISSING
    limit = audit.directions[i].lambda_budget
    if limit.value == 0:
        return "none above 0"
    words = lambda_value(limit)
    return f"{words} λ" if words == "any" else words


def _shared(audit: AuditRecord, i: str) -> Card:
    held = (audit.shared or {}).get(i)
    title = f"Variance of {modality(audit, i)} that is shared"
    if held is None or held.directions == 0:
        few = "AS117" in audit.warnings
        return Card(
            title, MISSING, f"Too few {rows_words(audit)} to tell." if few else "No shared direction is detectable."
        )
    if held.variance.low is None:
        return Card(title, MISSING, EMPTY["point"] + ".")
    return Card(title, share_words(held.variance), f"The rest is {modality(audit, i)}'s own (held out).")


def _directions(audit: AuditRecord) -> Card:
    alone = audit.directions["1"].contrastive
    listed = ", ".join(f"{rho:.2f}" for rho in alone.correlations[: min(alone.directions, 5)])
    more = ", …" if alone.directions > 5 else ""
    if alone.directions == 0:
        null = f": a correlation below {alone.null95[0]:.2f} does not show" if alone.null95 else ""
        return Card("Shared directions", MISSING, f"None is detectable{null} (held out).")
    text = f"Their correlations: {listed}{more} (held out). A contrastive code larger than that is undetermined."
    can = f"Of {count(alignable(alone))} more than half can be predicted, so that they can be aligned."
    if alignable(alone) == 0:
        can = "Of none more than half can be predicted: linear encoders have nothing to align."
    return Card("Shared directions", count(alone.directions), text, can)
