"""A user's own paired arrays as the rows of a study."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Self, TypeAlias

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from alignscope._lib.toml import invalid
from alignscope._lib.types import Progress
from alignscope.errors import AlignscopeError
from alignscope.pair.alike import constant_rows
from alignscope.pair.dequantize import SCALES, placed
from alignscope.pair.folder import TABLES, open_folder
from alignscope.pair.labels import ClassRows, Kind, Target, first_rows
from alignscope.pair.notes import Note
from alignscope.pair.paired import Pair
from alignscope.pair.readers.formats import split_key
from alignscope.pair.readers.parts import files_of
from alignscope.pair.readers.rows import FLATTENED, Rows, as_numpy
from alignscope.report.words import aliases, capital, count
from alignscope.study.data.kind import DataKind, FilePath, Seed, check_parts
from alignscope.study.data.prepared import Targets, write_data
from alignscope.study.encoders import EncoderKind

LabelKind: TypeAlias = Kind

_COMPLETE = "A study trains on complete rows: leave them out of every input."


class PairFiles(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The files of a user's own pair: `pair` (a folder as `alignscope audit --pair` reads it), or x1, x2, y1 and y2.

    Paths are relative to the specification. Groups may be blocks of ground (`coords`, `block`); `y_kind` says what y1
    and y2 are, `ignore_label` which of their labels stand for none, `drop_missing` leaves incomplete rows out, and
    `dequantize` says what whole numbers of x1 and x2 stand for, all as with `alignscope audit`.
    """

    pair: FilePath | None = None
    x1: FilePath | None = None
    x2: FilePath | None = None
    y1: FilePath | None = None
    y2: FilePath | None = None
    groups: FilePath | None = None
    coords: FilePath | UnsetType = UNSET
    block: float | UnsetType = UNSET
    y_kind: LabelKind | UnsetType = UNSET
    ignore_label: str | int | UnsetType = UNSET
    drop_missing: bool | UnsetType = UNSET
    dequantize: str | list[str] | UnsetType = UNSET

    def check_given(self, where: str) -> None:
        """Raise ValidationError, with the path `where`, unless a folder is given or all arrays are."""
        given = [name for name in ("x1", "x2", "y1") if getattr(self, name) is not None]
        if (self.pair is None) == (not given) or (given and given != ["x1", "x2", "y1"]):
            raise invalid("Expected either `pair`, or all of `x1`, `x2` and `y1`", where)

    def modality_texts(self) -> tuple[str, str]:
        """Return "modality 1 (s2)" and "modality 2 (s1)", in short after their files; a folder's have no names here."""
        plain = ("modality 1", "modality 2")
        if self.x1 is None or self.x2 is None:
            return plain
        short = aliases(*(Path(split_key(path)[0]).stem for path in (self.x1, self.x2)))
        return plain if short == plain else (f"{plain[0]} ({short[0]})", f"{plain[1]} ({short[1]})")

    def files(self, base: Path) -> list[Path]:
        """Return the files that the pair is read from; of a folder such as .zarr, all that is in it."""
        scales = [
            way.removeprefix(SCALES) for way in self._ways(base) if way.startswith(SCALES) or way.endswith(".json")
        ]
        given = [split_key(str(base / value))[0] for value in (*self._given().values(), *scales)]
        found = [path for one in given for path in ([one] if one.is_dir() else files_of(one, ""))]
        if self.pair is not None:
            folder = base / self.pair
            inside = sorted(folder.iterdir()) if folder.is_dir() else [folder]
            found += [p for p in inside if p.stem in (*TABLES, "coords") or p.name == "pair.toml" or p == folder]
        return [f for p in found for f in (sorted(q for q in p.rglob("*") if q.is_file()) if p.is_dir() else [p])]

    def _given(self) -> dict[str, Any]:
        return {name: value for name in ("x1", "x2", "y1", "y2", "groups", "coords") if (value := getattr(self, name))}

    def _ways(self, base: Path) -> list[str]:
        """Return what whole numbers stand for, with paths from here."""
        ways = [] if isinstance(self.dequantize, UnsetType) else self.dequantize
        return [placed(way, base) for way in ([ways] if isinstance(ways, str) else ways)]

    def open(self, base: Path) -> Pair:
        """Return the pair, read as `alignscope audit` would; E2xx for files that are not one."""
        given: dict[str, Any] = {name: base / value for name, value in self._given().items()}
        how = {
            "block": self.block,
            "kind": self.y_kind,
            "ignore_label": self.ignore_label,
            "drop_missing": self.drop_missing,
        }
        given |= {name: value for name, value in how.items() if value is not UNSET}
        given |= {"dequantize": self._ways(base)} if self._ways(base) else {}
        if self.pair is not None:
            return open_folder(base / self.pair, **given)
        return Pair.of(given.pop("x1"), given.pop("x2"), **given)


class FileData(PairFiles, DataKind, frozen=True, kw_only=True, tag="files"):
    """A user's own paired arrays; a share `test` of the rows, or of the groups, is held out."""

    test: Annotated[float, Meta(gt=0, lt=1)] = 0.25
    seed: Seed = 0
    fingerprint: str = ""

    def check(self, encoder: EncoderKind) -> None:
        """Raise ValidationError unless the arrays are given in one way of the two."""
        self.check_given("data")
        super().check(encoder)

    def fingerprinted(self, base: Path) -> Self:
        """Return the data with the hash of all files that the pair is read from."""
        digest = hashlib.sha256()
        for path in self.files(base):
            try:
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                found = f"cannot be read ({error.strerror})"
                raise AlignscopeError("E101", str(path), found, "Correct the path.") from None
        return replace(self, fingerprint=digest.hexdigest()[:16])

    def write(self, folder: Path, base: Path, progress: Progress) -> None:
        """Copy the pair into a new folder, training rows first."""
        pair = self.open(base)
        if pair.present1 is not None or pair.present2 is not None:
            raise AlignscopeError("E203", str(self.pair), "rows that lack a modality", _COMPLETE)
        if pair.weights is not None:
            raise AlignscopeError("E306", "data.pair", "it holds weights, which a study does not use", "Remove them.")
        if pair.y1.kind == "modality":
            way = "Put y1 there: what a modality is to predict."
            raise AlignscopeError("E306", "data.pair", "it holds no target", way)
        order, train = self._split(pair)
        targets: dict[str, np.ndarray] = {}
        classes: dict[str, tuple[str, ...]] = {}
        roles: list[tuple[str, ...]] = []
        for role, target in (("y1", pair.y1), ("y2", pair.y2)):
            if role == "y2" and _same(pair.y1, pair.y2):
                roles.append(roles[0])
                continue
            names = _named(role, target, set(targets))
            roles.append(tuple(names))
            if isinstance(target.rows, ClassRows):
                classes[names[0]] = target.names
                targets[names[0]] = target.rows.codes[order].astype(np.int64)
            else:
                values = _numbers(target.rows, role)[order].astype(np.float32)
                targets |= {name: values[:, [i]] for i, name in enumerate(names)}
        groups = None if pair.groups is None else np.asarray(pair.groups)[order]
        notes = [note.line for note in (*_said(pair), *_without_content(pair))]
        meta = Targets.of(train, (roles[0], roles[1]), targets, classes, notes)
        write_data(folder, [_inputs(rows, order, train) for rows in (pair.x1, pair.x2)], targets, meta, groups)

    def describe(self, targets1: str, targets2: str) -> str:
        """Return what each modality is trained to predict."""
        one, two = self.modality_texts()
        return (
            f"The data are your own pairs. {capital(one)} is trained to predict {targets1}; {two} is trained to "
            f"predict {targets2}."
        )

    def _split(self, pair: Pair) -> tuple[np.ndarray, int]:
        """Return the order of rows, training rows first, and how many those are; no group is in both parts."""
        units = np.arange(pair.n) if pair.groups is None else np.asarray(pair.groups)
        distinct, place = np.unique(units, return_inverse=True)
        shuffled = np.random.default_rng(self.seed).permutation(len(distinct))
        held = np.zeros(len(distinct), dtype=bool)
        held[shuffled[: max(1, round(self.test * len(distinct)))]] = True
        out = held[place]
        train, test = np.flatnonzero(~out), np.flatnonzero(out)
        found = f"{len(train)} training and {len(test)} held-out rows of {pair.n}"
        check_parts(len(train), len(test), "data", found, "give more rows, or change `test`")
        return np.concatenate([train, test]), len(train)


def _said(pair: Pair) -> Iterator[Note]:
    """Yield the notes of a pair, but not that pictures were flattened, since here they are pictures."""
    flat = {note for rows in (pair.x1, pair.x2) if len(_sample(rows)) == 3 for note in rows.notes if FLATTENED in note}
    yield from (note for note in pair.notes if note not in flat)


def _sample(rows: Rows) -> tuple[int, ...]:
    """The shape of a sample where the store knows it: of pictures (channels, H, W)."""
    shape: tuple[int, ...] = getattr(rows, "item", ())
    return shape


def _without_content(pair: Pair) -> Iterator[Note]:
    """Yield a note for each modality that has rows of one value throughout, as of tiles without pixels."""
    for rows in (pair.x1, pair.x2):
        found = constant_rows(as_numpy(rows.read(0, pair.n)))
        if found:
            yield Note(f"{rows.name}: rows that hold one value throughout: {count(found)}.", "AS119")


def _same(one: Target, two: Target) -> bool:
    """Whether both modalities are trained on the same columns, whether or not they were given twice."""
    if one is two:
        return True
    if type(one.rows) is not type(two.rows) or one.names != two.names:
        return False
    if isinstance(one.rows, ClassRows) and isinstance(two.rows, ClassRows):
        return np.array_equal(one.rows.codes, two.rows.codes)
    return np.array_equal(_numbers(one.rows, "y1"), _numbers(two.rows, "y2"))


def _inputs(rows: Rows, order: np.ndarray, train: int) -> np.ndarray:
    """Return pictures (N, channels, H, W) with the channel last, and all else as standardised features.

    Pictures of bytes stay as they are; others are standardised channel by channel.
    """
    item = _sample(rows)
    if len(item) != 3:
        return _standardised(_numbers(rows, rows.name)[order], train)
    if rows.dtype == "uint8":
        pictures: np.ndarray = as_numpy(rows.read(0, rows.shape[0])).reshape(-1, *item)[order]
        return np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))
    channels, height, width = item[0], item[1], item[2]
    pixels = _numbers(rows, rows.name)[order].reshape(-1, channels, height * width).transpose(0, 2, 1)
    each = _standardised(pixels.reshape(-1, channels), train * height * width)
    return each.reshape(-1, height, width, channels)


def _standardised(x: np.ndarray, train: int) -> np.ndarray:
    x = x - x[0]  # the deviation of a constant column is then exactly 0
    deviation = x[:train].std(axis=0)
    return ((x - x[:train].mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)).astype(np.float32)


def _numbers(rows: Rows, name: str) -> np.ndarray:
    """Return all rows as (N, D) float64. Raises E203 for NaN or infinity."""
    n, d = rows.shape
    x = as_numpy(rows.read(0, n)).reshape(n, d).astype(np.float64)
    bad = np.asarray(~np.isfinite(x).all(axis=1))
    if bad.any():
        raise AlignscopeError("E203", name, f"NaN or infinity ({first_rows(bad)})", _COMPLETE)
    return x


def _named(role: str, target: Target, taken: set[str]) -> list[str]:
    names = [role] if isinstance(target.rows, ClassRows) else list(target.names)
    return [f"{role}: {name}" if name in taken else name for name in names]
