"""The bench on users' own pairs: what is held out, what batches hold, what is scored, and what the page says."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from alignscope.bench.methods import METHODS
from alignscope.bench.page.board import Board
from alignscope.bench.page.own_pairs import cost, every_target, question
from alignscope.bench.page.page import render_bench
from alignscope.bench.results import BenchRecord, BenchResults
from alignscope.bench.running import run_bench
from alignscope.bench.spec import BenchCell, checked_spec, parse_spec, read_spec
from alignscope.bench.summary import Choice, Summary, column_value
from alignscope.bench.tasks.data.base import Encoded
from alignscope.bench.tasks.data.opening import open_task
from alignscope.bench.tasks.data.pair import OwnPair
from alignscope.bench.tasks.kind import TrainingSpec
from alignscope.bench.tasks.pair import PairTask, sides, split, targets_of
from alignscope.errors import AlignscopeError
from alignscope.measures import linear_probe, logistic_probes
from alignscope.nn.methods.base import Batch, Method
from alignscope.study.data.dataset import prepare
from alignscope.study.data.kind import FEWEST
from alignscope.study.data.prepared import open_data
from alignscope.study.encoders import ConvSpec, EncoderSpec, LinearSpec, MLPSpec, OmniSatSpec
from bench_helpers import GAUSSIAN, OWN, FakeTraining, files
from page_reader import Page
from spec_mistakes import Mistake, cases

EXAMPLE = Path(__file__).parents[1] / "examples" / "bench-pair.toml"
GIVEN = os.environ.get("ALIGNSCOPE_DATA")
PAIRS = (Path(GIVEN) if GIVEN else Path(__file__).resolve().parents[2] / "shared" / "data") / "pairs"
PLAIN: dict[str, Any] = {"noise": 0.0, "gain": 0.0, "turns": False}
LINEAR = LinearSpec()
N = 160

SPEC = """\
name = "mine"
seeds = [0, 1]
methods = ["none", "cross", "concatenation"]

[tuning]
task = "chips"
steps = 2

[[tasks]]
kind = "pair"
name = "chips"
pair = "chips"
components = 4
encoder = { kind = "conv", widths = [4, 8], patch = 4 }
encoder2 = { kind = "conv", widths = [4, 8], patch = 2 }
[tasks.training]
steps = 4
batch = 32
precision = "float32"
"""


def chips(folder: Path, n: int = N, side: int = 16, **changed: np.ndarray | None) -> Path:
    """A pair of pictures: bytes with two flags to predict, and half as large floats with two numbers; ten a group."""
    rng = np.random.default_rng(0)
    flags, numbers = rng.integers(0, 2, (n, 2)), rng.normal(size=(n, 2))
    x1 = rng.normal(110, 20, (n, 3, side, side)) + 30 * np.pad(flags, ((0, 0), (0, 1)))[:, :, None, None]
    x2 = rng.normal(0, 1, (n, 2, side // 2, side // 2)) + numbers[:, :, None, None]
    tables = {
        "x1": x1.clip(0, 255).astype(np.uint8),
        "x2": x2.astype(np.float32),
        "y1": flags.astype(np.float32),
        "y2": numbers.astype(np.float32),
        "groups": np.arange(n) // 10,
    }
    return written(folder, {**tables, **changed})


def features(folder: Path, n: int = N, **changed: np.ndarray | None) -> Path:
    """A pair of features, with a class and a number to predict."""
    rng = np.random.default_rng(1)
    shape, height = rng.integers(0, 3, n), rng.normal(size=n)
    x1 = np.hstack([np.eye(3)[shape], height[:, None], np.ones((n, 1))]) @ rng.normal(size=(5, 6)) + 3
    x2 = np.hstack([height[:, None], rng.normal(size=(n, 3))])
    noise = 0.1 * rng.normal(size=(n, 6))
    tables = {"x1": x1 + noise, "x2": x2, "y1": shape, "y2": height[:, None], "groups": None}
    return written(folder, {**tables, **changed})


def written(folder: Path, tables: dict[str, np.ndarray | None]) -> Path:
    folder.mkdir(parents=True)
    for name, values in tables.items():
        if values is not None:
            np.save(folder / f"{name}.npy", values)
    return folder


def spec_of(pair: Path, encoder: EncoderSpec = LINEAR, steps: int = 2, **fields: Any) -> PairTask:
    training = TrainingSpec(steps=steps, batch=32, precision="float32")
    return PairTask(name="mine", pair=str(pair), encoder=encoder, **({"components": 4, "training": training} | fields))


def opened(pair: Path, seed: int = 0, *, validation: bool = False, **fields: Any) -> OwnPair:
    """The task of a pair, prepared beside it."""
    spec = spec_of(pair, **fields)
    task = open_task(spec, seed, prepared(spec, pair), validation=validation)
    assert isinstance(task, OwnPair)
    return task


def prepared(spec: PairTask, pair: Path) -> Path:
    return prepare(spec.data, pair.parent / "out", Path())


def stored(task: OwnPair, pair: Path) -> tuple[np.ndarray, np.ndarray]:
    """The prepared inputs as float64."""
    data = open_data(prepared(task.spec, pair))
    return data.x[0].astype(float), data.x[1].astype(float)


class Inputs(Method):
    """The inputs themselves, flattened, are the embeddings."""

    def embeddings(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return [x.flatten(1) for x in xs]

    def loss(self, batch: Batch) -> Tensor:
        raise NotImplementedError


# The specification.


TASK = SPEC.count("\n", 0, SPEC.index('kind = "pair"')) + 1
PAIR = 'pair = "chips"\n'
MISTAKES = [
    Mistake("nothing given", PAIR, "", TASK - 1, "tasks[0]", "either `pair`, or all of"),
    Mistake("both given", PAIR, PAIR + 'x1 = "a.npy"\n', TASK - 1, "tasks[0]", "either `pair`, or all of"),
    Mistake("no y1", PAIR, 'x1 = "a.npy"\nx2 = "b.npy"\n', TASK - 1, "tasks[0]", "either `pair`, or all of"),
    Mistake(
        "no training", PAIR, PAIR + "test = 0.9\nvalidation = 0.1\n", TASK + 4, "tasks[0].validation", "nothing is left"
    ),
    Mistake("hash", PAIR, PAIR + 'fingerprint = "00"\n', TASK + 3, "tasks[0].fingerprint", "worked out from the files"),
    Mistake("test 1", PAIR, PAIR + "test = 1.0\n", TASK + 3, "tasks[0].test", "expected `float` < 1.0"),
    Mistake("noise inf", PAIR, PAIR + "noise = inf\n", TASK + 3, "tasks[0].noise", "finite number"),
    Mistake("encoder", '"conv", widths', '"vit", widths', TASK + 4, "tasks[0].encoder.kind", "invalid value 'vit'"),
    Mistake("own field", PAIR, PAIR + "shift = 2\n", TASK + 3, "tasks[0].shift", "unknown field `shift`"),
]


@cases(*MISTAKES)
def test_a_mistake_is_named_with_line_and_field(case: Mistake, tmp_path: Path) -> None:
    case.check(SPEC, read_spec, tmp_path / "bench.toml")


def test_the_example_is_a_specification() -> None:
    (task,) = read_spec(EXAMPLE).tasks
    assert isinstance(task, PairTask)
    assert "none" in read_spec(EXAMPLE).methods and set(read_spec(EXAMPLE).methods) <= METHODS.keys()


def test_a_specification_that_was_run_can_be_run_again() -> None:
    spec = parse_spec(SPEC)
    run = msgspec.structs.replace(spec, tasks=(msgspec.structs.replace(spec.tasks[0], fingerprint="ab"),))
    assert checked_spec(run) == spec


# What is held out.


@given(
    groups=st.lists(st.integers(0, 30), min_size=1, max_size=120),
    test=st.floats(0.05, 0.5),
    validation=st.floats(0.05, 0.45),
    seeds=st.lists(st.integers(0, 99), min_size=2, max_size=3, unique=True),
)
def test_groups_are_never_torn_and_those_for_tuning_never_tested(
    groups: list[int], test: float, validation: float, seeds: list[int]
) -> None:
    spec = spec_of(Path("none"), test=test, validation=validation)
    units = np.repeat(groups, FEWEST)  # whichever is held out, it has rows enough
    distinct = len(set(groups))
    if distinct < 4:
        return
    kept = [split(spec, units, len(units), seed, validation=True) for seed in seeds]
    tuned = set(units[kept[0][1]])
    assert len(tuned) == max(1, round(validation * distinct))
    for seed, (train, held_out) in zip(seeds, kept, strict=True):
        np.testing.assert_array_equal(held_out, kept[0][1])
        np.testing.assert_array_equal(np.sort(np.concatenate([train, held_out])), np.arange(len(units)))
        train, held_out = split(spec, units, len(units), seed, validation=False)
        np.testing.assert_array_equal(np.sort(np.concatenate([train, held_out])), np.arange(len(units)))
        assert not set(units[train]) & set(units[held_out])
        assert not tuned & set(units[held_out])
        assert len(set(units[held_out])) == min(max(1, round(test * distinct)), distinct - len(tuned))


def test_seeds_hold_out_other_rows() -> None:
    held = [tuple(split(spec_of(Path("none")), None, 100, seed, validation=False)[1]) for seed in range(5)]
    assert len(set(held)) == 5 and {len(rows) for rows in held} == {25}


@pytest.mark.parametrize(
    ("groups", "found"),
    [
        (np.zeros(100, int), "0 training and 100 held-out rows in 1 groups"),
        (np.arange(100) // 95, "95 training and 5 held-out rows in 2 groups"),
        (np.arange(40), "30 training and 10 held-out rows in 40 groups"),
    ],
)
def test_too_few_rows(groups: np.ndarray, found: str) -> None:
    where = {"validation": True} if len(set(groups)) < 3 else {"validation": False}
    with pytest.raises(AlignscopeError, match="At least 16 of each: give more rows or groups") as caught:
        split(spec_of(Path("none")), groups, len(groups), 0, **where)
    assert caught.value.code == "E205" and "the task 'mine'" in caught.value.where
    sizes = sorted(map(int, re.findall(r"\d+", caught.value.found)))
    assert sizes == sorted(map(int, re.findall(r"\d+", found)))


def test_a_probe_of_labels_that_groups_share_by_chance_finds_nothing(tmp_path: Path) -> None:
    """The rows of a group are one row with a label drawn at random: who tears groups apart finds all of it."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(120), 4)
    x, y = rng.normal(size=(120, 20))[groups], rng.integers(0, 2, 120)[groups]
    found = {}
    for name, known in {"grouped": groups, "torn": None}.items():
        task = opened(features(tmp_path / name / "pair", x1=x, x2=x, y1=y, y2=None, groups=known), components=8)
        scores = task.scores(*task.encoded(Inputs(task.encoders())))
        found[name] = next(s.value for s in scores if s.embedding == "1")
    assert abs(found["grouped"] - 0.5) < 0.17  # three standard errors of 30 groups would be 0.27
    assert found["torn"] > found["grouped"] + 0.05


# Targets and columns.


@pytest.mark.parametrize(
    ("y1", "y2", "kinds", "named"),
    [
        (np.arange(N) % 3, None, {"y1": 3}, ("y",)),
        (np.arange(N)[:, None] % 2.0, np.arange(N) % 4, {"y1": 2, "y2": 4}, ("y1", "y2")),
        (np.stack([np.arange(N) % 2, np.arange(N) / 7], 1), None, {"y1 0": 1, "y1 1": 1}, ("y",)),
        (
            np.stack([np.arange(N) % 2, np.arange(N) % 5 == 0], 1).astype(float),
            None,
            {"y1 0": 2, "y1 1": 2},
            ("y",),
        ),
    ],
)
def test_what_is_asked(
    y1: np.ndarray, y2: np.ndarray | None, kinds: dict[str, int], named: tuple[str, ...], tmp_path: Path
) -> None:
    pair = features(tmp_path / "pair", y1=y1, y2=y2)
    data = open_data(prepared(spec_of(pair), pair))
    targets = targets_of(data)
    assert list({t.classes: 0 for t in targets.values()}) == list(dict.fromkeys(kinds.values()))
    assert [t.classes for t in targets.values()] == list(kinds.values())
    assert [t.chance for t in targets.values()] == [1 / c if c > 1 else 0 for c in kinds.values()]
    assert tuple(sides(data)) == named


def test_columns_say_which_targets_and_which_embedding(tmp_path: Path) -> None:
    pair = chips(tmp_path / "pair")
    spec = spec_of(pair, MLPSpec())
    found = spec.columns(prepared(spec, pair))
    assert [(c.key, c.title, c.role, c.unit, c.chance) for c in found] == [
        ("mine.y1.both", "y1 from both", "yours", "percent", 0.5),
        ("mine.y1.embedding1", "y1 from embedding 1", "own", "percent", 0.5),
        ("mine.y2.both", "y2 from both", "yours", "R^2", 0.0),
        ("mine.y2.embedding2", "y2 from embedding 2", "own", "R^2", 0.0),
    ]
    assert [{code for _, code in c.targets} for c in found] == [{"fused"}, {"1"}, {"fused"}, {"2"}]
    assert all(len(c.targets) == 2 and "mean over the 2 targets" in c.text for c in found)
    assert not re.search(r"redundan|unique|shared|synerg", " ".join(c.title + c.text for c in found), re.IGNORECASE)
    alone = features(tmp_path / "alone", y2=None)
    spec = spec_of(alone)
    keys = ["both", "embedding1", "embedding2"]
    assert [c.key for c in spec.columns(prepared(spec, alone))] == [f"mine.y.{key}" for key in keys]
    with pytest.raises(ValueError, match="'mine' have not been prepared"):
        spec.columns()
    with pytest.raises(ValueError, match="'mine' have not been prepared"):
        open_task(spec, 0)


# Batches.


@pytest.mark.parametrize("kind", ["features", "chips"])
def test_without_augmentation_a_batch_is_standardised_rows_with_their_labels(kind: str, tmp_path: Path) -> None:
    pair = {"features": features, "chips": chips}[kind](tmp_path / "pair")
    task = opened(pair, steps=6, **PLAIN)
    known = []
    for x in stored(task, pair):
        axes = tuple(range(x.ndim - 1))
        mean, deviation = x[task.train].mean(axis=axes), x[task.train].std(axis=axes)
        known.append(np.moveaxis((x - mean) / deviation, -1, 1).reshape(len(x), -1))
    seen: list[int] = []
    for batch in task.batches(1):
        assert batch.labels is not None and batch.labels.keys() == task.facts.classes.keys()
        flat = [x.numpy().reshape(len(x), -1) for x in batch.views[0]]
        rows = np.abs(flat[1][:, None] - known[1]).max(axis=2).argmin(axis=1)
        for mine, truth in zip(flat, known, strict=True):
            np.testing.assert_allclose(mine, truth[rows], atol=1e-5)
        for name, target in task.targets.items():
            values = target.values.astype(float)
            if target.classes == 1:
                values = (values - values[task.train].mean()) / values[task.train].std()
            np.testing.assert_allclose(batch.labels[name].numpy().reshape(-1), values[rows], atol=1e-5)
            assert batch.labels[name].is_floating_point() == (target.classes == 1)
        seen += rows.tolist()
    assert set(seen) <= set(task.train.tolist())


def test_a_column_that_does_not_vary_is_zero(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(N, 4)) + 1e6
    x[:, 2] = 1e6 + 0.1
    task = opened(features(tmp_path / "pair", x1=x), **PLAIN)
    batch = next(task.batches(1))
    assert torch.equal(batch.views[0][0][:, 2], torch.zeros(32))
    assert batch.views[0][0].std(0).min() == 0 and batch.views[0][0].isfinite().all()


@pytest.mark.parametrize(("width", "ways"), [(8, 8), (6, 4)])
def test_both_pictures_of_a_sample_are_turned_alike(width: int, ways: int, tmp_path: Path) -> None:
    """Of pictures that are not square, no quarter turns."""
    x = np.random.default_rng(0).integers(0, 256, (N, 2, 8, width)).astype(np.uint8)
    task = opened(chips(tmp_path / "pair", x1=x, x2=x), steps=4, noise=0.0, gain=0.0)
    untouched = [_as_read(task, m) for m in (0, 1)]
    met = set()
    for batch in task.batches(2):
        for x1, x2 in batch.views:
            torch.testing.assert_close(x1, x2)
            for picture in x1.numpy():
                turned = [
                    (k, mirror)
                    for k in (0, 1, 2, 3)
                    for mirror in (False, True)
                    if np.rot90(picture, -k, (1, 2)).shape == picture.shape
                    and np.isclose(_undone(picture, k, mirror), untouched[0], atol=1e-6).all(axis=(1, 2, 3)).any()
                ]
                assert len(turned) == 1
                met.add(turned[0])
    assert len(met) == ways


def _undone(picture: np.ndarray, quarters: int, mirror: bool) -> np.ndarray:
    back = picture[:, :, ::-1] if mirror else picture
    return np.rot90(back, -quarters, axes=(1, 2))


def _as_read(task: OwnPair, modality: int) -> np.ndarray:
    """All training rows as a network sees them without augmentation, (N, C, H, W)."""
    return np.moveaxis(task.inputs[modality].read(task.train), -1, 1)


def test_gain_and_noise(tmp_path: Path) -> None:
    pair = chips(tmp_path / "pair")
    plain, gain, noise = (
        list(opened(pair, steps=8, **(PLAIN | how)).batches(1)) for how in ({}, {"gain": 0.2}, {"noise": 0.3})
    )
    factors, errors = [], []
    for same, scaled, noisy in zip(plain, gain, noise, strict=True):
        for x, g, e in zip(same.views[0], scaled.views[0], noisy.views[0], strict=True):
            ratio = torch.where(x.abs() > 0.05, g / x, torch.nan).flatten(2)
            spread = ratio.nan_to_num(-torch.inf).amax(2) - ratio.nan_to_num(torch.inf).amin(2)
            assert spread.max() < 1e-3  # one factor a sample and channel
            factors.append(ratio.nanmean(2).log().flatten())
            errors.append((e - x).flatten())
    assert float(torch.cat(factors).std()) == pytest.approx(0.2, rel=0.1)
    assert float(torch.cat(errors).std()) == pytest.approx(0.3, rel=0.02)


def test_views_differ_and_rows_do_not_depend_on_how_many(tmp_path: Path) -> None:
    pair = chips(tmp_path / "pair")
    for one, two in zip(opened(pair).batches(1), opened(pair).batches(2), strict=True):
        assert one.labels is not None and two.labels is not None
        assert all(torch.equal(one.labels[name], two.labels[name]) for name in one.labels)
        assert not torch.equal(two.views[0][0], two.views[1][0])


# Scores.


def test_scores_are_probes_fitted_on_training_rows_alone(tmp_path: Path) -> None:
    pair = features(tmp_path / "pair", n=400)
    task = opened(pair)
    z = [(x - x[task.train].mean(0)) / x[task.train].std(0) for x in stored(task, pair)]
    data = open_data(prepared(task.spec, pair))
    shape, height = data.targets[data.trained_on[0][0]], data.targets[data.trained_on[1][0]].astype(float)
    scores = {(s.target, s.embedding): s for s in task.scores(*task.encoded(Inputs(task.encoders())))}
    assert len(scores) == 2 * 3 and {s.role for s in scores.values()} == {"yours"}
    for code, x in {"1": z[0], "2": z[1], "fused": np.hstack(z)}.items():
        r2 = linear_probe(x[task.train], height[task.train], x[task.held_out], height[task.held_out]).r2
        assert scores[data.trained_on[1][0], code].value == pytest.approx(r2, abs=1e-4)
        found = logistic_probes(x[task.train], {"y": shape[task.train]}, x[task.held_out], {"y": shape[task.held_out]})[
            "y"
        ]
        score = scores[data.trained_on[0][0], code]
        assert score.value == pytest.approx(found.balanced_accuracy, abs=0.02)
        assert score.chance == pytest.approx(1 / 3)
    assert scores[data.trained_on[0][0], "1"].value > 0.9 > 0.6 > scores[data.trained_on[0][0], "2"].value


def test_a_target_that_does_not_vary_on_both_sides_has_no_score(tmp_path: Path) -> None:
    flags = np.zeros((N, 2), np.float32)
    flags[::2, 0] = 1
    flags[:30:10, 1] = 1  # in three groups
    pair = features(tmp_path / "pair", y1=flags, groups=np.arange(N) // 10)
    tasks = [opened(pair, seed) for seed in range(8)]
    missing = 0
    for task in tasks:
        scores = task.scores(*task.encoded(Inputs(task.encoders())))
        rare = [s for s in scores if s.target == "y1 1"]
        rows = task.targets["y1 1"].values
        varies = bool(rows[task.held_out].any() and rows[task.train].any())
        assert bool(rare) == varies
        missing += not varies
        column = task.spec.columns(prepared(task.spec, pair))[0]
        cell = BenchCell(task=task.spec, method="none", seed=task.seed)
        record = BenchRecord(schema=1, id=cell.id, cell=cell, status="finished", scores=scores)
        mine = [s.value for s in scores if (s.target, s.embedding) in column.targets]
        assert column_value(column, record) == pytest.approx(np.mean(mine))
        assert column_value(column, msgspec.structs.replace(record, scores=())) is None
    assert 0 < missing < len(tasks)


@pytest.mark.parametrize(
    ("kind", "encoder", "match"),
    [
        ("features", ConvSpec(), r"'conv', but a sample has the shape \(6,\).*Give larger pictures"),
        ("features", OmniSatSpec(), r"'omnisat', but a sample has the shape \(6,\).*multiple of 6"),
        ("chips", OmniSatSpec(), r"'omnisat', but a sample has the shape \(16, 16, 3\).*multiple of 6"),
        ("chips", ConvSpec(widths=(4, 4, 4), patch=8), r"'conv', but a sample has the shape \(16, 16, 3\).*patch"),
    ],
)
def test_an_encoder_that_cannot_take_the_inputs(kind: str, encoder: EncoderSpec, match: str, tmp_path: Path) -> None:
    task = opened({"features": features, "chips": chips}[kind](tmp_path / "pair"), encoder=encoder)
    with pytest.raises(AlignscopeError, match=match) as caught:
        task.encoders()
    assert (caught.value.code, caught.value.where) == ("E306", "encoder.kind")
    task = opened(tmp_path / "pair", encoder=LinearSpec(), encoder2=ConvSpec(patch=32))
    with pytest.raises(AlignscopeError, match="'conv', but a sample"):
        task.encoders()


@pytest.mark.parametrize(
    "encoder", [ConvSpec(widths=(4, 8), patch=4), MLPSpec(hidden=(8,)), LinearSpec(), OmniSatSpec()]
)
def test_every_encoder_has_embeddings_of_the_latent_size(encoder: EncoderSpec, tmp_path: Path) -> None:
    task = opened(chips(tmp_path / "pair", side=24), encoder=encoder)
    for one, x in zip(task.encoders(), next(task.batches(1)).views[0], strict=True):
        assert one(x).shape == (32, 4)


# Methods, and whole benches.


@pytest.mark.parametrize("name", [name for name, e in METHODS.items() if "pair" in e.runs_on])
def test_every_method_trains_on_a_pair(name: str, pair_of_numbers: Path) -> None:
    from alignscope.bench.cell import train_cell

    spec = spec_of(pair_of_numbers, MLPSpec(hidden=(16,)), components=12)
    cell = BenchCell(task=spec, method=name, settings=METHODS[name].choices()[0], seed=0)
    record = train_cell(cell, folder=prepared(spec, pair_of_numbers))
    assert record.status == "finished" and record.measures is not None
    assert {s.embedding for s in record.scores} == {"fused", "1", "2"}


@pytest.fixture(scope="module")
def pair_of_numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return features(tmp_path_factory.mktemp("numbers") / "pair")


def bench(folder: Path, spec: str = SPEC, **how: Any) -> BenchResults:
    """Run a bench whose specification lies beside its pair."""
    path = folder / "bench.toml"
    path.write_text(spec)
    return run_bench(path, folder / how.pop("out", "out"), **({"workers": 1} | how)).results


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BenchResults]:
    """A bench on chips, and its folder."""
    folder = tmp_path_factory.mktemp("mine")
    chips(folder / "chips")
    return folder, bench(folder)


def test_a_whole_bench_on_chips(mine: tuple[Path, BenchResults]) -> None:
    folder, results = mine
    assert not results.failures and len(results.cells) == 3 + 3 + 2 * 3  # settings of two methods, and trainings
    (task,) = results.spec.tasks
    assert isinstance(task, PairTask) and re.fullmatch("[0-9a-f]{16}", task.fingerprint)
    keys = [f"chips.y{m}.{key}" for m in (1, 2) for key in ("both", f"embedding{m}")]
    assert [c.key for c in results.columns] == keys
    assert all(len(row.columns) == 4 and "chips" in row.alignment_r2 for row in results.methods)
    again = run_bench(folder / "bench.toml", folder / "out", workers=1, resume=True)
    assert again.outcome.reused == len(results.cells) and again.results == results
    elsewhere = run_bench(folder / "bench.toml", folder / "elsewhere", workers=1)
    assert elsewhere.to_json() == again.to_json()
    assert results.notes == {}  # pictures stay pictures


def test_what_was_decided_about_a_pair_is_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    x2 = rng.normal(size=(N, 9))
    x2[[3, 7]] = 0
    features(tmp_path / "chips", x1=np.column_stack([rng.normal(size=(N, 3)), np.arange(N)]), x2=x2)
    results = bench(
        tmp_path, re.sub("encoder2 = .*", "", re.sub("encoder = .*", 'encoder = { kind = "linear" }', SPEC))
    )
    counts, empty = results.notes["chips"]
    assert counts.startswith("AS118 x1 (x1.npy): column 'x1 3' counts the rows")
    assert empty == "AS119 x2.npy: rows that hold one value throughout: 2."
    text = Page(render_bench(results)).text
    assert counts in text and empty in text


def test_the_page_of_a_pair(mine: tuple[Path, BenchResults]) -> None:
    html = render_bench(mine[1])
    text = Page(html).text
    assert "What does each method retain, on your data?" in text and "Your pair “chips”, target by target" in text
    (foot,) = re.findall("<tfoot>(.*?)</tfoot>", html, re.DOTALL)
    assert re.sub(r"(<[^>]*>|\s)+", " ", foot).split() == ["Chance", "–", "–", "25.0", "50", "50", "0", "0"]
    assert not re.search(r"\b(undefined|None|NaN|nan|inf|Infinity)\b", text)


def test_other_files_are_other_trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = _Fake()
    monkeypatch.setattr("alignscope.bench.cell.train_cell", fake)
    chips(tmp_path / "chips")
    first = bench(tmp_path)
    np.save(tmp_path / "chips" / "y1.npy", 1 - np.load(tmp_path / "chips" / "y1.npy"))
    second = bench(tmp_path)
    assert not {cell.id for cell in first.cells} & {cell.id for cell in second.cells}
    assert len(fake.cells) == len(first.cells) + len(second.cells)


class _Fake(FakeTraining):
    """Stands for `train_cell`; the columns of a pair need its folder."""

    def __call__(self, cell: BenchCell, device: str = "cpu", folder: Path | None = None) -> BenchRecord:
        assert folder is not None and (folder / "data.json").is_file() and folder.is_absolute()
        self.cells.append(cell)
        return BenchRecord(schema=1, id=cell.id, cell=cell, status="diverged", reason="made up")


def test_a_method_of_ones_own_is_tried_on_the_pair(tmp_path: Path) -> None:
    chips(tmp_path / "chips")
    (tmp_path / "own.py").write_text(OWN)
    results = bench(tmp_path, methods_file=tmp_path / "own.py", methods=["none", "distance", "Quiet"])
    assert all(len(row.columns) == 4 for row in results.methods)
    (tmp_path / "bad.py").write_text(OWN.replace("(z1 - z2).abs()", "z1.nowhere"))
    with pytest.raises(AlignscopeError, match=r"AttributeError.*nowhere.*E308"):
        bench(tmp_path, out="bad", methods_file=tmp_path / "bad.py", methods=["distance"])
    assert not list((tmp_path / "bad").glob("cells/*"))


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('pair = "chips"', 'pair = "chip"', r"chip.*E101"),
        ('kind = "conv"', 'kind = "omnisat"', r"unknown field `widths`.*E306"),
        ("patch = 4", "patch = 16", r"'conv', but a sample has the shape \(16, 16, 3\).*E306"),
        ("components = 4", "components = 60", r"joint embeddings of 120 numbers, and 120 training rows.*E304"),
        ("components = 4", "components = 4\nvalidation = 0.01\ntest = 0.01", r"At least 16 of each.*E205"),
    ],
)
def test_what_cannot_be_run_is_said_before_anything_is_trained(old: str, new: str, match: str, tmp_path: Path) -> None:
    chips(tmp_path / "chips")
    before = files(tmp_path / "chips")
    with pytest.raises(AlignscopeError, match=match):
        bench(tmp_path, SPEC.replace(old, new, 1))
    assert not (tmp_path / "out" / "store.json").exists()
    assert files(tmp_path / "chips") == before


def test_the_page_of_a_pair_next_to_data_with_known_truth(tmp_path: Path) -> None:
    chips(tmp_path / "chips")
    untuned = SPEC.replace('[tuning]\ntask = "chips"\nsteps = 2\n', "").replace(', "concatenation"', "")
    results = bench(tmp_path, untuned + GAUSSIAN[GAUSSIAN.index("[[tasks]]") :])
    board = Board(results)
    assert question(board) == "Which method retains what only one modality predicts?"
    assert {c.task for c in board.columns} == {"chips", "gaussian"}
    assert board.own == ["chips"]
    page = Page(render_bench(results))
    assert "On your own pairs the truth is not known" in page.text and "the Gaussian model" in page.text
    (table,) = every_target(board)
    assert len(table.rows) == 4 * 2 and {row[0] for row in table.rows} == {"y1 0", "y1 1", "y2 0", "y2 1"}
    known = [c for c in results.columns if c.task == "gaussian"]
    only = msgspec.structs.replace(results, columns=tuple(known))
    assert cost(Board(only)) == ""


def test_what_alignment_costs_is_counted_by_paired_intervals(mine: tuple[Path, BenchResults]) -> None:
    worth = {"none": 0.8, "cross": 0.6, "concatenation": 0.9}
    rows = tuple(
        msgspec.structs.replace(
            row,
            columns={
                key: msgspec.structs.replace(value, seeds=tuple(worth[row.method] + s / 1000 for s in (0, 1)))
                for key, value in row.columns.items()
            },
        )
        for row in mine[1].methods
    )
    text = cost(Board(msgspec.structs.replace(mine[1], methods=rows, differences=())))
    how = "by paired differences in percentage points with Bonferroni over methods and columns"
    assert text.startswith(f"Against no alignment, {how}: y1 from embedding 1 on your pair “chips”: ")
    assert text.count("1 of 1 methods without labels are significantly lower (most: Cross (InfoNCE), by 20.0") == 2
    assert text.count("0 significantly higher") == 2


def test_retention_is_of_what_is_predicted_without_alignment(mine: tuple[Path, BenchResults]) -> None:
    """Without alignment y1 is guessed and y2 known: the half of y2 that is left is all that is retained."""
    results = mine[1]
    known = {("none", "1"): 0.5, ("none", "2"): 0.8, ("cross", "1"): 0.9, ("cross", "2"): 0.4}
    records = [
        msgspec.structs.replace(
            r,
            scores=tuple(
                msgspec.structs.replace(s, value=known.get((r.cell.method, s.embedding), s.value)) for s in r.scores
            ),
        )
        for r in results.cells
        if not r.cell.validation
    ]
    entries = {row.method: METHODS[row.method] for row in results.methods}
    choices = {name: Choice({}, 0) for name in entries}
    points = {p.method: p for p in Summary(results.spec, results.columns, entries, choices, records).pareto()}
    assert points["none"].retention.seeds == pytest.approx((1, 1))
    assert points["cross"].retention.seeds == pytest.approx((0.5, 0.5))


@pytest.mark.real
@pytest.mark.skipif(not PAIRS.is_dir(), reason=f"the real pairs are not at {PAIRS}; set ALIGNSCOPE_DATA")
def test_a_real_pair(tmp_path: Path) -> None:
    """Thermal and hydraulic sensors of a test rig, with the rig's states as targets."""
    folder = json.dumps(str(PAIRS / "hydraulics_thermal_hydraulic"))
    task = f'[[tasks]]\nkind = "pair"\nname = "hydraulics"\npair = {folder}\ncomponents = 16\n'
    how = 'encoder = { kind = "mlp", hidden = [64] }\n[tasks.training]\nsteps = 30\nprecision = "float32"\n'
    spec = parse_spec(SPEC[: SPEC.index("[tuning]")] + task + how)
    results = run_bench(spec, tmp_path, workers=1).results
    rows = {row.method: row for row in results.methods}
    assert not results.failures and all(len(row.columns) == 4 for row in rows.values())
    for column in results.columns:
        assert rows["concatenation"].columns[column.key].value > column.chance + 0.1


def test_embeddings_keep_the_labels_of_their_rows(tmp_path: Path) -> None:
    task = opened(chips(tmp_path / "pair"), validation=True)
    fitted, held_out = task.encoded(Inputs(task.encoders()))
    assert isinstance(fitted, Encoded) and len(fitted.fused) == len(task.train)
    for made, rows in ((fitted, task.train), (held_out, task.held_out)):
        for name, target in task.targets.items():
            np.testing.assert_array_equal(made.labels[name], target.values[rows])
