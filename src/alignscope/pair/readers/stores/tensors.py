"""Tensors: `.pt` and `.pth`, read as numbers only and never as objects, and `.safetensors`, read in place."""

from __future__ import annotations

import json
import math
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from alignscope._lib.types import Array
from alignscope.errors import AlignscopeError
from alignscope.pair.readers.npy import Stored
from alignscope.pair.readers.parts import concatenated, one_vector_each, stack
from alignscope.pair.readers.promised import reading, require_held, require_memory
from alignscope.pair.readers.rows import WIDENED, ArrayRows, StoredRows, Where, as_numpy, describe
from alignscope.pair.readers.stores.containers import pick_key

SAFE_TYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "u2", "I16": "i2", "U32": "u4", "I32": "i4", "U64": "u8", "I64": "i8",
    "F16": "f2", "F32": "f4", "F64": "f8", "C64": "c8",
}  # fmt: skip
SAFE_WIDENED = {"BF16": ("bfloat16", 2), "F8_E4M3": ("float8_e4m3fn", 1), "F8_E5M2": ("float8_e5m2", 1)}
LONGEST_HEADER = 100_000_000  # bytes, as the format itself says


def open_pt(where: Where) -> StoredRows:
    """A tensor of a `.pt` file, or one in its dict, named by its key; read as numbers only, never as objects.

    A list of batches is one array; a dict of at least ten vectors of one length has a sample under each key. Lists of
    text or whole numbers are read too, as labels and ids.
    Raises E103, E104 (anything but tensors in plain containers), E105, E107 (torch is missing), E113 and E201.
    """
    with reading(where.text):
        whole = load_tensors(where)
        content = _within(whole, where)
        if not hasattr(content, "detach") and (batches := _batches(content, where)) is not None:
            return batches
        arrays = dict(_arrays(content, ""))
        if "" in arrays:
            if content is whole:
                where.refuse_key("This .pt file")
            return _tensor_rows(arrays[""], where)
        tensors = [name for name, value in arrays.items() if hasattr(value, "detach")]
        if where.key is None and one_vector_each({name: arrays[name].shape for name in tensors}):
            return stack(tensors, [as_numpy(arrays[name]) for name in tensors], where, "keys")
        names = tensors if where.key is None and len(tensors) == 1 else list(arrays)
        return _tensor_rows(arrays[pick_key(where, names)], where)


def load_tensors(where: Where) -> object:
    """What a `.pt` file holds, if that is tensors, numbers and text in plain containers. Raises E103, E104 and E107."""
    torch = _torch(where, "reading .pt files needs torch")
    held = where.path.stat().st_size
    if zipfile.is_zipfile(where.path):
        with zipfile.ZipFile(where.path) as archive:
            promised = sum(info.file_size for info in archive.infolist())
        require_held(promised, held, where.text)
        require_memory(promised, where.text)
    try:
        return torch.load(where.path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "nsupported" not in str(error) and "nsafe" not in str(error) and "GLOBAL" not in str(error):
            raise
        raise AlignscopeError(
            "E104",
            where.text,
            "it holds Python objects other than tensors; reading them would unpickle, which can run any code",
            "Save the tensor alone with torch.save(tensor, path).",
        ) from error


def _torch(where: Where, what: str) -> Any:
    try:
        import torch  # slow to load
    except ImportError as error:
        raise AlignscopeError(
            "E107",
            where.text,
            f"{what}, which is not installed",
            "Install it with pip install 'alignscope[train]', or save the tensor with numpy.save.",
        ) from error
    return torch


def _within(content: object, where: Where) -> object:
    """The list that a key names, where it names one: batches are found there too."""
    found = content
    for part in (where.key or "").split("/"):
        found = found.get(part) if part and isinstance(found, Mapping) else found
    return found if where.key and isinstance(found, list | tuple) else content


def _batches(content: object, where: Where) -> ArrayRows | None:
    """A list of batches of one width, or of vectors of one length, as one array."""
    if not isinstance(content, list | tuple) or not content or not all(hasattr(one, "detach") for one in content):
        return None
    arrays = [as_numpy(one) for one in content]
    if (found := concatenated(arrays, where)) is not None:
        return ArrayRows.of(found[0], name=where.name, role=where.role, notes=[found[1]])
    if one_vector_each({str(j): array.shape for j, array in enumerate(arrays)}):
        note = f"{where.role} ({where.name}): a list of {len(arrays):,} vectors was read as one sample each."
        return ArrayRows.of(np.stack(arrays), name=where.name, role=where.role, notes=[note])
    return None


def _arrays(content: object, path: str) -> Iterator[tuple[str, Array]]:
    """All tensors, and lists of text or of numbers, by their paths."""
    if hasattr(content, "detach"):
        yield path, content
    elif isinstance(content, list | tuple) and content and _plain(content):
        yield path, np.asarray(content)
    elif isinstance(content, Mapping | list | tuple):
        items = content.items() if isinstance(content, Mapping) else enumerate(content)
        for key, value in items:
            yield from _arrays(value, f"{path}/{key}" if path else str(key))


def _plain(content: list[object] | tuple[object, ...]) -> bool:
    kinds = set(map(type, content))
    return kinds == {str} or kinds <= {int, float}


def _tensor_rows(tensor: Array, where: Where) -> ArrayRows:
    if isinstance(tensor, np.ndarray):
        return ArrayRows.of(tensor, name=where.name, role=where.role)
    kind = str(tensor.dtype).removeprefix("torch.")
    widened = str(tensor.dtype).startswith(WIDENED)
    notes = [f"{where.role} ({where.name}): {kind} was read as float32."] if widened else []
    if str(tensor.layout) == "torch.strided":
        require_held(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes(), where.text)
    try:
        array = as_numpy(tensor)
    except (TypeError, RuntimeError) as error:
        raise AlignscopeError(
            "E106", where.text, f"a tensor of type {kind} ({tensor.layout})", "Save it as a dense tensor of numbers."
        ) from error
    return ArrayRows.of(array, name=where.name, role=where.role, notes=notes)


def open_safetensors(where: Where) -> StoredRows:
    """A tensor of a `.safetensors` file, named by its key unless it is the only one; read in place, without torch.

    A file of at least ten vectors of one length has a sample under each key. bfloat16 and float8 are read as float32.
    Raises E103, E105, E106, E107 (float8 without torch), E113 and E201.
    """
    with reading(where.text):
        entries, start = _safe_header(where)
        if where.key is None and one_vector_each({name: entry["shape"] for name, entry in entries.items()}):
            vectors = [_safe_array(entry, start, where) for entry in entries.values()]
            return stack(list(entries), vectors, where, "keys")
        entry = entries[pick_key(where, list(entries))]
        kind, shape = entry["dtype"], tuple(entry["shape"])
        if kind not in SAFE_TYPES:
            note = f"{where.role} ({where.name}): {SAFE_WIDENED.get(kind, (kind,))[0]} was read as float32."
            return ArrayRows.of(_safe_array(entry, start, where), name=where.name, role=where.role, notes=[note])
        header = describe(shape, str(np.dtype(SAFE_TYPES[kind])), name=where.name, role=where.role)
        dtype = np.dtype("<" + SAFE_TYPES[kind])
        _safe_size(entry, dtype.itemsize)
        return Stored(shape, dtype, start + entry["data_offsets"][0], False).rows(header, where.path, where.text)


def _safe_header(where: Where) -> tuple[dict[str, Any], int]:
    """What a file says of its tensors, and the byte at which they start. Raises ValueError where that is wrong."""
    with where.path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(LONGEST_HEADER, size - 8):
            raise ValueError(f"its header promises {length:,} bytes of {size:,}")
        entries = json.loads(file.read(length))
    entries.pop("__metadata__", None)
    for name, entry in entries.items():
        low, high = entry["data_offsets"]
        whole = all(type(n) is int and n >= 0 for n in (low, high, *entry["shape"]))
        if not whole or not low <= high <= size - 8 - length:
            raise ValueError(f"its header promises {name!r} where the file has ended")
    return entries, 8 + length


def _safe_size(entry: Mapping[str, Any], itemsize: int) -> None:
    low, high = entry["data_offsets"]
    if high - low != math.prod(entry["shape"]) * itemsize:
        raise ValueError(f"its header promises {entry['shape']} {entry['dtype']} in {high - low:,} bytes")


def _safe_array(entry: Mapping[str, Any], start: int, where: Where) -> np.ndarray:
    """A tensor in memory; of a type that numpy has not, as float32."""
    kind, (low, high) = entry["dtype"], entry["data_offsets"]
    require_memory(4 * (high - low), where.text)
    itemsize = SAFE_WIDENED[kind][1] if kind in SAFE_WIDENED else np.dtype(SAFE_TYPES.get(kind, "V0")).itemsize
    if not itemsize:
        raise AlignscopeError("E106", where.text, f"a tensor of type {kind}", "Save it as float32.")
    _safe_size(entry, itemsize)
    content = np.fromfile(where.path, np.uint8, high - low, offset=start + low)
    if kind in SAFE_TYPES:
        array = content.view("<" + SAFE_TYPES[kind])
    elif kind == "BF16":
        array = (content.view("<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        torch = _torch(where, "reading float8 needs torch")
        array = torch.from_numpy(content).view(getattr(torch, SAFE_WIDENED[kind][0])).float().numpy()
    return array.reshape(entry["shape"])
