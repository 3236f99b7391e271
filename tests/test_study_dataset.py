"""The rows of a study: training rows first, nothing leaks or is torn apart, and a folder that is whole or absent."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignscope.datasets.trifeature import PairView
from alignscope.errors import AlignscopeError
from alignscope.study.data import files, prepared
from alignscope.study.data.dataset import prepare
from alignscope.study.data.files import FileData
from alignscope.study.data.prepared import StudyData, open_data
from alignscope.study.data.trifeature import TrifeatureData
from study_helpers import classes, numbers, rows
from study_helpers import write_files as write

FILES = FileData(x1="x1.npy", x2="x2.npy", y1="y1.npy", y2="y2.npy")
N = 120


def read(folder: Path, data: FileData | TrifeatureData = FILES, out: Path | None = None) -> StudyData:
    out = folder / "out" if out is None else out
    return open_data(prepare(data.fingerprinted(folder), out, folder))


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def numbered(n: int = N) -> dict[str, np.ndarray]:
    """Rows that say which they are, in every table."""
    i = np.arange(n, dtype=np.float64)[:, None]
    return {"x1": np.hstack([i, i**2]), "x2": np.hstack([-i, np.cos(i)]), "y1": i / 7, "y2": 3 - i}


def test_training_rows_come_first_and_rows_stay_together(tmp_path: Path) -> None:
    write(tmp_path, numbered())
    data = read(tmp_path)
    i = np.rint(data.targets["y1"][:, 0] * 7).astype(int)
    assert sorted(i) == list(range(N))
    assert data.train == 90
    made = numbered()
    np.testing.assert_allclose(data.targets["y2"][:, 0], made["y2"][i, 0], rtol=1e-6)
    for x, name in zip(data.x, ("x1", "x2"), strict=True):
        wanted = made[name][i]
        mean, deviation = wanted[:90].mean(axis=0), wanted[:90].std(axis=0)
        np.testing.assert_allclose(x, (wanted - mean) / deviation, atol=1e-5)
        assert x.dtype == np.float32
    # Held-out rows are drawn, not the last ones.
    assert set(i[90:]) != set(range(90, N))


@pytest.mark.parametrize(("test", "train"), [(0.25, 90), (0.5, 60), (0.2, 96)])
def test_the_share_held_out(test: float, train: int, tmp_path: Path) -> None:
    write(tmp_path)
    assert read(tmp_path, msgspec.structs.replace(FILES, test=test)).train == train


def test_another_seed_holds_out_other_rows(tmp_path: Path) -> None:
    write(tmp_path, numbered())
    one, two, again = (read(tmp_path, msgspec.structs.replace(FILES, seed=s)) for s in (0, 1, 0))
    assert not np.array_equal(one.targets["y1"], two.targets["y1"])
    np.testing.assert_array_equal(one.targets["y1"], again.targets["y1"])


@settings(max_examples=25)
@given(
    st.lists(st.integers(0, 40), min_size=100, max_size=160).filter(lambda g: len(set(g)) > 8),
    st.integers(0, 2**31 - 1),
    st.floats(0.2, 0.6),
)
def test_groups_are_never_torn_apart(tmp_path_factory: Any, groups: list[int], seed: int, test: float) -> None:
    folder = tmp_path_factory.mktemp("groups")
    n = len(groups)
    write(folder, numbered(n) | {"g": np.array(groups)})
    spec = msgspec.structs.replace(FILES, groups="g.npy", seed=seed, test=test)
    try:
        data = read(folder, spec)
    except AlignscopeError as error:  # one large group may leave too few rows
        assert error.code == "E205"
        return
    i = np.rint(data.targets["y1"][:, 0] * 7).astype(int)
    in_train, in_test = (set(np.array(groups)[part]) for part in (i[: data.train], i[data.train :]))
    assert not in_train & in_test
    assert len(in_test) == max(1, round(test * len(set(groups))))
    assert sorted(i) == list(range(n))


@pytest.mark.parametrize("data", [numbers(), classes(), numbers(seed=3)], ids=["numbers", "classes", "other"])
def test_targets_are_scaled_as_a_block_on_training_rows(data: StudyData) -> None:
    for modality, scaled in enumerate(data.target_columns):
        y = scaled.values[: data.train].astype(np.float64)
        np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-6)
        assert np.square(y).sum() == pytest.approx(data.train * y.shape[1], rel=1e-6)
        raw = np.hstack([data.columns(t) for t in data.trained_on[modality]]).astype(np.float64)
        scale = np.linalg.norm(y) / np.linalg.norm(raw[: data.train] - raw[: data.train].mean(axis=0))
        np.testing.assert_allclose(scaled.values + scaled.offset, raw * scale, atol=1e-5)
        blocks = data.blocks(modality)
        assert list(blocks) == list(data.trained_on[modality])
        joined = np.hstack([raw[:, s] for s in blocks.values()])
        np.testing.assert_array_equal(joined, raw)


# What the files hold.


NAMED = {
    "in short": (
        "optical composite (median).npy",
        "radar.npz:x",
        "Modality 1 (optical composite) is",
        "modality 2 (radar) is",
    ),
    "alike": ("a/x.npy", "b/x.npy", "Modality 1 is", "modality 2 is"),
}


@pytest.mark.parametrize("name", NAMED)
def test_modalities_are_named_after_their_files(name: str) -> None:
    x1, x2, one, two = NAMED[name]
    text = FileData(x1=x1, x2=x2, y1="y.npy").describe("oak", "fir")
    assert f"{one} trained to predict oak" in text and f"{two} trained to predict fir" in text


def test_labels_are_classes(tmp_path: Path) -> None:
    made = rows(N)
    write(tmp_path, {"x1": made["x1"], "x2": made["x2"], "y2": np.arange(N) % 3 + 5})
    names = np.array(["oak", "ash", "fir", "elm"])[np.arange(N) % 4]
    (tmp_path / "y1.csv").write_text("tree\n" + "\n".join(names) + "\n")
    data = read(tmp_path, msgspec.structs.replace(FILES, y1="y1.csv"))
    assert dict(data.classes) == {"y1": ("ash", "elm", "fir", "oak"), "y2": ("5", "6", "7")}
    assert data.trained_on == (("y1",), ("y2",))
    assert data.probed == (("y1", "y2"), ("y2", "y1"))
    assert np.bincount(data.targets["y1"]).tolist() == [30] * 4
    # Rows stay together: the label goes with the row's number modulo 3 and 4.
    joint = np.zeros((4, 3), int)
    np.add.at(joint, (data.targets["y1"], data.targets["y2"]), 1)
    assert joint.tolist() == [[10] * 3] * 4
    np.testing.assert_array_equal(data.columns("y1").argmax(axis=1), data.targets["y1"])


def test_without_y2_both_are_asked_for_y1(tmp_path: Path) -> None:
    made = rows(N)
    write(tmp_path, {name: made[name] for name in ("x1", "x2", "y1")})
    data = read(tmp_path, msgspec.structs.replace(FILES, y2=None))
    assert data.trained_on == data.probed == (("y1 0", "y1 1", "y1 2"),) * 2
    np.testing.assert_array_equal(*(y.values for y in data.target_columns))


def test_a_folder_is_read_as_the_audit_reads_it(tmp_path: Path) -> None:
    write(tmp_path / "pair", rows(N))
    (tmp_path / "pair/pair.toml").write_text('y1_names = ["a", "b", "c"]\ny2_names = ["c", "d", "file"]\n')
    data = read(tmp_path, FileData(pair="pair"))
    assert data.trained_on == (("a", "b", "c"), ("y2: c", "d", "file"))
    named = read(tmp_path / "pair")
    np.testing.assert_array_equal(data.targets["y2: c"], named.targets["y2 0"])
    np.testing.assert_array_equal(data.x[0], named.x[0])


def test_pictures_are_those_of_the_renderer_with_the_channel_last(tmp_path: Path) -> None:
    spec = TrifeatureData(size=16, train=24, test=16, seed=3, rotation=10.0, noise=0.1, values=(3, 4, 5))
    data = read(tmp_path, spec)
    view = PairView.paper(size=16, seed=3, rotation=10.0, noise=0.1, values=(3, 4, 5), jitter=1.0)
    train, _, test = view.split(24, 0, 16)
    for k, index in enumerate([*train, *test]):
        for x, wanted in zip(data.x, view.inputs([index]), strict=True):
            np.testing.assert_array_equal(x[k], np.moveaxis(wanted[0], 0, -1))
        for name, code in view.targets([index]).items():
            assert data.targets[name][k] == code[0]
        assert data.targets["rotation 1"][k] == np.float32(view.nuisance([index])["rotation1"][0])
    assert [x.shape for x in data.x] == [(40, 16, 16, 1), (40, 16, 16, 3)]
    assert data.trained_on == (("shape", "texture"), ("shape", "colour"))
    assert all(asked == probed[:2] for asked, probed in zip(data.trained_on, data.probed, strict=True))
    assert not {name for name in data.probed[0] if name.endswith("2")}
    assert dict(data.classes) == {name: tuple(labels) for name, labels in view.classes.items()}


# What cannot be used.


def _with(name: str, row: int, value: float) -> Callable[[dict[str, np.ndarray]], None]:
    def change(made: dict[str, np.ndarray]) -> None:
        made[name][row, -1] = value

    return change


BAD: list[tuple[str, Callable[[dict[str, np.ndarray]], Any], dict[str, Any], str, str]] = [
    ("NaN in x", _with("x1", 17, np.nan), {}, "E203", "x1.npy: NaN or infinity (row 17, counted from 0)"),
    ("infinity in x", _with("x2", 3, -np.inf), {}, "E203", "x2.npy: NaN or infinity (row 3, counted from 0)"),
    ("NaN in y", _with("y1", 40, np.nan), {}, "E203", "y1: NaN or infinity (row 40, counted from 0)"),
    ("constant numbers", lambda m: m["y1"].fill(0.1), {}, "E206", "target of modality 1: it does not vary"),
    ("one class", lambda m: m.update(y2=np.zeros(N, int)), {}, "E206", "target of modality 2: it does not vary"),
    ("rows differ", lambda m: m.update(x2=m["x2"][:-1]), {}, "E202", "the numbers of rows differ"),
    ("few rows", lambda m: m.update({k: v[:20] for k, v in m.items()}), {}, "E205", "15 training and 5 held-out"),
    ("few held out", lambda m: None, {"test": 0.05}, "E205", "114 training and 6 held-out rows of 120"),
    ("few training rows", lambda m: None, {"test": 0.95}, "E205", "6 training and 114 held-out rows of 120"),
    ("one group", lambda m: m.update(g=np.zeros(N, int)), {"groups": "g.npy"}, "E205", "0 training"),
    ("objects", lambda m: m.update(x1=np.array([["a"]] * N)), {}, "E106", "holds text"),
]


@pytest.mark.parametrize(("change", "options", "code", "match"), [pytest.param(*b[1:], id=b[0]) for b in BAD])
def test_bad_rows_are_refused_and_leave_nothing(
    change: Callable[[dict[str, np.ndarray]], Any], options: dict[str, Any], code: str, match: str, tmp_path: Path
) -> None:
    made = rows(N)
    change(made)
    write(tmp_path, made)
    with pytest.raises(AlignscopeError, match=re.escape(match)) as caught:
        read(tmp_path, msgspec.structs.replace(FILES, **options))
    assert caught.value.code == code
    assert tree(tmp_path / "out") == {}


def test_rows_that_lack_a_modality_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "pair", rows(N) | {"present1": np.arange(N) % 2})
    with pytest.raises(AlignscopeError, match="lack a modality") as caught:
        read(tmp_path, FileData(pair="pair"))
    assert caught.value.code == "E203"


@pytest.mark.parametrize("missing", [FILES, FileData(pair="nowhere")], ids=["file", "folder"])
def test_a_missing_file_is_named(missing: FileData, tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "y2.npy").unlink()
    with pytest.raises(AlignscopeError, match=r"(y2\.npy|nowhere): cannot be read \(No such file") as caught:
        missing.fingerprinted(tmp_path)
    assert caught.value.code == "E101"


@pytest.mark.parametrize("value", [0.1, 1e6 + 0.1, -3.3e-9])
def test_a_feature_that_varies_in_held_out_rows_only_stays_small(value: float, tmp_path: Path) -> None:
    """The deviation of a constant is rounding, by which nothing may be divided."""
    write(tmp_path)
    held = np.isin(np.arange(N), _held_out(tmp_path))
    made = rows(N)
    made["x1"] = np.c_[made["x1"], np.where(held, value + 0.5, value)]
    write(tmp_path, made)
    column = read(tmp_path).x[0][:, -1]
    np.testing.assert_array_equal(column[:90], 0)
    np.testing.assert_allclose(column[90:], 0.5, rtol=1e-5)


def _held_out(folder: Path) -> np.ndarray:
    write(folder / "who", numbered())
    data = read(folder / "who")
    return np.rint(data.targets["y1"][data.train :, 0] * 7).astype(int)


# What a cell's id says of the files.


@pytest.mark.parametrize("name", ["x1", "x2", "y1", "y2"])
@pytest.mark.parametrize("spec", [FILES, FileData(pair=".")], ids=["files", "folder"])
def test_files_that_change_are_other_data(spec: FileData, name: str, tmp_path: Path) -> None:
    write(tmp_path)
    before = spec.fingerprinted(tmp_path)
    assert re.fullmatch("[0-9a-f]{16}", before.fingerprint)
    values = np.load(tmp_path / f"{name}.npy")
    values[0, 0] += 1
    np.save(tmp_path / f"{name}.npy", values)
    after = spec.fingerprinted(tmp_path)
    assert before.fingerprint != after.fingerprint
    assert prepare(before, tmp_path / "out", tmp_path) != prepare(after, tmp_path / "out", tmp_path)


def test_a_folder_in_place_of_a_file_counts_with_all_that_is_in_it(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    write(tmp_path)
    (tmp_path / "x1.npy").unlink()
    store = zarr.create_array(str(tmp_path / "x1.zarr"), data=rows(N)["x1"])
    for spec in (FileData(pair="."), msgspec.structs.replace(FILES, x1="x1.zarr")):
        before = spec.fingerprinted(tmp_path)
        assert read(tmp_path, spec).train == 90
        store[0, 0] = store[0, 0] + 1
        assert spec.fingerprinted(tmp_path) != before


def test_files_of_a_pattern_and_scales_count_too(tmp_path: Path) -> None:
    write(tmp_path)
    for i, part in enumerate(np.split(np.round(np.load(tmp_path / "x1.npy") * 9).astype(np.int8), 12)):
        np.save(tmp_path / f"part-{i}.npy", part)
    np.save(tmp_path / "scales.npy", np.linspace(1, 2, N))
    spec = msgspec.structs.replace(FILES, x1="part-*.npy", dequantize=["tessera:scales.npy", "none"])
    before = spec.fingerprinted(tmp_path)
    wanted = np.round(np.load(tmp_path / "x1.npy") * 9) * np.linspace(1, 2, N)[:, None]
    pair = spec.open(tmp_path)
    np.testing.assert_allclose(np.asarray(pair.x1.read(0, N)), wanted, rtol=1e-12)
    for name in ("part-7", "scales"):
        np.save(tmp_path / f"{name}.npy", np.load(tmp_path / f"{name}.npy") + 1)
        after = spec.fingerprinted(tmp_path)
        assert after != before
        before = after


def test_what_stands_beside_the_tables_is_no_part_of_the_data(tmp_path: Path) -> None:
    """The study's own output may well be written there."""
    write(tmp_path)
    spec = FileData(pair=".")
    before = spec.fingerprinted(tmp_path)
    prepare(before, tmp_path, tmp_path)
    (tmp_path / "store.json").write_text("{}")
    (tmp_path / "README.md").write_text("about")
    assert spec.fingerprinted(tmp_path) == before
    (tmp_path / "pair.toml").write_text('y1_names = ["a", "b", "c"]')
    assert spec.fingerprinted(tmp_path) != before


def test_paths_are_relative_to_the_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a/data")
    spec = FileData(x1="data/x1.npy", x2="data/x2.npy", y1="data/y1.npy")
    monkeypatch.chdir(tmp_path)
    here = spec.fingerprinted(Path("a"))
    monkeypatch.chdir(tmp_path / "a")
    assert spec.fingerprinted(Path()) == here
    assert read(Path(), spec, tmp_path / "out").train == 90


def test_pictures_need_no_fingerprint(tmp_path: Path) -> None:
    assert TrifeatureData().fingerprinted(tmp_path) == TrifeatureData()


# The folder.


@pytest.mark.parametrize("spec", [FILES, TrifeatureData(size=16, train=16, test=16)], ids=["files", "pictures"])
def test_the_same_bytes_wherever_and_once(
    spec: FileData | TrifeatureData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    spec = spec.fingerprinted(tmp_path)
    one, two = (prepare(spec, tmp_path / out, tmp_path) for out in ("one", "two"))
    assert (one.name, tree(one)) == (two.name, tree(two))
    assert sorted(tree(one)) == ["data.json", "targets.npz", "x1.npy", "x2.npy"]
    monkeypatch.setattr(files, "write_data", None)  # nothing is written a second time
    assert prepare(spec, tmp_path / "one", tmp_path) == one
    assert [p.name for p in (tmp_path / "one/data").iterdir()] == [one.name]


def test_rows_are_mapped_and_the_files_never_written_to(tmp_path: Path) -> None:
    write(tmp_path)
    folder = prepare(FILES.fingerprinted(tmp_path), tmp_path / "out", tmp_path)
    before = tree(folder)
    data = open_data(folder)
    assert all(isinstance(x, np.memmap) for x in data.x)
    data.x[0][:] = 7
    assert tree(folder) == before


def test_an_error_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prepared.np, "save", full)
    with pytest.raises(AlignscopeError, match="No space left on device") as caught:
        read(tmp_path)
    assert caught.value.code == "E402"
    monkeypatch.undo()
    assert not list((tmp_path / "out").rglob("*"))
    assert read(tmp_path).train == 90


def test_a_run_killed_half_way_leaves_no_folder_that_is_taken_for_whole(tmp_path: Path) -> None:
    write(tmp_path)
    program = """
        import os, signal
        from pathlib import Path
        from alignscope.study.data import dataset, prepared
        from alignscope.study.data.files import FileData
        saved = []
        save = prepared.np.save
        def kill(path, values):
            if saved:
                os.kill(os.getpid(), signal.SIGKILL)
            saved.append(save(path, values))
        prepared.np.save = kill
        spec = FileData(x1="x1.npy", x2="x2.npy", y1="y1.npy", y2="y2.npy")
        dataset.prepare(spec.fingerprinted(Path(".")), Path("out"), Path("."))
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path, env={**os.environ}, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    assert [p.name for p in (tmp_path / "out/data").iterdir() if not p.name.startswith(".")] == []
    again, fresh = read(tmp_path), read(tmp_path, out=tmp_path / "fresh")
    np.testing.assert_array_equal(again.x[1], fresh.x[1])


def test_of_two_processes_at_once_the_faster_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    spec = FILES.fingerprinted(tmp_path)
    copy = FileData.write

    def slower(*args: Any) -> None:
        monkeypatch.setattr(FileData, "write", copy)
        prepare(spec, tmp_path / "out", tmp_path)  # the other process
        copy(*args)

    monkeypatch.setattr(FileData, "write", slower)
    folder = prepare(spec, tmp_path / "out", tmp_path)
    assert [p.name for p in (tmp_path / "out/data").iterdir()] == [folder.name]
    assert open_data(folder).train == 90


def test_rows_of_another_version_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    folder = prepare(FILES.fingerprinted(tmp_path), tmp_path / "out", tmp_path)
    record = folder / "data.json"
    record.write_text(record.read_text().replace("trained_on", "once_called"))
    with pytest.raises(AlignscopeError, match=r"data\.json: .*trained_on.* another version of alignscope.*\[E103\]$"):
        open_data(folder)
