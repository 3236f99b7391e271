"""The command line: what it writes, what it says, and where its inputs come from."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import alignscope
from alignscope import cli
from alignscope.auditing.codes import CODES as FINDINGS
from alignscope.errors import CODES
from alignscope.linear.path import lambda_grid
from alignscope.pair.readers.formats import FORMATS
from audit_helpers import LABELS, QUICK, X1, X2, Y2, Done, N, given, odd_figures, quick_page, run_audit, tree

QUICKER = ("--lambdas", "1:2:2")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    quick_page(monkeypatch)
    return tmp_path


def ran(folder: Path, capsys: pytest.CaptureFixture[str], *options: str, **inputs: Any) -> dict[str, Any]:
    done = run_audit(given(*QUICKER, *options, **inputs)(folder), capsys)
    assert (done.status, done.err) == (0, "")
    assert done.record is not None
    return done.record


def test_it_is_what_the_function_gives(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = ran(folder, capsys, "--seed", "7", "--folds", "4", "--components", "1", "--budget", "0.2", y2=Y2)
    same = alignscope.audit(
        "x1.npy", "x2.npy", "y1.npy", "y2.npy", seed=7, folds=4, components=1, budget=0.2, lambdas=lambda_grid(1, 2, 2),
        name1="x1", name2="x2",
    )  # fmt: skip
    assert Path("run/audit.json").read_bytes() == same.to_json()
    assert record["components"] == 1
    assert record["provenance"]["seed"] == 7
    assert record["provenance"]["folds"] == 4
    assert record["directions"]["1"]["budget"] == 0.2


@pytest.mark.parametrize("command", ["audit", "data join"])
def test_help_names_every_format(command: str) -> None:
    words = re.findall(r"\.\w+", cli.COMMANDS[command].__doc__ or "")
    others = {".hdf5", ".csv.gz", ".tsv.gz", ".geoparquet", ".gpq", ".pq", ".pth"}  # further names of formats
    assert set(FORMATS) - others <= set(words)


def test_defaults_are_those_of_the_contract(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run_audit(given()(folder), capsys)
    assert done.record is not None
    found = done.record["provenance"]
    assert (found["seed"], found["folds"], found["budget"]) == (0, 5, 0.05)
    assert found["lambdas"] == "0.001:1000:100"
    assert done.record["gauge"] == "fitted"
    assert len(done.record["directions"]["1"]["lambda"]) == 101
    assert odd_figures(done.record) == []


def test_what_it_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run_audit(given(*QUICK)(folder), capsys, "a/new/folder")
    assert done.record is not None
    lines = done.out.splitlines()
    decision = done.record["decision"]
    said = lines.index(f"{decision['badge'].capitalize()}. {decision['reason']}")
    assert lines[said + 1] == done.record["verdict"]
    assert lines[-2:] == ["Page:    a/new/folder/report.html", "Figures: a/new/folder/audit.json"]
    for finding in done.record["findings"]:
        said = finding["severity"] == "issue" or finding["code"] == "AS112"
        assert (f"  {finding['code']} {finding['text']}" in lines) == said
    assert sorted(path for path, content in tree(folder / "a").items() if content) == [
        "new/folder/audit.json",
        "new/folder/charts/sigma.svg",
        "new/folder/report.html",
    ]


def test_old_results_are_replaced_and_other_files_left(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(folder, capsys)["provenance"]["seed"] == 0
    Path("run/notes.txt").write_text("mine")
    assert ran(folder, capsys, "--seed", "1")["provenance"]["seed"] == 1
    assert Path("run/notes.txt").read_text() == "mine"


def test_two_runs_give_the_same_bytes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = given(y1=LABELS, groups=np.arange(N) // 5)(folder)
    for out in ("one", "two"):
        assert run_audit(arguments, capsys, out).status == 0
    assert tree(folder / "one") == tree(folder / "two")


NAMES: dict[str, tuple[dict[str, Any], tuple[str, ...], dict[str, Any]]] = {
    "of the files": ({}, (), {"1": "x1", "2": "x2"}),
    "as given": ({}, ("--name1", "camera", "--name2", "radar"), {"1": "camera", "2": "radar"}),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_the_modalities(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs, options, expected = NAMES[name]
    record = ran(folder, capsys, *options, **inputs)
    assert {i: m["name"] for i, m in record["modalities"].items()} == expected
    assert {i: m["source"] for i, m in record["modalities"].items()} == {"1": "x1.npy", "2": "x2.npy"}


@pytest.mark.parametrize(
    ("one", "two"),
    [("pair.npz:optical", "pair.npz:radar"), ("optical/x.npy", "radar/x.npy")],
    ids=["arrays", "folders"],
)
def test_modalities_of_one_stem_are_told_apart(
    one: str, two: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given(*QUICKER)(folder)
    x1, x2 = np.load("x1.npy"), np.load("x2.npy")
    np.savez("pair.npz", optical=x1, radar=x2)
    for name, x in (("optical", x1), ("radar", x2)):
        Path(name).mkdir()
        np.save(f"{name}/x.npy", x)
    done = run_audit([one, two, *QUICKER], capsys)
    assert (done.status, done.err) == (0, "") and done.record is not None
    names = [m["name"] for m in done.record["modalities"].values()]
    assert names == ["optical", "radar"]


def test_names_of_columns_by_list_and_by_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bands.txt").write_text("röd\ngrön\nblå\nnear infrared, 842 nm\n", encoding="utf-8")
    options = ("--features1", "bands.txt", "--targets1", "height, volume", "--features2", "VV,VH,HH")
    x1, x2 = X1.copy(), X2.copy()
    x1[:, 1] = x2[:, 2] = 0  # named where they do not vary
    record = ran(folder, capsys, *options, "--components", "1", x1=x1, x2=x2)
    assert record["targets"]["1"]["names"] == record["targets"]["2"]["names"] == ["height", "volume"]
    assert [record["modalities"][i]["constant"] for i in "12"] == [["grön"], ["HH"]]


def test_labels_keep_their_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = ran(folder, capsys, y1=LABELS)
    assert record["targets"]["1"] == {
        "source": "y1.npy", "kind": "class", "names": ["ash", "fir", "oak"], "rank": 2,
    }  # fmt: skip
    assert list(record["directions"]["1"]["per_target"]) == ["ash", "fir", "oak"]


def test_groups_ids_weights_and_presence_go_through(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = np.array([f"plot {j}" for j in range(N)])
    record = ran(
        folder, capsys, groups=np.arange(N) // 5, ids1=ids, ids2=ids,
        weights=np.linspace(0, 2, N), present1=np.arange(N) > 4, present2=np.arange(N) < 55,
    )  # fmt: skip
    assert record["sigma"]["folds"] == {"kind": "group", "count": 5, "groups": 12}
    assert record["sigma"]["interval"]["kind"] == "group"
    assert record["provenance"]["data"]["groups"]["source"] == "12 groups"
    assert "AS108" in {f["code"] for f in record["findings"]}


def test_a_folder_in_place_of_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given(y2=Y2)(folder)
    Path("pair.toml").write_text('modality1 = "camera"\nx1_names = ["r", "g", "b", "i"]\n')
    done = run_audit(["--pair", ".", *QUICKER, "--name2", "radar"], capsys)
    assert done.record is not None
    assert [done.record["modalities"][i]["name"] for i in "12"] == ["camera", "radar"]
    assert done.record["targets"]["2"]["source"] == "y2.npy"


def test_the_embedded_example(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run_audit(["--example", "--lambdas", "0.01:100:5"], capsys)
    assert done.record is not None
    assert done.record["components"] == 2
    assert [done.record["modalities"][i]["name"] for i in "12"] == ["optical", "radar"]
    assert done.record["sigma"]["folds"]["kind"] == "group"
    assert "Supervised, K = 2: of what they predict of their targets, radar can lose" in done.out


INPUTS = {
    "nothing": ([], "0 feature files, no --pair folder, no --example"),
    "one file": (["x1.npy"], "1 feature file, no --pair"),
    "files and a folder": (["x1.npy", "x2.npy", "--pair", "."], "2 feature files, a --pair folder"),
    "a folder and the example": (["--pair", ".", "--example"], "a --pair folder, --example"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_one_way_of_giving_the_inputs(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given()(folder)
    arguments, match = INPUTS[name]
    done = run_audit(arguments, capsys)
    assert done.status == 2
    way_out = r"\. Give X1 and X2, or --pair FOLDER, or --example\. \[E304\]\n"
    assert re.fullmatch(f"alignscope: audit: .*{re.escape(match)}.*{way_out}", done.err), done.err
    assert not Path("run").exists()


@pytest.mark.parametrize("code", [*CODES, *FINDINGS])
def test_explain(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", code]) == 0
    captured = capsys.readouterr()
    text = CODES[code] if code in CODES else FINDINGS[code].explanation
    assert captured.out.startswith(code)
    assert text in captured.out
    assert captured.err == ""


def test_explain_refuses_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "AS999"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "alignscope: code: 'AS999' is not known. Did you mean AS902 or AS901? "
        "`alignscope explain` lists all codes. [E304]\n"
    )


AS_TYPED = {
    "a flag": ({"y1": [None, *LABELS[1:]]}, "drop_missing=True does it", "--drop-missing does it"),
    "a choice": ({"y1": [f"{i}" for i in range(N)]}, 'Give kind="quantity" for', "Give --kind quantity for"),
}


@pytest.mark.parametrize("name", AS_TYPED)
def test_an_error_names_options_as_its_caller_gives_them(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given_, in_python, typed = AS_TYPED[name]
    with pytest.raises(alignscope.AlignscopeError, match=re.escape(in_python)):
        alignscope.audit(X1, X2, given_["y1"])
    Path("y.csv").write_text("\n".join(["id,label", *(f"a,{v or ''}" for v in given_["y1"])]) + "\n")
    done = run_audit(given(y1="y.csv:label")(folder), capsys)
    assert done.status == 2 and typed in done.err and in_python not in done.err, done.err


def test_interrupted(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("alignscope.auditing.api.audit", stop)
    arguments = given()(folder)
    before = tree(folder)
    status = cli.main(["audit", *arguments, "--out", "run"])
    assert status == 130
    assert capsys.readouterr().err == "alignscope: interrupted; nothing was written\n"
    assert tree(folder) == before


def in_process(*arguments: str, folder: Path, **environment: str) -> Done:
    command = [sys.executable, "-m", "alignscope.cli", *arguments]
    run = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    path = folder / "run" / "audit.json"
    return Done(
        run.returncode, run.stdout, run.stderr, msgspec.json.decode(path.read_bytes()) if path.exists() else None
    )


def test_a_whole_run_with_its_page(tmp_path: Path) -> None:
    """As a user meets it: the page and the charts are drawn, and nothing is said on stderr."""
    done = in_process("audit", *given(y2=Y2)(tmp_path), *QUICK, "--out", "run", folder=tmp_path)
    assert (done.status, done.err) == (0, "")
    assert done.record is not None
    assert done.record["verdict"] in done.out
    files = {name: content for name, content in tree(tmp_path / "run").items() if content is not None}
    page = files["report.html"].decode()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert {Path(name).suffix for name in files} == {".json", ".html", ".svg", ".pdf"}
    assert all(len(content) > 500 for content in files.values())
    assert all(content.startswith(b"%PDF") for name, content in files.items() if name.endswith(".pdf"))


def test_an_audit_of_files_gives_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    """Hash seeds differ between processes; nothing may depend on the order of a set or dict of theirs."""
    arguments = given(y1=LABELS, groups=np.arange(N) // 4)(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import audit_helpers, pytest\n"
        "patch = pytest.MonkeyPatch(); audit_helpers.quick_page(patch)\n"
        "from alignscope.cli import main; sys.exit(main())"
    )
    found = set()
    for seed in ("0", "1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "OPENBLAS_NUM_THREADS": "2"}
        command = [sys.executable, "-c", code, "audit", *arguments, "--out", f"run {seed}"]
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, env=environment)
        found.add((tmp_path / f"run {seed}" / "audit.json").read_bytes())
    assert len(found) == 1


def test_the_script_is_installed(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("alignscope")
    if not script.exists():
        pytest.skip("the package is not installed in this environment")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"alignscope {alignscope.__version__}\n"
