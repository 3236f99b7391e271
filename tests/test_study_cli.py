"""``alignscope study``, ``paper`` and ``data trifeature``, as a user meets them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

import alignscope
from alignscope import cli
from alignscope.paper import running as paper
from alignscope.study import parse_spec, read_spec
from alignscope.study.results import StudyResults
from alignscope.study.spec import cells_of
from refusal_helpers import Refused, require_one_message

N = 240

SPEC = """
name = "tiny"
marks = [1]

[data]
kind = "files"
x1 = "x1.npy"
x2 = "x2.npy"
y1 = "y1.npy"
y2 = "y2.csv"

[encoder]
kind = "linear"

[optimiser]
batch = 60

[sweep]
lambdas = [0, 1]
components = [2, 5]
gauges = ["raw", "whitened"]
epochs = [1, 3]
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a tiny study of generated files, which is the working directory."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(N, 2))
    np.save(tmp_path / "x1.npy", np.hstack([shared, rng.normal(size=(N, 4))]))
    np.save(tmp_path / "x2.npy", np.hstack([shared + 0.1 * rng.normal(size=(N, 2)), rng.normal(size=(N, 3))]))
    np.save(tmp_path / "y1.npy", np.where(shared[:, 0] > 0, 1, 0))
    (tmp_path / "y2.csv").write_text("kind\n" + "\n".join(np.where(shared[:, 1] > 0.3, "wet", "dry")) + "\n")
    (tmp_path / "study.toml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(list(arguments))
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_study_writes_its_figures_and_its_page(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "study", "study.toml", "--out", "run", "--workers", "1")
    assert (status, err) == (0, "")
    assert "Page:    run/report.html" in out and "Figures: run/results.json" in out
    results = msgspec.json.decode(Path("run/results.json").read_bytes(), type=StudyResults)
    assert len(results.cells) == 2 * 2 * 3 and not results.failures
    assert results.classes == {"y1": ("0", "1"), "y2": ("dry", "wet")}
    assert {r.target for r in results.retention} == {"y1", "y2"}
    page = Path("run/report.html").read_text()
    assert "tiny" in page and "http://" not in re.sub(r"http://www\.w3\.org/\S+", "", page)
    assert {p.suffix for p in Path("run/charts").iterdir()} == {".svg", ".pdf"}


def test_the_same_command_goes_on_and_changes_nothing(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "study", "study.toml", "--out", "run", "--workers", "1")[0] == 0
    before = files(study / "run")
    gone = next(Path("run/cells").glob("*.json"))
    gone.unlink()
    status, out, _ = run(capsys, "study", "study.toml", "--out", "run", "--workers", "1", "--resume")
    assert status == 0 and "Trainings: 12, of which 11 were there before." in out
    assert out.startswith(alignscope.load("run").summary().splitlines()[0])
    after = files(study / "run")
    same = {name for name in before if not name.startswith("timings/")}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return change


REFUSED = [
    Refused("unknown field", replaced("batch", "batches"), "E306", r"study\.toml, line 16: optimiser\.batches"),
    Refused("wrong type", replaced("[2, 5]", '[2, "5"]'), "E306", r"line 20: sweep\.components\[1\]: expected `int`"),
    Refused("negative", replaced("[0, 1]", "[0, -1]"), "E306", r"line 19: sweep\.lambdas\[1\]: expected `float` >= 0"),
    Refused("K = 0", replaced("[2, 5]", "[0, 5]"), "E306", r"line 20: sweep\.components\[0\]: expected `int` >= 1"),
    Refused("twice", replaced("[2, 5]", "[5, 5]"), "E306", r"line 20: sweep\.components\[1\]: `5` stands twice"),
    Refused("not TOML", replaced("marks = [1]", "marks = [1"), "E307", r"study\.toml: not TOML"),
    Refused("no file", replaced("x1.npy", "x9.npy"), "E101", r"x9\.npy: cannot be read"),
    Refused("other rows", replaced('y1 = "y1.npy"', 'y1 = "short.npy"'), "E202", r"short\.npy"),
    Refused("NaN", replaced('x1 = "x1.npy"', 'x1 = "holes.npy"'), "E203", r"holes\.npy: NaN or infinity \(row 7"),
    Refused("objects", replaced('x1 = "x1.npy"', 'x1 = "objects.npy"'), "E104", r"objects\.npy"),
    Refused("constant target", replaced('y1 = "y1.npy"', 'y1 = "ones.npy"'), "E206", "target of modality 1"),
    Refused("conv", replaced('"linear"', '"conv"'), "E306", r"encoder\.kind: 'conv', but a sample of modality 1 has"),
    Refused("device", str, "E305", "device: 'abacus' cannot be used", ("--device", "abacus")),
    Refused("workers", str, "E304", "workers: 0", ("--workers", "0")),
    Refused("stack", str, "E304", "stack: 0", ("--stack", "0")),
    Refused("nothing to resume", str, "E503", "run: it holds no finished cell", ("--resume",)),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_refused_with_one_message(case: Refused, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x1 = np.load("x1.npy")
    x1[7, 1] = np.nan
    np.save("holes.npy", x1)
    np.save("short.npy", np.arange(N - 1) % 2)
    np.save("ones.npy", np.ones(N))
    np.save("objects.npy", np.array([[object()] * 3] * N, dtype=object), allow_pickle=True)
    Path("study.toml").write_text(case.change(SPEC))
    status, _, err = run(capsys, "study", "study.toml", "--out", "run", *(case.more or ("--workers", "1")))
    require_one_message(case, status, err)
    assert not Path("run").exists() or case.name in ("workers", "conv")  # found when the data are ready


def test_pictures_from_files_are_trained_on(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What ``data trifeature`` writes is a study's data, channel first as it is there."""
    assert run(capsys, "data", "trifeature", "--n", "128", "--size", "16", "--out", "pictures")[0] == 0
    Path("pictures.toml").write_text(
        '[data]\nkind = "files"\npair = "pictures"\n[encoder]\nkind = "conv"\nwidths = [8]\n'
        "[optimiser]\nbatch = 32\n[sweep]\nlambdas = [0]\ncomponents = [4]\nepochs = [1]\n"
    )
    status, _, err = run(capsys, "study", "pictures.toml", "--out", "run", "--workers", "1")
    assert (status, err) == (0, "")
    x1, x2 = (np.load(next(Path("run/data").glob(f"*/x{i}.npy"))) for i in (1, 2))
    assert x1.shape == (128, 16, 16, 1) and x2.shape == (128, 16, 16, 3) and x1.dtype == np.uint8


def test_a_store_of_a_newer_version_is_left_alone(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("run").mkdir()
    Path("run/store.json").write_text('{"kind": "alignscope study", "schema": 999}')
    status, _, err = run(capsys, "study", "study.toml", "--out", "run", "--workers", "1")
    assert status == 2 and re.fullmatch(r"alignscope: .*999.* \[E403\]\n", err), err


def test_a_folder_of_something_else_is_left_alone(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("run").mkdir()
    Path("run/store.json").write_text('{"kind": "shop"}')
    status, _, err = run(capsys, "study", "study.toml", "--out", "run", "--workers", "1")
    assert status == 2 and re.fullmatch(r"alignscope: .*something else.* \[E404\]\n", err), err


def test_a_study_needs_torch(study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    status, _, err = run(capsys, "study", "study.toml", "--out", "run")
    assert status == 2 and re.fullmatch(r'alignscope: torch: .*"alignscope\[train\]"\. \[E107\]\n', err), err


def test_interrupted_work_is_said_to_be_kept(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("alignscope.study.running.run_units", stop)
    status, _, err = run(capsys, "study", "study.toml", "--out", "run")
    assert (status, err) == (
        130, "alignscope: interrupted; finished trainings are kept, and the same command goes on from there\n"
    )  # fmt: skip


TINY_SATELLITE = """
task = "binary"
baselines = ["late_fusion"]
[data]
kind = "treesatai"
generated = 200
aerial_side = 30
dates = 4
[encoder]
kind = "omnisat"
[optimiser]
batch = 64
[sweep]
lambdas = [0, 1]
components = [4]
gauges = ["raw", "normalised"]
epochs = [1]
"""
TINY_PAPER = """
[data]
kind = "trifeature"
size = 16
train = 64
test = 64
[encoder]
kind = "conv"
widths = [8, 8]
[optimiser]
batch = 32
[sweep]
lambdas = [0, 1]
components = [2, 20]
gauges = ["raw", "whitened"]
epochs = [1, 2]
"""


def test_the_paper(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole command, with less data; that its figures mean something is tested where they are made."""
    tiny = {"quick.toml": TINY_PAPER, "satellite-quick.toml": TINY_SATELLITE}
    monkeypatch.setattr(paper, "parse_spec", lambda text, where: parse_spec(tiny[where]))
    monkeypatch.setattr(paper, "_TRIALS", {"quick": 100})
    out = tmp_path / "run"
    assert run(capsys, "paper", "--out", str(out), "--workers", "1")[0] == 0
    first = files(out)
    record = json.loads(first["results.json"])
    assert record["scale"] == "quick" and len(record["claims"]) > 30
    assert {c["verdict"] for c in record["claims"]} >= {"holds", "does not hold", "not tested here"}
    assert b"Real data" in first["report.html"]
    assert {c["key"] for c in record["claims"]} >= {"real-data", "real-average", "real-own-target", "real-forecast"}
    assert {name: study["trained_on"] for name, study in record["satellite"].items()} == {
        "same": [["genus"], ["genus"]],
        "different": [["age"], ["genus"]],
    }
    assert run(capsys, "paper", "--out", str(out), "--workers", "1")[0] == 0
    assert {k: v for k, v in files(out).items() if k.startswith(("results", "report", "charts"))} == {
        k: v for k, v in first.items() if k.startswith(("results", "report", "charts"))
    }


def test_the_specifications_that_come_with_the_package_are_the_examples() -> None:
    examples = Path(__file__).parent.parent / "examples"
    for name in ("quick", "paper"):
        own = resources("alignscope.study") / "specs" / f"{name}.toml"
        assert (examples / f"study-{name}.toml").read_text() == own.read_text()
        assert read_spec(examples / f"study-{name}.toml").sweep.gauges[0] == "raw"


def test_kept_results_of_satellite_patches_are_those_of_the_specifications() -> None:
    root = Path(__file__).parent.parent
    same, different = paper._satellite_specs(read_spec(root / "examples" / "satellite.toml"), None, "full")
    asked = {
        "same": replace(same, sweep=replace(same.sweep, components=(16,))),
        "different": different,
        "pretraining": read_spec(root / "examples" / "satellite-pretraining.toml"),
    }
    for name, spec in asked.items():
        path = root / "docs" / "results" / f"satellite-{name}.json"
        kept = msgspec.json.decode(path.read_bytes(), type=StudyResults)
        assert kept.spec == spec
        assert len(kept.cells) + len(kept.baselines) == len(cells_of(spec)) and not kept.failures


def test_at_full_scale_an_archive_is_read_whole() -> None:
    spec = read_spec(Path(__file__).parent.parent / "examples" / "satellite.toml")
    for scale, most, side in (("full", None, 300), ("quick", 800, 60)):
        for study in paper._satellite_specs(spec, "archive", scale):
            assert (study.data.path, study.data.most, study.data.aerial_side) == ("archive", most, side)


@pytest.mark.parametrize("name", ["paper", "at-capacity"])
def test_kept_results_are_those_of_the_examples(name: str) -> None:
    """The documentation's tables and figures are made from them."""
    root = Path(__file__).parent.parent
    kept = msgspec.json.decode((root / "docs" / "results" / f"study-{name}.json").read_bytes(), type=StudyResults)
    assert kept.spec == read_spec(root / "examples" / f"study-{name}.toml")
    assert len(kept.cells) == len(cells_of(kept.spec)) and not kept.failures


def test_trifeature_pictures_can_be_audited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "pictures"
    status, printed, err = run(capsys, "data", "trifeature", "--n", "90", "--size", "16", "--out", str(out))
    assert (status, err) == (0, "") and f"Page:    {out}/report.html" in printed
    assert np.load(out / "x1.npy").shape == (90, 1, 16, 16) and (out / "results.json").is_file()
    audit = [
        "audit",
        "--pair",
        str(out),
        "--out",
        str(tmp_path / "audit"),
        "--lambdas",
        "0.1:10:3",
        "--components",
        "2",
    ]
    assert run(capsys, *audit)[0] == 0


@pytest.mark.parametrize(("option", "value"), [("--n", "0"), ("--size", "3"), ("--noise", "2")])
def test_trifeature_options_out_of_range(
    option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {"--n": "8", "--size": "16", option: value}
    flat = [part for pair in arguments.items() for part in pair]
    status, _, err = run(capsys, "data", "trifeature", *flat, "--out", str(tmp_path / "run"))
    assert status == 2 and re.fullmatch(rf"alignscope: {option[2:]}: .* \[E304\]\n", err), err
    assert not (tmp_path / "run").exists()
