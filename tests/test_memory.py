"""Objects in memory: what every kind of them is read as, and what is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse
import torch

from alignscope.errors import AlignscopeError
from alignscope.joining.join import join
from alignscope.pair.paired import Pair
from alignscope.pair.readers.formats import open_any, open_rows, read_vector
from alignscope.pair.readers.rows import StoredRows, samples_of

N, D = 40, 3
RNG = np.random.default_rng(0)
X = RNG.integers(-8, 8, (N, D)).astype(np.float32)  # exact in every type
NAMES = [f"s{i}" for i in range(N)]
OTHER = RNG.standard_normal((N, 2))


def read(value: Any, role: str = "x1") -> np.ndarray:
    rows = open_rows(value, role)
    return np.asarray(rows.read(0, rows.shape[0]))


def coo() -> torch.Tensor:
    return torch.from_numpy(X).to_sparse()


SAME: dict[str, tuple[Callable[[], Any], str]] = {
    "array": (lambda: X, ""),
    "bfloat16": (lambda: torch.from_numpy(X).bfloat16(), "bfloat16 was read as float32"),
    "float8": (lambda: torch.from_numpy(X).to(torch.float8_e4m3fn), "float8_e4m3fn was read as float32"),
    "half": (lambda: torch.from_numpy(X).half(), ""),
    "gradients": (lambda: torch.from_numpy(X).requires_grad_(), "requires a gradient was detached"),
    "both": (lambda: torch.from_numpy(X).bfloat16().requires_grad_(), "was read as float32"),
    "csr": (lambda: scipy.sparse.csr_matrix(X), "a sparse matrix; its rows become dense"),
    "csc array": (lambda: scipy.sparse.csc_array(X), "a sparse matrix"),
    "sparse tensor": (coo, "a sparse tensor was made dense"),
    "list of lists": (lambda: X.tolist(), ""),
    "list of rows": (lambda: list(X), ""),
    "list of tensors": (lambda: list(torch.from_numpy(X)), ""),
    "list of tensors with gradients": (lambda: list(torch.from_numpy(X).requires_grad_()), ""),
    "batches": (lambda: [X[:16], X[16:32], X[32:]], "3 batches of rows were put one after another"),
    "batches of tensors": (lambda: list(torch.from_numpy(X).split(16)), "3 batches of rows"),
    "dict": (lambda: dict(zip(NAMES, X, strict=True)), "each of its 40 keys is the name of one sample"),
    "dict of tensors": (lambda: dict(zip(NAMES, torch.from_numpy(X), strict=True)), "40 keys"),
    "arrow table": (lambda: pa.table({f"b{j}": X[:, j] for j in range(D)}), ""),
    "arrow lists": (lambda: pa.array(X.tolist(), pa.list_(pa.float32())), ""),
    "unmasked": (lambda: np.ma.array(X), ""),
}


@pytest.mark.parametrize("case", SAME)
def test_the_same_numbers_whatever_holds_them(case: str) -> None:
    make, note = SAME[case]
    rows = open_rows(make(), "x1")
    assert rows.shape == (N, D)
    for start, stop in ((0, N), (3, 7), (5, 5)):
        block = rows.read(start, stop)
        np.testing.assert_array_equal(block.numpy() if hasattr(block, "numpy") else block, X[start:stop])
    assert note in "\n".join(rows.notes)
    assert bool(rows.notes) == bool(note)
    pair = Pair.of(make(), OTHER)
    assert pair.n == N and all(note in pair.notes for note in rows.notes)


def test_masked_values_are_missing() -> None:
    masked = np.ma.array(X, mask=np.arange(N * D).reshape(N, D) % 50 == 0)
    rows = open_rows(masked, "x1")
    np.testing.assert_array_equal(np.isnan(rows.read(0, N)), masked.mask)
    assert [note.line for note in rows.notes] == ["AS121 x1: masked values, read as missing: 3."]
    whole = np.ma.array(np.arange(N) % 3, mask=np.arange(N) == 4)
    with pytest.raises(AlignscopeError, match=r"y1: 1 of 40 labels are missing \(row 4"):
        Pair.of(X, OTHER, whole)
    with pytest.raises(AlignscopeError, match=r"groups: 1 of 40 labels are missing"):
        Pair.of(X, OTHER, groups=np.ma.array(NAMES, mask=np.arange(N) == 4))
    pair = Pair.of(X, OTHER, whole, drop_missing=True)
    assert (pair.n, pair.y1.names) == (N - 1, ("0", "1", "2"))
    assert Pair.of(X, OTHER, np.ma.array(np.arange(N) % 3)).y1.kind == "class"


def test_keys_of_dicts_are_the_names_of_samples() -> None:
    first, order = dict(zip(NAMES, X, strict=True)), RNG.permutation(N)[:30]
    second = {NAMES[i]: OTHER[i] for i in order}
    with pytest.raises(AlignscopeError, match=r"names of their samples \(keys\) differ: 10 only in x1"):
        Pair.of(first, second)
    joined = join(first, second)
    kept = np.sort(order)
    np.testing.assert_array_equal(joined.x1.read(0, 30), X[kept])
    np.testing.assert_array_equal(joined.x2.read(0, 30), OTHER[kept])


class Samples:
    """As a torch Dataset of dicts."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, place: int) -> dict[str, Any]:
        return {"x": X[place]}


def numbers() -> Iterator[float]:
    yield 1.0


REFUSED: dict[str, tuple[Any, str, str]] = {
    "dask": (SimpleNamespace(compute=0, dask=0), "E102", "x1: a dask array"),
    "loader": (torch.utils.data.DataLoader(Samples(), batch_size=4), "E102", "loader of batches.*torch.cat"),
    "samples": (Samples(), "E102", "a data set of samples.*torch.stack"),
    "tensors": (torch.utils.data.TensorDataset(torch.from_numpy(X)), "E102", "a data set of samples"),
    "table": (SimpleNamespace(column_names=["a"], features={}), "E102", "of several columns.*with_format"),
    "variables": (SimpleNamespace(data_vars={}), "E102", "an xarray Dataset of several variables"),
    "generator": (numbers(), "E102", "an iterator, which can be read only once"),
    "set": ({1, 2}, "E102", "a set, which has no order"),
    "nothing": ([], "E201", "without any rows"),
    "an empty dict": ({}, "E201", "a dict without keys"),
    "ragged": ([[1, 2], [3]], "E201", "rows of different lengths"),
    "ragged arrays": ([X[0], X[0, :2]], "E201", "rows of different lengths"),
    "ragged tensors": (torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged), "E201", "of d"),
    "complex sparse": (scipy.sparse.csr_matrix(X * 1j), "E106", "x1: values of type complex"),
    "text among numbers": (pa.table({"a": ["u"] * N, "b": X[:, 0]}), "E106", "column 'a' holds text"),
    "None": (None, "E201", "a single value"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_holds_no_array_is_refused_by_name(case: str) -> None:
    value, code, message = REFUSED[case]
    with pytest.raises(AlignscopeError, match=message) as caught:
        open_rows(value, "x1")
    assert caught.value.code == code


def test_columns_of_arrow() -> None:
    assert read_vector(pa.array(["a", "b"]), "groups").tolist() == ["a", "b"]
    assert read_vector(pa.chunked_array([[1, 2], [3]]), "groups").tolist() == [1, 2, 3]


@pytest.fixture
def pd() -> Any:
    return pytest.importorskip("pandas")


def test_frames_keep_their_names(pd: Any) -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    rows = open_rows(frame, "x1")
    assert (rows.columns, samples_of(rows), rows.notes) == (("a", "b", "c"), None, ())
    np.testing.assert_array_equal(read(frame), X)
    pair = Pair.of(frame, OTHER, frame["b"])
    assert pair.y1.names == ("b",)
    with pytest.raises(AlignscopeError, match="the name 'a' is given twice"):
        open_rows(pd.DataFrame(X, columns=["a", "a", "c"]), "x1")


def test_columns_of_every_type_of_pandas(pd: Any) -> None:
    whole = [int(i) % 3 for i in range(N)]
    frame = pd.DataFrame({"a": pd.array(whole, "Int64"), "b": X[:, 0], "c": pd.array([True] * N, "boolean")})
    np.testing.assert_array_equal(read(frame), np.stack([whole, X[:, 0], np.ones(N)], axis=1))
    frame.loc[4, "a"] = pd.NA
    assert np.isnan(read(frame)).sum() == 1
    assert [note.line for note in open_rows(frame, "x1").notes] == ["AS121 x1: cells without a value, read as NaN: 1."]
    for labels in (
        pd.Series(whole, dtype="Int64"),
        pd.Series(np.array(["0", "1", "2"])[whole], dtype="category"),
        pd.Series(np.array(["0", "1", "2"])[whole], dtype="string"),
        pd.Categorical.from_codes(whole, ["0", "1", "2"]),
    ):
        assert Pair.of(X, OTHER, labels).y1.names == ("0", "1", "2")
    large = pd.Series([2**60 + i for i in range(N)], dtype="Int64")
    assert Pair.of(X, OTHER, ids1=large, ids2=[2**60 + i for i in range(N)]).n == N
    with pytest.raises(AlignscopeError, match=r"column 'a' holds object, not numbers, first s0 in row 0"):
        open_rows(pd.DataFrame({"a": NAMES, "b": X[:, 0]}), "x1")
    vectors = pd.Series(list(X), name="embedding")
    np.testing.assert_array_equal(read(vectors), X)


def test_a_true_or_false_is_a_number_beside_others(pd: Any) -> None:
    """As `pandas.get_dummies` leaves columns of a table of numbers."""
    frame = pd.get_dummies(pd.DataFrame({"height": np.arange(N) / 2, "kind": ["oak", "fir"] * (N // 2)}))
    rows = open_rows(frame, "x1")
    assert (rows.columns, rows.dtype) == (("height", "kind_fir", "kind_oak"), "float64")
    np.testing.assert_array_equal(rows.read(0, N), frame.to_numpy().astype(np.float64))


def test_dates_of_pandas_are_groups(pd: Any) -> None:
    days = pd.to_datetime(pd.Series([f"2020-01-{1 + i // 10:02}" for i in range(N)]))
    for groups in (days, days.dt.tz_localize("UTC"), days.dt.date, days.dt.to_period("M").astype(object), days.dt.day):
        assert Pair.of(X, OTHER, groups=groups).groups is not None


def test_frames_whose_indexes_differ(pd: Any) -> None:
    frame = pd.DataFrame(X, index=NAMES)
    other = pd.DataFrame(OTHER, index=NAMES)
    assert Pair.of(frame, other).n == N
    mixed = other.sample(frac=1, random_state=0)
    with pytest.raises(AlignscopeError, match=r"names of their samples \(index\) differ: the same in another order"):
        Pair.of(frame, mixed)
    labels = pd.Series(np.arange(N) % 3, index=mixed.index)
    with pytest.raises(AlignscopeError, match=r"x1 and y1.*names of their samples \(index\) differ"):
        Pair.of(frame, OTHER, labels)
    np.testing.assert_array_equal(join(frame, mixed).x2.read(0, N), OTHER)
    assert Pair.of(frame, OTHER).notes == ()
    notes = Pair.of(frame, pd.DataFrame(OTHER)).notes
    assert any(
        "x1 has an index of its own, and x2 has 0, 1, 2, ...: rows were taken in their order" in n for n in notes
    )


def test_geometries_are_left_out(pd: Any) -> None:
    class Geometry:
        dtype, index = "geometry", None

    frame = SimpleNamespace(
        columns=["a", "geometry", "b"], dtypes=[X.dtype, "geometry", X.dtype], index=None, to_numpy=lambda: None
    )
    columns = {"a": pd.Series(X[:, 0]), "geometry": Geometry(), "b": pd.Series(X[:, 1])}
    frame.iloc = SimpleNamespace()

    class Places:
        def __getitem__(self, place: tuple[Any, int]) -> Any:
            return columns[frame.columns[place[1]]]

    frame.iloc = Places()
    rows = open_any(frame, "x1")
    assert isinstance(rows, StoredRows)
    assert rows.columns == ("a", "b")
    assert rows.notes == ("x1: the column of geometries 'geometry' was left out.",)
    np.testing.assert_array_equal(rows.read(0, N), X[:, :2])


def test_coordinates_of_xarray() -> None:
    def labelled(coordinates: dict[str, Any]) -> Any:
        arrays = {name: SimpleNamespace(to_numpy=lambda v=v: np.array(v)) for name, v in coordinates.items()}
        return SimpleNamespace(dims=("sample", "band"), coords=arrays, name="x", to_numpy=lambda: X)

    rows = open_any(labelled({"band": ["B02", "B03", "B04"], "sample": NAMES}), "x1")
    assert rows.columns == ("B02", "B03", "B04")
    names = samples_of(rows)
    assert names is not None and names.read().tolist() == NAMES
    plain = open_any(labelled({"sample": np.arange(N)}), "x1")
    assert (plain.columns[0], samples_of(plain)) == ("x1 0", None)
