"""`alignscope.load`: finished runs are read back as what they were, and what is none is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import alignscope
import bench_example
from alignscope.auditing.audit import Audit
from alignscope.bench.results import BenchResults
from alignscope.bench.running import Bench
from alignscope.errors import AlignscopeError
from alignscope.paper.running import Paper
from alignscope.report.results import Result
from alignscope.study.running import Study
from audit_helpers import X1, X2, Y1, quick_page

KEPT = Path(__file__).parents[1] / "docs" / "results"


@pytest.fixture(scope="module")
def audited() -> Audit:
    return alignscope.audit(X1, X2, Y1, lambdas=[1, 2])


@pytest.mark.parametrize("name", ["run", "run/audit.json"])
def test_an_audit_comes_back(audited: Audit, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick_page(monkeypatch)
    audited.save(tmp_path / "run")
    loaded = alignscope.load(tmp_path / name)
    assert loaded == audited
    assert loaded.to_json() == audited.to_json()


def test_a_regime_that_was_not_worked_out_comes_back(tmp_path: Path) -> None:
    audited = alignscope.audit(X1, X2, lambdas=[1, 2])
    (tmp_path / "audit.json").write_bytes(audited.to_json())
    assert audited.to_dict()["regime"].keys() == {"verdict", "text"}
    assert alignscope.load(tmp_path) == audited


def test_it_is_printed_in_few_lines(audited: Audit) -> None:
    lines = repr(audited).splitlines()
    assert audited.verdict in lines and "Audit of 60 samples, 4 + 3 features, K = 2" in lines
    assert len(lines) < 15


@pytest.mark.parametrize("name", ["study-paper", "satellite-pretraining"])
def test_a_study_comes_back(name: str, tmp_path: Path) -> None:
    study = alignscope.load(KEPT / f"{name}.json")
    (tmp_path / "results.json").write_bytes(study.to_json())
    assert type(study).__name__ == "Study"
    assert study.to_dict()["cells"] == json.loads((KEPT / f"{name}.json").read_bytes())["cells"]
    assert alignscope.load(tmp_path) == study
    assert len(repr(study).splitlines()) < 15


@pytest.mark.parametrize("make", [bench_example.build, bench_example.hostile, bench_example.all_failed])
def test_a_bench_comes_back(make: Callable[[], BenchResults], tmp_path: Path) -> None:
    bench = Bench(make())
    (tmp_path / "results.json").write_bytes(bench.to_json())
    loaded = alignscope.load(tmp_path)
    assert type(loaded) is Bench and loaded == bench and loaded.to_json() == bench.to_json()
    assert loaded.to_dict()["spec"]["name"] == bench.results.spec.name
    assert len(repr(loaded).splitlines()) < 15


def test_a_bench_as_the_documentation_keeps_it_comes_back() -> None:
    bench = alignscope.load(KEPT / "bench-full.json")
    kept = json.loads((KEPT / "bench-full.json").read_bytes())["results"]
    assert bench.to_dict() == kept | {"notes": {}, "standings": []}
    assert "“All methods”: 35 methods, 5 tasks, 5 seeds" in repr(bench)


@pytest.mark.parametrize("kind", [Audit, Study, Bench, Paper])
def test_every_result_can_do_the_same(kind: type[Result]) -> None:
    assert issubclass(kind, Result)
    for name in ("to_dict", "to_json", "to_frame", "plot", "summary", "save", "from_json", "__repr__", "_repr_html_"):
        assert callable(getattr(kind, name)), name


REFUSED = {
    "nothing there": (None, "E101", "none of audit.json"),
    "another JSON": (b'{"samples": 3}', "E102", "no result of audit, matrix, compare, similarity, study"),
    "a list": (b"[1, 2]", "E102", "no result of audit, matrix, compare, similarity, study"),
    "of a join": (b'{"kind": "join", "n": 3, "order": "the rows of x1"}', "E102", "read by alignscope.open_folder"),
    "no JSON": (b"\x00\xff", "E103", "malformed"),
    "cut short": (b'{"directions": {"1"', "E103", "truncated"),
    "a key too few": (b'{"directions": {}}', "E103", "missing required field"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused(name: str, tmp_path: Path) -> None:
    content, code, match = REFUSED[name]
    if content is not None:
        (tmp_path / "results.json").write_bytes(content)
    with pytest.raises(AlignscopeError, match=match) as error:
        alignscope.load(tmp_path)
    assert error.value.code == code


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AlignscopeError, match=r"results\.json: No such file.* \[E101\]$"):
        alignscope.load(tmp_path / "results.json")
