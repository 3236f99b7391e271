"""The page of a comparison: what was lost and won, whether it is gone, of which kind it is, and where."""

from __future__ import annotations

from collections.abc import Mapping

from alignscope.comparing.charts import by_change, chart_specs
from alignscope.comparing.results import CompareBadge, CompareRecord
from alignscope.report.opening import Look, Opening
from alignscope.report.shell import write_page
from alignscope.report.tables import Table, setting_rows
from alignscope.report.words import count, estimate, percent, share

_LOOKS: Mapping[CompareBadge, Look] = {
    "lost": "do-not-align",
    "no longer linear": "align-with-care",
    "nothing lost": "align",
    "gained": "align",
    "nothing to lose": "cannot-tell",
    "cannot tell": "cannot-tell",
}
_CONTENTS = {
    "changes": "Which targets changed",
    "kinds": "Which kind of information",
    "where": "Where it is lost",
    "alike": "How alike the two are",
    "tables": "All figures",
    "made": "How this was made",
}
_CLOSED = {"tables": "Every target and class.", "made": "Settings and data."}


def compare_page(c: CompareRecord) -> str:
    """Return the page as one HTML file that needs nothing else."""
    contents = dict(_CONTENTS)
    if not c.groups and not c.samples:
        del contents["where"]
    names = {
        "c": c,
        "contents": contents,
        "closed": _CLOSED,
        "opening": opening(c),
        "similarity": _similarity(c),
        "groups": _groups(c),
        "samples": _samples(c),
        "tables": [_targets(c), *([] if c.classes is None else [_classes(c)])],
        "settings": _settings(c),
    }
    return write_page("comparing/compare.html.j2", c.version, names, chart_specs(c))


def opening(c: CompareRecord) -> Opening:
    """Return the first screen."""
    before, after = (r.source for r in c.representations.values())
    code = f"alignscope matrix {before} {after} --y {c.target.source}"
    return Opening(c.decision.badge, _LOOKS[c.decision.badge], [c.decision.reason], c.action, code)


def _targets(c: CompareRecord) -> Table:
    lifted = c.lifted
    rows = [
        [name, estimate(t.before), estimate(t.after), estimate(t.change), "yes" if t.significant else "not shown",
         *([] if lifted is None else [estimate(lifted.targets[name].change)])]
        for name in by_change(c.targets)
        for t in [c.targets[name]]
    ]  # fmt: skip
    head = ["Target", "Before", "After", "Change", "Changed", *([] if lifted is None else ["With random features"])]
    caption = "Explained variance (R²), held out. Changed: 95% for all targets at once."
    return Table("Every target", caption, head, rows, 1)


def _classes(c: CompareRecord) -> Table:
    assert c.classes is not None
    scores = c.classes.before, c.classes.after
    rows = [
        [name, count(round(c.classes.support[name])), *(share(s.f1[name], 2) for s in scores),
         *(share(s.recall[name], 2) for s in scores)]
        for name in c.target.names
    ]  # fmt: skip
    accuracies = " and ".join(percent(s.balanced_accuracy, 1) for s in scores)
    caption = f"Balanced accuracy before and after: {accuracies} (chance {percent(scores[0].chance, 1)}), held out."
    head = ["Class", "Rows", "F1 before", "F1 after", "Recall before", "Recall after"]
    return Table("Every class", caption, head, rows, 1)


def _groups(c: CompareRecord) -> Table:
    rows = [[g.group, count(g.rows), estimate(g.loss)] for g in c.groups]
    return Table("Every group", "Lost, as a share of the target's variance.", ["Group", "Rows", "Lost"], rows, 1)


def _samples(c: CompareRecord) -> Table:
    rows = [[s.sample, s.group or "–", share(s.leverage, 2), share(s.loss, 2)] for s in c.samples]
    caption = "Samples whose prediction changed most, in mean squares of the target; loss: by how much its error grew."
    return Table("Samples", caption, ["Sample", "Group", "Changed", "Loss"], rows, 2)


def _similarity(c: CompareRecord) -> list[tuple[str, str]]:
    s = c.similarity
    ranks = " and ".join(share(r.effective_rank, 1) for r in c.representations.values())
    return [
        ("linear CKA, without bias", share(s.cka, 2)),
        ("directions shared (sum of squared held-out canonical correlations)", share(s.shared, 1)),
        ("detectable shared directions", str(s.directions)),
        ("Procrustes similarity", share(s.procrustes, 2)),
        ("mutual nearest neighbours, of 10", f"{percent(s.mutual_knn)} (by chance {percent(s.mutual_knn_chance, 1)})"),
        ("effective rank before and after", ranks),
    ]


def _settings(c: CompareRecord) -> list[tuple[str, str]]:
    made = {"version": c.version, "samples": c.n, "intervals": c.interval.estimand, "units left out": c.interval.units}
    p = c.provenance
    given = {"seed": p.seed, "folds": p.folds, "budget": p.budget, "random features": p.lift}
    data = {name: d.sha256 for name, d in p.data.items()}
    return [*setting_rows({**made, **given, **p.software}), *setting_rows(data, "sha256")]
