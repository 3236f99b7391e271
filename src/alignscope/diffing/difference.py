"""What differs between two finished runs: figures with intervals, findings, verdict, options, versions, data."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from alignscope._lib.checks import real
from alignscope._lib.interval import Interval
from alignscope._lib.outputs import PAGE, Output
from alignscope._lib.version import __version__
from alignscope.diffing.contents import Contents, Figure, contents_of
from alignscope.diffing.pairing import Pairing, pair_audits, pair_trainings
from alignscope.diffing.results import Changed, ChangedFigure, ChangedFinding, DifferenceRecord, Findings, RunRecord
from alignscope.diffing.runs import Run
from alignscope.diffing.trained import LEFT_OUT, trained_figures
from alignscope.diffing.words import lines
from alignscope.errors import AlignscopeError
from alignscope.report.frames import Columns, Row
from alignscope.report.parts import Spec
from alignscope.report.results import RecordedResult, Result
from alignscope.report.words import setting

TOLERANCE = 1e-6
"""What two figures may differ by, absolutely or relatively, and be the same: rounding of another machine."""

_AUDIT = ("replicates", "warnings")
_STUDIES = ("study", "alignable", "same", "different")
_MAIN = {
    "audit": r"sigma\.held_out\.\w\w|directions\.[12]\.(held_out_at_risk|contrastive\.(all|loss))",
    "compare": r"(sigma|targets\..*)\.(before|after|change)",
    "matrix": r"sigma\..*|sigmas\[.*|pairs\[.*\.gain",
    "study": r"trainings\[.*\.retention",
    "bench": r"methods\[.*\]\.columns\..*",
    "paper": r".*\.retention",
}
"""The paths of the figures that a page shows first."""


class Difference(RecordedResult, DifferenceRecord, frozen=True):
    """What differs between two finished runs of one command."""

    output: ClassVar[Output] = Output("diff", (), "diff.json")
    _columns = Columns(before=("figure", "at", "interval", "main"))

    @property
    def empty(self) -> bool:
        """Whether the two runs say the same, whatever their versions."""
        findings = self.findings.new or self.findings.gone
        return not (self.figures or self.new or self.gone or findings or self.texts or self.options or self.data)

    def _files(self) -> dict[str, bytes]:
        from alignscope.diffing.page import diff_page  # with the page's libraries

        return {PAGE: diff_page(self).encode()}

    def _charts(self) -> dict[str, Spec]:
        return {}

    def _headlines(self) -> list[str]:
        return lines(self)

    def _rows(self) -> Iterator[Row]:
        return self._columns.rows(self.to_dict()["figures"], "", {})


def diff(before: str | Path | Result, after: str | Path | Result, *, tolerance: float = TOLERANCE) -> Difference:
    """Compare two finished runs of one command, figure by figure: the change is that from `before` to `after`.

    Intervals of changes are paired where the rows are the same: studies and benches on the same data by seed, audits of
    the same rows by their jackknife replicates. Elsewhere they are those of two independent figures, and are marked.

    Parameters
    ----------
    before, after : results, folders of runs, or their JSON files; of audit, matrix, study, bench, paper, or of a
        command of ``alignscope data``.
    tolerance : at least 0; figures that differ by no more, absolutely or relatively, are the same.

    Raises
    ------
    AlignscopeError : E101 for a run that is missing or has not ended, E102 for what is none, E103 for a damaged one,
        E213 for two of different commands or formats, E403 for one of a newer version, E304 for the tolerance.

    Example
    -------
    >>> import numpy as np, alignscope
    >>> x1, x2 = np.random.default_rng(0).normal(size=(2, 200, 2))
    >>> before, after = (alignscope.audit(x1, x2, x1, seed=seed) for seed in (0, 1))
    >>> alignscope.diff(before, after).findings.new
    []
    """
    tolerance = float(real("tolerance", tolerance, 0))
    return compare(Run.of(before), Run.of(after), tolerance)


def compare(one: Run, two: Run, tolerance: float) -> Difference:
    """Return what differs between two runs; see `diff`."""
    if one.kind != two.kind:
        found = f"{two.source} is of `{two.kind}`, and {one.source} of `{one.kind}`"
        raise AlignscopeError("E213", "the two runs", found, "Give two runs of one command.")
    if one.schema != two.schema:
        found = f"{one.source} is in version {one.schema} of the format, and {two.source} in version {two.schema}"
        raise AlignscopeError("E213", "the two runs", found, "Run the older one again.")
    a, b = _contents(one), _contents(two)
    pairing = _pairing(one, two)
    figures = _figures(a, b, pairing, tolerance, _MAIN.get(one.kind, ""))
    known = [{*c.figures, *c.curves} for c in (a, b)]
    return Difference(
        kind="diff",
        version=__version__,
        of=one.kind,
        before=RunRecord(one.source, str(one.record.get("version", ""))),
        after=RunRecord(two.source, str(two.record.get("version", ""))),
        paired_by=pairing.by,
        pairing=pairing.text,
        tolerance=tolerance,
        compared=len(known[0] & known[1]),
        figures=figures,
        new=sorted(known[1] - known[0]),
        gone=sorted(known[0] - known[1]),
        findings=Findings(_more(b, a), _more(a, b)),
        texts=_changed(a.texts, b.texts, tolerance),
        options=_changed(a.options, b.options, tolerance),
        versions=_changed(a.versions, b.versions, tolerance),
        data=_changed(a.data, b.data, tolerance),
    )


def _contents(run: Run) -> Contents:
    """Return what a run says; of studies, scores by seed in place of the tables that are means of them."""
    record, result = run.record, run.result
    if run.kind == "audit":
        return contents_of(record, _AUDIT)
    if run.kind == "bench":
        return contents_of(record, ("cells",), record["spec"]["seeds"])
    if run.kind == "study":
        found = contents_of(record, LEFT_OUT)
        found.figures |= trained_figures(result.results)  # type: ignore[union-attr]
        return found
    if run.kind != "paper":
        return contents_of(record)
    found = contents_of(record, (*_STUDIES, "satellite"))
    for name in _STUDIES:
        study = getattr(result, name)
        if study is None:  # at the scale `first`
            continue
        part = contents_of(msgspec.to_builtins(study), LEFT_OUT, under=name)
        part.figures |= trained_figures(study, f"{name}.")
        found.add(part)
    return found


def _pairing(one: Run, two: Run) -> Pairing:
    if one.kind == "audit":
        return pair_audits(one.record, two.record)
    if one.kind == "paper":
        return pair_trainings(_studies(one.record), _studies(two.record))
    if one.kind in ("study", "bench"):
        return pair_trainings({"": one.record}, {"": two.record})
    if one.kind in ("matrix", "compare", "similarity"):
        return Pairing(None, "Intervals are unpaired, and too wide where the rows are the same.")
    return Pairing(None, "These figures have no intervals.")


def _studies(paper: Mapping[str, Any]) -> dict[str, Any]:
    every = {**paper, **paper["satellite"]}  # the scale `first` has no studies of satellite patches
    return {name: every[name] for name in _STUDIES if name in every}


def _figures(a: Contents, b: Contents, pairing: Pairing, tolerance: float, main: str) -> list[ChangedFigure]:
    found = []
    for path in (path for path in a.figures if path in b.figures):
        before, after = a.figures[path], b.figures[path]
        if not _same(before.value, after.value, tolerance):
            change, how = pairing.change(path, before, after)
            shown = re.fullmatch(main, path) is not None
            found.append(_changed_figure(path, "", before, after, change, how, shown))
    for path in (path for path in a.curves if path in b.curves):
        one, two = a.curves[path], b.curves[path]
        differing = [at for at in one if at in two and not _same(one[at], two[at], tolerance)]
        if differing:
            at = max(differing, key=lambda place: abs(two[place] - one[place]))
            before, after = Figure(one[at]), Figure(two[at])
            change = Interval(after.value - before.value, None, None)
            found.append(_changed_figure(path, at, before, after, change, None, False))
    # the main ones by size; others have various units, and stand in the order of the record
    return sorted(found, key=lambda f: (not f.main, not f.significant, -abs(f.change) if f.main else 0))


def _changed_figure(
    path: str, at: str, before: Figure, after: Figure, change: Interval, how: Any, main: bool
) -> ChangedFigure:
    how = None if change.low is None else how
    return ChangedFigure(path, at, before.value, after.value, change.value, change.low, change.high, how, main)


def _same(before: Any, after: Any, tolerance: float) -> bool:
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (before, after))
    return math.isclose(before, after, rel_tol=tolerance, abs_tol=tolerance) if numbers else bool(before == after)


def _changed(before: Mapping[str, Any], after: Mapping[str, Any], tolerance: float) -> list[Changed]:
    def written(values: Mapping[str, Any], key: str) -> str | None:
        return setting(values[key]) if key in values else None

    return [
        Changed(key, written(before, key), written(after, key))
        for key in dict.fromkeys((*before, *after))
        if key not in before or key not in after or not _same(before[key], after[key], tolerance)
    ]


def _more(run: Contents, other: Contents) -> list[ChangedFinding]:
    """Return the findings whose code a run has more often than the other; notes without a code go by their text.

    The same finding may be worded with other figures, so those that are word for word the same are matched first.
    """
    more = Counter(map(_identity, run.findings))
    more.subtract(map(_identity, other.findings))
    alike = Counter((finding["code"], finding["text"]) for finding in other.findings)
    found = []
    for finding in sorted(run.findings, key=lambda f: alike[f["code"], f["text"]]):
        if more[_identity(finding)] > 0:
            more[_identity(finding)] -= 1
            found.append(ChangedFinding(finding["code"], finding["text"]))
    return sorted(found, key=lambda f: f.code)


def _identity(finding: Mapping[str, str]) -> str:
    return finding["code"] or finding["text"]
