"""`.h5`, `.hdf5` and `.nc`: a data set of an HDF5 file, chunk by chunk; what it refers to is looked at first."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from alignscope._lib.types import Array
from alignscope.errors import AlignscopeError
from alignscope.pair.notes import Note
from alignscope.pair.readers.packing import Attributes, Packing, packing_of, unpacked, unwritten
from alignscope.pair.readers.parts import FEWEST, one_vector_each, stack
from alignscope.pair.readers.promised import reading, require_held, require_memory
from alignscope.pair.readers.rows import ArrayRows, StoredRows, Where, describe, fixed_text
from alignscope.pair.readers.stores.containers import ChunkedRows, followed, pick_key, require_inside

DEEPEST = 16  # links to links
POINTER = 16  # bytes of a text or list of variable length, before its content


@dataclass(frozen=True, eq=False)
class H5Rows(ChunkedRows):
    """Rows of a data set of an HDF5 file, which every read opens anew."""

    key: str = ""

    def _load(self, start: int, stop: int) -> np.ndarray:
        import h5py  # slow to load

        with h5py.File(self.path, "r") as file:
            return np.asarray(file[self.key][start:stop])


@dataclass
class Found:
    """A data set: the file that holds it, its path in there, and the other files that are read with it."""

    path: Path
    key: str
    others: set[Path] = field(default_factory=set)


def open_h5(where: Where) -> StoredRows:
    """One data set of an HDF5 file; the key, a path in the file, may be left out when there is only one.

    At least ten vectors of one length are one sample each, under their keys. Fill values, scale and offset are applied
    as attributes declare. Raises E103, E105, E106 (data sets of
    references or of variable length), E112 (data in files of other folders), E113 and E201.
    """
    import h5py  # slow to load

    with reading(where.text):
        with h5py.File(where.path, "r") as file:
            attributes = dict(file.attrs) if "_NCProperties" not in file.attrs else {"_NCProperties": ""}
            names = None if where.key else datasets(file)
            if names is not None and (vectors := _vectors(file, names, where)) is not None:
                return vectors
        found = find(where, pick_key(where, names) if names is not None else str(where.key))
        with h5py.File(found.path, "r") as file:
            data = file.get(found.key)
            if not isinstance(data, h5py.Dataset):
                with h5py.File(where.path, "r") as top:
                    raise _no_such(where, datasets(top))
            return _h5_rows(data, found, where, attributes)


def _vectors(file: Array, names: list[str], where: Where) -> StoredRows | None:
    """All data sets of a file, where they are vectors of one length."""
    if len(names) < FEWEST:
        return None
    found = [file[name] for name in names]
    plain = all(data.dtype.kind in "biuf" and not data.external and not data.is_virtual for data in found)
    if not plain or not one_vector_each({name: data.shape for name, data in zip(names, found, strict=True)}):
        return None
    size = sum(data.nbytes for data in found)
    require_held(size, where.path.stat().st_size, where.text)
    require_memory(size, where.text)
    rows = stack(names, [np.asarray(data[()]) for data in found], where, "keys")
    return unpacked(rows, declared(found[0], {}, where.text), where.role)


def _no_such(where: Where, names: list[str]) -> AlignscopeError:
    try:
        pick_key(where, names)
    except AlignscopeError as error:
        return error
    return AlignscopeError("E105", where.text, f"it has no array {where.key!r}", "Name one that is there.")


def datasets(file: Array) -> list[str]:
    """The paths of all data sets; of a netCDF file without its coordinates, where there is anything else."""
    import h5py  # slow to load

    names: dict[str, bool] = {}

    def visit(name: str, node: Array) -> None:
        if isinstance(node, h5py.Dataset):
            names[name] = node.attrs.get("CLASS") == b"DIMENSION_SCALE"

    file.visititems(visit)
    return [name for name, scale in names.items() if not scale] or list(names)


def find(where: Where, key: str) -> Found:
    """Where the data set of a key really is, with all links on the way followed; E112 where one leaves the folder."""
    folder = where.path.resolve().parent
    found = _resolve(Found(where.path, key), folder, where.text)
    if found.path != where.path:
        found.others.add(found.path)
    _look_at(found, folder, where.text, found.others, DEEPEST)
    return found


def _resolve(found: Found, folder: Path, where: str) -> Found:
    """Follow soft and external links on the way to a data set."""
    import h5py  # slow to load

    for _ in range(DEEPEST):
        with h5py.File(found.path, "r") as file:
            step = _first_link(file, found.key)
        if step is None:
            return found
        link, rest = step
        key = f"{link.path}/{rest}" if rest else link.path
        path = found.path
        if isinstance(link, h5py.ExternalLink):
            path = require_inside(path.parent / link.filename, folder, where, "it links to")
        found = replace(found, path=path, key=key)
    raise AlignscopeError("E103", where, f"more than {DEEPEST} links lead from one to the next", "Name the data set.")


def _first_link(file: Array, key: str) -> tuple[Array, str] | None:
    """The first link on the way to a key, its path made one from the root, and what comes after it."""
    import h5py  # slow to load

    node, parts = file, [part for part in key.split("/") if part not in ("", ".")]
    for j, part in enumerate(parts):
        link = node.get(part, getlink=True) if isinstance(node, h5py.Group) else None
        rest = "/".join(parts[j + 1 :])
        if isinstance(link, h5py.ExternalLink):
            return link, rest
        if isinstance(link, h5py.SoftLink):
            return (link if link.path.startswith("/") else h5py.SoftLink(f"{node.name}/{link.path}")), rest
        if link is None:
            return None
        node = node[part]
    return None


def _look_at(found: Found, folder: Path, where: str, others: set[Path], depth: int) -> None:
    """Refuse a data set that keeps its bytes in other files, and look at all that a virtual one is made of."""
    import h5py  # slow to load

    with h5py.File(found.path, "r") as file:
        data = file.get(found.key)
        if not isinstance(data, h5py.Dataset):
            return
        if data.external:
            raise AlignscopeError(
                "E112",
                where,
                f"its bytes are those of another file, {data.external[0][0]!r}",
                "Write it with its numbers in the HDF5 file itself.",
            )
        sources = {(one.file_name, one.dset_name) for one in data.virtual_sources()} if data.is_virtual else set()
    if sources and depth == 0:
        raise AlignscopeError("E103", where, "virtual data sets of virtual data sets", "Copy it into one data set.")
    for name, key in sorted(sources):
        if "%" in name or "%" in key:
            raise AlignscopeError("E112", where, f"it reads all files called {name!r}", "Copy it into one data set.")
        path = found.path
        if name != ".":
            path = require_inside(path.parent / name, folder, where, "it reads")
            others.add(path)
        _look_at(_resolve(Found(path, key), folder, where), folder, where, others, depth - 1)


def _h5_rows(data: Array, found: Found, where: Where, attributes: Attributes) -> StoredRows:
    import h5py  # slow to load

    shape, dtype = data.shape or (), data.dtype
    held = sum(path.stat().st_size for path in {found.path, *found.others})
    size = POINTER if dtype.hasobject else dtype.itemsize
    require_held(max(math.prod(shape), math.prod(data.chunks or ())) * size, held, where.text)
    said = f"{where.role} ({where.name})"
    notes = followed(said, found.others)
    if h5py.check_string_dtype(dtype) is not None and data.shape:
        require_memory(math.prod(shape) * dtype.itemsize, where.text)
        text = fixed_text(np.asarray(data.asstr(errors="replace")[()]), where.text)
        if dtype == "S1" and text.ndim == 2:  # text as netCDF has it: an axis of single characters
            text = np.array(["".join(row).strip() for row in text.tolist()], dtype=np.str_)
        return ArrayRows.of(text, name=where.name, role=where.role, notes=notes)
    if dtype.hasobject:
        raise AlignscopeError(
            "E106",
            where.text,
            "values of variable length, or references",
            "Save it as an array of plain numbers, all rows of one length.",
        )
    notes += _unwritten(data, said)
    header = describe(shape, str(dtype.newbyteorder("=")), name=where.name, role=where.role, notes=notes)
    rows = H5Rows(header, found.path, where.text, data.chunks[0] if data.chunks else 1, key=found.key)
    return unpacked(rows, declared(data, attributes, where.text), where.role) if dtype.kind in "biuf" else rows


def declared(data: Array, attributes: Attributes, where: str) -> Packing:
    """The packing of a data set by its attributes and by the fill value that it was created with."""
    import h5py  # slow to load

    own = dict(data.attrs)
    defined = data.id.get_create_plist().fill_value_defined() == h5py.h5d.FILL_VALUE_USER_DEFINED
    # netCDF creates every byte with a fill value of its own, which its readers do not take for missing
    of_bytes = "_NCProperties" in attributes and data.dtype.itemsize == 1
    fills = {} if of_bytes or not defined or not data.fillvalue else {"fill value": data.fillvalue.item()}
    return packing_of({**attributes, **own}, data.dtype, where, {} if "_FillValue" in own else fills)


def _unwritten(data: Array, said: str) -> tuple[Note, ...]:
    if not data.size or data.is_virtual:
        return ()
    if data.chunks is None:
        return unwritten(said, int(data.id.get_storage_size() == 0), 1, data.fillvalue)
    total = math.prod(-(-size // chunk) for size, chunk in zip(data.shape, data.chunks, strict=True))
    return unwritten(said, total - data.id.get_num_chunks(), total, data.fillvalue)
