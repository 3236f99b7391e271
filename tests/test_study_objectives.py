"""Objectives in a study, next to the task and alone: trained, scored, summarised, shown, and refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

import twins
from alignscope.errors import AlignscopeError
from alignscope.report.panels import figure_files
from alignscope.study.objectives import (
    BarlowTwinsSpec,
    CCASpec,
    InfoNCESpec,
    JEPASpec,
    ObjectiveSpec,
    SigLIPSpec,
    SpectralSpec,
    VICRegSpec,
)
from alignscope.study.page.page import render_study, study_figures
from alignscope.study.page.sentences import objectives_text
from alignscope.study.page.verdict import tone, verdict
from alignscope.study.results import CellRecord, SeedInterval, StudyResults
from alignscope.study.running import Study, run_study
from alignscope.study.spec import CellSpec, cells_of, parse_spec, read_spec
from alignscope.study.summary.cells import find
from alignscope.study.training.cell import train_cells
from alignscope.study.training.models import Stack, WithObjective, build
from alignscope.study.training.terms import START
from page_reader import Page
from spec_mistakes import Mistake, cases
from study_helpers import LINEAR, MLP, SPEC, cell, numbers, plain, regression, rows, share, write_files

torch.set_num_threads(1)

NUMBERS = numbers()
OBJECTIVES: dict[str, ObjectiveSpec] = {
    "InfoNCE 0.5": InfoNCESpec(temperatures=(0.5,)),
    "InfoNCE": InfoNCESpec(),
    "SigLIP": SigLIPSpec(),
    "Barlow Twins": BarlowTwinsSpec(),
    "VICReg": VICRegSpec(),
    "spectral": SpectralSpec(),
    "CCA": CCASpec(),
    "JEPA": JEPASpec(momentum=0.5),
}


def with_objective(objective: ObjectiveSpec, training: str = "contrastive", **changes: Any) -> CellSpec:
    settings = {"optimiser": {"learning_rate": 0.01}, **changes}
    return cell(gauge="none", direction="both", training=training, objective=objective, **settings)


def trained(objective: ObjectiveSpec, training: str = "contrastive", data: Any = NUMBERS, **changes: Any) -> CellRecord:
    return train_cells([with_objective(objective, training, **changes)], data)[0][0]


# What is trained.


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_is_learned_alone_and_next_to_the_task(name: str) -> None:
    for training in ("contrastive", "joint"):
        record = trained(OBJECTIVES[name], training, epochs=12)
        assert record.status == "finished"
        assert record.curve[-1].alignment < record.curve[0].alignment
        assert (record.curve[-1].task1 == 0) == (training == "contrastive")
        for e in record.curve:
            assert e.loss == pytest.approx(e.task1 + e.task2 + e.alignment, rel=1e-6)
        for t in record.last.test.targets:
            assert t.trained_on == (training == "joint" and (t.modality, t.target) in ((1, "own"), (2, "other")))
            assert (t.r2 is None) != t.trained_on
        assert msgspec.json.decode(msgspec.json.encode(record), type=CellRecord) == record


@pytest.mark.parametrize("name", ["InfoNCE", "JEPA"])
def test_alone_no_label_enters_and_all_is_the_same_twice(name: str) -> None:
    other = dataclasses.replace(NUMBERS, targets={t: v[::-1].copy() for t, v in NUMBERS.targets.items()})
    first, again, relabelled = (trained(OBJECTIVES[name], data=data) for data in (NUMBERS, NUMBERS, other))
    assert plain(first) == plain(again)
    assert plain(first.curve) == plain(relabelled.curve)
    assert first.last.test.cka == relabelled.last.test.cka
    assert plain(first.last.test.targets) != plain(relabelled.last.test.targets)


def test_a_learned_temperature_and_bias_are_recorded() -> None:
    record = trained(SigLIPSpec(), epochs=6, marks=(2,))
    learned = [mark.learned for mark in record.marks]
    assert all(set(found) == {"temperature", "bias"} for found in learned if found)
    assert learned[0] != learned[1]
    assert learned[1]["temperature"] != pytest.approx(START, rel=1e-3)
    assert trained(InfoNCESpec(temperatures=(0.5,))).last.learned is msgspec.UNSET
    assert trained(VICRegSpec()).last.learned is msgspec.UNSET


def test_a_temperature_is_not_decayed() -> None:
    towers = build(with_objective(SigLIPSpec()), NUMBERS)
    decayed, free = Stack([WithObjective(towers)]).groups()
    assert "weight_decay" not in decayed
    assert free["weight_decay"] == 0
    assert [id(p) for p in free["params"]] == [id(towers.alignment.log_temperature), id(towers.alignment.bias)]


def test_a_temperature_comes_back_from_the_ends_of_its_range() -> None:
    z1, z2 = torch.ones(8, 3), torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    towers = build(with_objective(InfoNCESpec()), NUMBERS)
    with torch.no_grad():
        towers.alignment.log_temperature.fill_(-9.0)
    assert towers.alignment.learned()["temperature"] == pytest.approx(0.01)
    towers.alignment(z1, z2).backward()
    assert towers.alignment.log_temperature.grad < 0  # nothing tells the first rows apart: a larger one is better


def test_teachers_start_as_the_encoders_and_follow_them() -> None:
    objective = WithObjective(build(with_objective(JEPASpec(momentum=0.5)), NUMBERS))
    objective(*(torch.from_numpy(x[:32]) for x in NUMBERS.x))
    towers = objective.towers
    student, teacher = towers.tower1.encoder, towers.alignment.objective.teachers[0].module
    for a, b in zip(student.parameters(), teacher.parameters(), strict=True):
        assert torch.equal(a, b)
        with torch.no_grad():
            a += 1
    towers.alignment.after_step()
    for a, b in zip(student.parameters(), teacher.parameters(), strict=True):
        torch.testing.assert_close(b, a - 0.5)


@pytest.mark.parametrize(("name", "within"), [("CCA", 0.005), ("Barlow Twins", 0.06)])
def test_linear_encoders_find_the_canonical_directions(name: str, within: float) -> None:
    """Alone and linear, the optimum is canonical correlation analysis: the K largest correlations, in sample."""
    how = {"batch": 96, "learning_rate": 0.03}
    record = trained(OBJECTIVES[name], encoder=LINEAR, components=2, epochs=300, optimiser=how)
    x = [twins.centred(v[: NUMBERS.train].astype(np.float64)) for v in NUMBERS.x]
    q1, q2 = (np.linalg.qr(v)[0] for v in x)
    rho = np.linalg.svd(q1.T @ q2, compute_uv=False)
    assert record.last.train.shared == pytest.approx((rho[:2] ** 2).sum(), rel=within)


def test_a_divergence_is_a_result() -> None:
    blown_up = {"learning_rate": 1.0, "weight_decay": 101.0, "batch": 96, "schedule": "constant", "warmup": 0.0}
    record = trained(VICRegSpec(), encoder=LINEAR, epochs=40, optimiser=blown_up)
    assert (record.status, record.marks) == ("diverged", ())
    assert "not finite" in (record.reason or "")


def test_embeddings_are_probed_at_length_1_and_as_they_are_and_so_are_trunks() -> None:
    wanted = cell(lam=0)
    (record, features) = train_cells([wanted], NUMBERS)[0]
    assert features is not None
    z, h = (np.vstack([features[f"train_{name}1"], features[f"{name}1"]]).astype(np.float64) for name in "zh")
    y = NUMBERS.targets["own"].astype(np.float64)
    found = find(record.last.test.targets, 1, "own")
    for r2, made in (
        (found.probe_r2, z),
        (found.probe_r2_normalised, z / np.linalg.norm(z, axis=1, keepdims=True)),
        (found.probe_r2_trunk, h),
    ):
        guess, test = regression(made, y, NUMBERS.train), slice(NUMBERS.train, None)
        assert r2 == pytest.approx(share(y[test], guess[test], y[: NUMBERS.train].mean(axis=0)), abs=1e-4)


@pytest.mark.parametrize(
    ("trained_cell", "normalised", "trunk"),
    [
        (cell(lam=0), True, True),
        (cell(lam=0, encoder=LINEAR), True, False),
        (with_objective(VICRegSpec(), "joint"), True, True),
        (cell(), False, False),
        (cell(lam=0, training="concatenation"), False, False),
    ],
    ids=["lambda 0", "linear", "objective", "regression", "baseline"],
)
def test_only_what_is_shown_is_probed(trained_cell: CellSpec, normalised: bool, trunk: bool) -> None:
    record = train_cells([trained_cell], NUMBERS)[0][0]
    for found in (*record.last.test.targets, *record.last.train.targets):
        assert (found.probe_r2_normalised is not msgspec.UNSET) == normalised
        assert (found.probe_r2_trunk is not msgspec.UNSET) == trunk


# The specification.

BOTH = (
    SPEC.replace('gauges = ["raw", "whitened"]\nepochs = [2, 4]', 'trainings = ["contrastive", "joint"]\nepochs = [4]')
    + """\
objectives = [
  { kind = "info_nce", temperatures = ["learned", 0.5] },
  { kind = "vicreg" },
]
"""
)
ALONE = BOTH.replace("[0, 1]\nseeds", "[0]\nseeds").replace(', "joint"]', "]")


def test_every_objective_has_a_cell_a_temperature_and_lambda_0_is_that_of_other_studies() -> None:
    found = cells_of(parse_spec(BOTH))
    assert len(found) == 2 * 2 * (1 + 3 + 3)  # seeds, K; lambda 0, contrastive, lambda 1
    zero = {c.id for c in found if c.lambda_ == 0}
    assert zero < {c.id for c in cells_of(parse_spec(SPEC))}
    alone = [c for c in found if c.training == "contrastive"]
    assert {c.variant.gauge for c in alone} == {"info_nce learned", "info_nce 0.5", "vicreg"}
    assert {c.lambda_ for c in alone} == {1.0}
    assert {c.id for c in cells_of(parse_spec(ALONE))} == zero | {c.id for c in alone}
    assert len({c.id for c in found}) == len({c.stack for c in found if c.objective}) + len(zero)


_JEPA, _CCA = (BOTH.replace("vicreg", kind) for kind in ("jepa", "cca"))
_ALONE = '"raw"]\ntrainings = ["contrastive"]'
MISTAKES = [
    Mistake("temperature 0", "0.5", "0", 24, "sweep.objectives[0].temperatures[1]", "> 0.0"),
    Mistake("temperature below 0", "0.5", "-0.5", 24, "sweep.objectives[0].temperatures[1]", "> 0.0"),
    Mistake("endless temperature", "0.5", "inf", 24, "sweep.objectives[0].temperatures[1]", "finite"),
    Mistake("temperature in a word", '"learned"', '"free"', 24, "sweep.objectives[0].temperatures[0]", "invalid enum"),
    Mistake("no temperature", '["learned", 0.5]', "[]", 24, "sweep.objectives[0].temperatures", "length >= 1"),
    Mistake("temperature twice", '"learned", 0.5', "1, 1.0", 24, "sweep.objectives[0].temperatures[1]", "stands twice"),
    Mistake("kind", '"vicreg"', '"vicregs"', 24, "sweep.objectives[1].kind", "invalid value 'vicregs'"),
    Mistake("kind twice", '"vicreg"', '"info_nce"', 24, "sweep.objectives[1]", "`info_nce` stands twice"),
    Mistake("no such setting", '"vicreg"', '"vicreg", momentum = 0.5', 24, "sweep.objectives[1].momentum", "unknown"),
    Mistake("momentum 1", '"vicreg"', '"jepa", momentum = 1', 24, "sweep.objectives[1].momentum", "< 1.0"),
    Mistake("JEPA of one number", "[2, 3]", "[1, 3]", 21, "sweep.components", "at least 2", _JEPA),
    Mistake("batch of K", "batch = 32", "batch = 3", 15, "optimiser.batch", "K = 3", _CCA),
    Mistake("scale", "epochs = [4]", 'epochs = [4]\ngauges = ["raw"]', 24, "sweep.gauges", "only the regression"),
    Mistake("one way", "epochs = [4]", 'epochs = [4]\ndirections = ["2to1"]', 24, "sweep.directions", "only the regr"),
    Mistake("bilevel", '"joint"]', '"bilevel"]', 22, "sweep.trainings", "only the regression"),
    Mistake("no objective", '"raw", "whitened"]', _ALONE, 23, "sweep.trainings", "give `objectives`", SPEC),
    Mistake("lambda of none", ', "joint"]', "]", 19, "sweep.lambdas", "no lambda"),
]  # fmt: skip


@cases(*MISTAKES)
def test_a_mistake_is_named(case: Mistake, tmp_path: Path) -> None:
    case.check(BOTH, read_spec, tmp_path / "study.toml")


def test_too_few_rows_are_named_before_any_training(tmp_path: Path) -> None:
    spec = BOTH.replace("vicreg", "spectral").replace("[2, 3]", "[2, 50]").replace("batch = 32", "batch = 64")
    path = write_files(tmp_path, rows(64), spec)
    with pytest.raises(AlignscopeError, match="48 training rows, and `spectral` needs more than 50") as caught:
        run_study(path, tmp_path / "out", workers=1)
    assert caught.value.code == "E306"
    assert not list(tmp_path.glob("out/cells/*"))


# The whole.


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Study]:
    """A study of both, and in the same folder, of the trainings alone."""
    folder = tmp_path_factory.mktemp("objectives")
    both = run_study(write_files(folder, spec=BOTH), folder / "out", workers=1)
    return {"both": both, "alone": run_study(write_files(folder, spec=ALONE), folder / "out", workers=1)}


def test_a_study_grows_by_objectives(studies: dict[str, Study]) -> None:
    assert len(studies["both"].outcome.finished) == 28
    assert studies["both"].outcome.reused == 0
    assert studies["alone"].outcome.reused == len(studies["alone"].outcome.finished) == 4 + 12


@pytest.fixture(scope="module")
def pages(studies: dict[str, Study]) -> dict[str, Page]:
    return {name: Page(render_study(study.results)) for name, study in studies.items()}


def test_contrastive_rows_are_those_of_the_cells(studies: dict[str, Study]) -> None:
    results = studies["both"].results
    assert len(results.contrastive) == 3 * 2 * 12  # objectives, K, targets probed of both
    row = next(r for r in results.contrastive if r.temperature == "learned" and r.components == 3 and r.modality == 2)
    own = [c for c in results.cells if c.cell.components == 3]
    alone, zero = (
        {c.cell.seed: c.last for c in own if c.cell.variant.gauge == gauge and c.cell.training == training}
        for gauge, training in (("info_nce learned", "contrastive"), ("none", "none"))
    )
    scores = {seed: [find(marks[seed].test.targets, 2, row.target) for marks in (alone, zero)] for seed in (0, 1)}
    assert row.embedding == "normalised"
    assert row.used.value == pytest.approx(np.mean([a.probe_r2_normalised for a, _ in scores.values()]))
    assert row.raw.value == pytest.approx(np.mean([a.probe_r2 for a, _ in scores.values()]))
    assert row.before is not None
    assert row.before.value == pytest.approx(np.mean([b.probe_r2 for _, b in scores.values()]))
    assert row.retention is not None
    ratios = [max(0.0, a.probe_r2_normalised) / b.probe_r2 for a, b in scores.values()]
    assert row.retention.value == pytest.approx(np.mean(ratios))
    assert row.learned_temperature is not None
    assert row.learned_temperature.value == pytest.approx(np.mean([m.learned["temperature"] for m in alone.values()]))
    assert {r.embedding for r in results.contrastive if r.objective == "vicreg"} == {"raw"}


@pytest.mark.parametrize("name", ["both", "alone"])
def test_nothing_is_said_that_is_the_regressions(studies: dict[str, Study], pages: dict[str, Page], name: str) -> None:
    results, page = studies[name].results, pages[name]
    assert not any((results.forecast, results.agreement, results.capacity, results.forecast_map, results.paths))
    assert not any((results.loss_parts, results.cost_parts, results.sigma_rows))
    assert {r.training for r in results.retention} == ({"none", "joint"} if name == "both" else {"none"})
    sections = page.ids("section")
    assert "contrastive" in sections
    assert not {"published", "decomposition", "capacity", "forecast"} & set(sections)
    assert ("retention" in sections) == ("aligned" in sections) == (name == "both")
    assert "Contrastive training, InfoNCE (temperature learned) alone and no task" in page.text
    assert "raw scale" not in page.text
    assert "target scaling" not in page.text.replace("Scale (target scaling)", "")
    assert "seems to cost" not in page.text
    assert ("The page asks what λ costs" in page.text) == (name == "both")


def test_results_are_read_back_the_same_and_the_chart_is_drawn(studies: dict[str, Study]) -> None:
    for study in studies.values():
        assert msgspec.json.decode(msgspec.json.encode(study.results), type=StudyResults) == study.results
    files = figure_files({"contrastive": study_figures(studies["alone"].results)["contrastive"]})
    drawing = files["charts/contrastive.svg"].decode()
    assert "undefined" not in drawing
    assert "NaN" not in drawing
    assert "latent size K" in drawing


def test_the_verdict_speaks_of_both_trainings(studies: dict[str, Study]) -> None:
    joint, first, *_ = verdict(studies["both"].results)
    assert joint.startswith("Hit hardest is")
    assert first.startswith("Contrastive training")
    assert verdict(studies["alone"].results)[0].startswith("Contrastive training")


RETAINED = {
    "loss": (SeedInterval(value=0.8, low=0.7, high=0.9, seeds=2), "loss"),
    "little": (SeedInterval(value=0.98, low=0.96, high=1.01, seeds=2), "free"),
    "wide": (SeedInterval(value=0.8, low=0.5, high=1.1, seeds=2), "open"),
    "one seed": (SeedInterval(value=0.1, low=None, high=None, seeds=1), "open"),
    "unknown": (None, "open"),
}


@pytest.mark.parametrize("name", RETAINED)
def test_the_tone_is_that_of_what_is_retained(name: str, studies: dict[str, Study]) -> None:
    retention, wanted = RETAINED[name]
    results = studies["alone"].results
    rows = tuple(msgspec.structs.replace(r, retention=retention) for r in results.contrastive)
    changed = msgspec.structs.replace(results, contrastive=rows)
    assert tone(changed) == wanted
    assert verdict(changed)[0].startswith(
        "Contrastive training" if retention else "Without alignment (λ = 0) too little"
    )


def test_where_nothing_finished_the_page_says_so(studies: dict[str, Study]) -> None:
    results = studies["alone"].results
    cells = tuple(c for c in results.cells if c.cell.training != "contrastive")
    page = Page(render_study(msgspec.structs.replace(results, cells=cells, contrastive=())))
    assert "It needs a finished training of this kind." in page.text
    assert verdict(msgspec.structs.replace(results, cells=cells, contrastive=()))[0].startswith("No training")


def test_a_trunk_is_spoken_of_where_there_is_one(studies: dict[str, Study]) -> None:
    results = studies["alone"].results
    assert results.spec.encoder == LINEAR
    assert "trunk" not in objectives_text(results)
    deep = msgspec.structs.replace(results, spec=msgspec.structs.replace(results.spec, encoder=MLP))
    assert "trunk" in objectives_text(deep)
