"""What a study says of aligning: a badge with its reason, and what to train with, from its measured retentions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, get_args

from alignscope._lib.types import LatentGauge
from alignscope.report.opening import Look, Opening
from alignscope.report.words import at_lambda, at_size, count, estimate_percent, percent
from alignscope.study.page.contrastive import objective_of
from alignscope.study.page.selection import TargetOf, fixed_variants, longest, variants
from alignscope.study.page.words import variant_text
from alignscope.study.results import ContrastiveRow, RetentionRow, SeedInterval, StudyResults
from alignscope.study.spec import Variant

BUDGET = 0.05  # the loss of a target that is allowed
CHANCE = 0.025  # of 95% intervals, so many lie below the truth by chance
LOOKS: dict[str, Look] = {
    "align": "align",
    "align with care": "align-with-care",
    "do not align": "do-not-align",
    "cannot tell": "cannot-tell",
}
WEIGHT = """\
from alignscope.nn import Budget, Monitor{names}

{term}monitor = Monitor({targets})
budget = Budget(epsilon={epsilon:g})
loss = task_loss + {weight} * alignment_loss  # in every step
monitor.add(z={{"one": z1, "two": z2}}, y=y)
report = monitor.end_epoch()  # after every epoch
{last}"""
TERM = """\
alignment = RegressionAlignment(
    {k}, {k}, gauge="{gauge}", direction="{direction}"{samples})
alignment_loss = alignment(z1, z2)
"""
SEEDS = """\
[sweep]
seeds = [0, 1, 2, 3, 4]  # in the specification, then:
# alignscope study study.toml --out study/ --resume"""


class Setting(NamedTuple):
    """One way of aligning that was trained: its words, what it is, and the retention of every target it has."""

    words: str
    row: RetentionRow | ContrastiveRow
    retained: dict[TargetOf, SeedInterval]

    @property
    def loses(self) -> bool:
        """Say if the interval of a target lies below what the budget leaves."""
        return any(r.high is not None and r.high < 1 - BUDGET for r in self.retained.values())

    @property
    def within(self) -> bool:
        """Say if the interval of every target lies above what the budget leaves."""
        return all(r.low is not None and r.low > 1 - BUDGET for r in self.retained.values())


def settings_of(results: StudyResults) -> list[Setting]:
    """Return every way of aligning at the end of the longest training; next to a task where there are such ones.

    The paper's raw scale is left out where a fixed one was trained: its λ has no unit.
    """
    end, some = longest(results), fixed_variants(results) or variants(results)
    alignable = [v for v in variants(results) if v.gauge == "alignable"]
    found: dict[tuple[object, ...], Setting] = {}
    for r in results.retention:
        if r.epochs == r.epoch == end and r.lambda_ > 0 and r.trained_on and r.variant in (*some, *alignable):
            where = f"{variant_text(results, r.variant)}, {at_size(r.components)}, {at_lambda(r.lambda_)}"
            _enter(found, where, r, (r.variant, r.components, r.lambda_))
    for c in results.contrastive if not found else ():
        if c.epochs == end and c.trained_on:
            _enter(found, f"{objective_of(c)} alone, {at_size(c.components)}", c, (objective_of(c), c.components))
    return list(found.values())


def _enter(
    found: dict[tuple[object, ...], Setting], words: str, row: RetentionRow | ContrastiveRow, key: tuple[object, ...]
) -> None:
    if row.retention is not None:
        setting = found.setdefault(key, Setting(words, row, {}))
        setting.retained[TargetOf(row.modality, row.target)] = row.retention


def opening(results: StudyResults) -> Opening:
    """Return the badge of a study, its reason, and what to train with.

    - do not align: in every setting that was trained the interval of some target lies more than 5% below λ = 0.
    - align with care: so it is in some of them, in more than chance would bring about.
    - align: in every setting the interval of every target lies within 5%.
    - cannot tell: all else, such as a single seed.
    """
    settings = settings_of(results)
    known = [r for s in settings for r in s.retained.values() if r.high is not None]
    if not known:
        why = "One seed gives no interval" if settings else "No training with alignment finished next to one without"
        found = [f"{why}, so no loss can be claimed or excluded.", *_hardest(settings)]
        return Opening("cannot tell", LOOKS["cannot tell"], found, "Train with at least three seeds.", SEEDS)
    losing, within = [s for s in settings if s.loses], [s for s in settings if s.within]
    below = sum(r.high is not None and r.high < 1 - BUDGET for r in known)
    if below <= 2 * CHANCE * len(known):
        losing = []
    badge = _badge(len(settings), len(losing), len(within))
    unknown = len(settings) - len(losing) - len(within)
    rest = [f"{count(len(within))} stay within it"] if within else []
    rest += [f"of {count(unknown)} it cannot be told"] if unknown else []
    counted = (
        f"{', '.join([f'{_of(len(losing), len(settings))} lose more than {percent(BUDGET)} of a target', *rest])} "
        "(95% intervals over seeds, held out)."
    )
    return Opening(badge, LOOKS[badge], [counted, *_hardest(settings)], *_action(results, badge, settings))


def _badge(every: int, losing: int, within: int) -> str:
    if losing:
        return "do not align" if losing == every else "align with care"
    return "align" if within == every else "cannot tell"


def _of(some: int, every: int) -> str:
    many = f"way{'s' if every > 1 else ''} of aligning that {'were' if every > 1 else 'was'} trained (scale, K, λ)"
    return f"{'None of the' if not some else 'All' if some == every > 1 else f'{count(some)} of'} {count(every)} {many}"


def _hardest(settings: Iterable[Setting]) -> list[str]:
    """Return a sentence on the lowest retention; none where there is none."""
    every = [(r, target, s) for s in settings for target, r in s.retained.items()]
    if not every:
        return []
    retained, target, setting = min(every, key=lambda item: item[0].value)
    return [f"Hit hardest is {target.text}: it retains {estimate_percent(retained)} ({setting.words})."]


def _action(results: StudyResults, badge: str, settings: Sequence[Setting]) -> tuple[str, str]:
    """Return what to do, and how: the largest λ that stays within the budget, else a weight that a budget sets."""
    safe = [s.row for s in settings if s.within and isinstance(s.row, RetentionRow)]
    if badge == "cannot tell" and not safe:
        return "Train with more seeds, or for longer, until the intervals decide.", SEEDS
    if safe:
        row = max(safe, key=lambda r: (r.lambda_, r.components))
        words = f"{variant_text(results, row.variant)}, {at_size(row.components)}, {at_lambda(row.lambda_)}"
        return (
            f"Train with {words}: the interval of every target lies above {percent(1 - BUDGET)} of λ = 0. "
            "Monitor the loss on your own data.",
            _code(results, row.variant, row.components, f"{row.lambda_:g}"),
        )
    tried = any(isinstance(s.row, RetentionRow) and s.row.gauge == "alignable" for s in settings)
    known = "" if tried else "align only what can be predicted, "
    return (
        f"Keep a task loss for what only one modality predicts, {known}and let a budget set the weight: no target may "
        f"lose more than {percent(BUDGET)}.",
        _code(results, Variant("alignable", "both", "joint"), max(results.spec.sweep.components)),
    )


def _code(results: StudyResults, variant: Variant, k: int, weight: str = "") -> str:
    """Return the lines that train so: at a fixed weight, or at one that a budget sets."""
    regression, moving = variant.gauge in get_args(LatentGauge), not weight
    samples = ", samples=len(train)" if variant.gauge == "alignable" else ""
    return WEIGHT.format(
        names=", RegressionAlignment" if regression else "",
        term=TERM.format(k=k, gauge=variant.gauge, direction=variant.direction, samples=samples) if regression else "",
        targets={name: len(labels) for name, labels in list(results.classes.items())[:3]},
        epsilon=BUDGET,
        weight=weight or "budget.weight",
        last="budget.update(report)" if moving else "budget.update(report)  # slack < 0: a target lost too much",
    )
