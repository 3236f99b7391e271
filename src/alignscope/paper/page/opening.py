"""The first screen of the paper's page: how many claims hold, in a badge, in a chart by group, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from alignscope.paper.claim import Claim
from alignscope.report.opening import Opening
from alignscope.report.panels import Figure, Row, key, missing, panel, value_axis
from alignscope.report.parts import Spec, by, layer, tips
from alignscope.report.words import count

MARKS = {  # icon and look of each verdict; the word stands next to it
    "holds": ("✓", "good"),
    "holds with a correction": ("≈", "half"),
    "does not hold": ("✗", "bad"),
    "undecided": ("?", "soft"),
    "not tested here": ("○", "soft"),
}
HUES = ["var(--good)", "var(--link)", "var(--bad)", "var(--cap)", "var(--line)"]
AUDIT = "alignscope audit x1.npy x2.npy --y1 y1.npy --y2 y2.npy --out audit/"


class Group(NamedTuple):
    """Claims that stand in one table."""

    title: str
    text: str
    checks: Sequence[Claim]


def opening(claims: Sequence[Claim], found: Sequence[str]) -> Opening:
    """Return the badge, `found` in one or two sentences, and the audit of one's own pair as the action."""
    false = sum(claim.verdict == "does not hold" for claim in claims)
    badge = f"{count(false)} of {count(len(claims))} claims do not hold" if claims else "No claim was checked"
    action = (
        "Audit your own pair before you align it: the audit says what alignment would cost linear encoders of your "
        "features at every λ, which targets pay, and which latent size that takes."
    )
    return Opening(badge, "align-with-care" if false else "align" if claims else "cannot-tell", found, action, AUDIT)


def verdicts_by_group(groups: Sequence[Group]) -> Figure:
    """Draw how many claims of each group have each verdict, as one bar per group."""
    if not groups:
        return missing("No claim was checked.")
    bars, heads = [], []
    for row, group in enumerate(groups):
        start = 0
        heads.append({"row": row, "words": group.title})
        for verdict in MARKS:
            n = sum(claim.verdict == verdict for claim in group.checks)
            if n:
                bars.append({"row": row, "x": start, "x2": start + n, "verdict": verdict, "group": group.title}
                            | {"text": f"{n} of {len(group.checks)}", "n": n, "middle": start + n / 2})  # fmt: skip
            start += n
    x = value_axis("x", "claims", 0, max(len(group.checks) for group in groups), "d", tickMinStep=1, grid=False)
    y = {"field": "row", "type": "ordinal", "axis": None, "scale": {"domain": list(range(len(groups)))}}
    tip = tips(Claims="group", Verdict="verdict", Number="text")
    shown = [verdict for verdict in MARKS if any(b["verdict"] == verdict for b in bars)]
    hues = [HUES[list(MARKS).index(verdict)] for verdict in shown]
    bar = {"x": x, "x2": {"field": "x2"}, "y": y, "fill": by("verdict", shown, hues), "tooltip": tip}
    words: Spec = {"x": {"value": 0}, "y": y, "text": {"field": "words"}}
    layers = [
        layer("bar", bar, height=15, yOffset=9, stroke="var(--paper)", strokeWidth=1),
        layer("text", words, heads, yOffset=-10, align="left", fontSize=12, limit={"expr": "width"}),
    ]
    text = "Verdicts by group of claims: " + "; ".join(f"{b['group']}, {b['verdict']} {b['text']}" for b in bars) + "."
    return Figure(
        "How to read it: each bar is a group of claims, each part of it a verdict. The sections below have every claim "
        "with what was found.",
        [Row("", [panel("What holds, by group of claims", "", text, bars, layers, 48 * len(groups), None)])],
        key(("Verdict", shown, {"fill": hues, "shape": ["square"] * len(hues)})),
    )
