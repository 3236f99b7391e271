"""``alignscope tour``: an index of an audit, the paper's linear theory and a study, and their pages next to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alignscope import cli
from alignscope.paper import running as paper
from alignscope.paper.running import Paper
from alignscope.study import parse_spec
from alignscope.study.spec import read_spec
from page_reader import Page

TINY = """
[data]
kind = "trifeature"
size = 16
train = 64
test = 64
[encoder]
kind = "mlp"
hidden = [8]
[sweep]
lambdas = [0, 10]
components = [4]
gauges = ["whitened", "alignable"]
directions = ["both"]
epochs = [1]
[optimiser]
batch = 32
"""


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer trainings and problems; what they show at full size the command itself says."""
    monkeypatch.setattr(paper, "parse_spec", lambda text, where: parse_spec(TINY, where))
    monkeypatch.setattr(paper, "_TRIALS", {"first": 100})


def files(folder: Path) -> dict[str, bytes]:
    names = [p for p in folder.rglob("*") if p.suffix in (".html", ".json", ".svg") and "cells" not in p.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in names}


@pytest.mark.usefixtures("tiny")
def test_the_tour(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert cli.main(["tour", "--out", str(out), "--workers", "1"]) == 0
    printed = capsys.readouterr().out
    first = files(out)
    record = json.loads(first["findings.json"])
    page = Page(first["index.html"].decode())
    assert [f["page"] for f in record["findings"]] == [a["href"] for a in page.all("a")[1:]]
    for finding in record["findings"]:
        assert finding["title"] in page.text and finding["title"] in printed
        assert all(bar["words"] in page.text for bar in finding["bars"])
        assert (out / finding["page"]).is_file()
    claims = json.loads(first["paper/results.json"])["claims"]
    assert {"theorem-1", "theorem-2", "alignable"} <= {claim["key"] for claim in claims}
    assert not [c for c in claims if c["key"].startswith(("synthetic", "real"))]
    assert Paper.from_json(first["paper/results.json"]).to_json() == first["paper/results.json"]
    assert cli.main(["tour", "--out", str(out), "--workers", "1"]) == 0
    assert files(out) == first
    paper = str(out / "paper")
    assert cli.main(["diff", paper, paper, "--out", str(tmp_path / "diff")]) == 0  # some of its studies are not there


def test_an_index_of_somebody_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "index.html").write_text("<h1>Mine</h1>")
    assert cli.main(["tour", "--out", str(tmp_path)]) == 2
    assert "E404" in capsys.readouterr().err
    assert (tmp_path / "index.html").read_text() == "<h1>Mine</h1>"


def test_the_first_scale_has_no_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["paper", "--scale", "first", "--treesatai", str(tmp_path), "--out", str(tmp_path / "run")]
    assert cli.main(words) == 2
    assert "E305" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_trainings_are_those_of_the_example() -> None:
    example = Path(__file__).parent.parent / "examples" / "study-first.toml"
    assert read_spec(example) == paper.first_spec()
