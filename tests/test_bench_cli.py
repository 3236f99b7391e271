"""``alignscope bench``, as a user meets it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alignscope import cli
from alignscope.bench.page import page as bench_page
from bench_helpers import GAUSSIAN, OWN, FakeTraining, files
from refusal_helpers import Refused, require_one_message


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a specification and a file of methods, which is the working directory; trainings are made up."""
    (tmp_path / "bench.toml").write_text(GAUSSIAN)
    (tmp_path / "mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("alignscope.bench.cell.train_cell", FakeTraining({"distance": 0.1}))
    monkeypatch.setattr(bench_page, "bench_charts", lambda results: {})  # tested where they are made
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(["bench", *arguments, "--out", "run"])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


HERE = ("--spec", "bench.toml", "--workers", "1")


def test_one_command_ranks_a_file_against_all_others(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, *HERE, "--method", "mine.py")
    assert (status, err) == (0, "")
    lines = out[out.index("Trainings:") :].splitlines()
    assert lines[0] == f"Trainings: {6 * 3}, of which 0 were there before."
    assert re.fullmatch(r"  1\. Distance +gaussian\.shared +\d+\.\d  gaussian\.unique +\d+\.\d", lines[1])
    assert [line[:3] for line in lines[1:6]] == [f"{k:3d}" for k in range(1, 6)]  # without the supervised one
    assert lines[6:] == ["Page:    run/report.html", "Figures: run/results.json"]
    record = json.loads(Path("run/results.json").read_bytes())
    assert [row["method"] for row in record["methods"]][-2:] == ["distance", "Quiet"]
    assert "Distance" in Path("run/report.html").read_text()


def test_the_same_command_goes_on_and_changes_nothing(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, *HERE)[0] == 0
    before = files(bench / "run")
    next(Path("run/cells").glob("*.json")).unlink()
    status, out, _ = run(capsys, *HERE, "--resume")
    assert status == 0 and "Trainings: 12, of which 11 were there before." in out
    after = files(bench / "run")
    assert {n: b for n, b in after.items() if "timings" not in n} == {
        n: b for n, b in before.items() if "timings" not in n
    }


def test_only_some_methods(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, *HERE, "--only", "cross", "none")
    assert status == 0 and "Trainings: 6," in out
    status, out, _ = run(capsys, *HERE, "--method", "mine.py", "--only", "distance")
    assert status == 0 and "  1. Distance" in out and "Trainings: 3," in out


def refused(
    name: str,
    code: str,
    match: str,
    more: tuple[str, ...] = (),
    spec: Callable[[str], str] = str,
    own: Callable[[str], str] = str,
) -> Refused:
    """A command that cannot be run: what is changed about the specification or about the file of methods."""
    return Refused(name, lambda: (spec(GAUSSIAN), own(OWN)), code, match, more)


MINE = ("--method", "mine.py")
REFUSED = [
    refused("unknown field", "E306", r"bench\.toml, line 2: seed: ", spec=lambda s: s.replace("seeds", "seed")),
    refused("not TOML", "E307", r"bench\.toml: not TOML", spec=lambda s: s + "x"),
    refused("no file", "E101", r"none\.toml: cannot be read", ("--spec", "none.toml")),
    refused("no method file", "E101", r"none\.py: cannot be read", ("--method", "none.py")),
    refused("no such method", "E305", "'croos' is not known", ("--only", "croos")),
    refused(
        "raises", "E308", r"mine\.py, line 3: ZeroDivisionError", MINE, own=lambda s: s.replace("import torch", "1 / 0")
    ),
    refused("nothing in it", "E308", r"mine\.py: it registers no method", MINE, own=lambda s: "x = 1\n"),
    refused(
        "taken", "E308", "the name 'cross' is taken", MINE, own=lambda s: s.replace("title=", "name='cross', title=")
    ),
    refused("device", "E305", "device: 'abacus' cannot be used", ("--device", "abacus")),
    refused("workers", "E304", "workers: 0", ("--workers", "0")),
    refused("nothing to resume", "E503", "run: it holds no finished cell of this bench", ("--resume",)),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_refused_with_one_message(case: Refused, bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in zip(("bench.toml", "mine.py"), case.change(), strict=True):
        Path(name).write_text(text)
    status, _, err = run(capsys, *HERE, *case.more)
    require_one_message(case, status, err)
    assert not Path("run/cells").exists() or case.name == "workers"


def test_the_folder_of_a_study_is_left_alone(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("run").mkdir()
    Path("run/store.json").write_text('{"kind": "alignscope study", "schema": 1}')
    status, _, err = run(capsys, *HERE)
    assert status == 2 and re.fullmatch(r"alignscope: .*something else than a bench.* \[E404\]\n", err), err


def test_a_bench_needs_torch(bench: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    status, _, err = run(capsys, *HERE)
    assert status == 2 and re.fullmatch(r'alignscope: torch: .*"alignscope\[train\]"\. \[E107\]\n', err), err


def test_interrupted_work_is_said_to_be_kept(
    bench: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("alignscope.bench.running.run_units", stop)
    status, _, err = run(capsys, *HERE)
    assert (status, err) == (
        130, "alignscope: interrupted; finished trainings are kept, and the same command goes on from there\n"
    )  # fmt: skip
