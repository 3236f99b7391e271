"""`.pt`: tensors in plain containers, read as numbers only and never as objects."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator, Mapping

from alignscope._lib.types import Array
from alignscope.errors import AlignscopeError
from alignscope.pair.readers.containers import pick_key
from alignscope.pair.readers.promised import reading, require_held, require_memory
from alignscope.pair.readers.rows import ArrayRows, Rows, Where, as_numpy


def open_pt(where: Where) -> Rows:
    """A tensor of a `.pt` file, or one in its dict, named by its key; read as numbers only, never as objects.

    Raises E103, E104 (anything but tensors in plain containers), E105, E107 (torch is missing), E113 and E201.
    """
    with reading(where.text):
        tensors = dict(_tensors(load_tensors(where), ""))
        if "" in tensors:
            where.refuse_key("This .pt file")
            return _tensor_rows(tensors[""], where)
        return _tensor_rows(tensors[pick_key(where, list(tensors))], where)


def load_tensors(where: Where) -> object:
    """What a `.pt` file holds, if that is tensors, numbers and text in plain containers. Raises E103, E104 and E107."""
    try:
        import torch  # slow to load
    except ImportError as error:
        raise AlignscopeError(
            "E107",
            where.text,
            "reading .pt files needs torch, which is not installed",
            "Install it with pip install 'alignscope[train]', or save the tensor with numpy.save.",
        ) from error
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


def _tensors(content: object, path: str) -> Iterator[tuple[str, Array]]:
    if hasattr(content, "detach"):
        yield path, content
    elif isinstance(content, Mapping | list | tuple):
        items = content.items() if isinstance(content, Mapping) else enumerate(content)
        for key, value in items:
            yield from _tensors(value, f"{path}/{key}" if path else str(key))


def _tensor_rows(tensor: Array, where: Where) -> Rows:
    kind = str(tensor.dtype).removeprefix("torch.")
    notes = [f"{where.role} ({where.name}): {kind} was read as float32."] if kind == "bfloat16" else []
    if str(tensor.layout) == "torch.strided":
        require_held(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes(), where.text)
    try:
        array = as_numpy(tensor)
    except (TypeError, RuntimeError) as error:
        raise AlignscopeError(
            "E106", where.text, f"a tensor of type {kind} ({tensor.layout})", "Save it as a dense tensor of numbers."
        ) from error
    return ArrayRows.of(array, name=where.name, role=where.role, notes=notes)
