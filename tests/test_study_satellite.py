"""A study of satellite patches: what is prepared, what was found on the way in, baselines and pre-training."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from alignscope.datasets.treesatai import Cache, DateChoice, Generated, Patch, packed
from alignscope.errors import AlignscopeError
from alignscope.study import run_study
from alignscope.study.data.dataset import prepare
from alignscope.study.data.prepared import StudyData, open_data
from alignscope.study.data.treesatai import TreeSatAIData
from alignscope.study.spec import CellSpec, StudySpec, cells_of, checked_spec, parse_spec
from alignscope.study.training.cell import train_cells
from alignscope.study.training.models import Pretrained, build

DATA = TreeSatAIData(generated=200, dates=4, aerial_side=30, targets=("genus", "age"))
TEXT = """
task = "binary"
baselines = ["concatenation", "late_fusion", "attention"]
[data]
kind = "treesatai"
generated = 200
dates = 4
aerial_side = 30
targets = ["genus", "age"]
[encoder]
kind = "omnisat"
[optimiser]
batch = 16
[sweep]
lambdas = [0, 1]
components = [4]
epochs = [1]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(DATA, tmp_path_factory.mktemp("satellite"), Path())


@pytest.fixture(scope="module")
def data(folder: Path) -> StudyData:
    return open_data(folder)


def spec(text: str = TEXT, **changes: Any) -> StudySpec:
    return msgspec.structs.replace(parse_spec(text), **changes)


def cell(**changes: Any) -> CellSpec:
    chosen = changes.pop("chosen", lambda c: c.lambda_ > 0)
    return next(c for c in cells_of(spec(**changes)) if chosen(c))


def test_rows_are_those_of_the_cache_training_patches_first(data: StudyData, folder: Path) -> None:
    cache = Cache.open(folder.parent / "patches")
    split = cache.labels.split
    order = np.concatenate([np.flatnonzero(split == "train"), np.flatnonzero(split == "test")])
    assert data.train == (split == "train").sum()
    np.testing.assert_array_equal(data.x[0], packed(cache, "aerial", order))
    np.testing.assert_array_equal(data.x[1], packed(cache, "s2", order, DateChoice(dates=4)))
    assert (data.x[0].dtype, data.x[0].shape[1:]) == (np.uint8, (30, 30, 4))
    assert (data.x[1].dtype, data.x[1].shape[1:]) == (np.float32, (4, 11, 6, 6))
    np.testing.assert_array_equal(data.targets["genus"][:, 0], cache.labels.present[order][:, 0])
    ages = np.array([int(name.split()[-1]) for name in data.classes["age"]])
    np.testing.assert_array_equal(ages[data.targets["age"]], cache.labels.ages[order])


def test_targets_asked_and_probed(data: StudyData) -> None:
    assert data.trained_on == (("genus",), ("age",))
    assert data.probed[1] == ("age", "genus", "phenology", "moisture")
    assert data.multilabel("genus")
    assert not data.multilabel("age")
    truth = Generated(DATA.generated, seed=0).truth
    assert len(np.unique(truth["phenology_class"])) == len(data.classes["phenology"])


def test_what_was_found_is_said(data: StudyData) -> None:
    assert data.notes[0].startswith(f"{len(data.x[0])} of 200 patches are used, {data.train} of them for training")
    held = data.targets["genus"][data.train :]
    never = [name for name, n in zip(data.classes["genus"], held.sum(axis=0), strict=True) if n == 0]
    said = [note for note in data.notes if note.startswith("No held-out patch has")]
    assert bool(never) == bool(said)
    assert all(name in said[0] for name in never)


def test_the_same_bytes_twice(data: StudyData, folder: Path, tmp_path: Path) -> None:
    again = prepare(DATA, tmp_path, Path())
    assert again.name == folder.name
    for name in ("x1.npy", "x2.npy", "targets.npz", "data.json"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_at_most_so_many_training_patches(tmp_path: Path) -> None:
    few = open_data(prepare(msgspec.structs.replace(DATA, most=40), tmp_path, Path()))
    assert few.train == 40


@pytest.mark.parametrize("training", ["joint", "concatenation", "late_fusion", "attention"])
def test_every_training_gives_finite_scores_and_f1_of_what_is_asked(training: str, data: StudyData) -> None:
    chosen = cell(chosen=lambda c: c.training == training)
    record, features = train_cells([chosen], data)[0]
    assert (record.status, features) == ("finished", None)
    asked = {(t.modality, t.target): t for t in record.last.test.targets if t.trained_on}
    assert set(asked) == {(1, "genus"), (2, "age")}
    for score in asked.values():
        assert score.macro_f1 is not None
        assert score.weighted_f1 is not None
        assert 0 <= score.macro_f1 <= 1
        assert len(score.f1_per_class) == len(data.classes[score.target])
    genus = asked[1, "genus"]
    assert genus.probe_macro_f1 is not None
    unseen = data.targets["genus"][data.train :].sum(axis=0) == 0
    assert [f is None for f in genus.f1_per_class] == unseen.tolist()


def test_a_study_from_its_specification_to_its_results(data: StudyData, tmp_path: Path) -> None:
    study = run_study(spec(), tmp_path, workers=1)
    results = study.results
    assert [r.cell.training for r in results.baselines] == ["attention", "concatenation", "late_fusion"]
    assert {r.cell.lambda_ for r in results.cells} == {0.0, 1.0}
    assert {(c.modality, c.target) for c in results.class_rows} == {(1, "genus"), (2, "age")}
    assert len(results.class_rows) == len(data.classes["genus"]) + len(data.classes["age"])
    assert results.notes == data.notes
    assert run_study(spec(), tmp_path, workers=1).to_json() == study.to_json()


@pytest.mark.parametrize("objective", ["regression", "mil_nce", "jepa", "anysat"])
def test_pretraining_is_probed_as_it_is_and_then_fine_tuned(objective: str, data: StudyData) -> None:
    text = TEXT.replace('baselines = ["concatenation", "late_fusion", "attention"]', "")
    chosen = cell(text=text + f'[pretraining]\nepochs = 1\nobjective = "{objective}"\n')
    record = train_cells([chosen], data)[0][0]
    assert [m.epoch for m in record.marks] == [0, 1]
    assert [e.epoch for e in record.curve] == [1]
    assert train_cells([chosen], data)[0][0] == record
    assert chosen.stack == chosen.id
    assert chosen.cost == 2


def test_what_is_hidden_does_not_depend_on_the_objective(data: StudyData) -> None:
    """So that encoders pre-trained with and without alignment differ by it alone."""

    def states(lam: float, objective: str) -> torch.Tensor:
        text = TEXT + f'[pretraining]\nepochs = 1\nobjective = "{objective}"\n'
        chosen = cell(text=text, chosen=lambda c: c.lambda_ == lam and not c.baseline)
        made = Pretrained(build(chosen, data), chosen, 1)
        made(*(made_input(x[:4]) for x in data.x))
        return made.generator.get_state()

    def made_input(x: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(x) if x.ndim == 5 else torch.from_numpy(x / 255 - 0.5).float().movedim(-1, 1)

    without = states(0.0, "mil_nce")
    for objective in ("regression", "mil_nce", "jepa", "anysat"):
        assert torch.equal(states(1.0, objective), without)


@pytest.mark.parametrize("training", ["joint", "attention"])
def test_a_stack_gives_what_single_trainings_give(training: str, data: StudyData) -> None:
    text = TEXT.replace("epochs = [1]", "epochs = [1]\nseeds = [0, 1]")
    cells = [c for c in cells_of(parse_spec(text)) if c.training == training]
    for cell_, (record, _) in zip(cells, train_cells(cells, data), strict=True):
        ((alone, _),) = train_cells([cell_], data)
        assert record.last.test.task_loss == pytest.approx(alone.last.test.task_loss, rel=1e-4)
        assert record.last.test.variance == pytest.approx(alone.last.test.variance, rel=1e-3)


def test_a_pretraining_that_diverges_is_not_fine_tuned(data: StudyData) -> None:
    text = TEXT + "[pretraining]\nepochs = 2\nself_weight = 1e38\n"
    text = text.replace("batch = 16", "batch = 16\nlearning_rate = 1e30")
    record = train_cells([cell(text=text, chosen=lambda c: c.lambda_ > 0)], data)[0][0]
    assert (record.status, record.curve, record.marks) == ("diverged", (), ())
    assert record.reason == "the loss was not finite in pre-training"


def test_scores_do_not_depend_on_how_many_rows_are_read_at_once(
    data: StudyData, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = cell(chosen=lambda c: c.training == "joint")
    whole = train_cells([chosen], data)[0][0].last.test
    monkeypatch.setattr("alignscope.study.training.cell._SCORED_BYTES", 100_000)  # 6 rows
    parts = train_cells([chosen], data)[0][0].last.test
    assert parts.task_loss == pytest.approx(whole.task_loss, rel=1e-5)
    assert parts.variance == pytest.approx(whole.variance, rel=1e-4)


def test_other_encoders_see_the_day_as_a_share_of_the_year(data: StudyData) -> None:
    """Else a linear encoder's variance would be that of the day of the year, up to 366."""
    text = TEXT.replace('"omnisat"', '"linear"').replace(', "attention"', "")
    chosen = cell(text=text, chosen=lambda c: c.lambda_ == 0 and not c.baseline)
    features = train_cells([chosen], data)[0][1]
    assert features is not None
    series = data.x[1].copy()
    series[:, :, 0] /= 366
    np.testing.assert_allclose(features["train_h2"], series[: data.train].reshape(data.train, -1), rtol=1e-6)


@pytest.mark.parametrize("pretraining", ["", "[pretraining]\nepochs = 1\n"])
def test_held_out_patches_change_nothing_of_the_training(pretraining: str, data: StudyData) -> None:
    def emptied(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values[: data.train], 0 * values[data.train :]])

    other = dataclasses.replace(
        data,
        x=tuple(emptied(x) for x in data.x),
        targets={name: emptied(values) for name, values in data.targets.items()},
    )
    chosen = cell(text=TEXT + pretraining)
    one, two = (train_cells([chosen], d)[0][0] for d in (data, other))
    assert one.curve == two.curve
    assert [m.train.targets for m in one.marks] == [m.train.targets for m in two.marks]
    assert one.last.test != two.last.test


def test_pretraining_does_not_see_labels(data: StudyData) -> None:
    chosen = cell(text=TEXT + "[pretraining]\nepochs = 1\n")
    other = dataclasses.replace(data, targets={**data.targets, "genus": 1 - data.targets["genus"]})
    (one,), (two,) = (train_cells([chosen], d)[0][:1] for d in (data, other))
    first = [r.marks[0].test for r in (one, two)]
    assert first[0].alignment_r2_12 == first[1].alignment_r2_12
    assert first[0].variance == first[1].variance


def test_ids_of_older_cells_are_what_they_were() -> None:
    for name in ("study-paper", "study-at-capacity"):
        kept = Path(__file__).parents[1] / "docs" / "results" / f"{name}.json"
        record = msgspec.json.decode(kept.read_bytes())["cells"][0]
        assert msgspec.convert(record["cell"], CellSpec).id == record["id"]


BAD = {
    "series and convolutions": ('kind = "omnisat"', 'kind = "conv"', "`conv` takes no series"),
    "one modality twice": ("dates = 4", 'modalities = ["s2", "s2"]', "two different modalities"),
    "a baseline twice": ('"late_fusion"', '"concatenation"', "baseline stands twice"),
    "attention without patches": ('kind = "omnisat"', 'kind = "mlp"', "`attention` needs the patches"),
    "pre-training without patches": (
        'baselines = ["concatenation", "late_fusion", "attention"]',
        "",
        "hides patches, which only the encoder `omnisat` has",
    ),
    "bilevel pre-training": ("epochs = [1]", 'epochs = [1]\ntrainings = ["bilevel"]', "so the training is `joint`"),
    "gauges that pre-training has not": (
        "epochs = [1]",
        'epochs = [1]\ngauges = ["raw", "normalised"]',
        "nly the objective `regression` has a target scaling and a direction",
    ),
    "directions that pre-training has not": (
        "epochs = [1]",
        'epochs = [1]\ndirections = ["1to2", "2to1"]',
        "nly the objective `regression` has a target scaling and a direction",
    ),
    "a picture that is no grid": ("aerial_side = 30", "aerial_side = 40", "aerial_side"),
}


@pytest.mark.parametrize(("old", "new", "match"), BAD.values(), ids=BAD)
def test_what_does_not_go_together_is_said(old: str, new: str, match: str) -> None:
    text = TEXT.replace(old, new)
    if "hides" in match:
        text = text.replace('kind = "omnisat"', 'kind = "mlp"')
    if "hides" in match or "joint" in match or "regression" in match:
        text += "[pretraining]\n"
    with pytest.raises(AlignscopeError, match=match) as caught:
        parse_spec(text)
    assert caught.value.code == "E306"


def test_too_few_patches(tmp_path: Path) -> None:
    few = msgspec.structs.replace(DATA, generated=64)
    with pytest.raises(AlignscopeError, match=r"of test have both modalities\. At least 16 of each") as caught:
        prepare(few, tmp_path, Path())
    assert caught.value.code == "E205"


def test_tasks_that_the_targets_cannot_have(tmp_path: Path) -> None:
    with pytest.raises(AlignscopeError, match="'genus' is not one class per sample") as caught:
        run_study(checked_spec(spec(TEXT.replace('"binary"', '"cross_entropy"'))), tmp_path)
    assert caught.value.code == "E305"


def test_a_full_disk_is_told_before_rows_are_written_through_a_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write to a mapped file on a full disk would end the process."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("alignscope._lib.files.os.posix_fallocate", full)
    with pytest.raises(AlignscopeError, match=r"x1\.npy: writing failed \(No space left on device\).*E402"):
        prepare(DATA, tmp_path / "study", Path())


def test_a_probe_of_shuffled_labels_is_at_chance_on_every_split() -> None:
    """No split tells of another: what is learnt of labels that mean nothing carries over nowhere."""
    source = Generated(600, seed=3)
    rng = np.random.default_rng(0)
    labels = source.labels
    features = np.array([_simple(source.patch(stem, ("aerial", "s2"))) for stem in source.stems])
    shuffled = rng.permutation(labels.ages)
    train = labels.split == "train"
    scale = StandardScaler().fit(features[train])
    probe = LogisticRegression(max_iter=500).fit(scale.transform(features[train]), shuffled[train])
    frequent = np.bincount(shuffled[train]).argmax()
    for split in ("val", "test"):
        held = labels.split == split
        found = (probe.predict(scale.transform(features[held])) == shuffled[held]).mean()
        chance = (shuffled[held] == frequent).mean()
        assert found < chance + 3 * np.sqrt(0.25 / held.sum())


def _simple(patch: Patch) -> np.ndarray:
    """Means and deviations of every channel."""
    assert patch.aerial is not None
    pixels = patch.aerial.reshape(4, -1).astype(float)
    series = patch.series["s2"].data.transpose(1, 0, 2, 3).reshape(10, -1)
    return np.concatenate([pixels.mean(axis=1), pixels.std(axis=1), series.mean(axis=1), np.median(series, axis=1)])
