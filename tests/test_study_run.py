"""A whole study: the same bytes however it is run, what is finished is kept, and what cannot run says so at once."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from alignscope.errors import AlignscopeError
from alignscope.study import running
from alignscope.study.encoders import ConvSpec, LinearSpec
from alignscope.study.results import StudyResults
from alignscope.study.running import Study, run_study, train_unit, units_of
from alignscope.study.spec import StudySpec, cells_of, parse_spec, read_spec
from alignscope.study.summary import comparison as foretold
from study_helpers import SPEC, cell, rows, write_files

torch.set_num_threads(1)

CELLS = 2 * 2 * 2 * (1 + 2)  # seeds, K, lengths; lambda 0 and two gauges


@pytest.fixture(scope="module", autouse=True)
def few_resamples() -> Iterator[None]:
    """The interval of the rank correlation takes most of a tiny study's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(foretold, "_RESAMPLES", 20)
        yield


@pytest.fixture(scope="module")
def whole(few_resamples: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study]:
    """A study that was run in one process, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    spec = write_files(folder)
    return folder, run_study(spec, folder / "out", workers=1)


def again(folder: Path, out: str = "out", **options: Any) -> Study:
    return run_study(folder / "tiny.toml", folder / out, **{"workers": 1, **options})


@pytest.fixture
def copied(tmp_path: Path, whole: tuple[Path, Study]) -> Path:
    """The finished study in a folder of its own."""
    for path in whole[0].rglob("*"):
        if path.is_file():
            to = tmp_path / path.relative_to(whole[0])
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(path.read_bytes())
    return tmp_path


def digest(body: bytes) -> str:
    """Of bytes that must be equal: their difference would take minutes to print."""
    return hashlib.sha256(body).hexdigest()


def results_of(study: Study) -> str:
    return digest(study.to_json())


def cell_files(out: Path) -> dict[str, str]:
    return {p.name: digest(p.read_bytes()) for p in sorted((out / "cells").iterdir())}


# What comes out.


def test_a_study_has_every_cell_and_every_table(whole: tuple[Path, Study]) -> None:
    folder, study = whole
    results = study.results
    assert (len(results.cells), study.outcome.reused, results.failures) == (CELLS, 0, ())
    assert {r.cell.id for r in results.cells} == {c.id for c in cells_of(results.spec)}
    fingerprinted = msgspec.structs.replace(
        results.spec, data=msgspec.structs.replace(results.spec.data, fingerprint="")
    )
    assert fingerprinted == read_spec(folder / "tiny.toml")
    for table in (
        "retention",
        "forecast",
        "agreement",
        "capacity",
        "forecast_map",
        "paths",
        "loss_parts",
        "cost_parts",
    ):
        assert getattr(results, table), table
    assert {r.gauge for r in results.forecast} == {"whitened"}
    assert all(r.retention.value == 1 for r in results.retention if r.lambda_ == 0 and r.retention)
    body = study.to_json()
    assert msgspec.json.decode(body, type=StudyResults) == results
    assert body.endswith(b"}\n")
    assert not re.search(rb"seconds|bytes|" + re.escape(str(folder).encode()), body)


def test_a_study_is_read_back_and_shown_short(whole: tuple[Path, Study]) -> None:
    study = whole[1]
    again = Study.from_json(study.to_json())
    assert again.results == study.results and again.to_json() == study.to_json()
    assert again.to_dict()["spec"]["name"] == "tiny"
    lines = repr(again).splitlines()
    assert lines[0].startswith("Cannot tell. ") and 1 < len(lines) < 15
    assert f"Study “tiny”: {CELLS} trainings over 2 lambdas, 2 latent sizes, 2 seeds" in lines
    assert any(line.startswith("Trained in the paper’s raw scale") for line in lines)
    assert "Cannot tell. " in again._repr_html_()
    with pytest.raises(AlignscopeError, match=r"results\.json.*Run the study again.*E103"):
        Study.from_json(b"{}")


def test_the_forecast_is_of_the_longest_baselines(whole: tuple[Path, Study]) -> None:
    """A linear trunk learns nothing, so its features are the inputs, and every K and seed has the same audit."""
    capacity = whole[1].results.capacity
    assert {(c.components, c.modality, c.maximum_loss.seeds) for c in capacity} == {
        (k, m, 2) for k in (2, 3) for m in (1, 2)
    }
    assert all(c.maximum_loss.low == c.maximum_loss.value == c.maximum_loss.high for c in capacity)


# The same bytes.


def test_two_workers_give_the_bytes_of_one(whole: tuple[Path, Study]) -> None:
    folder, study = whole
    assert results_of(again(folder, "two", workers=2)) == results_of(study)
    assert cell_files(folder / "two") == cell_files(folder / "out")


def test_any_executor_gives_the_same_bytes(copied: Path, whole: tuple[Path, Study]) -> None:
    with ThreadPoolExecutor(1) as pool:
        assert results_of(again(copied, "threads", workers=1, executor=pool)) == results_of(whole[1])


def test_a_finished_study_is_read_not_trained(
    copied: Path, whole: tuple[Path, Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(running, "train_unit", never)
    study = again(copied, resume=True)
    assert (study.outcome.reused, study.outcome.failed) == (CELLS, ())
    assert results_of(study) == results_of(whole[1])


@pytest.mark.parametrize("kept", [0.25, 0.5, 0.9])
def test_a_run_that_was_killed_ends_with_the_same_bytes(kept: float, copied: Path, whole: tuple[Path, Study]) -> None:
    """Whichever cells had been finished."""
    ids = [c.id for c in cells_of(whole[1].results.spec)]
    lost = np.random.default_rng(0).permutation(ids)[round(kept * CELLS) :]
    for id in lost:
        for path in (copied / "out/cells").glob(f"{id}.*"):
            path.unlink()
    study = again(copied, resume=True)
    assert study.outcome.reused == CELLS - len(lost)
    assert cell_files(copied / "out") == cell_files(whole[0] / "out")
    assert results_of(study) == results_of(whole[1])


def test_another_lambda_costs_its_own_cells_only(copied: Path) -> None:
    spec = copied / "tiny.toml"
    spec.write_text(SPEC.replace("lambdas = [0, 1]", "lambdas = [0, 0.5, 1]"))
    study = again(copied, resume=True)
    assert study.outcome.reused == CELLS
    assert len(study.results.cells) == CELLS + 2 * 2 * 2 * 2
    assert results_of(again(copied, "fresh")) == results_of(study)


def test_other_files_are_another_study(copied: Path) -> None:
    made = rows(seed=1)
    np.save(copied / "y2.npy", made["y2"])
    with pytest.raises(AlignscopeError, match="no finished cell of this study") as caught:
        again(copied, resume=True)
    assert caught.value.code == "E503"
    assert again(copied).outcome.reused == 0


def test_a_specification_made_in_python_gives_the_same_bytes(copied: Path, whole: tuple[Path, Study]) -> None:
    for spec in (parse_spec(SPEC), whole[1].results.spec):  # the second is what results.json keeps
        study = run_study(spec, copied / "out", workers=1, base=copied, resume=True)
        assert results_of(study) == results_of(whole[1])


# What goes wrong.


def test_there_is_nothing_to_resume(tmp_path: Path) -> None:
    spec = write_files(tmp_path)
    with pytest.raises(AlignscopeError, match="no finished cell") as caught:
        run_study(spec, tmp_path / "out", workers=1, resume=True)
    assert caught.value.code == "E503"
    assert not (tmp_path / "out").exists()


def test_without_torch_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(AlignscopeError, match=re.escape('pip install "alignscope[train]"')) as caught:
        run_study(write_files(tmp_path), tmp_path / "out", workers=1)
    assert caught.value.code == "E107"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meow"])
def test_an_unknown_device(device: str, tmp_path: Path) -> None:
    with pytest.raises(AlignscopeError, match=f"'{device}' cannot be used") as caught:
        run_study(write_files(tmp_path), tmp_path / "out", workers=1, device=device)
    assert caught.value.code == "E305"


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"lambdas": (1.0,)}, r"sweep\.lambdas: it lacks 0"),
        ({"lambdas": (0.0, -1.0)}, r"sweep\.lambdas\[1\]: expected `float` >= 0"),
        ({"components": (2, 0)}, r"sweep\.components\[1\]: expected `int` >= 1"),
        ({"gauges": ("round",)}, r"sweep\.gauges\[0\]: invalid enum value"),
    ],
)
def test_a_specification_made_in_python_is_checked_too(changes: dict[str, Any], match: str, tmp_path: Path) -> None:
    write_files(tmp_path)
    spec = parse_spec(SPEC)
    wrong = msgspec.structs.replace(spec, sweep=msgspec.structs.replace(spec.sweep, **changes))
    with pytest.raises(AlignscopeError, match=match) as caught:
        run_study(wrong, tmp_path / "out", workers=1, base=tmp_path)
    assert caught.value.code == "E306"


@pytest.mark.parametrize(
    ("text", "tables", "code", "match"),
    [
        ('task = "cross_entropy"\n' + SPEC, {}, "E305", "'y1 0' is not one class per sample"),
        (SPEC, {"y1": np.zeros((120, 2))}, "E206", "does not vary"),
        (SPEC, {"x1": np.full((120, 2), np.nan)}, "E203", "NaN"),
        (SPEC.replace('y2 = "y2.npy"', 'y2 = "y3.npy"'), {}, "E101", r"y3\.npy"),
    ],
)
def test_what_every_cell_would_stumble_over_is_said_once(
    text: str, tables: dict[str, np.ndarray], code: str, match: str, tmp_path: Path
) -> None:
    spec = write_files(tmp_path, rows() | tables, text)
    with pytest.raises(AlignscopeError, match=match) as caught:
        run_study(spec, tmp_path / "out", workers=1)
    assert caught.value.code == code
    assert not list((tmp_path / "out").glob("cells/*"))


def test_a_divergence_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    text = (
        SPEC.replace("[0, 1]\nseeds = [0, 1]", "[0, 1, 1e300]\nseeds = [0]")
        .replace("[2, 3]", "[2]")
        .replace("[2, 4]", "[2]")
    )
    study = run_study(write_files(tmp_path, spec=text), tmp_path / "out", workers=1)
    assert [f.status for f in study.results.failures] == ["diverged"] * 2
    assert {f.reason for f in study.results.failures} == {"the loss was not finite in epoch 1"}
    assert "lambda 1e+300" in study.results.failures[0].text
    assert {r.lambda_ for r in study.results.retention} == {0, 1}
    assert study.outcome.failed == ()
    assert run_study(tmp_path / "tiny.toml", tmp_path / "out", workers=1).outcome.reused == 5


def test_a_failure_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sick(unit: Any, *args: Any, **options: Any) -> Any:
        if any(c.gauge == "raw" and c.seed == 1 for c in unit):
            raise MemoryError("too large")
        return train_unit(unit, *args, **options)

    spec = write_files(tmp_path)
    monkeypatch.setattr(running, "train_unit", sick)
    study = run_study(spec, tmp_path / "out", workers=1)
    assert len(study.results.failures) == 4
    assert {(f.status, f.reason) for f in study.results.failures} == {("failed", "MemoryError: too large")}
    assert all("raw target scaling" in f.text and "seed 1" in f.text for f in study.results.failures)
    monkeypatch.undo()
    assert run_study(spec, tmp_path / "out", workers=1).results.failures == ()


def test_labels_are_trained_as_classes(tmp_path: Path) -> None:
    text = 'task = "cross_entropy"\n' + SPEC.replace("[2, 3]", "[2]").replace("[2, 4]", "[2]").replace(
        'y2 = "y2.npy"\n', ""
    )
    labels = np.argmax(rows()["y1"], axis=1)
    study = run_study(write_files(tmp_path, rows() | {"y1": labels}, text), tmp_path / "out", workers=1)
    assert dict(study.results.classes) == {"y1": ("0", "1", "2")}
    assert study.results.failures == ()
    assert {t.accuracy is not None for r in study.results.cells for t in r.last.test.targets} == {True}


def test_progress_is_told(copied: Path) -> None:
    told: list[tuple[str, float]] = []
    again(copied, progress=lambda what, share: told.append((what, share)))
    assert all(what and 0 <= share <= 1 for what, share in told)
    assert told[-1] == ("summing up what was measured", 0.9)
    assert f"{CELLS} of {CELLS} cells" in [what for what, _ in told]


# What is trained together.


def many(**changes: Any) -> list[Any]:
    return [cell(lam=lam, seed=s, **changes) for lam in (0.5, 1.0, 2.0) for s in range(30)]


@pytest.mark.parametrize("stack", [1, 5, 64])
def test_units_hold_every_cell_once(stack: int) -> None:
    spec: StudySpec = parse_spec(SPEC.replace("epochs", 'trainings = ["joint", "bilevel"]\nepochs'))
    cells = cells_of(spec) + many(encoder=LinearSpec())
    units = units_of(cells, stack)
    assert sorted(c.id for unit in units for c in unit) == sorted(c.id for c in cells)
    assert units[0][0] == cells[0]
    assert max(map(len, units)) == stack
    assert all(len({cell.stack for cell in unit}) == 1 for unit in units)
    assert all(cell.training != "bilevel" for unit in units if len(unit) > 1 for cell in unit)


def test_as_many_are_stacked_as_is_said() -> None:
    assert [len(unit) for unit in units_of(many(encoder=ConvSpec()), 64)] == [64, 26]


def test_a_stack_gives_the_figures_of_single_cells(copied: Path, whole: tuple[Path, Study]) -> None:
    study = again(copied, "stacked", stack=8)
    for row, alone in zip(study.results.retention, whole[1].results.retention, strict=True):
        assert row.r2.value == pytest.approx(alone.r2.value, abs=1e-4)


@pytest.mark.parametrize("stack", [0, -2])
def test_no_stack_of_less_than_one(stack: int, tmp_path: Path) -> None:
    with pytest.raises(AlignscopeError, match=f"stack: {stack}") as caught:
        run_study(write_files(tmp_path), tmp_path / "out", workers=1, stack=stack)
    assert caught.value.code == "E304"


def test_inputs_that_are_too_many_to_be_features(tmp_path: Path) -> None:
    """The forecast works with products of all pairs of features."""
    made = rows(64) | {"x1": np.zeros((64, 5000), np.float32) + np.arange(64, dtype=np.float32)[:, None]}
    spec = write_files(tmp_path, made, SPEC.replace('kind = "mlp"', 'kind = "linear"').replace("hidden = [8]", ""))
    with pytest.raises(AlignscopeError, match=r"a sample of modality 1 holds 5,000 numbers.*At most 4,096") as caught:
        run_study(spec, tmp_path / "out", workers=1)
    assert caught.value.code == "E306"
    assert not (tmp_path / "out" / "cells").exists() or not any((tmp_path / "out" / "cells").iterdir())
