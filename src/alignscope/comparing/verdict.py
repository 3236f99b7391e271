"""What a comparison says: a badge with its reason, the rest in a sentence or two, one action; held-out intervals alone.

- ``lost``: the representation, or one of its targets, is shown to predict less by more than the budget, linearly and,
  where that was asked, with random features too. What was not shown to be predicted before cannot be lost: more columns
  after make its R^2 fall below 0 all the same, by overfitting.
- ``no longer linear``: linearly it is, and with random features the loss is shown to lie within the budget.
- ``nothing lost``, ``gained``: the loss lies within the budget; the representation is shown to predict more.
- ``nothing to lose``: what it predicted before is too little to matter. ``cannot tell``: the intervals leave it open.
"""

from __future__ import annotations

from alignscope._lib.interval import Interval
from alignscope.comparing.results import Change, CompareDecision, CompareRecord
from alignscope.report.words import brief, estimate_percent, percent

LITTLE = 0.1
"""An R^2 that would be worth keeping: where it is excluded before, there is nothing to lose."""


def decide(c: CompareRecord, same: bool) -> CompareDecision:
    """Return the badge and its reason; `same` tells that before and after hold the same numbers."""
    if same:
        return CompareDecision("nothing lost", "Before and after hold the same numbers.")
    if not c.interval.valid:
        return CompareDecision("cannot tell", _invalid(c))
    before, change = c.sigma.before, c.sigma.change
    if before.low is None or change.low is None or change.high is None or before.high is None:
        return CompareDecision("cannot tell", "Too few rows: no interval can be given.")
    gained = change.sign > 0 and c.sigma.after.sign > 0
    allowed = c.provenance.budget * max(before.value, 0.0)
    worst = _worst_target(c)
    if c.sigma.lost:
        return _lost(c, "The target", c.sigma, None if c.lifted is None else c.lifted.sigma)
    if worst is not None:
        return _lost(c, f"'{brief(worst)}'", c.targets[worst], None if c.lifted is None else c.lifted.targets[worst])
    if before.high < LITTLE and change.sign >= 0 and not gained:
        most = percent(max(before.high, 0.0), 1)
        return CompareDecision("nothing to lose", f"Before, no more than {most} of the target was predicted.")
    if gained:
        return CompareDecision("gained", f"{_moved(c.sigma)}, and no target is shown to lose more than the budget.")
    if change.low >= -allowed:
        most = percent(max(-change.low, 0.0), 1)
        return CompareDecision("nothing lost", f"{_moved(c.sigma)}: at most {most} is lost, within the budget.")
    most = percent(-change.low, 1)
    return CompareDecision("cannot tell", f"{_moved(c.sigma)}: a loss of up to {most} is not excluded.")


def _worst_target(c: CompareRecord) -> str | None:
    """Return the target column that is shown to lose more than the budget, the most of them, if any does."""
    lost = {name: t.change.value for name, t in c.targets.items() if t.lost}
    return min(lost, key=lambda name: lost[name]) if lost else None


def _invalid(c: CompareRecord) -> str:
    if c.interval.kind == "group":
        return f"With {c.interval.units} groups no interval can be given."
    return "Neighbouring rows are alike, and no interval is valid without --groups."


def _lost(c: CompareRecord, what: str, linear: Change, lifted: Change | None) -> CompareDecision:
    said = f"{what} was predicted to {estimate_percent(linear.before)} and is to {estimate_percent(linear.after)}"
    if lifted is None:
        return CompareDecision("lost", f"{said}.")
    kept = lifted.change
    if kept.low is not None and kept.low >= -c.provenance.budget * max(lifted.before.value, 0.0):
        return CompareDecision(
            "no longer linear", f"{said} linearly; with random features to {estimate_percent(lifted.after)}."
        )
    if kept.sign < 0:
        return CompareDecision("lost", f"{said}, and random features do not bring it back.")
    return CompareDecision("lost", f"{said} linearly; whether it is gone or only not linear is not shown.")


def _moved(change: Change) -> str:
    return f"The target was predicted to {estimate_percent(change.before)} and is to {estimate_percent(change.after)}"


def verdict_sentence(c: CompareRecord) -> str:
    """Return which targets lost and won, and of which kind the information is."""
    moved = sorted((n for n, t in c.targets.items() if t.significant), key=lambda n: c.targets[n].change.value)
    lost = [n for n in moved if c.targets[n].change.value < 0 and c.targets[n].before.sign > 0]
    won = [n for n in reversed(moved) if c.targets[n].change.value > 0 and c.targets[n].after.sign > 0]
    said = [_named(lost, "lost", c), _named(won, "won", c)]
    if not lost and not won:
        said = ["No target is shown to have lost or won (95% for all at once)"]
    elif len(c.targets) > 1:
        said.append("counted at 95% for all targets at once; an interval is that of one target alone")
    # Labels are not Gaussian: their bits can be more than a label holds.
    of_numbers = c.target.kind == "regression"
    if of_numbers and c.kind.unique_before is not None and c.kind.unique_after is not None:
        said.append(f"only before: {_bits(c.kind.unique_before)}; only after: {_bits(c.kind.unique_after)}")
    return f"{'. '.join(text[:1].upper() + text[1:] for text in said if text)}."


def _named(names: list[str], what: str, c: CompareRecord) -> str:
    if not names:
        return ""
    first = c.targets[names[0]].change
    more = f", most '{brief(names[0])}' by {estimate_percent(first if first.value > 0 else -first)}"
    return f"{len(names)} of {len(c.targets)} targets {what}{more}"


def _bits(e: Interval) -> str:
    ends = "" if e.low is None or e.high is None else f" ({e.low:.2f} to {e.high:.2f})"
    return f"{e.value:.2f} bits{ends}"


def action_sentence(c: CompareRecord) -> str:
    """Return the one thing to do."""
    badge = c.decision.badge
    if badge == "lost":
        return "Keep a task loss on what was lost, lower the weight of what was trained, or use both side by side."
    if badge == "no longer linear":
        return "Read it out with a small network in place of a linear one."
    if badge == "cannot tell":
        return "Give more rows, or --groups where rows depend on each other."
    return "Use the representation after training."
