"""Generated patches as files: the layout, names, keys and types of TreeSatAI-Time-Series."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from alignscope._lib import files as _files
from alignscope._lib.checks import one_of
from alignscope._lib.contents import csv_bytes, json_bytes
from alignscope._lib.geotiff import import_rasterio
from alignscope._lib.types import Progress
from alignscope.datasets.treesatai.format import AERIAL_SIDE, GENERA, SERIES, SPLITS, Patch
from alignscope.datasets.treesatai.generator.generator import Generated
from alignscope.datasets.treesatai.places import LABEL_FILE
from alignscope.errors import AlignscopeError

GENERATED = "generated.json"
"""The options of a generated archive, written before its first patch."""

_BORDER = 2  # pixels on each side of the aerial file that lie beyond 60 m
_METRES = 0.2
_EPSG = 25832
_WRONG_MASKS = 10  # channels of the variant; snow and cloud are the first two


def write_archive(
    source: Generated,
    folder: str | Path,
    *,
    layout: str = "released",
    splits: int = 3,
    progress: Progress | None = None,
) -> Path:
    """Write the patches of a source as an archive, and return its folder.

    The folder holds

    - generated.json : the options, written first;
    - truth.csv : what stands in every patch (`Generated.truth`), which the real archive does not have;
    - labels/TreeSatBA_v9_60m_multi_labels.json and split/{train,val,test}_filenames.lst;
    - aerial/<stem>.tif : (4, 304, 304) uint8, 0.2 m, EPSG:25832;
    - sentinel-ts/<stem>_<YYYY>.h5, or sentinel/<stem>.h5 : the series.

    Each file is whole or not there. A run that was killed is gone on with by the same call: files that are there are
    kept. With `source.traps`, the masks of every tenth patch have 10 channels, as in one published variant.

    layout : "released" as published, or "anysat": `sentinel/` without the year, as OmniSat and AnySat expect it.
    splits : 3 lists, or the original 2, where the patches for validation are in train.
    progress : called with what is being done and the share that is done, 0..1.

    Raises
    ------
    AlignscopeError
        E107 rasterio is not installed, E305 an unknown layout or number of lists, E404 the folder holds something
        else, E401 or E402 it cannot be written.
    """
    folder = Path(folder)
    one_of("layout", layout, ("released", "anysat"))
    one_of("splits", splits, (2, 3))
    if "aerial" in source.modalities:
        import_rasterio("aerial pictures")
    _claim(folder, _mark(source, layout, splits))
    _files.write_all(folder, dict(_tables(source, splits)))
    for number, stem in enumerate(source.stems):
        if progress is not None:
            progress("writing patches", number / source.n)
        _files.write_all(folder, _missing(source, number, stem, folder, layout))
    return folder


def is_begun(source: Generated, folder: Path, *, layout: str = "released", splits: int = 3) -> bool:
    """Return whether a folder holds an archive of these options, or a part of it."""
    mark = folder / GENERATED
    return mark.is_file() and mark.read_bytes() == _mark(source, layout, splits)


def _mark(source: Generated, layout: str, splits: int) -> bytes:
    return json_bytes({"layout": layout, "splits": splits} | dataclasses.asdict(source))


def _claim(folder: Path, content: bytes) -> None:
    """Mark a new or empty folder as one of these options. Raises E404 for one that holds anything else."""
    _files.check_writable(folder)
    mark = folder / GENERATED
    if mark.is_file():
        if mark.read_bytes() != content:
            raise AlignscopeError(
                "E404", str(mark), "patches of other options are there", "Give the same options, or another folder."
            )
        _files.remove_leftovers(folder, ["*", "*/*"])
        return
    there = sorted(path.name for path in folder.iterdir() if not path.name.endswith(".tmp")) if folder.is_dir() else []
    if there:
        found = f"it holds {', '.join(there[:4])}{' ...' if len(there) > 4 else ''}"
        raise AlignscopeError("E404", str(folder), found, "Generated patches go to a new or empty folder.")
    _files.write_all(folder, {GENERATED: content})


def _tables(source: Generated, splits: int) -> Iterator[tuple[str, bytes]]:
    """The small files: truth, labels and lists."""
    listed = {f"{stem}.tif": source.entries(number) for number, stem in enumerate(source.stems)}
    yield f"labels/{LABEL_FILE}", json.dumps(listed).encode()
    of = source.labels.split if splits == 3 else np.where(source.labels.split == "val", "train", source.labels.split)
    for split in SPLITS[:: 1 if splits == 3 else 2]:
        names = [f"{stem}.tif\n" for stem, its in zip(source.stems, of, strict=True) if its == split]
        yield f"split/{split}_filenames.lst", "".join(names).encode()
    yield "truth.csv", _truth(source)


def _truth(source: Generated) -> bytes:
    """One row per patch: its name, the genus by name, the other factors, and the cells of every genus."""
    truth = dict(source.truth)
    cells = truth.pop("cells")
    truth["genus"] = np.array(GENERA)[truth["genus"]]
    rows = []
    for k, stem in enumerate(source.stems):
        factors = (values[k] for values in truth.values())
        rows.append([stem, *(f"{v:.6f}" if isinstance(v, float) else v for v in factors), *cells[k]])
    return csv_bytes(["stem", *truth, *(f"cells {genus}" for genus in GENERA)], rows)


def _missing(source: Generated, number: int, stem: str, folder: Path, layout: str) -> dict[str, bytes]:
    """The files of a patch that are not there yet."""
    year = source.truth["year"][number]
    series = [name for name in source.modalities if name in SERIES]
    wanted = {f"aerial/{stem}.tif": ["aerial"]} if "aerial" in source.modalities else {}
    if series:
        wanted[f"sentinel-ts/{stem}_{year}.h5" if layout == "released" else f"sentinel/{stem}.h5"] = series
    todo = {name: modalities for name, modalities in wanted.items() if not (folder / name).exists()}
    patch = source.patch(stem, [modality for modalities in todo.values() for modality in modalities])
    return {
        name: _picture(patch, number) if modalities == ["aerial"] else _hdf5(source, patch, number)
        for name, modalities in todo.items()
    }


def _picture(patch: Patch, number: int) -> bytes:
    """The GeoTIFF. Patches lie 100 m apart on a square grid; the 2 px beyond 60 m repeat the edge."""
    rasterio = import_rasterio("aerial pictures")
    assert patch.aerial is not None
    row, column = divmod(number, 1000)
    west, north = 400_000 + 100 * column - _BORDER * _METRES, 5_900_000 - 100 * row + _BORDER * _METRES
    pixels = np.pad(patch.aerial, ((0, 0), (_BORDER, _BORDER), (_BORDER, _BORDER)), mode="edge")
    side = AERIAL_SIDE + 2 * _BORDER
    with rasterio.MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=side, height=side, count=len(pixels), dtype="uint8", interleave="pixel",
            crs=f"EPSG:{_EPSG}", transform=rasterio.Affine(_METRES, 0.0, west, 0.0, -_METRES, north),
        ) as file:  # fmt: skip
            file.write(pixels)
        content: bytes = memory.read()
    return content


def _hdf5(source: Generated, patch: Patch, number: int) -> bytes:
    """The series, with the keys of `SERIES`; names of products are variable-length text."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, series in patch.series.items():
            form = SERIES[name]
            file[form.data] = series.data
            products = source.passes(number, name).products
            file.create_dataset(form.products, data=list(products), dtype=h5py.string_dtype())
            if form.masks is not None:
                masks = np.stack([m for m in (series.snow, series.cloud) if m is not None], axis=1)
                if source.traps and number % 10 == 9:
                    masks = np.pad(masks, ((0, 0), (0, _WRONG_MASKS - masks.shape[1]), (0, 0), (0, 0)))
                file[form.masks] = masks
    return buffer.getvalue()
