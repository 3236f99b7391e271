"""The benchmarks run, on tiny sizes, and write what they say. What they measure is not tested."""

from __future__ import annotations

import json

import pytest
from benchmarks.__main__ import NAMES, main


@pytest.mark.parametrize("name", NAMES)
def test_a_quick_run_writes_its_result(name, tmp_path, capsys):
    assert main(["--quick", "--out", str(tmp_path), name]) == 0
    record = json.loads((tmp_path / f"{name}.json").read_text())
    text = (tmp_path / f"{name}.md").read_text()
    assert record["quick"] and record["name"] == name
    assert "quick run" in text
    assert record["title"] in text and record["machine"]["blas"] in text
    assert all(len(row) == len(record["columns"]) for row in record["rows"])
    assert not [c for c in record["claims"] if c["kept"] is False]
    assert record["title"] in capsys.readouterr().out


def test_a_quick_run_leaves_the_results_alone(capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.__main__.write", lambda *_: pytest.fail("a quick run wrote results"))
    assert main(["--quick", "path"]) == 0


def test_an_unknown_benchmark_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["speed"])
    assert f"no benchmark speed; there are {', '.join(NAMES)}" in capsys.readouterr().err
