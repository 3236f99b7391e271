"""Fill values, scale and offset, and quantised numbers become what they stand for, in every format, and it is said."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from alignscope.errors import AlignscopeError
from alignscope.pair.notes import Note
from alignscope.pair.readers.formats import open_rows, read_vector
from alignscope.pair.readers.packing import AEF, Packing, packing_of

Q = np.random.default_rng(0).integers(-100, 100, (40, 6)).astype(np.int16)
Q[::9] = -32768
MISSING = Q == -32768
Attributes = Mapping[str, Any]


def h5(path: Path, array: np.ndarray, attributes: Attributes) -> str:
    with h5py.File(path / "a.h5", "w") as file:
        file.create_dataset("x", data=array, chunks=(7, 3)).attrs.update(attributes)
    return "a.h5:x"


def zarr_of(version: int) -> Callable[[Path, np.ndarray, Attributes], str]:
    def save(path: Path, array: np.ndarray, attributes: Attributes) -> str:
        plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in attributes.items()}
        made = zarr.create_array(path / "a.zarr", data=array, chunks=(7, 3), zarr_format=version)
        made.attrs.update(plain)
        return "a.zarr"

    return save


SAVES = {"h5": h5, "zarr 2": zarr_of(2), "zarr 3": zarr_of(3)}


@pytest.mark.parametrize("save", SAVES)
def test_fill_scale_and_offset_are_applied_block_by_block(save: str, tmp_path: Path) -> None:
    attributes = {"_FillValue": np.int16(-32768), "scale_factor": 0.001, "add_offset": 2.0}
    rows = open_rows(str(tmp_path / SAVES[save](tmp_path, Q, attributes)), "x1")
    expected = np.where(MISSING, np.nan, Q * 0.001 + 2.0)
    assert rows.dtype == "float64"
    for start, stop in ((0, 40), (0, 1), (5, 23), (39, 40)):
        np.testing.assert_array_equal(rows.read(start, stop), expected[start:stop])
    notes = {note.code: note for note in rows.notes if isinstance(note, Note)}
    assert "stored numbers of -32768 stand for missing (_FillValue)" in notes["AS121"]
    assert "read as 0.001 × s + 2 (scale_factor, add_offset)" in notes["AS122"]


@pytest.mark.parametrize(
    ("attributes", "stored", "expected"),
    [
        ({"missing_value": [-1, -2]}, [-1, -2, 3], [np.nan, np.nan, 3]),
        ({"missing_value": "-1"}, [-1, 2], [np.nan, 2]),
        ({"valid_min": 0}, [-1, 0, 5], [np.nan, 0, 5]),
        ({"valid_range": [0, 4]}, [-1, 0, 5], [np.nan, 0, np.nan]),
        ({"valid_range": [0.0, 0.4], "scale_factor": 0.1}, [-1, 1, 5], [np.nan, 0.1, np.nan]),
        ({"_Unsigned": "true"}, [-1, 1], [255, 1]),
        ({"_Unsigned": "true", "_FillValue": -1}, [-1, -2], [np.nan, 254]),
        ({"_FillValue": 300}, [44, 1], [44, 1]),
        ({"scale_factor": 0.5}, [2, 3], [1, 1.5]),
        ({"geoemb:quantization": {"method": "signed_square"}}, [-128, -51, 127], [np.nan, -0.16, (127 / 127.5) ** 2]),
        ({"emb:quantization": {"method": "linear", "scale": [0.5], "offset": [1]}}, [2, 4], [2, 3]),
        ({"emb:quantization": {"method": "none"}}, [2, 4], [2, 4]),
    ],
)
def test_what_attributes_declare(attributes: Attributes, stored: list[int], expected: list[float]) -> None:
    values = packing_of(attributes, np.dtype(np.int8), "a").values(np.array(stored, np.int8))
    np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_fill_values_as_xarray_writes_them_to_zarr() -> None:
    text = base64.b64encode(np.float32(-9999).tobytes()).decode()
    stored = np.array([-9999, 1], np.float32)
    values = packing_of({"_FillValue": text}, stored.dtype, "a").values(stored)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, [np.nan, 1])


def test_a_quantisation_that_is_not_known_is_said() -> None:
    packing = packing_of({"geoemb:quantization": {"method": "per_pixel_scale"}}, np.dtype(np.int8), "a")
    (note,) = packing.notes("x1 (a.zarr)")
    assert "quantised by 'per_pixel_scale', which is not known here" in note
    assert packing == Packing(unknown="per_pixel_scale")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"scale_factor": "big"}, r"its attribute scale_factor is 'big'"),
        ({"scale_factor": [1.0, 2.0]}, r"its attribute scale_factor is '\[1.0, 2.0\]'"),
        ({"add_offset": float("inf")}, "its attribute add_offset is 'inf'"),
        ({"_FillValue": {}}, "its attribute _FillValue"),
        ({"valid_range": [1]}, "its attribute valid_range"),
    ],
)
def test_attributes_that_are_no_numbers(attributes: Attributes, message: str) -> None:
    with pytest.raises(AlignscopeError, match=message) as caught:
        packing_of(attributes, np.dtype(np.int8), "a")
    assert caught.value.code == "E103"


@given(st.sampled_from(["int8", "uint8", "int16", "int32", "float32", "float64"]), st.data())
def test_values_are_those_of_one_number_at_a_time(kind: str, data: st.DataObject) -> None:
    dtype = np.dtype(kind)
    numbers = st.integers(0, 100)
    stored = np.array(data.draw(st.lists(numbers, min_size=1, max_size=8)), dtype)
    packing = Packing(
        fills=tuple(data.draw(st.lists(numbers, max_size=2))),
        low=data.draw(st.sampled_from([-np.inf, 10])),
        scale=data.draw(st.sampled_from([1.0, 0.25, -2.0])),
        offset=data.draw(st.sampled_from([0.0, 3.0])),
        square=data.draw(st.booleans()),
    )

    def one(s: float) -> float:
        if s in packing.fills or s < packing.low:
            return np.nan
        scaled = packing.scale * s
        return (np.sign(scaled) * scaled**2 if packing.square else scaled) + packing.offset

    values = packing.values(stored)
    assert values.dtype == packing.dtype(dtype)
    np.testing.assert_allclose(values, [one(float(s)) for s in stored], rtol=1e-6)


def test_alpha_earth() -> None:
    stored = np.arange(-128, 128).astype(np.int8)
    values = AEF.values(stored)
    whole = stored[1:].astype(float)
    np.testing.assert_allclose(values[1:], np.sign(whole) * (whole / 127.5) ** 2, rtol=1e-12)
    assert np.isnan(values[0])


def test_labels_stay_whole_where_none_is_missing(tmp_path: Path) -> None:
    labels = np.arange(40, dtype=np.int32) % 3
    spec = str(tmp_path / h5(tmp_path, np.c_[labels, labels, labels], {"_FillValue": np.int32(-1)}))
    assert open_rows(spec, "y1").dtype == "float64"
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file["y"] = labels
        file["y"].attrs["_FillValue"] = np.int32(-1)
        file["z"] = np.where(labels == 2, -1, labels)
        file["z"].attrs["_FillValue"] = np.int32(-1)
    assert read_vector(f"{tmp_path / 'y.h5'}:y", "y1").dtype == np.int32
    np.testing.assert_array_equal(read_vector(f"{tmp_path / 'y.h5'}:z", "y1"), np.where(labels == 2, np.nan, labels))


def test_chunks_that_were_never_written_are_counted(tmp_path: Path) -> None:
    for version in (2, 3):
        made = zarr.create_array(
            tmp_path / f"{version}.zarr", shape=(40, 4), chunks=(10, 4), dtype="i2", fill_value=-1, zarr_format=version
        )
        made[:20] = 5
        rows = open_rows(tmp_path / f"{version}.zarr", "x1")
        assert "2 of 4 chunks were never written; what stands there is the fill value, -1" in rows.notes[0]
        np.testing.assert_array_equal(rows.read(18, 22)[:, 0], [5, 5, np.nan, np.nan])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (40, 4), "f4", chunks=(10, 4))[:30] = 1
        file.create_dataset("none", (40, 4), "f4")
    assert "1 of 4 chunks were never written" in open_rows(f"{tmp_path / 'a.h5'}:x", "x1").notes[0]
    assert "1 of 1 chunks were never written" in open_rows(f"{tmp_path / 'a.h5'}:none", "x1").notes[0]


def test_the_fill_value_of_a_data_set_is_missing_unless_it_is_0(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (20, 2), "f4", chunks=(10, 2), fillvalue=-9999)[:10] = 1
    block = open_rows(tmp_path / "a.h5", "x1").read(9, 11)
    np.testing.assert_array_equal(block, [[1, 1], [np.nan, np.nan]])
