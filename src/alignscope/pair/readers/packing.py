"""What stored numbers stand for: fill values, scale and offset, quantised embeddings; for arrays and rasters alike."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.notes import Note
from alignscope.pair.readers.rows import Rows, StoredRows, as_numpy

Number: TypeAlias = int | float
Attributes: TypeAlias = Mapping[str, Any]

LONE_COLUMN = 1 << 24
"""Up to so many rows a lone column of whole numbers is looked through for its fill value when it is opened."""

FILLS = ("_FillValue", "missing_value")
SCALES = ("scale_factor", "add_offset")
UNWRITTEN = (-32767, -2147483647, 9.969209968386869e36, float(np.float32(9.969209968386869e36)))
"""What netCDF puts where nothing was written, in nearly every file and in no need of being said."""

SIGNED_SQUARES = ("signed_square", "signed_power")


@dataclass(frozen=True)
class Packing:
    """What a stored number s stands for: scale * s + offset, or with `square` sign(s) * (scale * s)^2; or nothing.

    fills : stored numbers that stand for missing; compared before anything is rescaled.
    low, high : the range outside which stored numbers are missing. unsigned : whole numbers are meant without sign.
    sources : the attributes or options that say so. unknown : a way of quantisation that is not known here.

    >>> Packing(fills=(-1,), scale=0.5, offset=2.0).values(np.array([4, -1]))
    array([ 4., nan])
    """

    fills: tuple[Number, ...] = ()
    low: Number = -math.inf
    high: Number = math.inf
    scale: float = 1.0
    offset: float = 0.0
    square: bool = False
    unsigned: bool = False
    sources: tuple[str, ...] = ()
    unknown: str = ""

    @property
    def rescales(self) -> bool:
        """Whether numbers that are there change."""
        return (self.scale, self.offset, self.square) != (1.0, 0.0, False)

    @property
    def masks(self) -> bool:
        """Whether some numbers stand for missing."""
        return bool(self.fills) or self.low > -math.inf or self.high < math.inf

    def meant(self, stored: np.dtype) -> np.dtype:
        """The type that stored numbers are meant as: without sign where it says so."""
        return np.dtype(f"u{stored.itemsize}") if self.unsigned and stored.kind == "i" else stored

    def dtype(self, stored: np.dtype) -> np.dtype:
        """The type of the values: exact for whole numbers of up to 53 bits, and able to hold NaN where one may be."""
        stored = self.meant(stored)
        if self.rescales:
            return np.dtype(np.float64)
        return np.result_type(stored, np.float32) if self.masks and stored.kind != "f" else stored

    def missing(self, stored: np.ndarray) -> np.ndarray:
        """Where stored numbers stand for missing, in their shape."""
        out = np.zeros(stored.shape, bool)
        for fill in self.fills:
            if fits(fill, stored.dtype):
                out |= stored == stored.dtype.type(fill)
        if self.low > -math.inf:
            out |= stored < self.low
        if self.high < math.inf:
            out |= stored > self.high
        return out

    def values(self, stored: np.ndarray) -> np.ndarray:
        """What stored numbers (...) stand for, (...); NaN for missing ones."""
        dtype = self.dtype(stored.dtype)
        stored = stored.view(self.meant(stored.dtype)) if self.unsigned else stored
        missing = self.missing(stored) if self.masks else None
        out = stored.astype(dtype, copy=self.masks or self.rescales)
        with np.errstate(over="ignore", invalid="ignore"):  # infinity is found where rows are used, by its row
            if self.scale != 1.0:
                out *= self.scale
            if self.square:
                out *= np.abs(out)
            if self.offset != 0.0:
                out += self.offset
        if missing is not None:
            out[missing] = np.nan
        return out

    def notes(self, where: str) -> tuple[Note, ...]:
        """What is said of it: AS121 for missing values, AS122 for rescaled ones."""
        said = []
        masked = ", ".join(source for source in self.sources if source not in SCALES)
        scaled = ", ".join(
            source for source in self.sources if source in SCALES or "quanti" in source or not self.masks
        )
        fills = [fill for fill in self.fills if fill not in UNWRITTEN]  # if one is met, the error says where
        if fills or self.low > -math.inf or self.high < math.inf:
            parts = [", ".join(f"{fill:g}" for fill in fills)] if fills else []
            parts += [f"below {self.low:g}"] if self.low > -math.inf else []
            parts += [f"above {self.high:g}"] if self.high < math.inf else []
            text = f"{where}: stored numbers of {' or '.join(parts)} stand for missing ({masked}) and are read as NaN."
            said.append(Note(text, "AS121"))
        if self.rescales:
            form = f"sign(s) × ({self.scale:g} × s)²" if self.square else f"{self.scale:g} × s"
            form += f" {'-' if self.offset < 0 else '+'} {abs(self.offset):g}" if self.offset else ""
            said.append(Note(f"{where}: stored numbers s are read as {form} ({scaled}).", "AS122"))
        if self.unknown:
            text = f"{where}: its numbers are quantised by {self.unknown!r}, which is not known here; they are read as "
            said.append(Note(text + "stored. Say by --dequantize what they stand for.", "AS122"))
        return tuple(said)


AEF = Packing(fills=(-128,), scale=1 / 127.5, square=True)
"""AlphaEarth embeddings in int8: sign(v) (v / 127.5)^2; -128 stands for none."""


def fits(number: Number, dtype: np.dtype) -> bool:
    """Whether a type can hold a number at all; NaN is in no need of being found."""
    if dtype.kind == "b":
        return number in (0, 1)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return float(number).is_integer() and info.min <= number <= info.max
    return (
        dtype.kind == "f"
        and not math.isnan(number)
        and (math.isinf(number) or abs(number) <= float(np.finfo(dtype).max))
    )


def packing_of(
    attributes: Attributes, dtype: np.dtype, where: str, fills: Mapping[str, Number] | None = None
) -> Packing:
    """The packing that attributes declare, by the climate and forecast conventions and those of embeddings.

    Read are ``_FillValue``, ``missing_value``, ``valid_min``, ``valid_max``, ``valid_range``, ``scale_factor``,
    ``add_offset``, ``_Unsigned``, and ``emb:quantization`` or ``geoemb:quantization``.

    fills : further fill values that the format itself declares, by what says so.
    Raises E103 for an attribute that is not what it should be.
    """
    if dtype.kind not in "biuf":
        return Packing()
    found = Packing(unsigned=_text(attributes.get("_Unsigned", "")).lower() == "true")
    stored = found.meant(dtype)
    declared: dict[str, list[Number]] = {key: [number] for key, number in (fills or {}).items()}
    declared |= {key: _numbers(attributes[key], dtype, key, where) for key in FILLS if key in attributes}
    if found.unsigned:
        declared = {key: [n % 2 ** (8 * dtype.itemsize) for n in numbers] for key, numbers in declared.items()}
    declared = {key: kept for key, numbers in declared.items() if (kept := [n for n in numbers if fits(n, stored)])}
    scales = {key: _one(attributes[key], dtype, key, where) for key in SCALES if key in attributes}
    found = replace(
        found,
        fills=tuple(dict.fromkeys(number for numbers in declared.values() for number in numbers)),
        scale=scales.get("scale_factor", 1.0),
        offset=scales.get("add_offset", 0.0),
        sources=(*declared, *scales),
    )
    return _quantised(_bounded(found, attributes, dtype, where), attributes, where)


def _bounded(found: Packing, attributes: Attributes, dtype: np.dtype, where: str) -> Packing:
    """With the range of valid numbers; one of another kind than the stored numbers is one of values."""
    keys = [key for key in ("valid_range", "valid_min", "valid_max") if key in attributes]
    if not keys:
        return found
    bounds = [-math.inf, math.inf]
    for key in keys:
        numbers = _numbers(attributes[key], dtype, key, where)
        if len(numbers) != (2 if key == "valid_range" else 1):
            raise _wrong(key, attributes[key], where)
        if found.rescales and found.scale and dtype.kind != np.asarray(attributes[key]).dtype.kind:
            numbers = [(number - found.offset) / found.scale for number in numbers]
        if key != "valid_max":
            bounds[0] = numbers[0]
        if key != "valid_min":
            bounds[1] = numbers[-1]
    low, high = (bounds[1], bounds[0]) if found.scale < 0 and bounds[0] > bounds[1] else bounds
    return replace(found, low=low, high=high, sources=(*found.sources, *keys))


def _quantised(found: Packing, attributes: Attributes, where: str) -> Packing:
    """With the way of quantisation that attributes of embeddings declare."""
    for key in ("emb:quantization", "geoemb:quantization"):
        if isinstance(declared := attributes.get(key), Mapping) and declared.get("method") not in (None, "none"):
            return quantisation(declared, key, where, found)
    return found


def quantisation(declared: Attributes, key: str, where: str, found: Packing | None = None) -> Packing:
    """The packing of a quantisation object of the STAC extension for embeddings. Raises E103 for numbers that are none.

    Known are `linear` (scale and offset) and the signed squares of AlphaEarth; of any other the name is kept.
    """
    found = Packing() if found is None else found
    method = _text(declared.get("method", ""))
    sources = (*found.sources, key)
    scales = {
        name: _one(declared[name], np.dtype(float), f"{key}.{name}", where)
        for name in ("scale", "offset")
        if declared.get(name) is not None and not isinstance(declared[name], Mapping)
    }
    if method == "linear" and "scale" in scales:
        return replace(found, scale=scales["scale"], offset=scales.get("offset", 0.0), sources=sources)
    if method in SIGNED_SQUARES and not scales:
        return replace(AEF, fills=tuple(dict.fromkeys((*found.fills, *AEF.fills))), sources=sources)
    return replace(found, unknown=method)


def _numbers(value: object, dtype: np.dtype, key: str, where: str) -> list[Number]:
    """One or more numbers as they stand in an attribute, also as text, or as xarray writes them to zarr."""
    if isinstance(value, str | bytes):
        return [_from_text(_text(value), dtype, key, where)]
    array = np.asarray(value).reshape(-1)
    if array.dtype.kind in "SUO" and array.size == 1 and isinstance(one := array.tolist()[0], str | bytes):
        return [_from_text(_text(one), dtype, key, where)]
    if array.dtype.kind not in "biuf" or not array.size:
        raise _wrong(key, value, where)
    return list(array.tolist())


def _from_text(text: str, dtype: np.dtype, key: str, where: str) -> Number:
    for read in (int, float):
        try:
            return read(text)
        except (ValueError, OverflowError):
            continue
    try:
        content = base64.b64decode(text, validate=True)
        return float(np.frombuffer(content, "<f4" if len(content) == 4 else "<f8")[0])
    except (binascii.Error, ValueError, IndexError):
        raise _wrong(key, text, where) from None


def _one(value: object, dtype: np.dtype, key: str, where: str) -> float:
    numbers = _numbers(value, dtype, key, where)
    if len(numbers) != 1 or not math.isfinite(numbers[0]):
        raise _wrong(key, value, where)
    return float(numbers[0])


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _wrong(key: str, value: object, where: str) -> AlignscopeError:
    shown = _text(value)
    shown = shown if len(shown) <= 40 else f"{shown[:40]}..."
    return AlignscopeError("E103", where, f"its attribute {key} is {shown!r}", "Correct the attribute, or remove it.")


def unwritten(where: str, count: int, total: int, fill: object) -> tuple[Note, ...]:
    """What is said of chunks of a store that were never written (AS121); nothing where all were."""
    if count <= 0:
        return ()
    text = f"{where}: {count:,} of {total:,} chunks were never written; what stands there is the fill value, {fill}."
    return (Note(text, "AS121"),)


@dataclass(frozen=True, eq=False)
class UnpackedRows(StoredRows):
    """Rows whose stored numbers are turned into what they stand for, block by block.

    scales : a factor for every row, (N, 1), or for every number, (N, D); not finite where there is no value.
    """

    stored: Rows
    packing: Packing
    scales: np.ndarray | None = None

    def _fetch(self, start: int, stop: int) -> np.ndarray:
        block = self.packing.values(as_numpy(self.stored.read(start, stop)))
        if self.scales is None:
            return block
        scales = self.scales[start:stop]
        return block * np.where(np.isfinite(scales), scales, np.nan)


def unpacked(rows: StoredRows, packing: Packing, role: str) -> StoredRows:
    """The rows as what they stand for, with notes that say so.

    Whole numbers in a lone column, as labels and ids are, stay whole where none of them is missing.
    """
    stored = np.dtype(rows.dtype)
    notes = packing.notes(f"{role} ({rows.name})")
    if not (packing.masks or packing.rescales or packing.meant(stored) != stored):
        return replace(rows, header=replace(rows.header, notes=(*rows.notes, *notes)))
    if packing.masks and not packing.rescales and stored.kind in "biu" and _none_missing(rows, packing):
        return rows
    header = replace(rows.header, dtype=str(packing.dtype(stored)), notes=(*rows.notes, *notes))
    return UnpackedRows(header, rows, packing)


def _none_missing(rows: Rows, packing: Packing) -> bool:
    n, width = rows.shape
    if width != 1 or n > LONE_COLUMN or packing.unsigned:
        return False
    return not packing.missing(as_numpy(rows.read(0, n))).any()
