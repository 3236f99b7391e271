"""Arrays with coordinates as layers: a variable of a .zarr, .nc or .h5 with an axis of x and one of y."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.notes import Note
from alignscope.pair.readers.geotiff import MOST_BANDS, packing_notes
from alignscope.pair.readers.packing import Packing
from alignscope.pair.readers.promised import reading, require_held
from alignscope.pair.readers.rows import Where, require_numbers
from alignscope.pair.readers.stores import hdf5, zarrs
from alignscope.pair.readers.stores.containers import pick_key
from alignscope.sampling.layers import Layer, Window
from alignscope.sampling.places import parse_crs, parts, project

AXES = ({"x", "lon", "longitude", "easting"}, {"y", "lat", "latitude", "northing"})
"""Names of the axes to the east and to the north."""

_DEGREES = ({"lon", "longitude"}, {"lat", "latitude"})
_PLAIN = 256  # cells a side that are read together where an array has no chunks
_MOST = 1 << 24  # cells along an axis


@dataclass(frozen=True, eq=False)
class Axis:
    """The cells along one axis. edges : (n + 1,) increasing. falling : whether its coordinates decrease."""

    edges: np.ndarray
    falling: bool

    def find(self, places: np.ndarray) -> np.ndarray:
        """The cell of each place (N,), -1 outside."""
        n = len(self.edges) - 1
        cell = np.searchsorted(self.edges, places, side="right") - 1
        inside = (cell >= 0) & (cell < n)
        return np.where(inside, n - 1 - cell if self.falling else cell, -1)


@dataclass(frozen=True, eq=False)
class ArrayLayer(Layer):
    """A variable.

    place, key : the store, and the path of the variable in it. crs, its_crs : of the points, and of its coordinates.
    axes : east and north. order : its other axes, then that of y and that of x. packing : of its stored numbers.
    """

    place: Where
    key: str
    crs: Any
    its_crs: Any
    axes: tuple[Axis, Axis]
    order: tuple[int, ...]
    packing: Packing

    def locate(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The row and column of places (N,), each (N,) int64; -1 outside."""
        rows, columns = np.full(len(x), -1), np.full(len(x), -1)
        for part in parts(np.arange(len(x))):
            east, north = project(self.crs, self.its_crs, x[part], y[part])
            if self.its_crs.is_geographic and self.axes[0].edges[-1] > 181:  # longitudes from 0 to 360
                east = east % 360
            across, down = self.axes[0].find(east), self.axes[1].find(north)
            inside = (across >= 0) & (down >= 0)
            rows[part[inside]], columns[part[inside]] = down[inside], across[inside]
        return rows, columns

    @contextmanager
    def reading(self) -> Iterator[Callable[[Window], np.ndarray]]:
        """What reads a window as (channels, rows, columns) float64, NaN where there are no data."""
        with reading(self.where), _opened(self.place) as node:
            data = node[self.key] if self.key else node

            def read(window: Window) -> np.ndarray:
                top, bottom, left, right = window
                taken = [slice(None)] * len(self.order)
                taken[self.order[-2]], taken[self.order[-1]] = slice(top, bottom), slice(left, right)
                stored = np.asarray(data[tuple(taken)]).transpose(self.order)
                values = self.packing.values(stored).astype(np.float64)
                return values.reshape(-1, bottom - top, right - left)

            yield read


def open_array(given: str, path: Path, key: str | None, crs: Any, how: Packing | None) -> ArrayLayer:
    """Open a variable, for points in `crs`; how : what its stored numbers stand for, where it does not say so itself.

    A CRS is that of its grid mapping; without one, coordinates called longitude and latitude are degrees, and others
    are taken to be those of the points, as its notes say.

    Raises E103 (damaged), E104 and E112 (what is not followed), E105 (no such variable), E106 (not numbers), E201 (more
    channels than are sampled) and E211 (no coordinates).
    """
    where = Where(path, key, "raster", given)
    with reading(given), _opened(where) as node:
        data = _variable(node, where)
        _check(data, where)
        require_numbers(str(data.dtype), given)
        names = _dimensions(data, where)
        places = [next((i for i, name in enumerate(names) if name.lower() in known), None) for known in AXES]
        if None in places:
            found = f"its axes are {', '.join(names) or 'without names'}: none of them is x, or none y"
            raise AlignscopeError("E211", given, found, "Give an array whose axes have coordinates, as xarray writes.")
        x, y = (int(place) for place in places if place is not None)
        others = [i for i in range(len(names)) if i not in (x, y)]
        group = _group(node, data)
        axes = [_axis(group, names[i], data.shape[i], where) for i in (x, y)]
        channels = _channels(group, [names[i] for i in others], [data.shape[i] for i in others], where)
        its_crs, said = _crs(node, group, data, (names[x], names[y]), crs, given)
        packing = how or _declared(data, where)
        chunks = data.chunks or (_PLAIN,) * len(names)
        notes = [*said, *packing_notes([packing], ["all channels"])]
        stored = np.dtype(data.dtype).newbyteorder("=")
        return ArrayLayer(
            where=given,
            height=data.shape[y],
            width=data.shape[x],
            block=(chunks[y], chunks[x]),
            channels=channels,
            stored=stored,
            dtype=np.dtype(np.float32) if packing.rescales else stored,
            notes=tuple(notes),
            place=where,
            key=data.name.strip("/") if node is not data else "",
            crs=crs,
            its_crs=its_crs,
            axes=(axes[0], axes[1]),
            order=(*others, y, x),
            packing=packing,
        )


@contextmanager
def _opened(where: Where) -> Iterator[Any]:
    """The group, or lone array, of a store."""
    if where.path.suffix.lower() == ".zarr":
        yield zarrs.open_node(where)
        return
    import h5py  # slow to load

    with h5py.File(where.path, "r") as file:
        yield file


def _variable(node: Any, where: Where) -> Any:
    if not hasattr(node, "keys"):
        where.refuse_key("This .zarr")
        return node
    key = where.key
    if key is None:
        key = pick_key(where, [name for name in node if hasattr(node[name], "shape") and len(node[name].shape) > 1])
    if where.path.suffix.lower() != ".zarr":
        hdf5.find(where, key)  # which follows no link out of the folder, as looking it up does
    if key not in node or not hasattr(node[key], "shape"):
        raise AlignscopeError("E105", where.text, f"it has no array {key!r}", f"There are {', '.join(node)}.")
    return node[key]


def _group(node: Any, data: Any) -> Any:
    """The group in which a variable lies, where its coordinates are."""
    above = data.name.strip("/").rpartition("/")[0] if hasattr(node, "keys") else ""
    return node[above] if above else node


def _dimensions(data: Any, where: Where) -> list[str]:
    """The names of the axes, as netCDF and xarray write them."""
    if where.path.suffix.lower() != ".zarr":
        scales = [axis[0].name.rpartition("/")[2] if len(axis) else axis.label for axis in data.dims]
        return [str(name) for name in scales]
    names = getattr(data.metadata, "dimension_names", None) or data.attrs.get("_ARRAY_DIMENSIONS") or ()
    return [str(name) for name in names]


def _coordinates(group: Any, name: str, n: int, kinds: str, where: Where) -> np.ndarray | None:
    """The coordinates of an axis, (n,); None where there are none, or none of these kinds of type."""
    if name not in group:
        return None
    data = group[name]
    if getattr(data, "shape", None) != (n,) or data.dtype.kind not in kinds or n > _MOST:
        return None
    _check(data, where)
    return np.asarray(data[...])


def _axis(group: Any, name: str, n: int, where: Where) -> Axis:
    """The cells of an axis: their borders lie midway between coordinates. Raises E211 for coordinates that are none."""
    found = _coordinates(group, name, n, "iuf", where)
    values = np.zeros(2) if found is None or n < 2 else found.astype(np.float64)
    steps = np.diff(values)
    if not np.isfinite(values).all() or not ((steps > 0).all() or (steps < 0).all()):
        text = f"{name!r} has no coordinates that rise or fall, one for each of its {n:,} cells"
        raise AlignscopeError("E211", where.text, text, "Write them, or bring it to a regular grid.")
    falling = bool(steps[0] < 0)
    values = values[::-1] if falling else values
    middle = (values[1:] + values[:-1]) / 2
    return Axis(np.concatenate([[2 * values[0] - middle[0]], middle, [2 * values[-1] - middle[-1]]]), falling)


def _channels(group: Any, names: Sequence[str], sizes: Sequence[int], where: Where) -> tuple[str, ...]:
    """The names of the channels: those of the places on the other axes. Raises E201 for more than are sampled."""
    count = math.prod(sizes)
    if not 0 < count <= MOST_BANDS:
        found = f"{count:,} channels ({' x '.join(names)}), and up to {MOST_BANDS:,} are sampled"
        raise AlignscopeError("E201", where.text, found, "Take a part of it.")
    labels = [_labels(group, name, size, where) for name, size in zip(names, sizes, strict=True)]
    return tuple(" ".join(labels[k][i] for k, i in enumerate(at)) or "value" for at in np.ndindex(*sizes))


def _labels(group: Any, name: str, size: int, where: Where) -> list[str]:
    found = _coordinates(group, name, size, "iufUSOT", where)
    if found is None:
        return [f"{name} {i}" for i in range(size)]
    values = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in found.tolist()]
    return [f"{name} {v:g}" if isinstance(v, int | float) else str(v) for v in values]


def _crs(node: Any, group: Any, data: Any, axes: tuple[str, str], crs: Any, where: str) -> tuple[Any, list[Note]]:
    """The CRS of an array, and what is said where it declares none."""
    own = _attributes(data)
    mapping = str(own.get("grid_mapping", "spatial_ref")).split(":")[0]
    for holder in (own, _attributes(group[mapping]) if mapping in group else {}, _attributes(group), _attributes(node)):
        for name in ("crs_wkt", "spatial_ref", "proj:code", "proj:wkt2", "proj:epsg", "crs"):
            text = holder.get(name)
            if isinstance(text, str | int) and text != mapping and str(text).strip():
                return parse_crs(f"EPSG:{text}" if str(text).isdigit() else str(text), where), []
    if all(name.lower() in known for name, known in zip(axes, _DEGREES, strict=True)):
        return parse_crs("EPSG:4326"), [Note("it declares no CRS: its coordinates are taken as degrees (EPSG:4326).")]
    return crs, [Note("it declares no CRS: its coordinates are taken to be in that of the points.")]


def _attributes(node: Any) -> Mapping[str, Any]:
    found = {
        key: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        for key, value in node.attrs.items()
    }
    return {key: value.item() if isinstance(value, np.generic) else value for key, value in found.items()}


def _declared(data: Any, where: Where) -> Packing:
    reader = zarrs if where.path.suffix.lower() == ".zarr" else hdf5
    return reader.declared(data, dict(data.attrs), where.text)


def _check(data: Any, where: Where) -> None:
    """Pass an array whose chunks hold what they promise, and that is kept in the store. Raises E103, E104, E112."""
    if where.path.suffix.lower() == ".zarr":
        zarrs.refuse_pickle(where, data.path)
        held = zarrs.chunks_of(where, data.path).size
    else:
        found = hdf5.find(where, data.name)
        if found.path != where.path:
            raise AlignscopeError("E112", where.text, "it is a link to another file", f"Give {found.path}.")
        held = where.path.stat().st_size
    if data.chunks:
        require_held(math.prod(data.chunks) * data.dtype.itemsize, held, where.text)
