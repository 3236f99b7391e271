"""The benchmarks run, on tiny sizes, and write what they say. What they measure is not tested."""

from __future__ import annotations

import json

import pytest
from benchmarks.__main__ import LONG, NAMES, main
from benchmarks._calibration import Truth, says_chance, says_few, says_loss, sentences, untrue

SLOW = {"sweep"}  # trains in several processes, and so takes a minute however few rows


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in NAMES])
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


def test_a_long_run_is_no_quick_one_and_only_what_has_one_gets_it(capsys):
    assert set(LONG) <= set(NAMES)
    with pytest.raises(SystemExit, match="2"):
        main(["--quick", "--full", "calibration"])
    assert "not allowed with" in capsys.readouterr().err


LOSES = "Supervised training with K = 2: modality 1 can lose 48% (45% to 51%) of what it predicts of 'a.b'"
SPOKEN = {
    LOSES: ("1", "", False),
    "Supervised, K = 2: modality 2 can lose 4.8%, no loss is shown for modality 1 (at most 3.5%)": ("2", "", False),
    "Contrastive training: of what they predict, modality 1 loses 4% and modality 2 loses 8%": ("12", "", False),
    "Supervised training with K = 3: neither modality 1 nor modality 2 is above chance on its target": (
        "",
        "12",
        False,
    ),
    "Supervised, K = 3: too few rows to tell for modality 1, modality 2 is not above chance on 'a'": ("", "2", True),
    "Supervised, K = 2: no loss is shown for modality 1 or modality 2 (at most 3.5%)": ("", "", False),
}
"""A sentence -> the modalities that it says lose, those not above chance, and whether rows are too few to tell."""


@pytest.mark.parametrize("sentence", SPOKEN)
def test_sentences_of_a_verdict_are_read_as_a_reader_would(sentence):
    lose, chance, few = SPOKEN[sentence]
    assert "".join(i for i in "12" if says_loss(sentence, i)) == lose
    assert "".join(i for i in "12" if says_chance(sentence, i)) == chance
    assert says_few(sentence) is few
    assert sentences(f"{sentence}. Then another.") == [sentence, "Then another"]


@pytest.mark.parametrize(
    ("sentence", "risk", "expected"),
    [
        (LOSES, 0.0, True),
        (LOSES, 0.2, False),
        ("no loss is shown for modality 1 or modality 2 (at most 3.5%)", 0.0, False),
        ("no loss is shown for modality 1 (at most 3.5%)", 0.2, True),
        ("neither modality 1 nor modality 2 is above chance on its target", 0.2, True),
        ("too few rows to tell for modality 1", 0.2, False),
    ],
)
def test_what_is_not_so_is_found(sentence, risk, expected):
    each = {"1": 0.5, "2": 0.5}
    known = Truth(each, each, {"1": risk, "2": 0.0}, each, each, each, 1, {"1": 1, "2": 1})
    assert untrue(sentence, "1", known) is expected
