"""How alike layers are: against the measures of one pair each, their invariances and chance; the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import alignscope
from alignscope.errors import AlignscopeError
from alignscope.measures import cka
from alignscope.similarities.api import layer_names

N = 300
RNG = np.random.default_rng(0)
FIRST = RNG.normal(size=(N, 6))
ROTATION, _ = np.linalg.qr(RNG.normal(size=(6, 6)))
LAYERS = {
    "layer_1": FIRST,
    "layer_2": 3 * FIRST @ ROTATION + 1,
    "layer_10": np.tanh(FIRST @ RNG.normal(size=(6, 8))),
    "noise": RNG.normal(size=(N, 5)),
}


@pytest.fixture(scope="module")
def found() -> alignscope.similarities.similarities.Similarities:  # type: ignore[name-defined]
    return alignscope.similarity(LAYERS)


def test_rotations_are_the_same_and_noise_is_at_chance(found) -> None:
    for key, m in found.measures.items():
        here = m.values["layer_1"]["layer_2"].value
        assert here == pytest.approx(1, abs=1e-9) or (key == "mutual_knn" and here > 0.5)
        noise = m.values["layer_1"]["noise"].value
        assert abs(noise - m.chance) < 0.1
        assert all(0 <= e.value <= 1 for row in m.values.values() for e in row.values()) or key == "r2"
        assert m.values["layer_1"]["layer_1"].value == pytest.approx(1, abs=1e-9)
    assert found.verdict.startswith("layer_1 and layer_2 are most alike")


def test_cka_is_nearly_the_debiased_one_and_its_interval_holds_it(found) -> None:
    for a, b in (("layer_1", "layer_10"), ("layer_2", "layer_10")):
        e = found.measures["cka"].values[a][b]
        assert e.value == pytest.approx(cka(LAYERS[a], LAYERS[b]), abs=0.02)
        assert e.low < cka(LAYERS[a], LAYERS[b]) < e.high


def test_r2_is_that_of_least_squares_and_has_a_direction(found) -> None:
    parts = np.random.default_rng([0, 8]).permutation(np.arange(N) % 10)
    seen = parts % 2 == 0
    x, y = LAYERS["layer_10"], LAYERS["layer_1"]
    mean = x[seen].mean(axis=0)
    values, directions = np.linalg.eigh(np.cov(x[seen].T))
    leading = directions[:, ::-1][:, : np.searchsorted(np.cumsum(values[::-1]) / values.sum(), 0.99) + 1]
    design = [np.column_stack([np.ones(rows.sum()), (x[rows] - mean) @ leading]) for rows in (seen, ~seen)]
    w = np.linalg.lstsq(design[0], y[seen], rcond=None)[0]
    r2 = 1 - np.square(y[~seen] - design[1] @ w).sum() / np.square(y[~seen] - y[seen].mean(axis=0)).sum()
    values = found.measures["r2"].values
    assert values["layer_10"]["layer_1"].value == pytest.approx(r2, abs=1e-9)
    assert values["layer_1"]["layer_10"].value != pytest.approx(r2, abs=1e-3)
    assert [key for key, m in found.measures.items() if not m.symmetric] == ["r2"]


def test_two_encoders_are_compared_layer_by_layer() -> None:
    found = alignscope.similarity({"a": FIRST}, {"a": LAYERS["layer_2"], "b": LAYERS["noise"]})
    assert (found.rows, found.columns) == (["a"], ["a", "b"])
    values = found.measures["procrustes"].values["a"]
    assert values["a"].value == pytest.approx(1) and values["b"].value < 0.4
    assert set(found.provenance.data) == {"a", "a (other)", "b"}


@pytest.mark.parametrize("scale", [2.0**-400, 2.0**260])
def test_no_measure_depends_on_the_scale_nor_on_a_column_that_does_not_vary(scale: float) -> None:
    other = FIRST**2 + FIRST[:, ::-1]
    measures = alignscope.similarity({"a": FIRST, "b": other}).measures
    scaled = alignscope.similarity({"a": FIRST * scale, "b": np.column_stack([other, np.full(N, 0.1)])}).measures
    for key, m in measures.items():
        for one, two in (("a", "b"), ("b", "a")):
            assert scaled[key].values[one][two].value == pytest.approx(m.values[one][two].value, abs=1e-9)


def test_layers_without_names_are_counted() -> None:
    two = [FIRST, LAYERS["layer_2"]]
    named = {f"layer {k}": layer for k, layer in enumerate(two, 1)}
    assert alignscope.similarity(two).to_json() == alignscope.similarity(named).to_json()


def test_layers_are_in_the_order_of_their_numbers() -> None:
    assert layer_names(["layer_10", "layer_2", "head", "layer_2_b"]) == ["head", "layer_2", "layer_2_b", "layer_10"]


BAD = [
    (lambda: alignscope.similarity({"a": FIRST}), "E201", "1 given"),
    (lambda: alignscope.similarity(FIRST, FIRST), "E201", "one ndarray. Give a list or a dict of layers"),
    (lambda: alignscope.similarity({"a": FIRST, "b": FIRST[1:]}), "E202", "numbers of rows differ"),
    (lambda: alignscope.similarity({"a": FIRST[:30], "b": FIRST[:30]}), "E205", "30 rows"),
    (lambda: alignscope.similarity({"a": FIRST, "b": np.where(FIRST > 2, np.nan, FIRST)}), "E203", "NaN"),
    (lambda: alignscope.similarity({"a": FIRST, "b": np.ones((N, 2))}), "E207", "same values"),
    (lambda: alignscope.similarity(LAYERS, rows=10), "E304", "rows"),
    (lambda: alignscope.similarity({"a": FIRST}, {"a": FIRST[:-5]}), "E202", rf"a \(other\) \(a\) has {N - 5}"),
    (lambda: alignscope.similarity({"a": FIRST, "b": np.full((N, 2), 1e10 + 0.1)}), "E207", "same values"),
    (lambda: alignscope.similarity({"a": FIRST, "b": np.eye(N)[:, :1]}), "E207", "too few of its rows"),
]


@pytest.mark.parametrize(("call", "code", "words"), BAD, ids=[f"{code}-{words[:12]}" for _, code, words in BAD])
def test_what_cannot_be_used(call, code: str, words: str) -> None:
    with pytest.raises(AlignscopeError, match=words) as caught:
        call()
    assert caught.value.code == code


def test_the_command_writes_what_the_function_returns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from alignscope.cli import main

    (tmp_path / "layers").mkdir()
    (tmp_path / "empty").mkdir()
    for name, x in LAYERS.items():
        np.save(tmp_path / "layers" / f"{name}.npy", x)
    out = tmp_path / "run"
    assert main(["similarity", str(tmp_path / "layers"), "--out", str(out)]) in (0, None)
    assert "most alike" in capsys.readouterr().out
    result = alignscope.load(out)
    assert result.rows == ["layer_1", "layer_2", "layer_10", "noise"]
    assert result.to_json() == (out / "similarity.json").read_bytes()
    assert "How alike" in (out / "report.html").read_text(encoding="utf-8")
    assert set(result.to_frame("pyarrow").column("what").to_pylist()) == set(result.measures)
    paths = {name: tmp_path / "layers" / f"{name}.npy" for name in LAYERS}
    again = alignscope.similarity(paths)
    assert again.to_json() == result.to_json()
    assert alignscope.diff(out, again).empty
    assert main(["similarity", str(tmp_path / "empty"), "--out", str(tmp_path / "none")]) == 2
    assert "E101" in capsys.readouterr().err and not (tmp_path / "none").exists()
    (tmp_path / "one.npy").touch()
    assert main(["similarity", str(tmp_path / "one.npy"), "--out", str(tmp_path / "none")]) == 2
    assert "alignscope compare BEFORE AFTER --y Y" in capsys.readouterr().err
