"""The tasks of the bench: what batches hold, what is held out, and scores against closed forms and plain twins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from alignscope.bench.results import Score
from alignscope.bench.tasks.data.base import Encoded, measures, orders
from alignscope.bench.tasks.data.gaussian import Gaussian
from alignscope.bench.tasks.data.opening import open_task
from alignscope.bench.tasks.data.pictures import Pictures
from alignscope.bench.tasks.gaussian import GaussianTask
from alignscope.bench.tasks.kind import TrainingSpec
from alignscope.bench.tasks.pictures import PicturesTask
from alignscope.errors import AlignscopeError
from alignscope.measures import alignment_r2, cka
from alignscope.measures.similarity import shared_directions
from alignscope.nn import initialise
from alignscope.nn.methods.base import Batch, Method

PLAIN: dict[str, Any] = {"shift": 0, "noise": 0.0, "flip": False}


def training(steps: int = 2, batch: int = 32, precision: Any = "float32") -> TrainingSpec:
    return TrainingSpec(steps=steps, batch=batch, precision=precision)


def pictures(seed: int = 0, *, validation: bool = False, how: TrainingSpec | None = None, **fields: Any) -> Pictures:
    """Small pictures; four values of every factor so that each combination is likely met."""
    small: dict[str, Any] = {"view": "comm", "size": 28, "train": 192, "probe": 128, "test": 96, "values": (4, 4, 4)}
    spec = PicturesTask(name="task", training=how or training(), **(small | fields))
    task = open_task(spec, seed, validation=validation)
    assert isinstance(task, Pictures)
    return task


def gaussian(seed: int = 0, **fields: Any) -> Gaussian:
    spec = GaussianTask(name="task", training=training(), **({"train": 128} | fields))
    task = open_task(spec, seed)
    assert isinstance(task, Gaussian)
    return task


class Plain(Method):
    """The encoders, and no loss."""

    def loss(self, batch: Batch) -> Tensor:
        return self.encoded(batch)[0][0].sum()


class Inputs(Plain):
    """The inputs themselves are the codes."""

    def embeddings(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return list(xs)


class Products(Plain):
    """Not linear."""

    def fuse(self, codes: Sequence[Tensor]) -> Tensor:
        return torch.cat([*codes, codes[0] * codes[1]], dim=1)


# Batches


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 20))
def test_every_pass_draws_each_row_once_at_most(rows: int, batch: int, steps: int) -> None:
    drawn = list(orders(rows, batch, steps, np.random.default_rng(0)))
    size = min(batch, rows)
    assert [len(chosen) for chosen in drawn] == [size] * steps
    per_pass = rows // size
    for start in range(0, steps, per_pass):
        seen = np.concatenate(drawn[start : start + per_pass])
        assert len(set(seen)) == len(seen) and set(seen) <= set(range(rows))


@pytest.mark.parametrize(("view", "channels"), [("comm", (3, 3)), ("paper", (1, 3)), ("three", (3, 3, 3))])
def test_without_augmentation_a_batch_is_pictures_with_their_labels(view: str, channels: tuple[int, ...]) -> None:
    task = pictures(view=view, **PLAIN)
    train, _, _ = task.view.split(task.spec.train, 0, 0)
    box = slice(6, 22)  # the middle 16 of 28 pixels
    known = [(x[:, :, box, box] / np.float32(255)) - np.float32(0.5) for x in task.view.inputs(train)]
    targets = task.view.targets(train)
    for batch in task.batches(views=1):
        (view_,) = batch.views
        assert tuple(x.shape[1] for x in view_) == channels == task.view.channels
        assert batch.labels is not None and batch.labels.keys() == task.facts.classes.keys()
        same = [np.abs(k[:, None] - x.numpy()).max(axis=(2, 3, 4)) < 1e-6 for k, x in zip(known, view_, strict=True)]
        rows = np.logical_and.reduce(same).argmax(axis=0)
        assert np.logical_and.reduce(same).any(axis=0).all()
        for name, codes in batch.labels.items():
            np.testing.assert_array_equal(codes.numpy(), targets[name][rows])


def test_a_view_is_the_picture_at_any_place_either_way_round() -> None:
    task = pictures(shift=1, noise=0.0, how=training(steps=32))
    x1, x2 = task.images["train"]
    seen: set[tuple[int, int, bool]] = set()
    for batch in task.batches(views=2):
        for views in batch.views:
            for k, (one, two) in enumerate(zip(*views, strict=True)):
                places = [_places(x, view) for x, view in ((x1, one), (x2, two))] if k == 0 else []
                assert all(places)
                seen.update(place for found in places for place in found)
    assert {(down, right) for down, right, _ in seen} == {(i, j) for i in range(3) for j in range(3)}
    assert {swapped for *_, swapped in seen} == {False, True}


def _places(images: np.ndarray, view: Tensor) -> list[tuple[int, int, bool]]:
    """Return the places at which some picture shows just this, plainly."""
    wanted = ((view.permute(1, 2, 0).numpy() + 0.5) * 255).round().astype(np.uint8)
    side = wanted.shape[0]
    return [
        (down, right, swapped)
        for swapped in (False, True)
        for down in range(images.shape[1] - side + 1)
        for right in range(images.shape[2] - side + 1)
        for cut in [images[:, down : down + side, right : right + side]]
        if ((cut[:, :, ::-1] if swapped else cut) == wanted).all(axis=(1, 2, 3)).any()
    ]


def test_noise_is_that_asked_for_and_independent_between_views_and_modalities() -> None:
    quiet, loud = (pictures(shift=0, flip=False, noise=noise, how=training(1, 192)) for noise in (0.0, 0.1))
    (clean,), noisy = next(quiet.batches(1)).views, next(loud.batches(2)).views
    errors = [(x - y).flatten() for view in noisy for x, y in zip(view, clean, strict=True)]
    for error in errors:
        assert abs(float(error.mean())) < 1e-3
        assert float(error.std()) == pytest.approx(0.1, rel=0.02)
    correlations = torch.corrcoef(torch.stack(errors))
    assert float((correlations - torch.eye(4)).abs().max()) < 0.02


def test_views_differ_and_rows_do_not_depend_on_how_many() -> None:
    task = pictures()
    for one, two in zip(task.batches(1), task.batches(2), strict=True):
        assert one.labels is not None and two.labels is not None
        assert all(torch.equal(one.labels[name], two.labels[name]) for name in one.labels)
        assert not torch.equal(two.views[0][0], two.views[1][0])


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_pictures_come_as_convolutions_read_them_fastest(precision: str, dtype: torch.dtype) -> None:
    task = pictures(how=training(precision=precision))
    for x in next(task.batches(1)).views[0]:
        assert x.dtype == dtype and x.is_contiguous(memory_format=torch.channels_last)
    for x in next(iter(task.inputs("held out"))):
        assert x.dtype == torch.float32 and x.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("make", [pictures, gaussian])
def test_a_seed_is_a_task(make: Any) -> None:
    def first(seed: int) -> Batch:
        return next(make(seed).batches(2))

    one, same, other = first(3), first(3), first(4)
    assert one.labels is not None and same.labels is not None
    assert all(torch.equal(one.labels[name], same.labels[name]) for name in one.labels)
    for a, b, c in zip(*(x for batch in (one, same, other) for x in [batch.views[1]]), strict=True):
        assert torch.equal(a, b) and not torch.equal(a, c)


# What is held out


@pytest.mark.parametrize("validation", [False, True])
@pytest.mark.parametrize("view", ["comm", "paper", "three"])
def test_no_combination_is_trained_and_tested_on(view: str, validation: bool) -> None:
    fields = {"values": (10, 10, 10)} if view == "paper" else {}
    task = pictures(view=view, validation=validation, **fields)
    train, held_out = ({tuple(c) for c in np.stack(list(task.labels[p].values()), 1).tolist()} for p in task.images)
    assert not train & held_out
    part = 1 if validation else 2
    rows = task.view.split(0, task.spec.test, task.spec.test)[part]
    for name, codes in task.labels["held out"].items():
        np.testing.assert_array_equal(codes, task.view.targets(rows)[name])


def test_evaluation_sees_the_middle_and_probes_the_first_training_rows() -> None:
    task = pictures(shift=2)
    train, _, test = task.view.split(task.spec.train, 0, task.spec.test)
    for part, rows in (("train", train[:128]), ("held out", test)):
        inputs = [torch.cat(parts) for parts in zip(*task.inputs(part), strict=True)]  # type: ignore[arg-type]
        for x, drawn in zip(inputs, task.view.inputs(rows), strict=True):
            np.testing.assert_allclose(x.numpy(), drawn[:, :, 6:22, 6:22] / 255 - 0.5, atol=1e-6)


@pytest.mark.parametrize("make", [pictures, gaussian])
def test_codes_leave_a_method_as_it_was(make: Any) -> None:
    task = make()
    method = Plain(task.encoders())
    initialise(method, 0)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    for training_ in (True, False):
        method.train(training_)
        fitted, held_out = task.encoded(method)
        assert method.training is training_
        assert fitted.finite and held_out.finite and list(fitted.named) == ["fused", "1", "2"]
        np.testing.assert_array_equal(fitted.fused, np.hstack(fitted.modalities))
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())


# Scores of pictures


@pytest.mark.parametrize("biased", [None, 0.5])
def test_a_code_that_spells_out_a_target_has_it_and_no_other(biased: float | None) -> None:
    task = pictures(biased=biased, train=512, probe=512, test=512)
    known = ("shape", "texture1") if biased is None else ("synergy",)

    def spelt(part: Any) -> Encoded:
        labels = task.labels[part]
        z = np.hstack([np.eye(task.facts.classes[name])[labels[name]] for name in known])
        return Encoded((z, np.zeros_like(z)), z, labels)

    scores = {(s.target, s.embedding): s for s in task.scores(spelt("train"), spelt("held out"))}
    if biased is not None:
        assert scores.pop(("synergy", "products")).value == 1  # the first code is among what is read
    assert scores.keys() == {(name, code) for name in task.facts.classes for code in ("fused", "1", "2")}
    assert ("synergy" in task.facts.classes) == (biased is not None)
    for (target, code), score in scores.items():
        assert score.chance == 1 / task.facts.classes[target] and score.best is None
        if target in known and code != "2":
            assert score.value == 1
        elif biased is None or code == "2":  # the mapping ties the others to the synergy
            assert score.value == pytest.approx(score.chance, abs=0.12)


def test_products_give_a_synergy_that_neither_code_has_to_a_linear_probe() -> None:
    task = pictures(biased=0.5, train=2048, probe=2048, test=1024)

    def spelt(part: Any) -> Encoded:
        labels = task.labels[part]
        first = np.eye(task.facts.classes["texture1"])[task.view.mapping[labels["texture1"]]]
        second = np.eye(task.facts.classes["colour2"])[labels["colour2"]]
        return Encoded((first, second), np.hstack([first, second]), labels)

    scores = {(s.target, s.embedding): s.value for s in task.scores(spelt("train"), spelt("held out"))}
    assert scores["synergy", "products"] == 1
    assert scores["synergy", "fused"] < 0.62


# The Gaussian task


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 3), st.floats(0.3, 5), st.integers(0, 9))
@settings(max_examples=15)
def test_the_inputs_themselves_reach_the_ceiling(
    shared: int, unique: int, noise: int, signal: float, seed: int
) -> None:
    task = gaussian(seed, shared=shared, unique=unique, noise_features=noise, signal=signal)
    scores = task.scores(*task.encoded(Inputs(task.encoders())))
    alone, both = signal**2 / (signal**2 + 1), 2 * signal**2 / (2 * signal**2 + 1)
    for score in scores:
        seen = score.role == "shared" or score.embedding in ("fused", score.target.split()[1][0])
        best = (both if score.embedding == "fused" and score.role == "shared" else alone) * seen
        assert score.best == pytest.approx(best, abs=1e-12)
        assert score.value == pytest.approx(best, abs=1e-6)


def test_linear_encoders_are_scored_by_their_covariances() -> None:
    task = gaussian(5, components=4)
    method = Plain(task.encoders())
    initialise(method, 1)
    fitted, held_out = task.encoded(method)
    found = {(s.target, s.embedding): s.value for s in task.scores(fitted, held_out)}
    sides, names = task.model._sides, list(task.roles)
    maps = [e.projection.weight.detach().double().numpy().T for e in method.encoders]
    with_factors, covariances = [], []
    for side, a in zip(sides, maps, strict=True):
        owned = np.flatnonzero(side.loadings > 0)
        loaded = np.zeros((len(names), len(side.mixing)))
        loaded[owned, range(len(owned))] = side.loadings[owned]
        noise = np.ones(len(side.mixing))  # tau is 1, and so is what is no factor
        with_factors.append(loaded @ side.mixing @ a)
        covariances.append(a.T @ side.mixing.T @ np.diag(noise) @ side.mixing @ a)
    z = [g.T @ g + c for g, c in zip(with_factors, covariances, strict=True)]
    fused = np.block([[z[0], with_factors[0].T @ with_factors[1]], [with_factors[1].T @ with_factors[0], z[1]]])
    for code, c, s in (
        ("1", with_factors[0], z[0]),
        ("2", with_factors[1], z[1]),
        ("fused", np.hstack(with_factors), fused),
    ):
        for k, name in enumerate(names):
            assert found[name, code] == pytest.approx(c[k] @ np.linalg.solve(s, c[k]), abs=1e-6)
    g = with_factors
    predicted = g[0].T @ g[1]
    r2 = np.trace(predicted.T @ np.linalg.solve(z[0], predicted)) / np.trace(z[1])
    assert alignment_r2(*fitted.modalities) == pytest.approx(r2, abs=1e-6)


def test_a_method_that_is_not_linear_is_scored_on_samples() -> None:
    task = gaussian(2, components=4)
    exact, drawn = Plain(task.encoders()), Products(task.encoders())
    for method in (exact, drawn):
        initialise(method, 1)
    fitted, held_out = task.encoded(drawn)
    assert fitted is not held_out and len(held_out.fused) == 100_000
    once, again = (task.scores(*task.encoded(method)) for method in (exact, drawn))
    for one, two in zip(once, again, strict=True):
        assert two.value == pytest.approx(one.value, abs=0.01)


# Columns


@pytest.mark.parametrize(
    ("view", "biased", "expected"),
    [
        ("comm", None, {"task.R": ("shared", 0.25), "task.U": ("unique", 0.2)}),
        ("comm", 0.5, {"task.S": ("synergy", 0.5), "task.Sx": ("synergy", 0.5)}),
        (
            "paper",
            None,
            {"task.shape": ("shared", 0.25), "task.texture": ("unique", 0.2), "task.colour": ("unique", 0.5)},
        ),
        (
            "three",
            None,
            {"task.shared": ("shared", 0.25), "task.pairwise": ("pairwise", 0.35), "task.unique": ("unique", 0.35)},
        ),
    ],
)
def test_columns_say_what_is_scored(view: str, biased: float | None, expected: dict[str, tuple[str, float]]) -> None:
    task = pictures(view=view, biased=biased, values=(4, 5, 2), train=128, test=64)
    found = task.spec.columns()
    assert {c.key: (c.role, pytest.approx(c.chance)) for c in found} == expected
    scores = _of(task)
    for column in found:
        assert (column.task, column.unit) == ("task", "percent")
        assert {scores[target].role for target in column.targets} == {column.role}
        mean = np.mean([scores[target].chance for target in column.targets])
        assert column.chance == pytest.approx(mean)


def test_columns_of_the_gaussian_task_are_shares_of_its_ceilings() -> None:
    task = gaussian()
    scores, (shared, unique) = _of(task), task.spec.columns()
    assert [(c.key, c.chance, c.unit) for c in (shared, unique)] == [
        ("task.shared", 0, "share of the ceiling"),
        ("task.unique", 0, "share of the ceiling"),
    ]
    for column, count in ((shared, 4), (unique, 8)):
        found = [scores[target] for target in column.targets]
        assert len(found) == count and all(s.role == column.role and s.embedding == "fused" and s.best for s in found)


def _of(task: Pictures | Gaussian) -> dict[tuple[str, str], Score]:
    """The scores of untrained encoders."""
    method = Plain(task.encoders())
    initialise(method, 0)
    return {(s.target, s.embedding): s for s in task.scores(*task.encoded(method))}


@pytest.mark.parametrize("task", [pictures(), pictures(view="three"), gaussian()])
def test_facts_tell_what_a_method_may_know(task: Pictures | Gaussian) -> None:
    facts = task.facts
    assert facts.modalities == len(facts.per_modality) == len(task.encoders()) == len(next(task.batches(1)).views[0])
    assert {e.components for e in task.encoders()} == {facts.components} and facts.steps == 2
    assert {name for names in facts.per_modality for name in names} == facts.classes.keys()
    labels = next(task.batches(1)).labels
    assert labels is not None
    for name, count in facts.classes.items():
        y = labels[name]
        if y.is_floating_point():
            assert y.shape == (32, count)
        else:
            assert y.shape == (32,) and int(y.max()) < count


# Measures


@given(st.integers(0, 99), st.integers(2, 3))
@settings(max_examples=10)
def test_measures_are_means_over_pairs(seed: int, modalities: int) -> None:
    rng = np.random.default_rng(seed)

    def drawn(n: int) -> Encoded:
        common = rng.normal(size=(n, 3))
        z = tuple(common + (m + 1) * rng.normal(size=(n, 3)) + m for m in range(modalities))
        return Encoded(z, np.hstack(z), {})

    fitted, held_out = drawn(60), drawn(50)
    found = measures(fitted, held_out)
    both, test = list(zip(fitted.modalities, held_out.modalities, strict=True)), held_out.modalities
    ways = [(i, j) for i in range(modalities) for j in range(modalities) if i != j]
    r2 = [alignment_r2(both[i][0], both[j][0], test=(both[i][1], both[j][1])) for i, j in ways]
    gaps = []
    for i, j in ways:
        distance = sum((test[i][:, k].mean() - test[j][:, k].mean()) ** 2 for k in range(3)) ** 0.5
        gaps.append(distance / ((np.trace(np.cov(test[i].T, ddof=0)) + np.trace(np.cov(test[j].T, ddof=0))) / 2) ** 0.5)
    assert found.alignment_r2 == pytest.approx(np.mean(r2))
    assert found.cka == pytest.approx(np.mean([cka(test[i], test[j]) for i, j in ways]))
    assert found.gap == pytest.approx(np.mean(gaps))
    shared = [shared_directions(both[i][0], both[j][0], test=(both[i][1], both[j][1])) for i, j in ways if i < j]
    assert found.shared == pytest.approx(np.mean(shared))
    assert len(found.effective_rank) == modalities and all(1 < rank <= 3 for rank in found.effective_rank)


def test_what_does_not_exist_is_none() -> None:
    rng = np.random.default_rng(0)
    flat, wide, narrow = np.ones((20, 4)), rng.normal(size=(20, 4)), rng.normal(size=(20, 2))
    collapsed = Encoded((flat, flat), np.hstack([flat, flat]), {})
    found = measures(collapsed, collapsed)
    assert (found.alignment_r2, found.cka, found.gap, found.effective_rank) == (None, None, None, (0, 0))
    unequal = Encoded((wide, narrow), np.hstack([wide, narrow]), {})
    assert measures(unequal, unequal).gap is None
    single = Encoded((wide,), wide, {})
    assert measures(single, single).alignment_r2 is None
    assert not Encoded((np.full((2, 1), np.nan),), np.zeros((2, 1)), {}).finite


# Bad input


@pytest.mark.parametrize(
    ("fields", "code", "match"),
    [
        ({"shift": 7}, "E304", "shift: 7 pixels, and 6 are around the box. Give at most 6"),
        ({"view": "paper", "values": (2, 2, 2), "seed": 25}, "E205", "samples of 96 found for the test part"),
        ({"view": "paper", "biased": 0.5}, "E304", "a mapping goes from texture1 to colour2"),
        ({"values": (1, 4, 4)}, "E304", r"values \(shape\)"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(fields: dict[str, Any], code: str, match: str) -> None:
    with pytest.raises(AlignscopeError, match=match) as error:
        pictures(**fields)
    assert error.value.code == code
