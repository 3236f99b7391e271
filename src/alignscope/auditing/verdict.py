"""The verdict of an audit: its answer in one plain sentence, what that rests on, and the sentence on redundancy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alignscope.auditing.results import Audit, Comparison, Direction
from alignscope.pair.paired import Pair
from alignscope.report.words import lam, percent

MATERIAL = 0.01
"""A loss below this share of what is predicted is not worth a warning."""


def verdict_sentence(audit: Audit) -> str:
    """Return the audit's answer in one plain sentence."""
    one, two = audit.modalities["1"].name, audit.modalities["2"].name
    first, forth = _direction_words(audit, "1", f"aligning {one} to {two}")
    second, back = _direction_words(audit, "2", "the other way round it")
    if first == second == "chance":
        return (
            f"Neither {one} nor {two} predicts its own target above chance, so there is nothing that aligning them "
            "could lose."
        )
    if first == second and first in ("lossless", "little"):
        much = "nothing" if first == "lossless" else "next to nothing"
        return (
            f"With {audit.components} components, aligning {one} and {two} costs {much}, in either direction and at "
            "any lambda."
        )
    return f"{forth[:1].upper()}{forth[1:]}; {back}."


def _direction_words(audit: Audit, i: str, subject: str) -> tuple[str, str]:
    """Return what kind of answer a direction has, and the clause that says it of `subject`."""
    d, name = audit.directions[i], audit.modalities[i].name
    risk, base = d.held_out_at_risk, d.held_out_limits["prediction_first"]
    if below_chance(audit, i):
        return "chance", f"{subject} has nothing to lose, since {name} does not predict its own target above chance"
    if d.at_risk <= 1e-9:
        return "lossless", f"{subject} costs nothing at any lambda"
    if d.at_risk < MATERIAL * d.limits["prediction_first"].sigma_z:
        return "little", f"{subject} costs next to nothing"
    if risk.sign < 0:
        return "helps", f"{subject} improves what {name} predicts on held-out samples"
    if risk.sign <= 0 or base <= 0:
        share = _percent(d.at_risk / d.limits["prediction_first"].sigma_z)
        return "unsure", f"{subject} costs up to {share} in sample, which held-out samples do not confirm"
    most, low, high = (_percent(min(max(x / base, 0.0), 1.0)) for x in (risk.value, *risk.ends))
    of = f"of what is predicted ({low} to {high}, held-out samples)"
    if extreme_only(d):
        return "extreme", f"{subject} costs next to nothing up to lambda = {lam(d.lambdas[-1])}, and {most} {of} beyond"
    worst = f", most of all of '{d.targets_at_risk[0].target}'" if len(d.targets_at_risk) > 1 else ""
    costs = f"{subject} can cost up to {most} {of}{worst}"
    if np.isfinite(d.lambda_budget):
        costs += f", but stays within {percent(d.budget, None)} up to lambda = {lam(d.lambda_budget)}"
    return "costs", costs


def _percent(share: float) -> str:
    return percent(share, 0 if share >= 0.095 else 1)


def below_chance(audit: Audit, i: str) -> bool:
    """Return whether a modality does not predict its own target above chance, so that it has nothing to lose."""
    own = audit.sigma.held_out[i + i]
    return own.exceeds(max(own.null95, 0.0)) != "yes"


def extreme_only(d: Direction) -> bool:
    """Return whether all that is lost is lost beyond the grid of lambdas."""
    return d.sigma_z[0] - d.sigma_z[-1] < MATERIAL * d.sigma_z[0]


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
    return "The intervals do not decide whether each modality predicts its own target better than the other does."
