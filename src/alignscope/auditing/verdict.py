"""The verdict of an audit: its answer in two plain sentences of held-out figures, and the sentence on redundancy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from alignscope._lib.interval import Interval
from alignscope.auditing.action import recommended
from alignscope.auditing.claims import (
    FEW_GROUPS,
    Claim,
    claim,
    least_seen,
    rows_words,
    standing,
    too_few_rows,
    units,
    unlabelled,
)
from alignscope.auditing.facts import Facts
from alignscope.auditing.results import AuditRecord, Comparison, Training
from alignscope.pair.paired import Pair
from alignscope.report.words import aliases, brief, capital, count, estimate, percent, share

MOST_WORDS = 24
"""Words in a sentence of a verdict."""

CALIBRATED = (
    "Calibrated on perceptrons that InfoNCE trained on 12 pairs, at K = 2, 8 and 32 (R² held out, of a linear probe of "
    "embeddings at length 1); of 10 other pairs the intervals held 95%."
)
"""What the forecast of networks rests on."""


def verdict_sentence(audit: AuditRecord) -> str:
    """Return the audit's answer: two sentences, of the training that leads and of the other; `warnings` stand in it.

    Only held-out figures occur. A loss is claimed only where its interval lies above 0.
    """
    tail = _warning_words(audit)
    if unlabelled(audit):
        first, *seconds = _shared(audit)
    else:
        first = fit(_training_sentence(audit, audit.training))
        rest: Training = "contrastive" if audit.training == "supervised" else "supervised"
        seconds = list(_training_sentence(audit, rest, known_only=True)) or [_what_would_show(audit)]
    if not tail:
        return f"{first}. {fit(seconds)}."
    whole = [f"{s}; {tail}" for s in seconds]
    joined = next((s for s in whole if _words(s) <= MOST_WORDS), None)
    return f"{first}. {joined}." if joined else f"{first}. {fit(seconds)}. {capital(tail)}."


def recommended_action(audit: AuditRecord) -> str:
    """Return what to do about it, in one sentence."""
    return recommended(audit).text


def warnings(audit: AuditRecord, facts: Facts) -> list[str]:
    """Return the codes that must stand in the verdict.

    AS109 few groups, AS115 rows alike, AS117 too few rows, AS120 one table given as both modalities.
    """
    found = []
    if facts.groups is not None and facts.groups < FEW_GROUPS:
        found.append("AS109")
    if facts.groups is None and not audit.sigma.interval.valid:
        found.append("AS115")
    if too_few_rows(audit):
        found.append("AS117")
    data = audit.provenance.data
    if data["x1"].sha256 == data["x2"].sha256:
        found.append("AS120")
    return found


def training_sentence(audit: AuditRecord, training: Training) -> str:
    """Return what the audit says of one kind of training."""
    return f"{fit(_training_sentence(audit, training))}."


def networks_sentence(audit: AuditRecord) -> str:
    """Return what networks trained by alignment alone are expected to keep at the audited K, or why nothing is said."""
    reason = audit.directions["1"].contrastive.expected.reason
    if reason is not None:
        return f"What networks trained by alignment alone keep is not forecast: {reason}."
    kept = []
    for i, d in audit.directions.items():
        found = d.contrastive.expected
        at_k = found.sigma_z[found.components.index(audit.components)]
        kept.append(f"{estimate(at_k, 2)} of the {share(audit.sigma.held_out[i + i].value, 2)} of {modality(audit, i)}")
    return (
        "Networks trained by alignment alone are expected to keep an R² of "
        f"{' and '.join(kept)}, K = {audit.components}."
    )


def more_lines(audit: AuditRecord) -> list[str]:
    """Return what stands behind the verdict: what each modality predicts of its target, and the other trainings."""
    own = "; ".join(f"{modality(audit, i)} {estimate(audit.sigma.held_out[i + i])}" for i in "12")
    trainings: tuple[Training, ...] = ("supervised", "contrastive", "predictive")
    said = [training_sentence(audit, training) for training in trainings]
    return [f"R² of each modality on its own target (held out): {own}", *(s for s in said if s not in audit.verdict)]


def share_words(lost: Interval) -> str:
    """Write a share with its interval: "48% (45% to 51%)"."""
    digits = 0 if abs(lost.value) >= 0.095 else 1
    return estimate(lost, digits, percent)


def target_words(audit: AuditRecord, i: str) -> str:
    """Name a modality's target: 'height', "its 7 classes", "the 7 classes" where both have the same."""
    target, common = audit.targets[i], audit.targets["1"] == audit.targets["2"]
    if target.kind == "modality":
        return "its own features"
    if len(target.names) == 1:
        return f"'{brief(target.names[0])}'"
    nouns = "classes" if target.kind == "class" else "quantities"
    return f"{'the' if common else 'its'} {count(len(target.names))} {nouns}"


def modality(audit: AuditRecord, i: str) -> str:
    """Name a modality in short."""
    return aliases(audit.modalities["1"].name, audit.modalities["2"].name)[int(i) - 1]


def _words(sentence: str) -> int:
    return len(sentence.split())


def fit(sentences: Iterable[str]) -> str:
    """Return the first sentence that is short enough; the shortest where none is."""
    options = list(sentences)
    return next((s for s in options if _words(s) <= MOST_WORDS), min(options, key=_words))


def _warning_words(audit: AuditRecord) -> str:
    words = []
    if "AS109" in audit.warnings:
        rough = "intervals are rough" if audit.sigma.interval.valid else "no interval can be given"
        words.append(f"{units(audit)} groups only: {rough}")
    if "AS115" in audit.warnings:
        words.append("neighbouring rows are alike: no interval can be given; give --groups")
    if "AS120" in audit.warnings:
        words.append("both modalities hold the same values")
    return "; ".join(words)


def _training_sentence(audit: AuditRecord, training: Training, known_only: bool = False) -> Iterator[str]:
    """Yield what is said of a training, the fullest sentence first; none where `known_only` leaves nothing."""
    claims = {i: claim(audit, i, training) for i in "12" if not known_only or standing(audit, i) == "known"}
    if not claims:
        return
    order = sorted(claims, key=lambda i: (claims[i].kind != "loses", claims[i].kind != "point", -claims[i].share.value))
    full, brief = heads(audit, training)
    kinds = {c.kind for c in claims.values()}
    if len(claims) == 2 and len(kinds) == 1 and (same := _both(audit, claims, training)):
        yield f"{full}: {same}"
        yield f"{brief}: {same}"
        return
    if len(claims) == 2 and kinds in ({"loses"}, {"point"}):
        yield from _of_both(audit, claims, order, training)
    for head, size in ((full, 0), (brief, 0), (full, 1), (brief, 1), (brief, 2)):
        joint = ", " if len(kinds) == 1 else "; "
        yield f"{head}: " + joint.join(clause(audit, i, claims[i], training, size) for i in order)
    for size in (0, 1, 2):
        yield f"{brief}: " + clause(audit, order[0], claims[order[0]], training, size)


def _of_both(audit: AuditRecord, claims: dict[str, Claim], order: Sequence[str], training: Training) -> Iterator[str]:
    first, second = order
    common = target_words(audit, "1") if audit.targets["1"] == audit.targets["2"] else "their targets"
    whole = ("of their own variance",) if unlabelled(audit) else ()
    lost = f"{clause(audit, first, claims[first], training, 2)} and {modality(audit, second)} "
    for of in whole or (f"of what they predict of {common}", "of what they predict"):
        for head in heads(audit, training):
            yield f"{head}: {of}, {lost}{share_words(claims[second].share)}"


def heads(audit: AuditRecord, training: Training) -> tuple[str, str]:
    """Return the name of a training, with its K where it has one, in full and in brief."""
    if training == "supervised" and unlabelled(audit):
        both = "Self-supervised and contrastive training", "Self-supervised + contrastive"
        return f"{both[0]} with K = {audit.components}", f"{both[1]}, K = {audit.components}"
    if training == "supervised":
        return f"Supervised training with K = {audit.components}", f"Supervised, K = {audit.components}"
    return f"{capital(training)} training", capital(training)


def clause(audit: AuditRecord, i: str, found: Claim, training: Training, size: int) -> str:
    """Return what is said of one modality, in three sizes."""
    name = modality(audit, i)
    if found.kind in ("loses", "point"):
        verb = "can lose" if training == "supervised" else "loses"
        verb = "would lose" if found.kind == "point" else verb
        of = (f" of what it predicts of {target_words(audit, i)}", " of what it predicts", "")[size]
        of = " of its own variance" if of and unlabelled(audit) else of
        return f"{name} {verb} {share_words(found.share)}{of}"
    if found.kind == "none":
        return f"no loss is shown for {name} (at most {at_most(found)})"
    if found.kind == "undetermined":
        if training == "supervised":
            return f"nothing detectable to align {name} to"
        return f"nothing shared is detectable, so what {name} retains is undetermined"
    return {
        "gains": f"{name} predicts more when aligned",
        "few": f"too few {rows_words(audit)} to tell for {name}",
        "chance": f"{name} is not above chance on {target_words(audit, i)}",
        "groups": f"what {name} predicts does not transfer between groups",
    }[found.kind]


def _both(audit: AuditRecord, claims: dict[str, Claim], training: Training) -> str:
    """Return what is said of both modalities at once where the same holds of both, or nothing."""
    one, two = modality(audit, "1"), modality(audit, "2")
    kind = claims["1"].kind
    if kind == "none":
        worst = max(claims.values(), key=lambda c: c.share.ends[1])
        return f"no loss is shown for {one} or {two} (at most {at_most(worst)})"
    undetermined = f"nothing shared by {one} and {two} is detectable, so what is retained is undetermined"
    if training == "supervised":
        undetermined = f"nothing detectable to align {one} or {two} to"
    return {
        "few": f"too few {rows_words(audit)} to tell for {one} or {two}",
        "chance": f"neither {one} nor {two} is above chance on its target",
        "groups": f"what {one} and {two} predict does not transfer between groups",
        "undetermined": undetermined,
        "gains": f"both {one} and {two} predict more when aligned",
    }.get(kind, "")


def at_most(found: Claim) -> str:
    """Write the upper end of a loss."""
    high = max(found.share.ends[1], 0.001)  # an upper end is never said to be 0
    return percent(high, 0 if high >= 0.095 else 1)


def _what_would_show(audit: AuditRecord) -> str:
    """Return what the second sentence is where neither modality is seen to predict its target."""
    rows = f"{units(audit)} groups" if units(audit) else f"{count(audit.n)} rows"
    least = max(least_seen(audit, i) for i in "12")
    if any(standing(audit, i) == "few" for i in "12"):
        if least >= 0.995:
            return f"With {rows}, hardly any R² would show"
        return f"With {rows}, an R² below {least:.2f} may not show"
    if all(standing(audit, i) == "chance" for i in "12"):
        return f"With {rows}, an R² above {least:.2f} would most likely have shown"
    best = max(audit.sigma.held_out[i + i].value for i in "12")
    return f"The larger of both R² is {share(best, 2)}, held out over {rows}"


def _shared(audit: AuditRecord) -> list[str]:
    """Return the first sentence of an audit without labels, and the second in its sizes."""
    one, two = modality(audit, "1"), modality(audit, "2")
    r = audit.directions["1"].contrastive.directions
    held = audit.shared or {}
    if r == 0 or not held:
        null = audit.directions["1"].contrastive.null95
        few = "AS117" in audit.warnings
        why = f"too few {rows_words(audit)} to tell what is shared" if few else "nothing shared is detectable"
        return [
            f"Contrastive training: {why}, so what it retains of {one} and {two} is undetermined",
            f"A shared direction with a held-out correlation below {null[0] if null else 1:.2f} does not show",
        ]
    holds = "shared direction holds" if r == 1 else f"{r} shared directions hold"
    own = [1 - held[i].variance.value for i in "12"]
    rest = [percent(share) for share in own]
    parts = [share_words(held[i].variance) for i in "12"]
    return [
        fit(
            f"{head}: {the}{holds} {parts[0]} of {one}{of} and {parts[1]} of {two}{short_of}"
            for head, the, of, short_of in (
                ("Contrastive training", "the ", "'s variance", "'s"),
                ("Contrastive", "", "", ""),
            )
        ),
        *(["Less than 1% of either lies outside these directions"] if max(own) < 0.01 else []),
        f"The rest, {rest[0]} and {rest[1]}, is each modality's own, and alignment alone does not keep it at any K",
        "The rest is each modality's own, and alignment alone does not keep it",
    ]


def redundancy_sentence(pair: Pair, verdict: str, comparisons: Sequence[Comparison]) -> str:
    """Return whether the modalities are non-redundant, in one plain sentence."""
    names = {"1": pair.name1, "2": pair.name2}
    if verdict == "yes":
        return "Each modality predicts its own target better than the other does."
    if verdict == "no":
        worse = next(c for c in comparisons if c.answer == "no")
        if pair.y1.rows is pair.y2.rows:
            return (
                f"They share one target, which {names[worse.other]} predicts at least as well as "
                f"{names[worse.knower]}; of a common target only one can predict more."
            )
        return (
            f"{names[worse.other]} predicts the target of {names[worse.knower]} at least as well as "
            f"{names[worse.knower]} itself."
        )
    if pair.y1.rows is pair.y2.rows:
        return "They share one target, and the intervals do not decide which of them predicts it better."
    return "The intervals do not decide whether each modality predicts its own target better than the other does."
