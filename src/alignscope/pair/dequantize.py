"""The option `dequantize`: what the whole numbers of quantised embeddings stand for."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.notes import Note
from alignscope.pair.readers.formats import open_rows
from alignscope.pair.readers.packing import AEF, Packing, UnpackedRows, quantisation
from alignscope.pair.readers.rows import Rows, StoredRows, as_numpy

Dequantize: TypeAlias = str | Sequence[str | None] | None

SCALES = "tessera:"
WAYS = "aef, tessera:FILE of scales, SCALE,OFFSET, or the .json of a STAC item"


def dequantized(blocks: Mapping[str, Rows], how: Dequantize) -> dict[str, Rows]:
    """All modalities, by role, with whole numbers turned into what they stand for, and notes that say so.

    how : one of the following for all, or one for each, None or ``"none"`` for as it is.

    - ``"aef"``, AlphaEarth: sign(v) (v / 127.5)^2, -128 for none
    - ``"tessera:FILE"``, TESSERA: v times a scale, one per row (N,) or one per number (N, D); not finite for none
    - ``"SCALE,OFFSET"``: SCALE v + OFFSET
    - ``"item.json"``: as ``emb:quantization`` of a STAC item says

    One for all leaves a modality of floating-point numbers as it is. Raises E305 for anything else, and where
    nothing is quantised; E202 for scales of other rows, E101-E108 for files.
    """
    ways = [how] if how is None or isinstance(how, str) else list(how) or [None]
    ways = ways * len(blocks) if len(ways) == 1 else ways
    if len(ways) != len(blocks):
        found = f"{len(ways)} ways for {len(blocks)} modalities"
        raise AlignscopeError("E305", "dequantize", found, f"Give {WAYS}, once each.")
    quantised = [_stored(rows) is not None for rows in blocks.values()]
    one_for_all = len(set(ways)) == 1
    out = {}
    for (role, rows), way, whole in zip(blocks.items(), ways, quantised, strict=True):
        if way in (None, "none"):
            out[role] = _doubtful(rows, role)
        elif whole:
            out[role] = _one(rows, str(way), role)
        elif one_for_all and any(quantised):
            out[role] = rows
        else:
            found = f"{rows.dtype} numbers, which are not quantised"
            raise AlignscopeError("E305", f"dequantize, {role}", found, "Give none for it: it is right as it is.")
    return out


def placed(way: str, base: Path) -> str:
    """A way whose file, where it names one, is relative to a folder."""
    if way.startswith(SCALES):
        return f"{SCALES}{base / way[len(SCALES) :]}"
    return str(base / way) if way.lower().endswith(".json") else way


def packing_for(way: str, where: str) -> Packing:
    """What each stored number of a raster stands for, by ``"aef"``, ``"SCALE,OFFSET"`` or ``"item.json"``.

    Raises E305 for anything else, and E101 and E103 for an item that cannot be read.
    """
    if way.startswith("tessera"):
        way_out = "Multiply them first, or sample numbers and scales apart."
        raise AlignscopeError("E305", where, "scales of their own for every pixel are not read here", way_out)
    return replace(_read(way, where)[0], sources=(f"--dequantize {way}",))


def _stored(rows: Rows) -> StoredRows | None:
    """The whole numbers of a block, below fill values that are already known; None where there are none."""
    if isinstance(rows, UnpackedRows) and not rows.packing.rescales and isinstance(rows.stored, StoredRows):
        return _stored(rows.stored)
    return rows if isinstance(rows, StoredRows) and rows.dtype.startswith(("int", "uint")) else None


def _doubtful(rows: Rows, role: str) -> Rows:
    """int8 as it is, with a note: embeddings in int8 are nearly always quantised."""
    if not isinstance(rows, StoredRows) or rows.shape[1] == 1 or (_stored(rows) or rows).dtype != "int8":
        return rows
    text = f"{role} ({rows.name}): int8 numbers are used as they are; say by --dequantize if they are quantised."
    return rows.noted(Note(text, "AS122"))


def _one(rows: Rows, way: str, role: str) -> Rows:
    stored = _stored(rows)
    assert stored is not None and isinstance(rows, StoredRows)
    known = rows.packing.fills if isinstance(rows, UnpackedRows) else ()
    packing, scales = _read(way, role)
    packing = replace(packing, fills=tuple(dict.fromkeys((*known, *packing.fills))), sources=(f"--dequantize {way}",))
    notes = packing.notes(f"{role} ({rows.name})")
    if scales is not None:
        scales = _fitting(scales, rows.shape, f"{role}, {way}")
        notes += (Note(f"{role} ({rows.name}): stored numbers were multiplied by the scales of {way[8:]}.", "AS122"),)
    dtype = str(packing.dtype(np.dtype(stored.dtype)) if scales is None else np.dtype(np.float64))
    header = replace(rows.header, dtype=dtype, notes=(*rows.notes, *notes))
    return UnpackedRows(header, stored, packing, scales)


def _read(way: str, role: str) -> tuple[Packing, np.ndarray | None]:
    """The packing that a way stands for, and the scales in its file. Raises E305 and what reading raises."""
    if way == "aef":
        return AEF, None
    if way.startswith((SCALES, "tessera ")):
        rows = open_rows(way[8:].strip(), f"scales of {role}")
        return Packing(), as_numpy(rows.read(0, rows.shape[0])).astype(np.float64)
    if way.lower().endswith(".json"):
        return _of_item(Path(way)), None
    try:
        numbers = [float(part) for part in way.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not all(map(math.isfinite, numbers)) or not numbers[0]:
        raise AlignscopeError("E305", f"dequantize, {role}", f"{way!r}", f"Give {WAYS}.")
    return Packing(scale=numbers[0], offset=numbers[1] if len(numbers) == 2 else 0.0), None


def _of_item(path: Path) -> Packing:
    """What ``emb:quantization`` of a STAC item or collection says."""
    try:
        item = json.loads(path.read_bytes())
    except OSError as error:
        raise AlignscopeError("E101", str(path), f"it cannot be read ({error.strerror})", "Check the path.") from None
    except (ValueError, RecursionError):
        raise AlignscopeError("E103", str(path), "it is not JSON", "Give a STAC item.") from None
    places = [item, item.get("properties"), item.get("summaries")] if isinstance(item, dict) else []
    for place in places:
        if isinstance(place, dict) and isinstance(declared := place.get("emb:quantization"), dict):
            packing = quantisation(declared, "emb:quantization", str(path))
            if packing.unknown:
                raise AlignscopeError("E305", str(path), f"quantised by {packing.unknown!r}", f"Give {WAYS}.")
            return packing
    raise AlignscopeError("E103", str(path), "it has no emb:quantization", f"Give {WAYS}.")


def _fitting(scales: np.ndarray, shape: tuple[int, int], where: str) -> np.ndarray:
    if scales.shape[0] != shape[0] or scales.shape[1] not in (1, shape[1]):
        raise AlignscopeError(
            "E202",
            where,
            f"scales of shape {scales.shape} for numbers of shape {shape}",
            "Give one scale per row, or one per number, with one row per pixel or patch in both files.",
        )
    return scales
