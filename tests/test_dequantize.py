"""Whole numbers of quantised embeddings become what they stand for, on request, and the request is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import alignscope
from alignscope.cli import main
from alignscope.errors import AlignscopeError
from alignscope.joining.join import match
from alignscope.pair.paired import Pair

RNG = np.random.default_rng(0)
V = RNG.integers(-127, 128, (60, 4)).astype(np.int8)
X2 = RNG.standard_normal((60, 3))
SCALES = RNG.random(60).astype(np.float32)
AEF = np.sign(V) * (V / 127.5) ** 2


def x1_of(how: Any, x1: Any = V, x2: Any = X2) -> np.ndarray:
    pair = Pair.of(x1, x2, dequantize=how)
    return np.asarray(pair.x1.read(0, pair.n))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("v.npy", V)
    np.save("x2.npy", X2)
    np.save("scales.npy", SCALES)
    np.save("per value.npy", np.tile(SCALES[:, None], (1, 4)))
    quantization = {"method": "linear", "original_dtype": "float32", "scale": [0.5], "offset": [1.0]}
    Path("item.json").write_text(json.dumps({"type": "Feature", "properties": {"emb:quantization": quantization}}))
    return tmp_path


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("aef", AEF),
        ("0.5,1", 0.5 * V + 1),
        ("0.5", 0.5 * V),
        ("item.json", 0.5 * V + 1),
        ("tessera:scales.npy", V * SCALES[:, None].astype(float)),
        ("tessera:per value.npy", V * SCALES[:, None].astype(float)),
        (("aef", None), AEF),
        (["aef", "none"], AEF),
    ],
)
def test_ways(how: Any, expected: np.ndarray, files: Path) -> None:
    for x1 in (V, files / "v.npy", V.tolist() if how == "0.5" else V):
        np.testing.assert_allclose(x1_of(how, x1), expected, rtol=1e-12)
    codes = [note.code for note in Pair.of(V, X2, dequantize=how).notes]
    assert codes == (["AS121", "AS122"] if "aef" in how else ["AS122"])


def test_both_modalities_or_one(files: Path) -> None:
    pair = Pair.of(V, V, dequantize="aef")
    np.testing.assert_allclose(np.asarray(pair.x2.read(0, 60)), AEF, rtol=1e-12)
    pair = Pair.of(V, V, dequantize=("aef", "0.5"))
    np.testing.assert_allclose(np.asarray(pair.x2.read(0, 60)), 0.5 * V, rtol=1e-12)
    np.testing.assert_array_equal(np.asarray(Pair.of(V, X2, dequantize="aef").x2.read(0, 60)), X2)


def test_a_fill_value_is_missing_before_anything_is_rescaled(tmp_path: Path) -> None:
    stored = V.copy()
    stored[7] = -128
    zarr.create_array(tmp_path / "a.zarr", data=stored, fill_value=-128)
    for x1 in (stored, tmp_path / "a.zarr"):
        found = x1_of("aef", x1)
        assert np.isnan(found[7]).all()
        np.testing.assert_allclose(np.delete(found, 7, 0), np.delete(AEF, 7, 0), rtol=1e-12)


def test_scales_without_a_value_are_missing(tmp_path: Path) -> None:
    for row, nothing in ((3, np.inf), (5, np.nan)):
        scales = SCALES.copy()
        scales[row] = nothing
        np.save(tmp_path / "s.npy", scales)
        found = x1_of(f"tessera:{tmp_path / 's.npy'}")
        assert np.flatnonzero(np.isnan(found).all(1)).tolist() == [row]


def test_int8_without_a_word_is_noted() -> None:
    (note,) = Pair.of(V, X2).notes
    assert "int8 numbers are used as they are; say by --dequantize" in note
    assert note.code == "AS122"
    assert not Pair.of(V[:, :1], X2).notes
    assert not Pair.of(V.astype(np.int16), X2).notes


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [
        ("aff", "E305", "dequantize, x1: 'aff'. Give aef, tessera:FILE"),
        ("tessera", "E305", "Give aef, tessera:FILE of scales"),
        ("0,1", "E305", "'0,1'"),
        ("1,2,3", "E305", "'1,2,3'"),
        ("nan", "E305", "'nan'"),
        (("aef", "aef", "aef"), "E305", "3 ways for 2 modalities"),
        (("aef", "0.5"), "E305", "x2: float64 numbers, which are not quantised"),
        ("tessera:x2.npy", "E202", r"scales of shape \(60, 3\) for numbers of shape \(60, 4\)"),
        ("tessera:none.npy", "E101", "there is no such file"),
        ("none.json", "E101", "cannot be read"),
        ("x2.npy.json", "E103", "it is not JSON"),
        ("empty.json", "E103", "it has no emb:quantization"),
        ("other.json", "E305", "quantised by 'sqrt_scale'"),
    ],
)
def test_what_is_refused(how: Any, code: str, message: str, files: Path) -> None:
    Path("x2.npy.json").write_text("?")
    Path("empty.json").write_text("[]")
    Path("other.json").write_text(json.dumps({"properties": {"emb:quantization": {"method": "sqrt_scale"}}}))
    with pytest.raises(AlignscopeError, match=message) as caught:
        Pair.of(V, X2, dequantize=how)
    assert caught.value.code == code


def test_nothing_is_quantised() -> None:
    with pytest.raises(AlignscopeError, match="float64 numbers, which are not quantised"):
        Pair.of(X2, X2, dequantize="aef")


def test_in_a_join_and_an_audit(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = np.arange(60)
    joined = match(V, X2, ids[::-1], ids, dequantize="aef").pair()
    np.testing.assert_allclose(np.asarray(joined.x1.read(0, 60)), AEF, rtol=1e-12)
    assert {note.code for note in joined.notes} >= {"AS121", "AS122"}
    result = alignscope.audit(V, X2, dequantize="aef")
    assert [f.code for f in result.findings if f.code in ("AS121", "AS122")] == ["AS121", "AS122"]
    np.save("ids.npy", ids)
    main(["data", "join", "v.npy", "x2.npy", "--ids1", "ids.npy", "--ids2", "ids.npy", "--out", "j",
          "--dequantize", "tessera:scales.npy"])  # fmt: skip
    np.testing.assert_allclose(np.load("j/x1.npy"), V * SCALES[:, None].astype(float), rtol=1e-12)
    main(["audit", "--dequantize", "aef", "--dequantize", "none", "v.npy", "x2.npy", "--out", "o"])
    assert "read as sign(s) × (0.00784314 × s)² (--dequantize aef)" in capsys.readouterr().out
