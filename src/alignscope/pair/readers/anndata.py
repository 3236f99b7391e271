"""AnnData and MuData, in HDF5 (.h5ad, .h5mu) or zarr, by the encodings of their on-disk format; anndata is not needed.

Source: https://anndata.readthedocs.io/en/stable/fileformat-prose.html and https://mudata.readthedocs.io.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NoReturn, TypeAlias

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.readers.columns import FEATURES, NUMBERS, TARGETS, kind_of, require_features, require_one_target
from alignscope.pair.readers.promised import reading
from alignscope.pair.readers.rows import ArrayRows, StoredRows, Where, as_numpy
from alignscope.pair.readers.samples import Samples
from alignscope.pair.readers.sparse import Compressed, StoredCsr, converted
from alignscope.pair.readers.stores.containers import LISTED
from alignscope.pair.readers.stores.hdf5 import find, open_h5
from alignscope.pair.readers.stores.zarrs import open_zarr, refuse_pickle

Node: TypeAlias = Any  # a group or an array of h5py or zarr

OF_SAMPLES = ("X", "layers", "obs", "obsm", "obsp", "raw")
OF_FEATURES = ("var", "varm", "varp")
MOST_LISTED = 200


def open_anndata(where: Where) -> StoredRows:
    """One element of an .h5ad or .h5mu file: ``obsm/X_pca``, ``X``, ``layers/counts``, ``obs/cell_type``.

    In a MuData file the name of a modality comes first, as in ``rna/obsm/X_pca``; without it, ``obs/donor`` is that of
    all samples. ``obs/_index`` are the names of the samples (obs_names), whatever the index is called.

    The columns of X and of layers bear the var_names, those of obsm its key. Sparse matrices become dense a few rows
    at a time; categories become text, or whole numbers where they are such, and empty where none is given.

    Raises E103 (damaged, or no AnnData), E105 (no such element), E106 (an element that is no array) and E201.
    """
    with _root(where) as root:
        found = _find(root, where)
        if found is None:
            raise AlignscopeError(
                "E103", where.text, "it holds no AnnData (no obs and var)", "Write it again with write_h5ad."
            )
        return _element(found)


def open_h5_or_anndata(where: Where) -> StoredRows:
    """An array of an HDF5 file, or an element of the AnnData in it; see `open_h5` and `open_anndata`."""
    with _root(where) as root:
        found = _find(root, where)
        return open_h5(where) if found is None else _element(found)


def open_zarr_or_anndata(where: Where) -> StoredRows:
    """A zarr array, or an element of the AnnData in a zarr store; see `open_zarr` and `open_anndata`."""
    with _root(where) as root:
        found = _find(root, where)
        return open_zarr(where) if found is None else _element(found)


@contextmanager
def _root(where: Where) -> Iterator[Node]:
    """The outermost group of the file, or an array. Raises E103 for what the library cannot make sense of."""
    with reading(where.text):
        if where.path.suffix.lower() == ".zarr":
            import zarr  # slow to load

            refuse_pickle(where, where.key or "")
            try:
                root = zarr.open(str(where.path), mode="r")
            except FileNotFoundError as error:
                raise AlignscopeError(
                    "E103", where.text, "it holds no zarr array and no zarr group", "Write or copy it again."
                ) from error
            yield root
        else:
            import h5py  # slow to load

            if where.key:
                find(where, where.key)  # refuses links out of the folder before any is followed
            with h5py.File(where.path, "r") as file:
                yield file


@dataclass(frozen=True)
class Element:
    """An element of an AnnData: its node, its path from the root, and how many parts of the path lead to the AnnData.

    where : as given. opened : an array by its path from the root. root : the outermost group.
    """

    root: Node
    where: Where
    path: tuple[str, ...]
    depth: int

    @property
    def node(self) -> Node:
        """The group or array itself."""
        return self.root["/".join(self.path)]

    @property
    def inner(self) -> tuple[str, ...]:
        """The path within the AnnData: ``("obsm", "X_pca")``."""
        return self.path[self.depth :]

    def at(self, *names: str) -> Element:
        """A member of this element."""
        return replace(self, path=(*self.path, *names))

    def of_owner(self, *names: str) -> Element:
        """Another element of the same AnnData."""
        return replace(self, path=(*self.path[: self.depth], *names))

    def open(self) -> StoredRows:
        """The array here as it is stored, read by the reader of its container."""
        opener = open_zarr if self.where.path.suffix.lower() == ".zarr" else open_h5
        return opener(replace(self.where, key="/".join(self.path)))

    def vector(self) -> np.ndarray:
        """The array here as one value per row, (N,). Raises E103 for more axes."""
        rows = self.open()
        if rows.shape[1] != 1:
            raise self.damaged(f"{self.path[-1]} has {rows.shape[1]:,} columns, where it should have one")
        return as_numpy(rows.read(0, rows.shape[0])).reshape(-1)

    def damaged(self, reason: str) -> AlignscopeError:
        """E103 for an element that its attributes do not describe."""
        return AlignscopeError("E103", self.where.text, f"it is no AnnData element ({reason})", "Write it again.")


def _find(root: Node, where: Where) -> Element | None:
    """The element that the key names; None where the file holds no AnnData on the way. Raises E105."""
    if not _is_group(root):
        return None
    parts = [part for part in (where.key or "").split("/") if part]
    if parts and parts[0] not in root and parts[0] in root.get("mod", ()):
        parts = ["mod", *parts]
    depth = next((k for k in range(len(parts), -1, -1) if _is_anndata(_node(root, parts[:k]))), None)
    if depth is None:
        return None
    if len(parts) > depth and parts[-1] == "_index" and _is_group(parent := _node(root, parts[:-1])):
        parts[-1] = _index_key(parent)
    if len(parts) == depth or _node(root, parts) is None:
        _refuse(root, where, parts[:depth])
    return Element(root, where, tuple(parts), depth)


def _node(root: Node, parts: Sequence[str]) -> Node:
    node = root
    for part in parts:
        if not _is_group(node) or part not in node:
            return None
        node = node[part]
    return node


def _is_group(node: Node) -> bool:
    return hasattr(node, "keys")


def _is_anndata(node: Node) -> bool:
    return _is_group(node) and "obs" in node and "var" in node


def _refuse(root: Node, where: Where, owner: Sequence[str]) -> NoReturn:
    """Raise E105, which lists the elements that there are, the most similar first."""
    base = root["/".join(owner)] if owner else root
    prefix = "".join(f"{part}/" for part in (owner[1:] if owner[:1] == ["mod"] else owner))
    mod = base.get("mod", {})
    names = [f"{name}/{inner}" for name in mod for inner in _elements(mod[name])]
    names += [name for name in _elements(base) if not (len(mod) and name.startswith("obsm/"))]
    names = [prefix + name for name in names]
    _list(where, [*difflib.get_close_matches(where.key or "", names, n=3), *names])


def _list(where: Where, names: Sequence[str]) -> NoReturn:
    names = list(dict.fromkeys(names))
    listed = ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
    found = f"it names no array (there are {listed})" if names else "it holds no array"
    way_out = f"Name one after a colon, as in {where.path.name}:{names[0]}." if names else "Give a file that holds one."
    raise AlignscopeError("E105", where.text, found, way_out)


def _elements(owner: Node) -> Iterator[str]:
    """What can be named in an AnnData: the matrices, then the columns of obs."""
    for group in ("obsm", "layers", "obs"):
        if group == "layers" and "X" in owner:
            yield "X"
        members = owner.get(group, {})
        yield from (f"{group}/{name}" for name in list(members if _is_group(members) else ())[:MOST_LISTED])


def _element(found: Element) -> StoredRows:
    """The rows of an element, with the names of its columns and of its samples."""
    rows = _read(found)
    rows = replace(rows, header=replace(rows.header, name=found.where.name))
    rows = _named(rows, found)
    axis = next((axis for axis, names in (("obs", OF_SAMPLES), ("var", OF_FEATURES)) if found.inner[0] in names), None)
    if axis is None:
        return rows
    index = _index_of(found.of_owner(axis))
    count = index.node.shape[0]
    if count != rows.shape[0]:
        raise found.damaged(f"{rows.shape[0]:,} rows, where {axis} has {count:,}")
    source = (str(found.where.path.resolve()), index.path)
    return rows.of_samples(
        Samples(source, f"{axis}_names", partial(_names, replace(found.where, key=None), index.path))
    )


def _names(where: Where, path: tuple[str, ...]) -> np.ndarray:
    with _root(where) as root:
        return Element(root, where, path, 0).vector()


def _named(rows: StoredRows, found: Element) -> StoredRows:
    """The same rows with the column names that AnnData has for them."""
    inner = found.inner
    if rows.header.named:
        return rows
    if inner[0] in ("obs", "var"):
        return rows.renamed([inner[-1]])
    if inner[0] in ("X", "layers", "raw"):
        names = _index_of(found.of_owner(*(["raw"] if inner[0] == "raw" else []), "var")).vector().astype(str)
        if len(names) != rows.shape[1]:
            raise found.damaged(f"{rows.shape[1]:,} columns, where var has {len(names):,}")
        return rows.renamed(_distinct(names.tolist()))
    return rows.renamed([f"{inner[-1]} {j}" for j in range(rows.shape[1])]) if rows.header.ndim == 2 else rows


def _distinct(names: Sequence[str]) -> list[str]:
    """The names; those that were there before with their column, counted from 0."""
    seen: set[str] = set()
    out = []
    for j, name in enumerate(names):
        name = f"{name} (column {j})" if name in seen else name
        seen.add(name)
        out.append(name)
    return out


def _read(found: Element) -> StoredRows:
    node = found.node
    kind = _text(node.attrs.get("encoding-type", ""))
    if not _is_group(node):
        old = found.of_owner(*found.inner[:-1], "__categories", found.inner[-1])
        if found.inner[0] in ("obs", "var") and _node(found.root, old.path) is not None:
            return _categorical(found, found, old)
        return found.open()
    if kind == "categorical":
        return _categorical(found, found.at("codes"), found.at("categories"))
    if kind in _GROUPS:
        return _GROUPS[kind](found)
    members = [f"{(found.where.key or '').rstrip('/')}/{name}" for name in list(node)[:MOST_LISTED]]
    if kind in ("", "dict", "raw", "anndata") and members:
        _list(found.where, members)
    raise AlignscopeError(
        "E106", found.where.text, f"an element of type {kind or 'unknown'}", "Give an array of numbers or labels."
    )


def _categorical(found: Element, codes: Element, categories: Element) -> StoredRows:
    """One label per row: a category of `categories` by its place; a code of -1 is an empty label."""
    places, names = codes.vector(), categories.vector()
    if places.dtype.kind not in "iu" or int(places.min()) < -1 or int(places.max()) >= len(names):
        raise found.damaged(f"codes from {places.min()} to {places.max()} of {len(names):,} categories")
    if names.dtype.kind in "iub" and int(places.min()) >= 0:
        values = names[places]
    else:
        values = np.append(names.astype(str), "")[places.astype(np.int64)]
    return _held(found, values)


def _nullable(found: Element) -> StoredRows:
    """Values of which some are missing: NaN among features, else None, or an empty text."""
    values, mask = found.at("values").vector(), found.at("mask").vector().astype(bool)
    if len(values) != len(mask):
        raise found.damaged(f"{len(values):,} values and a mask of {len(mask):,}")
    if not mask.any():
        return _held(found, values)
    if values.dtype.kind == "U":
        return _held(found, np.where(mask, "", values))
    if found.where.role in NUMBERS:
        return _held(found, np.where(mask, np.nan, values))
    values = values.astype(object)
    values[mask] = None
    return _held(found, values)


def _held(found: Element, values: np.ndarray) -> StoredRows:
    return ArrayRows.of(values, name=found.where.name, role=found.where.role)


def _sparse(found: Element, by_rows: bool) -> StoredRows:
    shape = tuple(int(size) for size in np.asarray(found.node.attrs.get("shape", ())).reshape(-1).tolist())
    if len(shape) != 2:
        raise found.damaged(f"a sparse matrix of shape {shape}")
    arrays = Compressed(*(found.at(name).open() for name in ("indptr", "indices", "data")))
    rows = (StoredCsr.of if by_rows else converted)((shape[0], shape[1]), arrays, found.where)
    said = f"{found.where.role} ({found.where.name})"
    stored = arrays.data.shape[0]
    return rows.noted(
        f"{said}: a sparse matrix; {stored:,} of its {math.prod(shape):,} values are stored, the others are 0."
    )


def _frame(found: Element) -> StoredRows:
    """A table in obsm or varm: its columns side by side. Raises E105 for obs and var, E106 for text or ids."""
    order = np.asarray(found.node.attrs.get("column-order", ())).reshape(-1).tolist()
    names = [_text(name) for name in order]
    if found.inner in (("obs",), ("var",)) or not names:
        _list(found.where, [f"{found.where.key}/{name}" for name in [*names, "_index"]])
    if found.where.role in FEATURES:
        require_features(names, found.where.text)
    elif found.where.role in TARGETS:
        require_one_target(names, [kind_of(name) for name in names], found.where.text)
    columns = []
    for name in names:
        rows = _read(found.at(name))
        values = as_numpy(rows.read(0, rows.shape[0])).reshape(-1)
        if values.dtype.kind not in "biuf":
            raise AlignscopeError(
                "E106", found.where.text, f"column {name!r} holds no numbers", "Leave it out of the table."
            )
        columns.append(values)
    if len({len(values) for values in columns}) > 1:
        raise found.damaged("columns of different lengths")
    block = np.column_stack(columns)
    return ArrayRows.of(block, name=found.where.name, role=found.where.role, columns=_distinct(names))


_GROUPS: dict[str, Callable[[Element], StoredRows]] = {
    "nullable-integer": _nullable,
    "nullable-boolean": _nullable,
    "nullable-string-array": _nullable,
    "csr_matrix": partial(_sparse, by_rows=True),
    "csc_matrix": partial(_sparse, by_rows=False),
    "dataframe": _frame,
}


def _index_of(table: Element) -> Element:
    """The array of a table's row names. Raises E103 where there is none, as in files older than anndata 0.7."""
    node = _node(table.root, table.path)
    index = _index_key(node) if _is_group(node) else None
    if index is None or not hasattr(node.get(index), "shape"):
        raise table.damaged(
            f"{'/'.join(table.path)} is no table with an index; files older than anndata 0.7 have to be read and "
            "written by a newer anndata"
        )
    return table.at(index)


def _index_key(table: Node) -> str:
    return _text(table.attrs.get("_index", "_index"))


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
