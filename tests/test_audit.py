"""The audit as a function: what it takes and returns, that files and arrays agree, and that it finds the truth."""

from __future__ import annotations

import copy
import doctest
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import msgspec
import numpy as np
import pyarrow as pa
import pytest
import torch
import zarr
from pyarrow import parquet

import alignscope
from alignscope.auditing import api as auditing
from alignscope.auditing.audit import Audit
from alignscope.datasets.factors import FactorModel
from alignscope.errors import AlignscopeError
from alignscope.linear.path import lambda_grid
from alignscope.pair.paired import Pair
from audit_helpers import LABELS, X1, X2, Y1, Y2, N, changed, figures, odd_figures, quick_page, tree

QUICK = {"lambdas": lambda_grid(0.1, 10, 3)}
KEYS = ("11", "12", "21", "22", "b1", "b2")


@cache
def small() -> Audit:
    return alignscope.audit(X1, X2, Y1, Y2, **QUICK)


# what it takes and returns


def test_the_example_in_its_docstring() -> None:
    assert doctest.testmod(auditing).attempted >= 4
    assert doctest.testmod(auditing).failed == 0


def test_a_pair_and_its_options() -> None:
    pair = Pair.of(X1, X2, Y1, Y2)
    assert len(alignscope.audit(pair).directions["1"].lambdas) == 101


def test_it_is_frozen() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        small().n = 3  # type: ignore[misc]
    with pytest.raises(AttributeError, match="immutable"):
        small().sigma.folds.count = 3  # type: ignore[misc]


def test_to_dict_is_plain_and_one_s_own() -> None:
    record = small().to_dict()
    assert {type(value) for _, value in figures(record)} <= {int, float, str, bool, type(None)}
    record["directions"]["1"]["sigma_z"][0] = "mine"
    assert small().to_dict()["directions"]["1"]["sigma_z"][0] != "mine"


def test_to_json_is_strict_and_whole() -> None:
    def refuse(text: str) -> None:
        raise AssertionError(text)

    content = small().to_json()
    assert json.loads(content, parse_constant=refuse) == small().to_dict() == msgspec.json.decode(content)
    assert odd_figures(small().to_dict()) == []


def test_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick_page(monkeypatch)
    page = small().save(tmp_path / "run")
    assert page == tmp_path / "run" / "report.html"
    assert (tmp_path / "run" / "audit.json").read_bytes() == small().to_json()
    assert small().verdict in small()._repr_html_()
    assert set(tree(tmp_path / "run")) == {"audit.json", "report.html", "charts", "charts/sigma.svg"}


def test_progress_is_told_in_order() -> None:
    told: list[tuple[str, float]] = []
    alignscope.audit(X1, X2, Y1, progress=lambda what, share: told.append((what, share)), **QUICK)
    assert list(dict.fromkeys(what for what, _ in told)) == [
        "reading the rows", "solving for every lambda", "permuting", "working out intervals",
        "looking where it is lost", "naming classes", "forecasting networks",
    ]  # fmt: skip
    assert all(0 <= share <= 1 for _, share in told)


def test_inputs_are_left_as_they_were() -> None:
    arrays = [a.copy() for a in (X1, X2, Y1, Y2)]
    for a in arrays:
        a.flags.writeable = False
    assert alignscope.audit(*arrays, **QUICK).to_json() == small().to_json()


OPTIONS: dict[str, tuple[dict[str, Any], str, str]] = {
    "components": ({"components": 0}, "E301", "components: 0"),
    "half a component": ({"components": 1.5}, "E301", "components: 1.5"),
    "a component in words": ({"components": "two"}, "E301", "components: 'two'"),
    "gauge": ({"gauge": "cca"}, "E305", "gauge: 'cca'. Use fitted or whitened"),
    "lambdas as text": ({"lambdas": "1:2"}, "E302", "lambdas: '1:2'"),
    "no lambdas": ({"lambdas": []}, "E302", "lambdas: \\[\\]"),
    "a negative lambda": ({"lambdas": [1, -2]}, "E302", "lambdas: \\[1, -2\\]"),
    "a lambda without end": ({"lambdas": [1, float("inf")]}, "E302", "lambdas: \\[1, inf\\]"),
    "budget": ({"budget": 1.0}, "E304", "budget: 1"),
    "folds": ({"folds": 1}, "E303", "folds: 1"),
    "half a fold": ({"folds": 2.5}, "E303", "folds: 2.5"),
    "seed": ({"seed": -1}, "E304", "seed: -1"),
    "yes for a component": ({"components": True}, "E301", "components: True. Give a whole number"),
    "budget in words": ({"budget": "5%"}, "E304", "budget: '5%'"),
    "no seed": ({"seed": None}, "E304", "seed: None"),
    "half a seed": ({"seed": 0.5}, "E304", "seed: 0.5"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_are_checked_first(name: str) -> None:
    options, code, match = OPTIONS[name]
    with pytest.raises(AlignscopeError, match=match) as error:
        alignscope.audit(X1, X2, Y1, **{**QUICK, **options})
    assert error.value.code == code


def test_numpy_numbers_are_numbers() -> None:
    options = {"components": np.int64(1), "budget": np.float32(0.25), "folds": np.uint8(4), "seed": np.int32(2)}
    found = alignscope.audit(X1, X2, Y1, **QUICK, **options)  # type: ignore[arg-type]
    same = alignscope.audit(X1, X2, Y1, **QUICK, components=1, budget=0.25, folds=4, seed=2)
    assert found.to_json() == same.to_json()


def test_a_pair_has_its_inputs_already() -> None:
    pair = Pair.of(X1, X2, Y1, Y2)
    assert alignscope.audit(pair, **QUICK).to_json() == small().to_json()
    with pytest.raises(AlignscopeError, match=r"^y1, groups: given next to a Pair\. .* \[E201\]$"):
        alignscope.audit(pair, y1=Y1, groups=LABELS)
    with pytest.raises(AlignscopeError, match=r"^x2: not given\. .* \[E201\]$"):
        alignscope.audit(X1)


def test_lambdas_are_a_sequence() -> None:
    grid, odd = (alignscope.audit(X1, X2, Y1, lambdas=given) for given in ([0.1, 1, 10], (5.0, 0, 0.25, 5.0)))
    assert grid.to_json() == alignscope.audit(X1, X2, Y1, **QUICK).to_json()
    assert grid.provenance.lambdas == "0.1:10:3"
    assert odd.directions["1"].lambdas == [0, 0.25, 5]
    assert odd.provenance.lambdas == "0.25:5:2"
    assert alignscope.audit(X1, X2, Y1, lambdas=[3, 0.5, 7]).provenance.lambdas == "0.5,3,7"
    assert alignscope.audit(X1, X2, Y1, lambdas=[0]).provenance.lambdas == "0"


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'group'"):
        alignscope.audit(X1, X2, Y1, group=LABELS)


def test_the_seed_moves_held_out_figures_only() -> None:
    other = alignscope.audit(X1, X2, Y1, Y2, seed=1, **QUICK)
    assert other.sigma.in_sample == pytest.approx(small().sigma.in_sample, abs=1e-12)
    assert other.directions["1"].sigma_z == pytest.approx(small().directions["1"].sigma_z, abs=1e-12)
    assert other.sigma.held_out != small().sigma.held_out


# files and arrays


def saved(write: Callable[[Path, str, np.ndarray], str]) -> Callable[[Path], Audit]:
    """An audit of the small pair from four files, each by a writer that returns what to pass."""

    def run(folder: Path) -> Audit:
        arrays = {"x1": X1, "x2": X2, "y1": Y1, "y2": Y2}
        specs = [str(folder / write(folder, name, values)) for name, values in arrays.items()]
        return alignscope.audit(*specs, **QUICK)

    return run


def as_npy(folder: Path, name: str, values: np.ndarray) -> str:
    np.save(folder / f"{name}.npy", values)
    return f"{name}.npy"


def as_fortran(folder: Path, name: str, values: np.ndarray) -> str:
    return as_npy(folder, name, np.asfortranarray(values))


def as_npz(folder: Path, name: str, values: np.ndarray) -> str:
    np.savez(folder / f"{name}.npz", other=values[:1], mine=values)
    return f"{name}.npz:mine"


def as_compressed(folder: Path, name: str, values: np.ndarray) -> str:
    np.savez_compressed(folder / f"{name}.npz", mine=values)
    return f"{name}.npz"


def as_csv(folder: Path, name: str, values: np.ndarray) -> str:
    header = ",".join(f"{name} {j}" for j in range(values.shape[1]))
    lines = [",".join(map(repr, row)) for row in values.tolist()]
    (folder / f"{name}.csv").write_text("\n".join([header, *lines]) + "\n")
    return f"{name}.csv"


def as_parquet(folder: Path, name: str, values: np.ndarray) -> str:
    parquet.write_table(pa.table({f"{name} {j}": v for j, v in enumerate(values.T)}), folder / f"{name}.parquet")
    return f"{name}.parquet"


def as_h5(folder: Path, name: str, values: np.ndarray) -> str:
    with h5py.File(folder / f"{name}.h5", "w") as file:
        file.create_dataset("deep/mine", data=values, chunks=(7, 1), compression="gzip")
    return f"{name}.h5:deep/mine"


def as_zarr(folder: Path, name: str, values: np.ndarray) -> str:
    zarr.create_array(folder / f"{name}.zarr", data=values, chunks=(13, 2))
    return f"{name}.zarr"


def as_pt(folder: Path, name: str, values: np.ndarray) -> str:
    torch.save({"mine": torch.asarray(values)}, folder / f"{name}.pt")
    return f"{name}.pt:mine"


def mapped(folder: Path) -> Audit:
    arrays = {"x1": X1, "x2": X2, "y1": Y1, "y2": Y2}
    return alignscope.audit(
        *(np.load(folder / as_npy(folder, k, v), mmap_mode="r") for k, v in arrays.items()), **QUICK
    )


FORMATS: dict[str, Callable[[Path], Audit]] = {
    "npy": saved(as_npy),
    "npy by columns": saved(as_fortran),
    "npz": saved(as_npz),
    "npz, compressed": saved(as_compressed),
    "csv": saved(as_csv),
    "parquet": saved(as_parquet),
    "h5": saved(as_h5),
    "zarr": saved(as_zarr),
    "pt": saved(as_pt),
    "memory map": mapped,
    "lists": lambda _: alignscope.audit(X1.tolist(), X2.tolist(), Y1.tolist(), Y2.tolist(), **QUICK),
}


def without_sources(audit: Audit) -> dict[str, Any]:
    record = copy.deepcopy(audit.to_dict())
    for part in (*record["modalities"].values(), *record["targets"].values(), *record["provenance"]["data"].values()):
        del part["source"]
    return record


@pytest.mark.parametrize("name", FORMATS)
def test_the_format_does_not_matter(name: str, tmp_path: Path) -> None:
    """Every figure to the last digit, and the digest of the rows, are those of the arrays in memory."""
    assert without_sources(FORMATS[name](tmp_path)) == without_sources(small())


def test_torch_tensors_give_the_same_figures() -> None:
    tensors = [torch.asarray(a) for a in (X1, X2, Y1, Y2)]
    found = dict(figures(without_sources(alignscope.audit(*tensors, **QUICK))))
    for path, value in figures(without_sources(small())):
        if isinstance(value, float) and ".regime" not in path:
            assert found[path] == pytest.approx(value, rel=1e-7, abs=1e-10), path


ODD: dict[str, Callable[[float], Any]] = {
    "numpy": lambda v: changed(X1, (5, 2), v),
    "not contiguous": lambda v: changed(X1, (5, 2), v)[:, ::-1],
    "torch": lambda v: torch.asarray(changed(X1, (5, 2), v)),
    "torch float32": lambda v: torch.asarray(changed(X1, (5, 2), v), dtype=torch.float32),
    "torch float16": lambda v: torch.asarray(changed(X1, (5, 2), v), dtype=torch.float16),
    "list": lambda v: changed(X1, (5, 2), v).tolist(),
}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ODD)
def test_values_that_are_not_finite_are_found(name: str, value: float) -> None:
    with pytest.raises(AlignscopeError, match=rf"x1: 1 of .* {value} at row 5, column [12] .*E203"):
        alignscope.audit(ODD[name](value), X2, Y1, **QUICK)


LABELLED: dict[str, Callable[[Path], Any]] = {
    "list": lambda _: LABELS.tolist(),
    "npy": lambda folder: saved_as(folder / "y.npy", lambda path: np.save(path, LABELS)),
    "csv": lambda folder: saved_as(folder / "y.csv", lambda path: path.write_text("kind\n" + "\n".join(LABELS) + "\n")),
    "csv without header": lambda folder: saved_as(folder / "y.csv", lambda path: path.write_text("\n".join(LABELS))),
    "parquet": lambda folder: saved_as(
        folder / "y.parquet", lambda path: parquet.write_table(pa.table({"kind": LABELS.tolist()}), path)
    ),
    "one-hot": lambda _: (LABELS[:, None] == np.unique(LABELS)).astype(int),
    "bytes": lambda _: LABELS.astype("S"),
}


def saved_as(path: Path, write: Callable[[Path], object]) -> Path:
    write(path)
    return path


@pytest.mark.parametrize("name", LABELLED)
def test_labels_in_any_form(name: str, tmp_path: Path) -> None:
    names = {"targets1": ["ash", "fir", "oak"]} if name == "one-hot" else {}
    found = alignscope.audit(X1, X2, LABELLED[name](tmp_path), **names, **QUICK)
    expected = alignscope.audit(X1, X2, LABELS, **QUICK)
    assert found.targets["1"].names == ["ash", "fir", "oak"]
    assert found.targets["1"].kind == "class"
    assert found.sigma == expected.sigma
    assert found.directions == expected.directions


def test_whole_weights_count_rows_more_than_once() -> None:
    weights = np.arange(N) % 4
    rows = np.repeat(np.arange(N), weights)
    weighted = alignscope.audit(X1, X2, Y1, Y2, weights=weights, **QUICK)
    repeated = alignscope.audit(X1[rows], X2[rows], Y1[rows], Y2[rows], **QUICK)
    for key in KEYS:
        assert weighted.sigma.in_sample[key] == pytest.approx(repeated.sigma.in_sample[key], abs=1e-10)
    for i in "12":
        np.testing.assert_allclose(weighted.directions[i].sigma_z, repeated.directions[i].sigma_z, atol=1e-9)
        np.testing.assert_allclose(weighted.directions[i].alignment_r2, repeated.directions[i].alignment_r2, atol=1e-9)


def test_rows_that_lack_a_modality_count_for_the_other() -> None:
    lacking = np.arange(N) % 5 == 0
    x1 = np.where(lacking[:, None], np.nan, X1)
    found = alignscope.audit(x1, X2, Y1, Y2, **QUICK)
    masked = alignscope.audit(X1, X2, Y1, Y2, present1=~lacking, **QUICK)
    some = alignscope.audit(X1[~lacking], X2[~lacking], Y1[~lacking], Y2[~lacking], **QUICK)
    assert found.sigma == masked.sigma
    for key, expected in {"11": some, "12": some, "21": small(), "22": small(), "b1": some, "b2": some}.items():
        assert found.sigma.in_sample[key] == pytest.approx(expected.sigma.in_sample[key], abs=1e-10), key
    np.testing.assert_allclose(found.directions["1"].sigma_z, some.directions["1"].sigma_z, atol=1e-9)


# the truth

MODEL = FactorModel(
    ("shared", "own 1", "own 2"),
    l1=np.array([2.0, 1.5, 0.5]),
    l2=np.array([1.5, 0.5, 2.0]),
    targets1={"a": "shared", "b": "own 1"},
    targets2={"c": "shared", "d": "own 2"},
    tau1=1.0,
    tau2=1.0,
    eta1=0.5,
    eta2=0.7,
    d1=6,
    d2=5,
    mixing1=10.0,
    mixing2=10.0,
    mean1=3.0,
    mean2=-100.0,
)


def drawn(n: int, seed: int, exact: bool = False, **options: Any) -> Audit:
    s = MODEL.sample(n, seed=seed, exact=exact)
    return alignscope.audit(s.x1, s.x2, s.y1, s.y2, **{**QUICK, "seed": seed, **options})


def test_an_exact_sample_gives_the_population_s_figures() -> None:
    found, truth = drawn(400, 0, exact=True), MODEL.truth()
    for key, value in truth.sigma.items():
        assert found.sigma.in_sample[key] == pytest.approx(value, abs=1e-10), key


def test_held_out_is_near_the_truth() -> None:
    found, truth = drawn(20_000, 1), MODEL.truth()
    assert found.sigma.interval.kind == "row"
    for key, value in truth.sigma.items():
        assert found.sigma.held_out[key].value == pytest.approx(value, abs=0.015), key


def test_intervals_cover_the_truth() -> None:
    """Of 12 x 6 intervals at 95%, those that miss; 72 x 0.05 = 4 are expected, of 12 correlated groups."""
    truth = MODEL.truth().sigma
    covered = dict.fromkeys(KEYS, 0)
    for seed in range(12):
        held = drawn(400, 100 + seed, lambdas=lambda_grid(1, 1, 1)).sigma.held_out
        for key in KEYS:
            covered[key] += held[key].low <= truth[key] <= held[key].high
    assert min(covered.values()) >= 9, covered
    assert sum(covered.values()) >= 63, covered


def test_intervals_narrow_with_the_root_of_n() -> None:
    widths = []
    for n in (400, 6400):
        estimate = drawn(n, 2).sigma.held_out["11"]
        widths.append(estimate.high - estimate.low)
    assert 3 < widths[0] / widths[1] < 8  # 4, and what refits add where rows are few


def test_the_null_holds_its_level() -> None:
    """A figure of pure noise exceeds its null's 95th percentile about once in twenty."""
    above = 0
    for seed in range(12):
        x1, x2, y = np.random.default_rng(seed).normal(size=(3, 200, 3))
        held = alignscope.audit(x1, x2, y, seed=seed, lambdas=lambda_grid(1, 1, 1)).sigma.held_out
        above += sum(held[key].value > held[key].null95 for key in ("11", "21", "b1"))
    assert 0 < above <= 6, above


def verdict_of(x1: np.ndarray, x2: np.ndarray, y1: np.ndarray, y2: np.ndarray, **options: Any) -> Audit:
    return alignscope.audit(x1, x2, y1, y2, **{**QUICK, **options})


def test_each_verdict_is_reached() -> None:
    assert drawn(1500, 3).non_redundant.verdict == "yes"
    s = MODEL.sample(1500, seed=3)
    swapped = verdict_of(s.x1, s.x2, s.y2, s.y1)
    assert swapped.non_redundant.verdict == "no"
    assert {c.answer for c in swapped.non_redundant.comparisons} == {"no"}
    x1, x2 = np.random.default_rng(0).normal(size=(2, 200, 2))
    assert verdict_of(x1, x2, x1 + x2, x1 + x2).non_redundant.verdict == "undecided"


def test_what_both_know_together() -> None:
    truth = MODEL.truth().sigma
    gains = drawn(5000, 4).non_redundant.complementary
    for j in "12":
        expected = truth[f"b{j}"] - max(truth[f"1{j}"], truth[f"2{j}"])
        assert gains[j].answer == "yes"
        assert gains[j].gain.value == pytest.approx(expected, abs=0.02)
        assert gains[j].gain.low <= expected <= gains[j].gain.high


def test_groups_widen_intervals_where_rows_are_alike() -> None:
    """Rows that share a site's own error: held out by row, the interval claims more than there is."""
    rng = np.random.default_rng(5)
    sites = rng.permutation(np.repeat(np.arange(30), 20))  # neighbours in the file are not alike
    x1, x2 = rng.normal(size=(2, 600, 3))
    y = x1[:, :1] + 2 * rng.normal(size=(30, 1))[sites]
    by_row, by_site = (alignscope.audit(x1, x2, y, groups=g, **QUICK).sigma for g in (None, sites))
    assert (by_row.folds.kind, by_site.folds.kind) == ("row", "group")
    assert (by_site.interval.kind, by_site.interval.units) == ("group", 30)
    widths = [s.held_out["11"].high - s.held_out["11"].low for s in (by_row, by_site)]
    assert widths[1] > 1.3 * widths[0]


def test_alignment_costs_what_the_population_says() -> None:
    """At risk in direction 1, from the closed forms of the factor model."""
    truth = MODEL.truth()
    ry, rt = truth.ry(1), truth.rt(1, 2)
    u = np.linalg.svd(rt)[0][:, :2]
    kept = np.sum((u.T @ ry) ** 2) / 2
    first = np.sum(np.linalg.svd(ry, compute_uv=False)[:2] ** 2) / 2
    found = drawn(20_000, 6, components=2).directions["1"]
    assert found.at_risk == pytest.approx(first - kept, abs=0.02)
    assert found.held_out_at_risk.value == pytest.approx(first - kept, abs=0.02)
    assert first - kept > 0.05
