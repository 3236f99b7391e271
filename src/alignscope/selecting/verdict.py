"""What a matrix of embeddings says: a badge, its reason, and one action, from held-out intervals alone."""

from __future__ import annotations

from collections.abc import Sequence

from alignscope.report.words import brief, estimate_percent, percent
from alignscope.selecting.results import CommonRecord, MatrixDecision, MatrixRecord

WEAK = 0.1
"""An R^2 that would be worth knowing of: where it is not excluded, neither "none predicts" nor "suffices" is said."""


def decide(m: MatrixRecord) -> MatrixDecision:
    """Return the badge of a matrix, and its reason in one sentence."""
    if not m.interval.valid:
        return MatrixDecision("cannot tell", "Neighbouring rows are alike, and no interval is valid without --groups.")
    if m.gains[0].low is None:
        return MatrixDecision("cannot tell", "Too few rows: no interval can be given.")
    if m.enough == 0:
        return _nothing(m)
    needed, total = m.order[: m.enough], m.sigmas[m.enough - 1]
    told = f"{listed(needed)} {'predicts' if m.enough == 1 else 'together predict'} {estimate_percent(total)}"
    if m.enough == len(m.names):
        return MatrixDecision("all add", f"{told}, and each adds to the others.")
    if _most(m) > WEAK:
        reason = f"{told}, but that {_others(m)} adds up to {percent(_most(m))} is not excluded: too few rows."
        return MatrixDecision("cannot tell", reason)
    return MatrixDecision("one suffices" if m.enough == 1 else "some suffice", f"{told}; {_rest(m)}.")


def _nothing(m: MatrixRecord) -> MatrixDecision:
    ends = [1.0 if e.high is None else e.high for e in (m.sigmas[0], *m.sigma.values())]
    most = max(0.0, *ends)
    if most > WEAK:
        reason = (
            f"No embedding is shown to predict the target, but up to {percent(most)} is not excluded: too few rows."
        )
        return MatrixDecision("cannot tell", reason)
    return MatrixDecision("none predicts", f"No embedding predicts more than {percent(most, 1)} of the target.")


def _rest(m: MatrixRecord) -> str:
    """Say what is not shown to add anything more, what it may add at most, and of what that is not known."""
    said = [f"{_others(m)} adds at most {percent(_most(m), 1)}"] if m.enough < len(m.gains) else []
    if lacking := [name for name, e in m.embeddings.items() if not e.ordered]:
        verb, adds = ("is", "it adds") if len(lacking) == 1 else ("are", "they add")
        said.append(f"{listed(lacking)} {verb} missing from too many rows to say what {adds}")
    return "; ".join(said)


def _others(m: MatrixRecord) -> str:
    """Name those of the order that are not needed."""
    others = [name for name in m.order[m.enough :] if m.embeddings[name].ordered]
    return brief(others[0]) if len(others) == 1 else f"any of the {len(others)} others"


def _most(m: MatrixRecord) -> float:
    """Return what one more may add at most; 0 where no more take part in the order."""
    return max(m.gains[m.enough].ends[1], 0.0) if m.enough < len(m.gains) else 0.0


_PARTS = 3  # named in a sentence


def verdict_sentence(m: MatrixRecord) -> str:
    """Return what a page says next: which pairs add up, which are redundant, and what alignment would cost."""
    up = [p for p in m.pairs if p.adds_up]
    said = [f"{len(up)} of {len(m.pairs)} pairs add up (95% for all at once)"]
    if up:
        best = max(up, key=lambda p: p.gain.value)
        said[0] += f", {brief(best.a)} and {brief(best.b)} most: {estimate_percent(best.gain)} above the better one"
    if m.redundant:
        said.append(f"redundant: {'; '.join(listed(s) for s in m.redundant)}")
    costs = [(e, p, k) for p in m.pairs for k, e in p.contrastive_loss.items() if e.low is not None and e.low > 0]
    if costs:
        lost, p, k = max(costs, key=lambda c: c[0].value)
        me, other = (p.a, p.b) if k == "a" else (p.b, p.a)
        said.append(f"aligned to {brief(other)} alone, {brief(me)} would lose {estimate_percent(lost)}")
    if shown := [p for p in m.shared.parts if p.shown and p.share.value > 0]:
        most = sorted(shown, key=lambda p: -p.share.value)[:_PARTS]
        among = "" if len(m.shared.names) == len(m.names) else f" and among {listed(m.shared.names)}"
        said.append(f"of the target{among}, {'; '.join(_in_common(p, m) for p in most)}")
    if up or costs or shown:
        said.append("an interval is that of one figure alone")
    return f"{'. '.join(text[:1].upper() + text[1:] for text in said)}."


def _in_common(part: CommonRecord, m: MatrixRecord) -> str:
    """Say where a part is: exactly these of the embeddings have it in common."""
    only = "only " if len(part.names) < len(m.shared.names) else ""
    return f"{estimate_percent(part.share)} {only}in {listed(part.names)}"


def action_sentence(m: MatrixRecord) -> str:
    """Return the one thing to do."""
    if not m.interval.valid:
        return "Give --groups: the place, the recording or the time that neighbouring rows have in common."
    if m.enough == 0:
        return "Give more rows, or embeddings that know of the target."
    needed = listed(m.order[: m.enough])
    if m.decision.badge == "cannot tell":
        return f"Use {needed} for now, and give more rows to tell whether more is needed."
    if m.enough == 1:
        return f"Use {needed} alone."
    return f"Use {needed} side by side; before aligning any two of them, audit them."


def listed(names: Sequence[str]) -> str:
    """Return names as a list in a sentence.

    >>> listed(["optical", "radar", "elevation"])
    'optical, radar and elevation'
    """
    short = [brief(name) for name in names]
    return short[0] if len(short) == 1 else f"{', '.join(short[:-1])} and {short[-1]}"
