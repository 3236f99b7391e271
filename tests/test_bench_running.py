"""Running a bench: all are tuned alike, everything is computed once, and the same comes of it however it is run."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import msgspec
import pytest

from alignscope.bench.results import BenchResults
from alignscope.bench.running import BENCH, Bench, run_bench
from alignscope.bench.spec import parse_spec
from alignscope.errors import AlignscopeError
from alignscope.sweep.store import Store
from bench_helpers import GAUSSIAN, OWN, SPEC, FakeTraining, files

NAMES = ("none", "cross", "cross_self", "concatenation")
TUNING = 3 + 3 + 3  # settings of those that have a choice
TRAININGS = 4 * 2 * 3


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeTraining:
    fake = FakeTraining()
    monkeypatch.setattr("alignscope.bench.cell.train_cell", fake)
    return fake


def run(out: Path, spec: str = SPEC, **how: object) -> Bench:
    return run_bench(parse_spec(spec), out, **({"workers": 1} | how))  # type: ignore[arg-type]


def test_all_are_tuned_and_then_trained_seed_by_seed(fake: FakeTraining, tmp_path: Path) -> None:
    fake.better = {"cross": {"temperature": 0.2}, "cross_self": {"self_weight": 3.0}}
    told: list[tuple[str, float]] = []
    bench = run(tmp_path, progress=lambda what, share: told.append((what, share)))
    assert len(fake.cells) == TUNING + TRAININGS
    assert set(fake.begun.values()) == {1}
    first, rest = fake.cells[:TUNING], fake.cells[TUNING:]
    assert all(cell.validation and cell.seed == 1000 and cell.task.training.steps == 2 for cell in first)
    assert not any(cell.validation for cell in rest)
    assert [seed for seed, _ in itertools.groupby(cell.seed for cell in rest)] == [0, 1, 2]
    rows = {row.method: row for row in bench.results.methods}
    assert tuple(rows) == NAMES
    assert rows["cross"].settings == {"objective": "info_nce", "temperature": 0.2}
    assert rows["cross_self"].settings == {"self_weight": 3.0}
    assert [rows[name].tried for name in NAMES] == [3, 3, 3, 0]
    assert {c.settings["temperature"] for c in rest if c.method == "cross"} == {0.2}
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] == pytest.approx(0.95)
    assert [what for what, _ in itertools.groupby(text.split(":")[0] for text, _ in told)] == ["tuning", "training"]


def test_the_results(fake: FakeTraining, tmp_path: Path) -> None:
    bench = run(tmp_path)
    results = msgspec.json.decode(bench.to_json(), type=BenchResults)
    assert results == bench.results
    assert results.spec == msgspec.structs.replace(parse_spec(SPEC), methods=NAMES)
    assert [column.key for column in results.columns] == ["comm.R", "comm.U", "gaussian.shared", "gaussian.unique"]
    assert len(results.cells) == TUNING + TRAININGS
    assert sorted(row.rank for row in results.methods if row.rank) == [1, 2, 3]
    assert {p.task for p in results.pareto} == {"comm", "gaussian"}
    assert not results.failures
    store = msgspec.json.decode((tmp_path / "store.json").read_bytes())
    assert store == {"kind": "alignscope bench", "schema": 1}


def test_a_bench_is_read_back_and_shown_short(fake: FakeTraining, tmp_path: Path) -> None:
    bench = run(tmp_path)
    again = Bench.from_json(bench.to_json())
    assert again.results == bench.results and again.to_json() == bench.to_json()
    assert again.to_dict()["spec"]["name"] == "tiny"
    lines = repr(again).splitlines()
    assert lines[0].startswith("No clear first. ") and len(lines) < 15
    assert f"Bench “tiny”: {TUNING + TRAININGS} trainings of 4 methods, 2 tasks, 3 seeds" in lines
    assert sum(line.startswith(("  1. ", "  2. ", "  3. ")) for line in lines) == 3
    assert "No clear first. " in again._repr_html_()
    with pytest.raises(AlignscopeError, match=r"results\.json.*Run the bench again.*E103"):
        Bench.from_json(b"{}")


def test_the_same_call_computes_nothing_again(fake: FakeTraining, tmp_path: Path) -> None:
    first = run(tmp_path)
    before = files(tmp_path)
    again = run(tmp_path, resume=True)
    assert len(fake.cells) == TUNING + TRAININGS
    assert again.to_json() == first.to_json() and files(tmp_path) == before
    assert (first.outcome.reused, again.outcome.reused) == (0, TUNING + TRAININGS)


def test_one_more_method_trains_that_one_alone(fake: FakeTraining, tmp_path: Path) -> None:
    run(tmp_path)
    before = len(fake.cells)
    more = run(tmp_path, SPEC.replace('"none", ', '"none", "decur", '))
    assert {cell.method for cell in fake.cells[before:]} == {"decur"}
    assert [row.method for row in more.results.methods] == ["none", "decur", "cross", "cross_self", "concatenation"]
    assert run(tmp_path, methods=["decur", "none"]).outcome.reused == 3 + 3 + 2 * 2 * 3


def test_more_seeds_and_another_tuning(fake: FakeTraining, tmp_path: Path) -> None:
    fake.better = {"none": {"temperature": 0.2}, "cross": {"temperature": 0.2}, "cross_self": {"self_weight": 3.0}}
    run(tmp_path)
    before = len(fake.cells)
    run(tmp_path, SPEC.replace("[0, 1, 2]", "[0, 1, 2, 5]"))
    assert {(cell.validation, cell.seed) for cell in fake.cells[before:]} == {(False, 5)}
    before = len(fake.cells)
    run(tmp_path, SPEC.replace("steps = 2", "steps = 3"))
    assert len(fake.cells) - before == TUNING  # what it chooses is the same


def test_a_bench_without_tuning_takes_the_first_settings(fake: FakeTraining, tmp_path: Path) -> None:
    fake.better = {"cross": {"temperature": 0.2}}
    bench = run(tmp_path, GAUSSIAN)
    assert not any(cell.validation for cell in fake.cells)
    assert {row.tried for row in bench.results.methods} == {0}
    assert {c.settings["temperature"] for c in fake.cells if c.method == "cross"} == {0.1}


def test_what_has_no_figures_is_said_and_the_rest_goes_on(fake: FakeTraining, tmp_path: Path) -> None:
    fake.diverge = {("cross", "comm", 1), ("none", "comm", 1000)}
    fake.fail = {("cross_self", "gaussian", 2)}
    bench = run(tmp_path)
    (failed,) = [f for f in bench.results.failures if f.status == "failed"]
    assert re.fullmatch(r"cross_self, gaussian, seed 2( \(.*\))?", failed.text)
    assert failed.reason == "RuntimeError: no luck with cross_self"
    diverged = [f for f in bench.results.failures if f.status == "diverged"]
    assert [f.text.partition(" (")[0] for f in diverged] == ["cross, comm, seed 1", *["none, comm, tuning"] * 3]
    rows = {row.method: row for row in bench.results.methods}
    assert len(rows["cross"].columns["comm.R"].seeds) == 2
    assert len(rows["cross_self"].columns["gaussian.unique"].seeds) == 2
    assert rows["none"].settings == {"temperature": 0.1}  # no setting has figures: the first
    fake.fail = set()
    again = run(tmp_path)
    assert {f.status for f in again.results.failures} == {"diverged"}  # a failure is tried again, a divergence is not


def test_an_interrupted_run_goes_on(fake: FakeTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(tmp_path / "whole").to_json()
    done = len(fake.cells)

    def interrupted(cell: object, device: str, folder: object) -> object:
        if len(fake.cells) == done + TUNING + 5:
            raise KeyboardInterrupt
        return fake(cell, device)  # type: ignore[arg-type]

    monkeypatch.setattr("alignscope.bench.cell.train_cell", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut")
    monkeypatch.setattr("alignscope.bench.cell.train_cell", fake)
    bench = run(tmp_path / "cut", resume=True)
    assert bench.outcome.reused == TUNING + 5
    assert bench.to_json() == whole


def test_a_damaged_cell_is_computed_again(fake: FakeTraining, tmp_path: Path) -> None:
    first = run(tmp_path, GAUSSIAN)
    path = next((tmp_path / "cells").glob("*.json"))
    path.write_bytes(path.read_bytes()[:50])
    again = run(tmp_path, GAUSSIAN)
    assert again.outcome.damaged == (path.stem,)
    assert again.to_json() == first.to_json()


@pytest.mark.parametrize("workers", [1, 2])
def test_methods_of_ones_own_are_trained_beside_all(workers: int, tmp_path: Path) -> None:
    """In earnest: in this process, and in workers that the file is sent to."""
    mine = tmp_path / "mine.py"
    mine.write_text(OWN)
    spec = parse_spec(GAUSSIAN.replace('"cross", "cross_self", "concatenation"', '"cross"'))
    bench = run_bench(spec, tmp_path / "run", methods_file=mine, workers=workers)
    assert [row.method for row in bench.results.methods] == ["none", "cross", "distance", "Quiet"]
    assert not bench.results.failures
    rows = {row.method: row for row in bench.results.methods}
    assert rows["distance"].settings == {"power": 2.0} and rows["distance"].family == "yours"
    assert sorted(row.rank or 0 for row in rows.values()) == [1, 2, 3, 4]
    assert rows["cross"].columns["gaussian.shared"].value > 0.1
    mine.write_text(OWN.replace("1 / facts", "2 / facts"))
    again = run_bench(spec, tmp_path / "run", methods_file=mine, workers=1)
    assert again.outcome.reused == 2 * 3  # of ours; what the file holds is other code now
    assert again.results.methods[1] == bench.results.methods[1]


BROKEN = {
    "raises": ("return (z1 - z3)", r"the method 'distance', line 10: NameError: name 'z3' is not defined\. Correct it"),
    "no scalar": ("return (z1 - z2)  #", r"the method 'distance': it returns shape \(16, 8\)\. Return a scalar tensor"),
    "no tensor": ("return 1.0  #", r"the method 'distance': it returns float\. Return a scalar tensor"),
    "a constant": ("return torch.tensor(1.0)  #", r"the method 'distance': RuntimeError: .*does not require grad"),
}


@pytest.mark.parametrize(("line", "match"), BROKEN.values(), ids=BROKEN.keys())
def test_a_method_that_cannot_be_trained_is_refused_before_anything_is_done(
    line: str, match: str, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(OWN.replace("return (z1 - z2)", line))
    with pytest.raises(AlignscopeError, match=match + r".*\[E308\]"):
        run_bench(parse_spec(GAUSSIAN), tmp_path / "run", methods_file=mine, methods=["distance"], workers=1)
    assert not (tmp_path / "run").exists()


def test_errors_before_anything_is_done(fake: FakeTraining, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(AlignscopeError, match=r"'croos' is not known.*E305"):
        run(out, methods=["croos"])
    with pytest.raises(AlignscopeError, match=r"no finished cell of this bench.*E503"):
        run(out, resume=True)
    with pytest.raises(AlignscopeError, match=r"'abacus' cannot be used.*E305"):
        run(out, device="abacus")
    with pytest.raises(AlignscopeError, match=r"workers: 0.*E304"):
        run(out, workers=0)
    assert not fake.cells
    Store.open(tmp_path / "bench", BENCH)
    from alignscope.study.running import STUDY

    with pytest.raises(AlignscopeError, match=r"something else than a study.*E404"):
        Store.open(tmp_path / "bench", STUDY)


def test_the_scales_are_those_of_the_package(fake: FakeTraining, tmp_path: Path) -> None:
    bench = run_bench("quick", tmp_path, methods=["none", "comm"], workers=1)
    assert bench.results.spec.name == "All methods, small"
    path = tmp_path / "own.toml"
    path.write_text(GAUSSIAN)
    assert run_bench(path, tmp_path, methods=["none"], workers=1).results.spec.name == "tiny"
    assert run_bench(str(path), tmp_path, methods=["none"], workers=1).outcome.reused == 3


def test_a_bench_of_nothing(fake: FakeTraining, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(OWN.replace('note="Squared', 'runs_on=("three",), note="Squared'))
    bench = run_bench(parse_spec(GAUSSIAN), tmp_path / "run", methods_file=mine, methods=["distance"], workers=1)
    assert not fake.cells and not bench.results.cells
    (row,) = bench.results.methods
    assert row.columns == {} and row.rank is None
