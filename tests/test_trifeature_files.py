"""Trifeature pairs as files: readable by alignscope, the same bytes each time, whole or not there."""

from __future__ import annotations

import csv
import hashlib
import json
import re

import msgspec
import numpy as np
import pytest

from alignscope.datasets.trifeature import TrifeatureOptions, make_trifeature
from alignscope.datasets.trifeature import files as trifeature_files
from alignscope.errors import AlignscopeError
from alignscope.pair.folder import open_folder

SMALL = TrifeatureOptions(n=30, n_validation=5, n_test=10, size=16)


@pytest.mark.parametrize(
    ("view", "count", "targets"),
    [("single", 1, 3), ("paper", 2, 3), ("comm", 2, 6)],
)
def test_files_hold_what_the_view_gives(tmp_path, view, count, targets):
    options = msgspec.structs.replace(SMALL, view=view)
    said = []
    page = make_trifeature(options, tmp_path / "new" / "folder", lambda what, share: said.append((what, share)))
    pairs = options.pairs()
    index = np.concatenate(pairs.split(30, 5, 10))
    for k, x in enumerate(pairs.inputs(index), start=1):
        np.testing.assert_array_equal(np.load(page.with_name(f"x{k}.npy"), mmap_mode="r"), x)
    for name, codes in pairs.targets(index).items():
        np.testing.assert_array_equal(np.load(page.with_name(f"{name}.npy")), codes)
    record = json.loads(page.with_name("results.json").read_text())
    assert (record["n"], record["parts"]) == (45, {"train": 30, "validation": 5, "test": 10})
    assert len(record["counts"]) == targets and all(sum(c.values()) == 45 for c in record["counts"].values())
    assert len(list(page.parent.glob("x*.npy"))) == count == len(record["visible"])
    for name, digest in record["sha256"].items():
        assert hashlib.sha256(page.with_name(name).read_bytes()).hexdigest() == digest
    assert not list(page.parent.glob("*.tmp")) + list(page.parent.glob(".*"))
    shares = [share for _, share in said]
    assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] < 1


def test_samples_are_listed_by_name(tmp_path):
    page = make_trifeature(SMALL, tmp_path)
    with page.with_name("samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    pairs = SMALL.pairs()
    index = np.concatenate(pairs.split(30, 5, 10))
    assert [int(row["index"]) for row in rows] == index.tolist()
    assert [row["part"] for row in rows] == ["train"] * 30 + ["validation"] * 5 + ["test"] * 10
    shapes = np.array(pairs.classes["shape"])[pairs.targets(index)["shape"]]
    assert [row["shape"] for row in rows] == shapes.tolist()
    np.testing.assert_allclose([float(row["rotation2"]) for row in rows], pairs.nuisance(index)["rotation2"], atol=1e-6)


def test_the_folder_is_a_pair_that_can_be_audited(tmp_path):
    make_trifeature(SMALL, tmp_path)
    pair = open_folder(tmp_path)
    assert (pair.n, pair.x1.shape, pair.x2.shape) == (45, (45, 256), (45, 768))
    assert pair.y1.names[0] == "shape=triangle" and len(pair.y1.names) == 20
    np.testing.assert_array_equal(np.asarray(pair.y2.rows.read(0, 45)).sum(axis=1), 2)


def test_the_same_options_give_the_same_bytes(tmp_path, monkeypatch):
    folders = [tmp_path / "a", tmp_path / "b"]
    make_trifeature(SMALL, folders[0])
    monkeypatch.setattr(trifeature_files, "STEP", 7)
    make_trifeature(SMALL, folders[1])
    a, b = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert a == b


def test_the_page_needs_nothing_else(tmp_path):
    page = make_trifeature(msgspec.structs.replace(SMALL, view="comm", biased=0.5), tmp_path).read_text()
    assert page.count("data:image/png;base64,") == 2
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert "30 for train" in page and "synergy" in page and "combination of factors" in page


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    def broken(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trifeature_files, "page", broken)
    with pytest.raises(AlignscopeError, match=r"No space left on device.*E402"):
        make_trifeature(SMALL, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_interrupted_run_is_made_whole_by_the_next(tmp_path):
    def stop(what: str, share: float) -> None:
        raise KeyboardInterrupt

    make_trifeature(SMALL, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        make_trifeature(SMALL, tmp_path, stop)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    (tmp_path / "x1.npy").unlink()
    make_trifeature(SMALL, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


BAD = [
    ({"n": 0}, r"n: 0\. Give a whole number"),
    ({"n": 10, "n_test": -1}, r"n_test: -1"),
    ({"n": 10, "size": 3}, r"size: 3"),
    ({"n": 10, "values": (11, 10, 10)}, r"values \(shape\): 11"),
    ({"n": 10, "correlation": (0.0, 0.0, 2.0)}, r"correlation: 2"),
    ({"n": 10, "biased": 0.5}, r"biased: 0\.5 with view 'paper'"),
    ({"n": 10, "view": "pairs"}, r"view: 'pairs'"),
]


@pytest.mark.parametrize(("fields", "message"), BAD)
def test_a_bad_option_is_named_and_nothing_is_made(tmp_path, fields, message):
    with pytest.raises(AlignscopeError, match=message) as caught:
        make_trifeature(TrifeatureOptions(**fields), tmp_path / "out")
    assert caught.value.code == "E304"
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_way_is_reported(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(AlignscopeError, match=r"cannot be created or written.*E401"):
        make_trifeature(SMALL, tmp_path / "out")
