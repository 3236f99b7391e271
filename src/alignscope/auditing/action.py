"""The one action that an audit recommends, with the code or the command that does it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from alignscope.auditing.claims import alignable, claim, rows_words, standing, too_few_rows, unlabelled
from alignscope.auditing.results import AuditRecord, Training
from alignscope.report.words import count, percent, size_limit, thousands


@dataclass(frozen=True)
class Action:
    """What to do: one imperative sentence, and what to type: training in torch, linear encoders, or a command."""

    text: str
    torch: str = ""
    linear: str = ""
    command: str = ""

    @property
    def code(self) -> list[tuple[str, str]]:
        """What to type, by where it is typed."""
        ways = (("torch", self.torch), ("linear", self.linear), ("command line", self.command))
        return [(name, text) for name, text in ways if text]


def recommended(audit: AuditRecord) -> Action:
    """Return the action that does most for what the audit found, in the order of what must come first."""
    if "AS115" in audit.warnings:
        return _again("Give --groups, so that rows that are alike are held out together, and audit again.")
    if unlabelled(audit):
        return _without_labels(audit)
    seen = [standing(audit, i) for i in "12"]
    if "known" not in seen:
        if "groups" in seen:
            text = "Give more groups, or features that transfer between them, before aligning anything."
        elif "few" in seen:
            text = f"Give more {rows_words(audit)} or fewer features, and audit again before aligning anything."
        else:
            text = "Check the targets, or take other features: there is no prediction here to protect."
        return Action(text)
    if audit.training != "supervised" and _loses(audit, audit.training):
        size = int(max(audit.components, *(k for k in _lossless(audit) if math.isfinite(k)), 0))
        text = f"Add a task loss for each modality, at K = {size} or more, and {_align(audit)}."
        return _trained(text, audit, size)
    if _loses(audit, "supervised"):
        return _supervised(audit)
    if _loses(audit, "contrastive"):
        text = f"Train with task losses and alignment together, never by alignment alone, and {_align(audit)}."
        return _trained(text, audit, audit.components)
    if all(d.contrastive.directions == d.detectable.directions == 0 for d in audit.directions.values()):
        few = f"more {rows_words(audit)}" if too_few_rows(audit) else "other features"
        return Action(f"Train without alignment: nothing shared is detectable; with {few}, audit again.")
    if too_few_rows(audit):
        text = f"Keep the task losses, {_align(audit)}, and give more {rows_words(audit)} to tell what alignment costs."
        return _trained(text, audit, audit.components)
    text = f"Keep the task losses, {_align(audit)}, and watch what every target retains with the monitor."
    return _trained(text, audit, audit.components)


def remedy(audit: AuditRecord, i: str) -> tuple[str, str] | None:
    """Return the closed-form remedy that is recommended for a modality, with its reason (held out); None if none is.

    A larger latent where that keeps to the budget, else a lambda that does; where no loss is shown, to predict first.
    """
    d, found, allowed = audit.directions[i], claim(audit, i, "supervised"), percent(audit.provenance.budget, None)
    if found.kind in ("none", "gains"):
        return "prediction_first", "no loss is shown at this K, and this can lose none of what K holds"
    if found.kind != "loses":
        return None
    size, weight = d.capacity.lossless_at, d.lambda_budget
    if math.isfinite(size.value) and size.value > audit.components:
        return "capacity", f"held out, K = {size_limit(size)} loses at most {allowed} at any lambda"
    if weight.value > 0:
        return "budget", f"held out, lambda up to {thousands(weight.value)} loses at most {allowed}; no larger K does"
    return "prediction_first", "no larger K and no lambda above 0 stays within the budget"


def _loses(audit: AuditRecord, training: Training) -> bool:
    return any(claim(audit, i, training).kind == "loses" for i in "12")


def _supervised(audit: AuditRecord) -> Action:
    """Return what to do where supervised training at this K loses: a wider latent, and always a budget."""
    sizes, size, wider = _lossless(audit), audit.components, ""
    if all(math.isfinite(k) for k in sizes) and max(sizes) > size:
        size = int(max(sizes))
        wider = f"raise K to {size} or more, "
    within = f"within a budget of {percent(audit.directions['1'].budget, None)}"
    return _trained(f"Keep the task losses, {wider}{_align(audit)} {within}.", audit, size)


def _align(audit: AuditRecord) -> str:
    """Return that only alignable directions should be aligned, with how many of the detectable ones are."""
    shared = audit.directions["1"].contrastive
    found, verb = alignable(shared), "contrast" if _contrasted(audit) else "align"
    if shared.directions and not found:
        return f"{verb} only what becomes alignable (0 of {count(shared.directions)} directions now)"
    counted = f" ({count(found)} of {count(shared.directions)})" if shared.directions else ""
    return f"{verb} only the alignable directions{counted}"


def _contrasted(audit: AuditRecord) -> bool:
    return audit.training == "contrastive" or unlabelled(audit)


def _lossless(audit: AuditRecord) -> list[float]:
    """Return the lossless latent sizes of the modalities that lose something in supervised training."""
    losing = [audit.directions[i] for i in "12" if claim(audit, i, "supervised").kind == "loses"]
    return [d.capacity.lossless_at.value for d in losing]


def _again(text: str) -> Action:
    return Action(text, command="alignscope audit X1 X2 --y1 Y1 --groups GROUPS --out run")


def _without_labels(audit: AuditRecord) -> Action:
    r = audit.directions["1"].contrastive.directions
    if r == 0:
        return Action("Do not align these by contrast alone: give more rows, or labels, and audit again.")
    text = (
        f"Add a self-supervised loss for each modality and {_align(audit)}, or give labels with --y1 and audit again."
    )
    return _trained(text, audit, audit.components)


def _trained(text: str, audit: AuditRecord, k: int) -> Action:
    return Action(text, _training_loop(audit, k), _linear(audit, k))


def _linear(audit: AuditRecord, k: int) -> str:
    """Return the linear encoders of both modalities at K, at a lambda that keeps to the budget held out."""
    limits = [audit.directions[i].lambda_budget.value for i in "12"]
    at_size, least = k > audit.components, min(*limits, audit.directions["1"].lambdas[-1])
    lam = 1.0 if at_size else float(f"{least:.3g}")
    why = "at this K any keeps to the budget" if at_size else "the largest that keeps to the budget for both"
    one, two = ("x1", "x2") if unlabelled(audit) else ("y1", "y2")
    two = one if audit.targets["1"] == audit.targets["2"] else two
    return (
        "from alignscope import AlignedReducedRank\n\n"
        f"K, lam = {k}, {lam:g}  # {why}\n"
        "model = AlignedReducedRank(K, lam=lam)\n"
        f"z1 = model.fit(x1, {one}, other=x2, other_y={two}).transform(x1)\n"
        f"z2 = model.fit(x2, {two}, other=x1, other_y={one}).transform(x2)"
    )


def _training_loop(audit: AuditRecord, k: int) -> str:
    """Return a training loop at K that aligns what can be aligned; a budget sets its weight, a monitor watches."""
    targets: dict[str, int] = {}
    for i in "12":
        target = audit.targets[i]
        name = "y1" if audit.targets["1"] == audit.targets["2"] else f"y{i}"
        if target.kind == "modality":
            name = f"x{i}"
        targets[name] = len(target.names)
    listed = ", ".join(f'"{name}": {width}' for name, width in targets.items())
    given = ", ".join(f'"{name}": {name}' for name in targets)
    batch = ", ".join(dict.fromkeys(["x1", "x2", *targets]))
    task = "reconstruction" if unlabelled(audit) else "task"
    imports, term, made = (
        "from alignscope.nn import Budget, Monitor, RegressionAlignment\n",
        "align(z1, z2)",
        f'align = RegressionAlignment(\n    K, K, gauge="alignable", direction="both", samples={audit.n}\n)',
    )
    if _contrasted(audit):
        imports, term, made = (
            "from alignscope.nn import Alignable, Budget, Monitor\nfrom alignscope.nn.objectives import info_nce\n",
            "info_nce(*alignable(z1, z2))",
            f"alignable = Alignable(K, K, samples={audit.n})",
        )
    return (
        f"{imports}\n"
        f"K = {k}  # numbers of each encoder\n"
        f"{made}\n"
        f"monitor = Monitor({{{listed}}})  # classes, or columns\n"
        f"budget = Budget(epsilon={audit.directions['1'].budget:g})  # what a target may lose of its R²\n"
        "for epoch in range(epochs):\n"
        f"    for {batch} in loader:\n"
        "        z1, z2 = encoder1(x1), encoder2(x2)\n"
        f"        loss = {task}_loss(z1, z2, {', '.join(targets)})\n"
        f"        loss = loss + budget.weight * {term}\n"
        "        optimizer.zero_grad()\n"
        "        loss.backward()\n"
        "        optimizer.step()\n"
        f'        monitor.add(z={{"1": z1, "2": z2}}, y={{{given}}})\n'
        "    budget.update(monitor.end_epoch())  # the weight of the next epoch"
    )
