"""AnnData and MuData: what is read from the files, without anndata, is what anndata itself gives."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from alignscope.cli import main
from alignscope.errors import AlignscopeError
from alignscope.pair import Pair
from alignscope.pair.readers import anndata as reader
from alignscope.pair.readers.formats import open_any, open_rows
from alignscope.pair.readers.rows import StoredRows, Where, samples_of
from alignscope.pair.readers.sparse import Compressed, HeldCsr, StoredCsr, converted
from alignscope.pair.readers.stores.hdf5 import H5Rows
from audit_helpers import quick_page

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import anndata
    import mudata
    import pandas as pd

N, GENES, PROTEINS = 90, 23, 6
rng = np.random.default_rng(0)
CELLS = np.array([f"cell{i:03d}" for i in range(N)])
COUNTS = sp.random(N, GENES, 0.3, "csr", np.float32, rng=rng)
OBS = pd.DataFrame(
    {
        "cell_type": pd.Categorical(rng.choice(["B", "T", "NK"], N), categories=["T", "B", "NK", "never"]),
        "some": pd.Categorical(np.where(np.arange(N) % 7, "yes", None)),
        "cluster": pd.Categorical(rng.integers(0, 4, N)),
        "donor": rng.choice(["d1", "d2", "d3"], N).astype(object),
        "age": rng.standard_normal(N),
        "plate": rng.integers(0, 3, N),
        "doublet": rng.random(N) < 0.5,
        "whole": pd.array(rng.integers(0, 3, N), dtype="Int64"),
        "whole_or_none": pd.array([None, *rng.integers(0, 3, N - 1)], dtype="Int64"),
        "flag_or_none": pd.array([None, *(rng.random(N - 1) < 0.5)], dtype="boolean"),
    },
    index=pd.Index(CELLS, name="barcode"),
)


def cells() -> anndata.AnnData:
    made = anndata.AnnData(COUNTS.copy(), OBS.copy(), pd.DataFrame(index=[f"gene{j}" for j in range(GENES)]))
    made.raw = made.copy()
    made.layers["by_columns"] = COUNTS.tocsc()
    made.layers["dense"] = COUNTS.toarray()
    made.obsm["X_pca"] = rng.standard_normal((N, 5)).astype(np.float32)
    made.obsm["sparse"] = COUNTS[:, :4].copy()
    made.obsm["frame"] = pd.DataFrame(rng.standard_normal((N, 3)), columns=["p", "q", "r"], index=OBS.index)
    made.varm["PCs"] = rng.standard_normal((GENES, 5))
    return made


CELL = cells()
PROTEIN = anndata.AnnData(
    rng.standard_normal((N, PROTEINS)), OBS[["age"]].copy(), pd.DataFrame(index=[f"CD{j}" for j in range(PROTEINS)])
)


def write_zarr(path: Path, version: int) -> None:
    before = anndata.settings.zarr_write_format
    anndata.settings.zarr_write_format = version
    try:
        CELL.write_zarr(path)
    finally:
        anndata.settings.zarr_write_format = before


def write_h5mu(path: Path, **modalities: anndata.AnnData) -> None:
    made = mudata.MuData(modalities)
    made.obs = pd.DataFrame({"type": OBS["cell_type"].reindex(made.obs_names)})
    made.write(path)


STORES: dict[str, Callable[[Path], object]] = {
    "a.h5ad": lambda path: CELL.write_h5ad(path),
    "a.h5": lambda path: CELL.write_h5ad(path, compression="gzip"),
    "a2.zarr": lambda path: write_zarr(path, 2),
    "a3.zarr": lambda path: write_zarr(path, 3),
    "a.h5mu": lambda path: write_h5mu(path, rna=CELL, prot=PROTEIN),
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, write in STORES.items():
            write(folder / name)
    return folder


def spec(folder: Path, store: str, element: str) -> str:
    return f"{folder / store}:{'rna/' if store.endswith('mu') else ''}{element}"


def text(column: str) -> list[str]:
    return ["" if value is None or value != value else str(value) for value in OBS[column].tolist()]


MATRICES: dict[str, tuple[np.ndarray, list[str]]] = {
    "X": (COUNTS.toarray(), list(CELL.var_names)),
    "raw/X": (COUNTS.toarray(), list(CELL.var_names)),
    "layers/by_columns": (COUNTS.toarray(), list(CELL.var_names)),
    "layers/dense": (COUNTS.toarray(), list(CELL.var_names)),
    "obsm/X_pca": (CELL.obsm["X_pca"], [f"X_pca {j}" for j in range(5)]),
    "obsm/sparse": (COUNTS[:, :4].toarray(), [f"sparse {j}" for j in range(4)]),
    "obsm/frame": (CELL.obsm["frame"].to_numpy(), ["p", "q", "r"]),
    "varm/PCs": (CELL.varm["PCs"], [f"PCs {j}" for j in range(5)]),
}
COLUMNS: dict[str, list[object]] = {
    **{name: OBS[name].tolist() for name in ("cell_type", "cluster", "donor", "age", "plate", "doublet", "whole")},
    "some": text("some"),
    "whole_or_none": [None if value is pd.NA else value for value in OBS["whole_or_none"].tolist()],
    "flag_or_none": [None if value is pd.NA else value for value in OBS["flag_or_none"].tolist()],
    "_index": CELLS.tolist(),
    "barcode": CELLS.tolist(),
}


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("element", MATRICES)
def test_matrices_are_those_of_anndata(element: str, store: str, stores: Path) -> None:
    values, names = MATRICES[element]
    rows = open_rows(spec(stores, store, element), "x1")
    assert (rows.shape, rows.dtype, rows.columns) == (values.shape, str(values.dtype), tuple(names))
    n = len(values)
    for start, stop in [(0, n), (0, 1), (7, 7), (11, 20), (n - 1, n)]:
        block = rows.read(start, stop)
        assert isinstance(block, np.ndarray)
        np.testing.assert_array_equal(block, values[start:stop])
    again = pickle.loads(pickle.dumps(rows))
    np.testing.assert_array_equal(again.read(3, 9), values[3:9])
    samples = samples_of(again)
    assert samples is not None
    assert samples.read().tolist() == list(CELL.var_names if element.startswith("var") else CELLS)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("column", COLUMNS)
def test_columns_are_those_of_anndata(column: str, store: str, stores: Path) -> None:
    rows = open_any(spec(stores, store, f"obs/{column}"), "y1")
    assert rows.read(0, N).reshape(-1).tolist() == COLUMNS[column]
    assert rows.columns == ("barcode" if column == "_index" else column,)


def test_missing_whole_numbers_are_nan_among_features(stores: Path) -> None:
    values = open_rows(f"{stores / 'a.h5ad'}:obs/whole_or_none", "x1").read(0, N)[:, 0]
    np.testing.assert_array_equal(values, OBS["whole_or_none"].to_numpy(float, na_value=np.nan))


def test_sparse_matrices_are_said(stores: Path) -> None:
    (note,) = open_rows(f"{stores / 'a.h5ad'}:X", "x1").notes
    assert note == (
        f"x1 (a.h5ad:X): a sparse matrix; {COUNTS.nnz:,} of its {N * GENES:,} values are stored, the others are 0."
    )


def test_a_mudata_has_columns_of_its_own_and_modalities_by_either_name(stores: Path) -> None:
    assert open_any(f"{stores / 'a.h5mu'}:obs/type", "y1").read(0, N)[:, 0].tolist() == OBS["cell_type"].tolist()
    for element in ("prot/X", "mod/prot/X", "/prot/X/"):
        np.testing.assert_array_equal(open_rows(f"{stores / 'a.h5mu'}:{element}", "x1").read(0, N), PROTEIN.X)


def test_an_anndata_deep_in_a_store(tmp_path: Path, stores: Path) -> None:
    """As SpatialData keeps its tables."""
    with h5py.File(tmp_path / "a.h5", "w") as file, h5py.File(stores / "a.h5ad") as source:
        for name in source:
            source.copy(name, file.require_group("tables/cells"))
        file["other"] = np.ones((3, 2))
    rows = open_rows(f"{tmp_path / 'a.h5'}:tables/cells/X", "x1")
    assert rows.columns == tuple(CELL.var_names)
    assert open_rows(f"{tmp_path / 'a.h5'}:other", "x1").shape == (3, 2)


def test_categories_as_anndata_0_7_wrote_them(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file["var/_index"] = ["g"]
        file["obs/_index"] = ["c0", "c1", "c2"]
        file["obs/kind"] = np.array([1, -1, 0], np.int8)
        file["obs/__categories/kind"] = ["fir", "oak"]
    assert open_any(f"{tmp_path / 'a.h5ad'}:obs/kind", "y1").read(0, 3)[:, 0].tolist() == ["oak", "", "fir"]


def test_names_that_repeat_are_told_apart(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file["obs/_index"], file["var/_index"] = ["a", "b"], ["MT", "MT", "CD4", "MT"]
        file["X"] = np.ones((2, 4))
    columns = open_rows(f"{tmp_path / 'a.h5ad'}:X", "x1").columns
    assert columns == ("MT", "MT (column 1)", "CD4", "MT (column 3)")


@given(st.integers(1, 12), st.integers(1, 9), st.floats(0, 1), st.integers(0, 2**32 - 1), st.sampled_from("efdlH?"))
@settings(max_examples=40, deadline=None)
def test_sparse_rows_are_those_of_the_dense_matrix(n: int, d: int, density: float, seed: int, kind: str) -> None:
    generator = np.random.default_rng(seed)
    dense = generator.integers(1, 2 if kind == "?" else 9, (n, d)) * (generator.random((n, d)) < density)
    dense[0, 0] = 1  # arrays without any value are no rows
    start, stop = sorted(generator.integers(0, n + 1, 2).tolist())
    where = Where(Path("a.h5ad"), "X", "x1", "a.h5ad:X")
    for matrix, build in ((sp.csr_array(dense), StoredCsr.of), (sp.csc_array(dense), converted)):
        parts = [open_rows(part, "x1") for part in (matrix.indptr, matrix.indices, matrix.data.astype(kind))]
        rows: StoredRows = build((n, d), Compressed(*parts), where)
        block = rows.read(start, stop)
        assert block.dtype == rows.dtype == ("float32" if kind == "e" else np.dtype(kind))
        np.testing.assert_array_equal(block, dense[start:stop])
    np.testing.assert_array_equal(HeldCsr.of(sp.coo_array(dense), "x1", "x1").read(start, stop), dense[start:stop])


def shuffled() -> anndata.AnnData:
    return PROTEIN[rng.permutation(N)].copy()


def test_samples_in_another_order_are_refused_and_a_join_puts_them_right(tmp_path: Path) -> None:
    path = tmp_path / "m.h5mu"
    fewer = shuffled()[: N - 10].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_h5mu(path, rna=CELL, prot=fewer)
    x1, x2, y1 = (f"{path}:{element}" for element in ("rna/obsm/X_pca", "prot/X", "obs/type"))
    match = r"x1 \(m.h5mu:rna/obsm/X_pca\) and x2 \(m.h5mu:prot/X\): the names of their samples \(obs_names\) differ"
    with pytest.raises(AlignscopeError, match=match + r": 10 only in x1 .*data join"):
        Pair.of(x1, x2)
    assert main(["data", "join", x1, x2, "--y1", y1, "--out", str(tmp_path / "pair")]) == 0
    kept = np.isin(CELLS, fewer.obs_names)
    np.testing.assert_array_equal(np.load(tmp_path / "pair" / "x1.npy"), CELL.obsm["X_pca"][kept])
    np.testing.assert_array_equal(np.load(tmp_path / "pair" / "x2.npy"), PROTEIN.X[kept])
    assert np.load(tmp_path / "pair" / "y1.npy").tolist() == OBS["cell_type"][kept].tolist()


def test_the_command_line_reads_a_mudata(stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick_page(monkeypatch)
    path = stores / "a.h5mu"
    inputs = [
        f"{path}:rna/obsm/X_pca",
        f"{path}:prot/X",
        "--y1",
        f"{path}:obs/type",
        "--groups",
        f"{path}:rna/obs/donor",
    ]
    assert main(["audit", *inputs, "--lambdas", "1:2:2", "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert [record["modalities"][k]["name"] for k in ("1", "2")] == ["rna", "prot"]
    assert record["targets"]["1"]["names"] == ["B", "NK", "T"]
    assert (record["n"], record["d1"], record["d2"]) == (N, 5, PROTEINS)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[Path, h5py.File]]:
    """A small AnnData file that a case spoils."""
    path = tmp_path / "a.h5ad"
    with h5py.File(path, "w") as file:
        file["obs/_index"], file["var/_index"] = [f"c{i}" for i in range(6)], ["g0", "g1", "g2"]
        matrix = sp.csr_matrix(np.arange(1.0, 19).reshape(6, 3) * (np.arange(18).reshape(6, 3) % 2))
        for name in ("X", "layers/c"):
            by_rows = name == "X"
            group = file.create_group(name)
            group.attrs["encoding-type"], group.attrs["shape"] = "csr_matrix" if by_rows else "csc_matrix", (6, 3)
            for part in ("indptr", "indices", "data"):
                group[part] = getattr(matrix if by_rows else matrix.tocsc(), part)
        kind = file.create_group("obs/kind")
        kind.attrs["encoding-type"] = "categorical"
        kind["codes"], kind["categories"] = np.array([0, 1, 0, 1, -1, 0], np.int8), ["fir", "oak"]
        number = file.create_group("obs/number")
        number.attrs["encoding-type"] = "nullable-integer"
        number["values"], number["mask"] = np.arange(6), np.zeros(6, bool)
        frame = file.create_group("obsm/frame")
        frame.attrs["encoding-type"], frame.attrs["column-order"], frame.attrs["_index"] = "dataframe", ["a", "b"], "i"
        frame["a"], frame["b"], frame["i"] = np.arange(6.0), np.arange(6.0), [f"c{i}" for i in range(6)]
        yield path, file


def put(key: str, values: object) -> Callable[[h5py.File], None]:
    def spoil(file: h5py.File) -> None:
        if key in file:
            del file[key]
        if values is not None:
            file[key] = values

    return spoil


def describe(key: str, name: str, value: object) -> Callable[[h5py.File], None]:
    return lambda file: file[key].attrs.__setitem__(name, value)


def renamed(group: str, old: str, new: str) -> Callable[[h5py.File], None]:
    def spoil(file: h5py.File) -> None:
        file[group].move(old, new)
        file[group].attrs["column-order"] = [new if name == old else name for name in file[group].attrs["column-order"]]

    return spoil


NOTHING: Callable[[h5py.File], None] = lambda file: None  # noqa: E731
COMPOUND = np.array([(b"c0", 1.0)], [("index", "S2"), ("age", "f8")])
SPOILED = [
    ("X", put("X/indptr", [0, 1, 9, 4, 6, 7, 9]), "E103", r"indptr does not rise"),
    ("X", put("X/indptr", [-5, 1, 3, 4, 6, 7, 9]), "E103", r"indptr does not rise"),
    ("X", put("X/indptr", [0, 1, 3, 4, 6, 7, 900]), "E103", r"indptr does not rise"),
    ("X", put("X/indptr", [0, 9, 9, 9, 9, 9, 9]), "E103", r"indptr does not rise"),
    ("X", put("X/indptr", [0, 1, 3, 4, 6, 7]), "E103", r"indptr, indices and data hold 6, 9, 9 values"),
    ("X", put("X/indptr", [0, 1.5, 3, 4, 6, 7, 9]), "E103", r"indptr, indices and data"),
    ("X", put("X/indices", [3] * 9), "E103", r"indices from 3 to 3, where 0 to 2 are"),
    ("X", put("X/indices", [-1] * 9), "E103", r"indices from -1 to -1"),
    ("X", put("X/indices", [0] * 8), "E103", r"hold 7, 8, 9 values"),
    ("X", put("X/data", ["a"] * 9), "E106", r"values of type"),
    ("X", put("X/data", None), "E105", r"X/data"),
    ("X", describe("X", "shape", (6, 2**40)), "E201", r"1,099,511,627,776 columns"),
    ("X", describe("X", "shape", (2**40, 3)), "E103", r"indptr, indices and data"),
    ("X", describe("X", "shape", (6, 3, 1)), "E103", r"a sparse matrix of shape \(6, 3, 1\)"),
    ("X", describe("X", "shape", "x"), "E103", r"damaged"),
    ("X", describe("X", "encoding-type", "awkward-array"), "E106", r"an element of type awkward-array"),
    ("X", put("var/_index", ["g0"]), "E103", r"3 columns, where var has 1"),
    ("X", put("obs/_index", ["c0"]), "E103", r"6 rows, where obs has 1"),
    ("X", put("obs/_index", None), "E103", r"obs is no table with an index"),
    ("X", put("obs", COMPOUND), "E103", r"older than anndata 0\.7"),
    ("X", put("var", None), "E103", r"it holds no AnnData \(no obs and var\)"),
    ("layers/c", put("layers/c/indptr", [0, 3, 9, 6]), "E103", r"indptr does not rise"),
    ("layers/c", put("layers/c/indices", [6] * 9), "E103", r"indices from 6 to 6, where 0 to 5 are"),
    ("obs/kind", put("obs/kind/codes", np.array([0, 1, 0, 2, 0, 0], np.int8)), "E103", r"codes from 0 to 2 of 2"),
    ("obs/kind", put("obs/kind/codes", np.array([0, 1, 0, -2, 0, 0], np.int8)), "E103", r"codes from -2 to 1 of 2"),
    ("obs/kind", put("obs/kind/codes", np.zeros(6)), "E103", r"codes from 0.0 to 0.0"),
    ("obs/kind", put("obs/kind/codes", np.zeros((6, 2), int)), "E103", r"codes has 2 columns"),
    ("obs/kind", put("obs/kind/codes", np.zeros(5, int)), "E103", r"5 rows, where obs has 6"),
    ("obs/kind", put("obs/kind/categories", None), "E105", r"obs/kind/categories"),
    ("obs/number", put("obs/number/mask", np.ones(5, bool)), "E103", r"6 values and a mask of 5"),
    ("obsm/frame", put("obsm/frame/b", np.ones(5)), "E103", r"columns of different lengths"),
    ("obsm/frame", put("obsm/frame/b", ["x"] * 6), "E106", r"column 'b' holds no numbers"),
    ("obsm/frame", renamed("obsm/frame", "b", "sample_id"), "E106", r"column 'sample_id' looks like row ids"),
    ("obsm/frame", describe("obsm/frame", "column-order", ["a", "z"]), "E103", r"KeyError|damaged"),
    ("", NOTHING, "E105", r"it names no array \(there are obsm/frame, X, layers/c, obs/"),
    ("obs", describe("obs", "encoding-type", "dataframe"), "E105", r"there are obs/_index"),
    ("obsm", NOTHING, "E105", r"there are obsm/frame\)"),
    ("obsm/farme", NOTHING, "E105", r"there are obsm/frame, .* as in a.h5ad:obsm/frame"),
    ("X/data/more", NOTHING, "E105", r"it names no array"),
]


@pytest.mark.parametrize(("element", "spoil", "code", "match"), SPOILED)
def test_what_is_damaged_is_refused(
    element: str, spoil: Callable[[h5py.File], None], code: str, match: str, small: tuple[Path, h5py.File]
) -> None:
    path, file = small
    spoil(file)
    file.close()
    with pytest.raises(AlignscopeError, match=match) as caught:
        rows = open_rows(f"{path}:{element}", "x1")
        rows.read(0, rows.shape[0])
    assert caught.value.code == code


def test_the_small_file_is_read(small: tuple[Path, h5py.File]) -> None:
    path, file = small
    file.close()
    assert [open_rows(f"{path}:{element}", "x1").shape for element in ("X", "layers/c", "obsm/frame")] == [
        (6, 3),
        (6, 3),
        (6, 2),
    ]
    with pytest.raises(AlignscopeError, match=r"y1: 1 of 6 labels are missing \(row 4"):
        Pair.of(f"{path}:X", f"{path}:layers/c", f"{path}:obs/kind")


def test_only_the_rows_that_are_wanted_are_read(small: tuple[Path, h5py.File], monkeypatch: pytest.MonkeyPatch) -> None:
    path, file = small
    file.close()
    rows = open_rows(f"{path}:X", "x1")
    load, read = H5Rows._load, []
    monkeypatch.setattr(H5Rows, "_load", lambda self, a, b: read.append((self.key, b - a)) or load(self, a, b))
    assert rows.read(1, 3).tolist() == [[4, 0, 6], [0, 8, 0]]
    assert sorted(read) == [("X/data", 3), ("X/indices", 3), ("X/indptr", 3)]


def test_a_store_without_anndata_is_any_other_store(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_array("obs/x", data=np.ones((3, 2)))
    assert open_rows(f"{tmp_path / 'a.zarr'}:obs/x", "x1").shape == (3, 2)
    with pytest.raises(AlignscopeError, match=r"it has no array 'X'"):
        open_rows(f"{tmp_path / 'a.zarr'}:X", "x1")


OBJECTS: dict[str, Callable[[anndata.AnnData], object]] = {
    "X": lambda cells: cells.X,
    "a layer by columns": lambda cells: cells.layers["by_columns"],
    "a layer": lambda cells: cells.layers["dense"],
    "a view": lambda cells: cells[:, :].X,
    "a matrix of scipy": lambda cells: sp.coo_matrix(COUNTS),
}


@pytest.mark.parametrize("backed", [False, True], ids=["in memory", "backed"])
@pytest.mark.parametrize("name", OBJECTS)
def test_matrices_of_objects(name: str, backed: bool, stores: Path) -> None:
    held = anndata.read_h5ad(stores / "a.h5ad", backed="r" if backed else None)
    rows = open_rows(OBJECTS[name](held), "x1")
    assert (rows.shape, rows.dtype) == ((N, GENES), "float32")
    for start, stop in [(0, N), (4, 4), (5, 9)]:
        np.testing.assert_array_equal(rows.read(start, stop), COUNTS.toarray()[start:stop])
    if backed:
        held.file.close()


def test_objects_as_a_whole_are_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = mudata.MuData({"rna": CELL, "prot": PROTEIN})
    with pytest.raises(AlignscopeError, match=r"x1: AnnData, which holds several .* data\.obsm\['X_pca'\]"):
        open_rows(CELL, "x1")
    with pytest.raises(AlignscopeError, match=r"x1: MuData, which holds several .* data\['rna'\]\.obsm"):
        open_rows(whole, "x1")


def test_columns_of_objects_are_labels() -> None:
    pair = Pair.of(CELL.obsm["X_pca"], CELL.X, CELL.obs["cell_type"], groups=CELL.obs["donor"])
    assert pair.y1.names == ("B", "NK", "T")
    with pytest.raises(AlignscopeError, match=r"y1.*13 of 90"):
        Pair.of(CELL.obsm["X_pca"], CELL.X, CELL.obs["some"])


def test_anndata_is_not_needed() -> None:
    assert "import anndata" not in Path(reader.__file__).read_text(encoding="utf-8")
