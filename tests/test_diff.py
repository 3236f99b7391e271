"""`alignscope diff`: figures with intervals, findings, verdicts, options, versions and data of two finished runs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import alignscope
import bench_example
import study_example
from alignscope import cli
from alignscope.bench.running import Bench
from alignscope.diffing.difference import Difference, compare
from alignscope.diffing.runs import Run
from alignscope.errors import AlignscopeError
from alignscope.paper.running import Paper
from alignscope.report.results import Result
from alignscope.study.results import StudyResults
from alignscope.study.running import Study
from audit_helpers import LABELS, X1, X2, Y1, changed
from refusal_helpers import Refused, require_one_message
from test_paper_page import CLAIMS, SATELLITE

JOIN = {
    "kind": "join",
    "version": "0.1.0",
    "n": 45,
    "tables": {"x1": {"source": "x1.npy", "rows": 60, "notes": ["AS116 x1 (x1.npy): read as text."]}},
    "sha256": {"x1.npy": "00ff"},
}
JOINED = msgspec.json.decode(msgspec.json.encode(JOIN).replace(b"45", b"44").replace(b"AS116", b"AS121"))
OTHERS = {name: {**JOIN, "kind": name} for name in ("scenes", "sample", "trifeature", "treesatai-like")}
INSPECTED = {"version": "0.1.0", "without_labels": [], "without_split": ["a"], "patches": 5}


def audited(x1: np.ndarray = X1, x2: np.ndarray = X2, y1: np.ndarray = Y1, **options: Any) -> alignscope.auditing.Audit:
    return alignscope.audit(x1, x2, y1, lambdas=[1, 2], **options)


@cache
def base() -> alignscope.auditing.Audit:
    """The audit that others are compared with."""
    return audited()


def moved(results: StudyResults, by: float = 0.01) -> StudyResults:
    """A study whose probes are a little better, by another amount for every seed."""
    tree = msgspec.to_builtins(results)
    for cell in tree["cells"]:
        for target in cell["marks"][-1]["test"]["targets"] if cell["marks"] else ():
            target["probe_r2"] += by * (1 + cell["cell"]["seed"] % 3)
    return msgspec.convert(tree, StudyResults)


def papered(study: StudyResults) -> Paper:
    return Paper("quick", CLAIMS, {"sigma": [{"n": 3, "value": 0.5}]}, study, study, **SATELLITE)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Two finished runs of every kind."""
    study = study_example.example()
    made: dict[str, tuple[Any, Any]] = {
        "audit": (base(), audited(x2=changed(X2, (slice(0, 9), 1), 0.0), components=1)),
        "study": (Study(study), Study(moved(study))),
        "bench": (Bench(bench_example.build()), Bench(bench_example.ours_behind())),
        "paper": (papered(study), papered(moved(study))),
        "data join": (JOIN, JOINED),
        "data treesatai": (INSPECTED, {**INSPECTED, "patches": 6}),
        **{f"data {name}": (record, {**record, "n": 46}) for name, record in OTHERS.items()},
    }
    folder = tmp_path_factory.mktemp("runs")
    for kind, pair in made.items():
        for name, run in zip(("one", "two"), pair, strict=True):
            place = folder / kind / name
            place.mkdir(parents=True)
            content = run.to_json() if isinstance(run, Result) else msgspec.json.encode(run)
            (place / ("audit.json" if kind == "audit" else "results.json")).write_bytes(content)
    return {kind: (folder / kind / "one", folder / kind / "two") for kind in made}


KINDS = ["audit", "study", "bench", "paper", "data join", "data treesatai", *(f"data {name}" for name in OTHERS)]


def require_flipped(found: Difference, back: Difference) -> None:
    forth = {f.figure: f for f in found.figures}
    assert forth.keys() == {f.figure for f in back.figures}
    for b in back.figures:
        f = forth[b.figure]
        assert (f.before, f.after, f.at, f.interval) == (b.after, b.before, b.at, b.interval)
        assert (f.change, f.low, f.high) == pytest.approx(
            (-b.change, None if b.high is None else -b.high, None if b.low is None else -b.low), nan_ok=True
        )
    assert (found.new, found.gone) == (back.gone, back.new)
    assert (found.findings.new, found.findings.gone) == (back.findings.gone, back.findings.new)
    for name in ("texts", "options", "versions", "data"):
        once, again = ({(c.key, c.before, c.after) for c in getattr(run, name)} for run in (found, back))
        assert once == {(key, after, before) for key, before, after in again}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_does_not_differ_from_itself(runs: dict[str, tuple[Path, Path]], kind: str) -> None:
    found = alignscope.diff(runs[kind][0], runs[kind][0])
    assert found.empty and found.of == kind and not found.versions
    assert found.compared > 0
    assert "No figure, finding or verdict differs" in repr(found)


@pytest.mark.parametrize("kind", KINDS)
def test_the_other_order_flips_signs(runs: dict[str, tuple[Path, Path]], kind: str) -> None:
    one, two = runs[kind]
    found = alignscope.diff(one, two)
    assert not found.empty and found.figures
    require_flipped(found, alignscope.diff(two, one))


@pytest.fixture(scope="module")
def opened(runs: dict[str, tuple[Path, Path]]) -> dict[str, Run]:
    return {kind: Run.of(one) for kind, (one, _) in runs.items()}


@pytest.mark.parametrize(("one", "two"), list(permutations(KINDS, 2)))
def test_two_commands_are_not_compared(opened: dict[str, Run], one: str, two: str) -> None:
    with pytest.raises(AlignscopeError, match=rf"is of `{two}`, and .* of `{one}`.*\[E213\]"):
        compare(opened[one], opened[two], 0.0)


LEAVES = st.one_of(
    st.floats(-1e6, 1e6), st.integers(-9, 9), st.booleans(), st.none(), st.sampled_from(["inf", "-inf", "a", "ö.b"])
)
NAMES = st.sampled_from(["value", "low", "high", "lambda", "key", "spec", "notes", "n", "a.b", "seeds", "target"])


def record(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    interval = st.fixed_dictionaries({"value": st.floats(-1, 1), "low": st.floats(-2, -1), "high": st.floats(1, 2)})
    names = NAMES.filter(lambda name: name not in ("notes", "seeds"))
    return st.one_of(st.lists(children, max_size=4), st.dictionaries(names, children, max_size=4), interval)


@settings(max_examples=60, deadline=None)
@given(*[st.recursive(LEAVES, record, max_leaves=12)] * 2)
def test_it_holds_for_any_record(one: Any, two: Any) -> None:
    first, second = (Run("", "data join", {"kind": "join", "rest": tree}) for tree in (one, two))
    assert compared(first, first).empty
    require_flipped(compared(first, second), compared(second, first))


def compared(one: Run, two: Run) -> Difference:
    return compare(one, two, 1e-6)


def figure(found: Difference, path: str) -> Any:
    return next(f for f in found.figures if f.figure == path)


def test_audits_of_the_same_rows_are_paired() -> None:
    """The interval is the jackknife's of the differences, written out."""
    one, two = base(), audited(x2=X2 + 0.5 * np.sin(np.arange(X2.size).reshape(X2.shape)))
    found = alignscope.diff(one, two)
    assert found.paired_by == "rows"
    assert one.replicates is not None and two.replicates is not None
    assert one.replicates.shares == two.replicates.shares
    name = "sigma.held_out.22"
    change = figure(found, name)
    assert change.interval == "paired"
    a, b = (run.replicates.figures[name] for run in (one, two))
    value, again = b.value - a.value, [q - p for p, q in zip(a.without, b.without, strict=True)]
    shares = one.replicates.shares
    centre = len(shares) * value - sum((1 - m) * t for m, t in zip(shares, again, strict=True))
    parts = [
        (value / m - (1 / m - 1) * t - centre) ** 2 / (1 / m - 1) for m, t in zip(shares, again, strict=True)
    ]  # fmt: skip
    freedom = 1 / sum(m * m for m in shares) - 1
    half = stats.t.ppf(0.975, freedom) * math.sqrt(sum(parts) / len(parts))
    assert change.change == pytest.approx(two.sigma.held_out["22"].value - one.sigma.held_out["22"].value)
    assert (change.low, change.high) == pytest.approx((change.change - half, change.change + half), abs=1e-6)


def test_replicates_are_those_of_the_intervals() -> None:
    """Of one audit against a figure that is 0 in every replicate, the interval is that of the audit itself."""
    run = base()
    assert run.replicates is not None
    for i in ("1", "2"):
        loss = run.replicates.figures[f"directions.{i}.contrastive.loss"]
        assert loss.value == pytest.approx(run.directions[i].contrastive.loss.value, abs=1e-8)
        assert len(loss.without) == run.sigma.interval.units == len(run.replicates.shares)
    assert sum(run.replicates.shares) == pytest.approx(1, abs=1e-6)


PAIRED = {
    "other options": (lambda: audited(components=1, budget=0.1), "rows", "The rows are the same"),
    "one modality": (lambda: audited(x2=X2 * 2), "rows", "The rows are the same"),
    "both modalities": (lambda: audited(X1 * 2, X2 * 2), None, "not known to be the same"),
    "another target": (lambda: audited(y1=Y1 * 2), None, "not known to be the same"),
    "groups": (lambda: audited(groups=np.arange(60) % 20), None, "not known to be the same"),
    "another seed": (lambda: audited(seed=1), None, "dealt out otherwise"),
    "other folds": (lambda: audited(folds=3), None, "dealt out otherwise"),
    "an older audit": (lambda: msgspec.structs.replace(base(), replicates=None), None, "keeps no replicates"),
}


@pytest.mark.parametrize("name", PAIRED)
def test_no_audits_are_paired_that_do_not_belong_together(name: str) -> None:
    make, by, why = PAIRED[name]
    other = make()
    for pair in ((base(), other), (other, base())):
        found = alignscope.diff(*pair)
        assert found.paired_by == by and why in found.pairing
        assert {f.interval for f in found.figures} <= ({"paired", "unpaired", None} if by else {"unpaired", None})


def test_sorted_labels_alone_pair_nothing() -> None:
    """The same labels in the same order belong to many data."""
    labels = np.sort(LABELS)
    found = alignscope.diff(audited(y1=labels), audited(X1 + 1, X2 * 2, labels))
    assert found.paired_by is None


def test_studies_are_paired_by_seed() -> None:
    study = study_example.example()
    found = alignscope.diff(Study(study), Study(moved(study)))
    assert found.paired_by == "seed"
    name = next(f.figure for f in found.figures if f.figure.endswith(".r2"))
    seeds = study.spec.sweep.seeds
    gaps = [0.01 * (1 + seed % 3) for seed in seeds]
    low, high = stats.ttest_1samp(gaps, 0).confidence_interval()
    change = figure(found, name)
    assert change.interval == "paired"
    assert (change.change, change.low, change.high) == pytest.approx((np.mean(gaps), low, high))


def test_studies_on_other_data_are_not_paired() -> None:
    study = study_example.example()
    tree = msgspec.to_builtins(moved(study))
    for spec in (tree["spec"], *(cell["cell"] for cell in tree["cells"])):
        spec["data"]["seed"] = 5
    found = alignscope.diff(Study(study), Study(msgspec.convert(tree, StudyResults)))
    assert found.paired_by is None
    assert {f.interval for f in found.figures} <= {"unpaired", None}
    assert "spec.data.seed" in {change.key for change in found.options}


def test_unpaired_intervals_are_those_of_two_independent_means() -> None:
    low, high = {"value": 0.2, "low": 0.1, "high": 0.3}, {"value": 0.6, "low": 0.4, "high": 0.8}
    found = compared(*(Run("", "data join", {"a": figure}) for figure in (low, high)))
    half = math.hypot(0.1, 0.2)
    assert (found.figures[0].low, found.figures[0].high) == pytest.approx((0.4 - half, 0.4 + half))
    assert found.figures[0].interval == "unpaired" and found.figures[0].significant


def test_curves_are_compared_where_both_have_points() -> None:
    one = {"curve": {"lambda": [0, 1, 2], "sigma": [0.5, 0.4, 0.1]}}
    two = {"curve": {"lambda": [0, 2, 5], "sigma": [0.5, 0.3, 0.9]}}
    found = compared(*(Run("", "data join", tree) for tree in (one, two)))
    (change,) = found.figures
    assert (change.figure, change.at, change.before, change.after) == ("curve.sigma", "lambda = 2", 0.1, 0.3)


def test_rows_are_found_by_what_places_them() -> None:
    rows = [{"modality": m, "lambda": lam, "r2": m + lam} for m in (1, 2) for lam in (0.5, 1.0)]
    one, two = ({"table": some} for some in (rows, rows[::-1]))
    assert compared(*(Run("", "data join", tree) for tree in (one, two))).empty


def test_infinity_is_a_text() -> None:
    found = compared(*(Run("", "data join", {"lambda_budget": figure}) for figure in (3.0, "inf")))
    assert json.loads(found.to_json())["figures"][0] | {"main": None} == {
        "figure": "lambda_budget", "at": "", "before": 3.0, "after": "inf", "change": "inf", "low": None, "high": None,
        "interval": None, "main": None,
    }  # fmt: skip
    assert "3 to ∞, +∞" in repr(found)
    row = next(row for row in found.to_frame("pyarrow").to_pylist() if row["what"] == "after")
    assert row["value"] == math.inf and row["figure"] == found.figures[0].figure and "<svg" not in found._repr_html_()


@pytest.mark.parametrize(("tolerance", "same"), [(1e-6, False), (0.02, True), (0.0, False)])
def test_noise_is_not_a_change(tolerance: float, same: bool) -> None:
    one, two = Study(study_example.example()), Study(moved(study_example.example(), 0.002))
    assert (not alignscope.diff(one, two, tolerance=tolerance).figures) is same


FINDINGS = [
    ([("AS301", "a")], [("AS301", "b")], [], []),  # the figures in a text are no news
    ([("AS301", "a")], [("AS301", "b"), ("AS301", "a")], [("AS301", "b")], []),
    ([("AS301", "a"), ("AS105", "c")], [("AS301", "a")], [], [("AS105", "c")]),
    ([], [("AS120", "x")], [("AS120", "x")], []),
]


@pytest.mark.parametrize(("before", "after", "new", "gone"), FINDINGS)
def test_findings_are_counted_by_code(before: Any, after: Any, new: Any, gone: Any) -> None:
    def run(findings: Any) -> Run:
        return Run("", "data join", {"findings": [{"code": c, "severity": "tip", "text": t} for c, t in findings]})

    found = compared(run(before), run(after)).findings
    assert [(f.code, f.text) for f in found.new] == new
    assert [(f.code, f.text) for f in found.gone] == gone


def test_notes_are_findings(runs: dict[str, tuple[Path, Path]]) -> None:
    found = alignscope.diff(*runs["data join"])
    assert [f.code for f in found.findings.new] == ["AS121"]
    assert [f.code for f in found.findings.gone] == ["AS116"]
    assert figure(found, "n").change == -1


def test_the_command_says_prints_and_writes(
    runs: dict[str, tuple[Path, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = map(str, runs["audit"])
    assert cli.main(["diff", one, two, "--json"]) == 0
    printed = capsys.readouterr().out
    assert cli.main(["diff", one, two, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "verdict after:" in said and said.startswith(alignscope.diff(one, two).summary())
    assert printed == (tmp_path / "out" / "diff.json").read_text(encoding="utf-8")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["diff.json", "report.html"]
    assert json.loads(printed)["kind"] == "diff"
    assert cli.main(["diff", one, two, "--out", str(tmp_path / "out")]) == 0  # over one of its own


@pytest.mark.parametrize(("codes", "status"), [(["AS121"], 1), (["as116", "AS121"], 1), (["AS116"], 0), ([], 0)])
def test_a_new_finding_can_fail(runs: dict[str, tuple[Path, Path]], codes: list[str], status: int) -> None:
    words = ["diff", *map(str, runs["data join"]), *(part for code in codes for part in ("--fail-on", code))]
    if not status:
        assert cli.main(words) == 0
        return
    with pytest.raises(SystemExit, match=r"^1$"):
        cli.main(words)


def unfinished(folder: Path) -> list[str]:
    (folder / "store.json").write_text("{}")
    return [str(folder), str(folder)]


def holding(content: bytes) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        (folder / "results.json").write_bytes(content)
        return [str(folder), str(folder)]

    return make


def another_format(folder: Path) -> list[str]:
    content = Study(study_example.example()).to_json()
    for name, body in {"a": content, "b": content.replace(b'"schema":1', b'"schema":0')}.items():
        (folder / name).mkdir()
        (folder / name / "results.json").write_bytes(body)
    return [str(folder / "a"), str(folder / "b")]


REFUSED = [
    Refused("nothing there", lambda folder: [str(folder / "no")] * 2, "E101", "No such file"),
    Refused("an empty folder", lambda folder: [str(folder)] * 2, "E101", r"none of audit\.json"),
    Refused("a run that has not ended", unfinished, "E101", "its trainings have not ended"),
    Refused("another JSON", holding(b'{"samples": 3}'), "E102", "no result of a command"),
    Refused("a list", holding(b"[1]"), "E102", "no result of a command"),
    Refused("a comparison", holding(b'{"kind": "diff"}'), "E102", "no result of a command"),
    Refused("no JSON", holding(b"\x00\xff"), "E103", "malformed"),
    Refused("half a file", holding(b'{"directions": {"1"'), "E103", "truncated"),
    Refused("a key too few", holding(b'{"directions": {}, "provenance": {}}'), "E103", "missing required field"),
    Refused("a newer format", holding(b'{"retention": [], "schema": 99}'), "E403", "version 99 of the format"),
    Refused("a format in words", holding(b'{"retention": [], "schema": "x"}'), "E102", "no version of a format"),
    Refused("two formats", another_format, "E213", "version 1 of the format, and .* in version 0"),
    Refused(
        "no code", lambda folder: [*holding(msgspec.json.encode(JOIN))(folder), "--fail-on", "AS999"], "E305", "'AS999'"
    ),
    Refused("a tolerance below 0", lambda folder: ["a", "b", "--tolerance", "-1"], "E304", "tolerance"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_what_cannot_be_compared_is_refused(case: Refused, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.main(["diff", *case.change(tmp_path), "--out", str(tmp_path / "out")])
    require_one_message(case, status, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_it_says_the_same_every_time(runs: dict[str, tuple[Path, Path]]) -> None:
    one, two = runs["bench"]
    assert alignscope.diff(one, two).to_json() == alignscope.diff(str(one), str(two)).to_json()
