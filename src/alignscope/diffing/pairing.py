"""Whether two runs rest on the same rows or seeds, and the interval of what differs between two figures.

Paired, the interval is that of the differences by seed (Student's t), or of the jackknife replicates without each unit
of the same rows. Otherwise it is that of two independent figures (Zou & Donner 2008):

    low = d - sqrt((a - a_low)^2 + (b_high - b)^2),  high = d + sqrt((a_high - a)^2 + (b - b_low)^2),  d = a - b

which is too wide where the runs share rows. Nothing is paired unless it is known to belong together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from alignscope._lib.interval import Interval
from alignscope.diffing.contents import Figure
from alignscope.linear.jackknife import Jackknife

Kind = Literal["paired", "unpaired"]


@dataclass(frozen=True)
class Pairing:
    """What pairs the figures of two runs, and in one sentence why.

    Attributes
    ----------
    by : "seed", "rows", or None where nothing does. text : why.
    before, after : the replicates of two audits.
    """

    by: Literal["seed", "rows"] | None
    text: str
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    def change(self, path: str, before: Figure, after: Figure) -> tuple[Interval, Kind | None]:
        """Return `after` less `before`, and how its interval came about."""
        change = after.value - before.value
        if self.by == "seed" and (common := sorted(before.seeds.keys() & after.seeds.keys())):
            return Interval.over_seeds([after.seeds[seed] - before.seeds[seed] for seed in common]), "paired"
        if not (before.bounded and after.bounded and math.isfinite(change)):
            return Interval(change, None, None), None
        if self.by == "rows" and (half := self._half(path)) is not None:
            return Interval(change, change - half, change + half), "paired"
        return _independent(before, after), "unpaired"

    def _half(self, path: str) -> float | None:
        """Return half the width of the paired interval of a figure that both audits have replicates of."""
        # trained by prediction or by contrast, all shared directions together are the same
        path = path.replace(".predictive.", ".contrastive.")
        one, two = (run["figures"].get(path) for run in (self.before, self.after))
        if one is None or two is None:
            return None
        widening = max(self.before["widening"], self.after["widening"])
        jackknife = Jackknife(np.array(self.before["shares"]), widening=widening)
        without = np.array(two["without"]) - np.array(one["without"])
        return jackknife.quantile() * jackknife.error(two["value"] - one["value"], without)


def _independent(before: Figure, after: Figure) -> Interval:
    a, b = after, before
    assert a.low is not None and a.high is not None and b.low is not None and b.high is not None
    change = a.value - b.value
    return Interval(
        change,
        change - math.hypot(a.value - a.low, b.high - b.value),
        change + math.hypot(a.high - a.value, b.value - b.low),
    )


def pair_audits(before: Mapping[str, Any], after: Mapping[str, Any]) -> Pairing:
    """Pair two audits of the same rows: the same targets and groups, and ids or one modality the same, to the last bit.

    Targets alone do not tell: labels that are sorted are the same for many data.
    """
    one, two = before["provenance"], after["provenance"]
    hashes = [{name: table["sha256"] for name, table in run["data"].items()} for run in (one, two)]
    same = {name for name in hashes[0] if hashes[0][name] == hashes[1].get(name)}
    replicates = [run["replicates"] for run in (before, after) if run.get("replicates")]
    if not (
        {"y1", "y2"} <= same
        and same & {"x1", "x2", "ids"}
        and ("groups" in same or "groups" not in {*hashes[0], *hashes[1]})
    ):
        return Pairing(None, "The rows are not known to be the same, so intervals are unpaired.")
    if len(replicates) < 2:
        why = "an audit keeps no replicates: intervals of it may not be given, or it is of an earlier version"
        return Pairing(None, f"The rows are the same, but {why}. Intervals are unpaired, and too wide.")
    if replicates[0]["shares"] != replicates[1]["shares"] or any(one[key] != two[key] for key in ("seed", "folds")):
        return Pairing(
            None, "The rows are the same, but were dealt out otherwise: intervals are unpaired, and too wide."
        )
    text = "The rows are the same: intervals of the main figures are paired by what is left out in turn."
    return Pairing("rows", text, *replicates)


def pair_trainings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Pairing:
    """Pair studies or benches, by name, by seed where both of each were trained on the same data."""
    data = [
        {(name, *key): value for name, run in runs.items() for key, value in _data(run["spec"])}
        for runs in (before, after)
    ]
    common = data[0].keys() & data[1].keys()
    if not common or any(data[0][name] != data[1][name] for name in common):
        return Pairing(None, "The data are not the same, so seeds mean other rows: intervals are unpaired.")
    return Pairing("seed", "The data are the same: differences are paired by seed.")


def _data(spec: Mapping[str, Any]) -> list[tuple[tuple[str, ...], Any]]:
    """Return the data of a study, or of every task of a bench by its name, without how it is trained on."""
    tasks = spec.get("tasks")
    if tasks is None:
        return [((), spec["data"])]
    return [((task["name"],), {key: value for key, value in task.items() if key != "training"}) for task in tasks]
