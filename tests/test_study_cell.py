"""A training is the same from its id alone, one by one or stacked, and the linear theory where that is exact."""

from __future__ import annotations

import itertools
import math
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from alignscope.linear import Problem, Solver
from alignscope.moments.moments import Moments
from alignscope.study.data.prepared import StudyData
from alignscope.study.encoders import ConvSpec
from alignscope.study.results import CellRecord, TargetScore
from alignscope.study.spec import CellSpec
from alignscope.study.training.cell import train_cells
from alignscope.study.training.models import build
from study_helpers import LINEAR, MLP, cell, classes, numbers, plain, rows, swapped, training_rows

torch.set_num_threads(1)

NUMBERS, CLASSES = numbers(), classes()
PICTURES = StudyData(
    tuple(np.random.default_rng(i).integers(0, 255, (40, 8, 8, c), dtype=np.uint8) for i, c in ((0, 1), (1, 3))),
    CLASSES.targets | {name: values[:40] for name, values in CLASSES.targets.items()},
    24,
    CLASSES.trained_on,
    CLASSES.trained_on,
    CLASSES.classes,
)
CONV = ConvSpec(widths=(4, 8), patch=2)

CASES: dict[str, tuple[StudyData, dict[str, Any]]] = {
    "MLP": (NUMBERS, {}),
    "linear": (NUMBERS, {"encoder": LINEAR}),
    "convolution": (PICTURES, {"encoder": CONV, "optimiser": {"batch": 8}}),
    "classes": (CLASSES, {"task": "cross_entropy", "gauge": "normalised"}),
    "bilevel": (NUMBERS, {"training": "bilevel", "direction": "2to1"}),
    "both ways": (NUMBERS, {"direction": "both", "gauge": "raw"}),
    "baseline": (CLASSES, {"lam": 0}),
    "bfloat16": (NUMBERS, {"optimiser": {"precision": "bfloat16"}}),
}


def one(data: StudyData = NUMBERS, **changes: Any) -> CellRecord:
    return train_cells([cell(**changes)], data)[0][0]


def figures(value: Any) -> list[float]:
    """Every number of a record, in order."""
    value = msgspec.to_builtins(value)
    if isinstance(value, dict):
        return [x for v in value.values() for x in figures(v)]
    if isinstance(value, list | tuple):
        return [x for v in value for x in figures(v)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def results(record: CellRecord) -> list[float]:
    return figures((record.curve, record.marks))


def score(record: CellRecord, modality: int, target: str, part: str = "test") -> TargetScore:
    scores = getattr(record.last, part).targets
    return next(t for t in scores if (t.modality, t.target) == (modality, target))


# What a record holds.


@pytest.mark.parametrize("name", CASES)
def test_a_record_is_whole(name: str) -> None:
    data, changes = CASES[name]
    wanted = cell(marks=(1, 2), **changes)
    ((record, features),) = train_cells([wanted], data)
    assert (record.id, record.cell, record.status, record.reason) == (wanted.id, wanted, "finished", None)
    assert [e.epoch for e in record.curve] == [1, 2, 3]
    assert [m.epoch for m in record.marks] == [1, 2, 3]
    assert np.isfinite(results(record)).all()
    assert msgspec.json.decode(msgspec.json.encode(record), type=CellRecord) == record
    for scores in (record.last.train, record.last.test):
        found = [(t.modality, t.target, t.trained_on) for t in scores.targets]
        assert found == [(m + 1, t, t in data.trained_on[m]) for m in (0, 1) for t in data.probed[m]]
        for t in scores.targets:
            assert (t.r2 is not None) == t.trained_on
            assert (t.probe_accuracy is not None) == (t.target in data.classes)
            assert len(t.probe_per_class) == len(data.classes.get(t.target, ()))
    if wanted.lambda_:
        assert features is None
        return
    assert features is not None
    rows = {"": len(data.x[0]) - data.train, "train_": data.train}
    widths = {"h": 12, "z": wanted.components}
    expected = {f"{part}{name}{i}": (n, w) for part, n in rows.items() for name, w in widths.items() for i in (1, 2)}
    assert {k: v.shape for k, v in features.items()} == expected


def test_features_are_those_of_the_trained_trunks() -> None:
    """Of a linear encoder they are the held-out inputs themselves."""
    features = train_cells([cell(lam=0, encoder=LINEAR)], NUMBERS)[0][1]
    for i, x in enumerate(NUMBERS.x, 1):
        np.testing.assert_array_equal(features[f"h{i}"], x[NUMBERS.train :])


@pytest.mark.parametrize("name", CASES)
def test_the_curve_is_the_objective(name: str) -> None:
    """In every epoch loss = task 1 + task 2 + lambda x alignment; full batches: the first is that of the start."""
    data, changes = CASES[name]
    record = one(data, **{"lam": 2.5, **changes})
    for e in record.curve:
        assert e.loss == pytest.approx(e.task1 + e.task2 + record.cell.lambda_ * e.alignment, rel=1e-6)


def test_training_learns() -> None:
    record = one(CLASSES, task="cross_entropy", epochs=30, lam=0, optimiser={"learning_rate": 0.02})
    assert record.curve[-1].loss < 0.6 * record.curve[0].loss
    assert score(record, 1, "shape", "train").accuracy > 0.9
    record = one(epochs=30, lam=0, optimiser={"learning_rate": 0.02})
    assert score(record, 1, "own", "train").r2 > 0.8


# The same from the cell alone.


@pytest.mark.parametrize("name", CASES)
def test_twice_the_same_digits(name: str) -> None:
    data, changes = CASES[name]
    torch.manual_seed(1)
    first = one(data, **changes)
    torch.manual_seed(2)
    np.random.default_rng().random()
    assert plain(one(data, **changes)) == plain(first)


def test_another_process_gives_the_same_digits() -> None:
    cells = [cell(lam=0), cell(), cell(training="bilevel")]
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        theirs = pool.submit(_records, cells).result()
    assert theirs == _records(cells)


def _records(cells: list[CellSpec]) -> list[str]:
    return [plain(train_cells([c], NUMBERS)[0][0]) for c in cells]


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"lam": 3.0}, {"components": 2}, {"gauge": "raw"}, {"direction": "2to1"}, {"training": "bilevel"}],
)
def test_what_is_varied_matters(change: dict[str, Any]) -> None:
    assert results(one(**change)) != results(one())


def test_one_seed_starts_every_trunk_alike_and_sees_the_rows_in_one_order() -> None:
    def starts(**changes: Any) -> dict[str, np.ndarray]:
        return {k: v.numpy() for k, v in build(cell(**changes), NUMBERS).state_dict().items() if ".trunk." in k}

    first = starts()
    assert any(v.any() for v in first.values())
    for changes in ({"lam": 0}, {"lam": 9.0}, {"components": 7}, {"gauge": "raw"}, {"direction": "both"}):
        same = starts(**changes)
        assert same.keys() == first.keys()
        assert all(np.array_equal(same[k], first[k]) for k in first)
    other = starts(seed=1)
    assert not all(np.array_equal(other[k], first[k]) for k in first)
    # One step of one batch: the first epoch's tasks are those of the start on the same rows, whatever lambda is.
    still = {"learning_rate": 1e-30, "batch": 16}
    curves = [one(lam=lam, optimiser=still).curve for lam in (0, 1.0, 5.0)]
    assert len({(c.task1, c.task2) for curve in curves for c in curve[:1]}) == 1


# Stacks.


@pytest.mark.parametrize("gauge", ["raw", "stop_gradient", "normalised", "whitened"])
@pytest.mark.parametrize("encoder", [MLP, LINEAR], ids=["MLP", "linear"])
def test_a_stack_is_its_cells_one_by_one(encoder: Any, gauge: str) -> None:
    ways = list(itertools.product((0.5, 3.0), (0, 1)))
    cells = [cell(encoder=encoder, gauge=gauge, lam=lam, seed=seed, marks=(1,)) for lam, seed in ways]
    for c, (record, _) in zip(cells, train_cells(cells, NUMBERS), strict=True):
        assert record.id == c.id
        alone = train_cells([c], NUMBERS)[0][0]
        np.testing.assert_allclose(results(record), results(alone), rtol=1e-4, atol=1e-4)


def test_a_stack_of_one_seed_shares_its_rows() -> None:
    cells = [cell(lam=lam, task="cross_entropy", direction="both") for lam in (0.5, 1.0, 3.0)]
    for c, (record, _) in zip(cells, train_cells(cells, CLASSES), strict=True):
        alone = train_cells([c], CLASSES)[0][0]
        np.testing.assert_allclose(results(record), results(alone), rtol=1e-4, atol=1e-4)


def test_a_stack_of_convolutions_and_of_baselines() -> None:
    for changes in ({"lam": 0}, {"lam": 1.0, "gauge": "normalised"}):
        cells = [cell(encoder=CONV, seed=s, optimiser={"batch": 8}, **changes) for s in (0, 1)]
        for c, (record, features) in zip(cells, train_cells(cells, PICTURES), strict=True):
            alone, kept = train_cells([c], PICTURES)[0]
            np.testing.assert_allclose(results(record), results(alone), rtol=1e-3, atol=1e-3)
            assert (features is None) == (kept is None)
            for name, values in (kept or {}).items():
                np.testing.assert_allclose(features[name], values, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ([{"lam": 1.0}, {"lam": 2.0}], True),
        ([{"seed": 0}, {"seed": 1, "lam": 2.0}], True),
        ([{"lam": 0}, {"lam": 0, "seed": 1}], True),
        ([{"lam": 0}, {"lam": 1.0}], False),
        ([{"components": 2}, {"components": 3}], False),
        ([{"gauge": "raw"}, {}], False),
        ([{"epochs": 2}, {}], False),
        ([{"marks": (1,)}, {}], False),
        ([{"training": "bilevel"}, {"training": "bilevel", "seed": 1}], False),
    ],
)
def test_what_can_be_stacked(changes: list[dict[str, Any]], fits: bool) -> None:
    cells = [cell(**c) for c in changes]
    assert (len({c.stack for c in cells}) == 1) == fits
    if not fits:
        with pytest.raises(ValueError, match="cannot be stacked"):
            train_cells(cells, NUMBERS)


# Divergence is a result.

# AdamW multiplies every weight by 1 - rate x decay = -100 in each step, of which there is one an epoch here.
BLOWN_UP = {"learning_rate": 1.0, "weight_decay": 101.0, "batch": 96, "schedule": "constant", "warmup": 0.0}


@pytest.mark.parametrize("training", ["joint", "bilevel"])
def test_a_divergence_keeps_what_came_before(training: str) -> None:
    wanted = cell(
        encoder=LINEAR, gauge="raw", training=training, epochs=40, marks=tuple(range(1, 40)), optimiser=BLOWN_UP
    )
    ((record, features),) = train_cells([wanted], NUMBERS)
    last = len(record.curve)
    assert record.status == "diverged"
    assert record.reason == f"the loss was not finite in epoch {last + 1}"
    assert features is None
    assert [m.epoch for m in record.marks] == list(range(1, last + 1))
    assert np.isfinite(results(record)).all()
    if training == "joint":
        assert 2 < last < 39
        assert record.curve[-1].loss > 1e20
    else:  # the frozen modality had diverged before the other began
        assert last == 0
    assert msgspec.json.decode(msgspec.json.encode(record), type=CellRecord) == record


def test_a_baseline_that_diverges_has_no_features() -> None:
    ((record, features),) = train_cells([cell(lam=0, epochs=40, encoder=LINEAR, optimiser=BLOWN_UP)], NUMBERS)
    assert (record.status, record.marks, features) == ("diverged", (), None)


def test_large_scores_that_are_finite_are_recorded() -> None:
    """Class scores far apart: the cross-entropy is large, not infinite."""
    record = one(
        CLASSES, task="cross_entropy", lam=0, encoder=LINEAR, epochs=6, optimiser={**BLOWN_UP, "weight_decay": 11.0}
    )
    assert record.status == "finished"
    assert record.last.test.task_loss[0] > 800
    assert msgspec.json.decode(msgspec.json.encode(record), type=CellRecord) == record


@pytest.mark.parametrize("encoder", [MLP, LINEAR], ids=["MLP", "linear"])
def test_in_a_stack_a_divergence_harms_no_other_cell(encoder: Any) -> None:
    def stack(third: float) -> list[CellRecord]:
        return [
            r
            for r, _ in train_cells([cell(lam=lam, encoder=encoder, marks=(1,)) for lam in (0.5, 1.0, third)], NUMBERS)
        ]

    sound, ill = stack(2.0), stack(1e300)
    assert [r.status for r in ill] == ["finished", "finished", "diverged"]
    assert ill[2].reason == "the loss was not finite in epoch 1"
    assert [plain(r) for r in ill[:2]] == [plain(r) for r in sound[:2]]


# The bilevel variant.


@pytest.mark.parametrize(("direction", "frozen"), [("1to2", 2), ("2to1", 1)])
@pytest.mark.parametrize(
    ("data", "task"), [(NUMBERS, "squared"), (CLASSES, "cross_entropy")], ids=["numbers", "classes"]
)
def test_bilevel_freezes_what_lambda_0_learns(data: StudyData, task: str, direction: str, frozen: int) -> None:
    """Bit for bit, at every mark; only the other modality moves."""

    def of(record: CellRecord, modality: int, mark: int) -> list[str]:
        scores = record.marks[mark].test
        # Without alignment a training may be part of a contrastive study too, and is probed for that.
        probed = {"probe_r2_normalised": msgspec.UNSET, "probe_r2_trunk": msgspec.UNSET}
        own = [msgspec.structs.replace(t, **probed) for t in scores.targets if t.modality == modality]
        rest = [(a[modality - 1]) for a in (scores.task_loss, scores.variance, scores.effective_rank)]
        return [plain(own), plain(rest)]

    bilevel, alone = (
        one(data, task=task, marks=(1, 2), **c) for c in ({"training": "bilevel", "direction": direction}, {"lam": 0})
    )
    assert all(of(bilevel, frozen, k) == of(alone, frozen, 2) for k in (0, 1, 2))
    assert of(bilevel, 3 - frozen, 0) != of(bilevel, 3 - frozen, 2)
    assert {(e.task1, e.task2)[frozen - 1] for e in bilevel.curve} == {0.0}


# The linear theory: modality 1 has rank 3, so that c = rank [RY RT] = 3. Alignment costs below, and is free at it.

THEORY = numbers(130, 120, width1=3)
EXACT = {
    "encoder": LINEAR,
    "training": "bilevel",
    "gauge": "whitened",
    "epochs": 1200,
    "optimiser": {"batch": 120, "learning_rate": 0.03},
}


@pytest.mark.parametrize(
    ("components", "lam", "direction"),
    [(1, 10.0, "1to2"), (2, 0.5, "1to2"), (2, 3.0, "1to2"), (2, 3.0, "2to1"), (3, 3.0, "1to2")],
)
def test_a_linear_cell_reaches_the_closed_form(components: int, lam: float, direction: str) -> None:
    data = THEORY if direction == "1to2" else swapped(THEORY)
    record = one(data, components=components, lam=lam, direction=direction, **EXACT)
    solver = Solver(Problem.from_moments(Moments.of(training_rows(THEORY)), components, gauge="whitened"))
    assert solver.problem.capacity == 3
    exact, free = solver.at(lam), solver.at(0.0)
    assert (free.sigma_z - exact.sigma_z > 0.005) == (components < 3)
    assert record.curve[-1].loss == pytest.approx(solver.optimum(lam) / THEORY.train, rel=5e-3)
    learner = 1 if direction == "1to2" else 2
    assert score(record, learner, "own", "train").r2 == pytest.approx(exact.sigma_z, abs=5e-3)
    assert 1 - record.curve[-1].alignment / components == pytest.approx(exact.alignment_r2, abs=5e-3)


# A twin: the loop written out, full batches, plain gradients of numpy-made losses.


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 0.5])
def test_the_learning_rate_is_warmed_up_and_decays(schedule: str, warmup: float) -> None:
    """The curve is that of a loop written out, on a problem where the order of rows does not matter."""
    wanted = cell(
        lam=0,
        encoder=LINEAR,
        epochs=8,
        optimiser={"batch": 96, "learning_rate": 0.05, "weight_decay": 0.01, "schedule": schedule, "warmup": warmup},
    )
    towers = build(wanted, NUMBERS)
    x, y = (
        [torch.from_numpy(np.asarray(a[:96])) for a in v]
        for v in (NUMBERS.x, [s.values for s in NUMBERS.target_columns])
    )
    optimiser = torch.optim.AdamW(towers.parameters(), weight_decay=0.01)
    losses = []
    for step in range(8):
        ramp = min(1.0, (step + 1) / (8 * warmup)) if warmup else 1.0
        fall = (1 + math.cos(math.pi * step / 8)) / 2 if schedule == "cosine" else 1.0
        optimiser.param_groups[0]["lr"] = 0.05 * ramp * fall
        loss = sum(
            (tower.head(tower.encoder.projection(rows)) - target).square().sum(1).mean()
            for tower, rows, target in zip((towers.tower1, towers.tower2), x, y, strict=True)
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    np.testing.assert_allclose([e.loss for e in train_cells([wanted], NUMBERS)[0][0].curve], losses, rtol=1e-4)


def test_bfloat16_learns_as_well() -> None:
    how = {"encoder": MLP, "epochs": 20, "lam": 0.5}
    low, full = (one(**how, optimiser={"precision": p, "learning_rate": 0.02}) for p in ("bfloat16", "float32"))
    assert results(low) != results(full)
    assert score(low, 1, "own", "train").r2 == pytest.approx(score(full, 1, "own", "train").r2, abs=0.05)


def test_the_threads_of_torch_are_given_back() -> None:
    torch.set_num_threads(2)
    try:
        one(lam=0, epochs=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_rows_that_fill_no_batch_are_left_out_of_an_epoch_but_scored() -> None:
    """96 rows in batches of 64: one step an epoch; a batch larger than the data is the data."""
    data = numbers(rows(1)["x1"].shape[0] + 119, 96)
    small, large = (one(data, optimiser={"batch": b}) for b in (64, 4096))
    whole = one(data, optimiser={"batch": 96})
    assert results(large) == results(whole) != results(small)
