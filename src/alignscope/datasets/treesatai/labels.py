"""Labels of TreeSatAI: the shares of the genera from its JSON file, and which patch is in which split."""

from __future__ import annotations

import codecs
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alignscope._lib.checks import real
from alignscope.datasets.treesatai.format import GENERA, SPLITS, THRESHOLD, Labels, Stem, parse_stem
from alignscope.datasets.treesatai.places import SPLIT_FOLDERS, archives, named_archives
from alignscope.errors import AlignscopeError

_PLACE = {genus: place for place, genus in enumerate(GENERA)}
_SHOWN = 10
_MOST = 1000.0  # of a share; none comes near it
_PUBLISHED = "Give the file as published, or correct the entry."


@dataclass(frozen=True, eq=False)
class LabelFile:
    """The label file.

    Attributes
    ----------
    entries : by stem, the genera with their shares of the area in the order of the file.
    twice : stems that list a genus more than once.
    summed_differs : those of them where another genus would be present, were shares added before the 0.07 rule.
    above_one : stems with a share, or a genus whose shares add up, above 1.
    empty : stems without any share above 0.07.
    """

    entries: Mapping[str, Sequence[tuple[str, float]]]
    twice: tuple[str, ...]
    summed_differs: tuple[str, ...]
    above_one: tuple[str, ...]
    empty: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Splits:
    """Which split every listed stem is in, and the share of "train" that was drawn for "val" (0 with three lists)."""

    of: Mapping[str, str]
    folder: Path | None
    drawn: float = 0.0


def read_label_file(path: str | Path) -> LabelFile:
    """Read the label file: ``{"<stem>.tif": [["Abies", 0.93771], ["Larix", 0.06229]], ...}``.

    Raises
    ------
    AlignscopeError : E101 no such file, E110 the name of an entry is not a patch, E111 not JSON, an unknown genus, a
        share that is not a number of at least 0, a patch listed twice. Names the file and the entry; of several the
        first ten.
    """
    path = Path(path)
    entries: dict[str, list[tuple[str, float]]] = {}
    wrong: list[AlignscopeError] = []
    for name, listed in _pairs(path):
        try:
            stem = _stem(name, f"{path}, entry {name!r}").text
            if stem in entries:
                raise AlignscopeError("E111", f"{path}, entry {name!r}", "the patch is listed twice", "Remove one.")
            entries[stem] = [_share(path, name, item) for item in _list(path, name, listed)]
        except AlignscopeError as error:
            wrong.append(error)
    if wrong:
        raise _all_of(wrong)
    facts = {stem: _facts(listed) for stem, listed in entries.items()}
    twice, summed, above, empty = (tuple(s for s, found in facts.items() if found[k]) for k in range(4))
    return LabelFile(entries, twice, summed, above, empty)


def read_splits(root: str | Path, validation: float = 0.1) -> Splits:
    """Read the lists of the splits: three in one folder, or the original two without val.

    They are looked for in ``split/``, in `root` itself, in ``split_original/`` and ``split/split/``, three lists
    first. Where there are two, the share `validation` of the training patches becomes "val": those whose name's
    SHA-256, read as a fraction 0..1, is below it. So a patch's split depends on its name alone. Without any list
    nothing is in a split.

    Raises
    ------
    AlignscopeError : E110 a line that is not a patch, E111 a patch listed twice or one list alone, E304 `validation`
        not in 0..1.
    """
    real("validation", validation, 0, 1, below=True)
    folders = _folders(root)
    there = {folder: [s for s in SPLITS if _list_path(folder, s).is_file()] for folder in folders}
    for folder in folders:
        if there[folder] == list(SPLITS):
            return Splits(_listed(folder, SPLITS), folder)
    for folder in folders:
        if there[folder] == ["train", "test"]:
            of = _listed(folder, ("train", "test"))
            drawn = {s: "val" for s, split in of.items() if split == "train" and _fraction(s) < validation}
            return Splits(of | drawn, folder, validation)
    for folder, found in there.items():
        if found:
            needed = " and ".join(_list_path(folder, s).name for s in ("train", "test") if s not in found)
            raise AlignscopeError("E111", str(folder), f"no {needed}", "Put it next to the other lists.")
    return Splits({}, None)


def split_files(root: str | Path) -> list[Path]:
    """Return the lists of the splits that are there, whether or not they can be used."""
    paths = [_list_path(folder, split) for folder in _folders(root) for split in SPLITS]
    return [path for path in paths if path.is_file()]


def _folders(root: str | Path) -> list[Path]:
    return [Path(root) / name for name in SPLIT_FOLDERS]


def labels_of(stems: Sequence[str], file: LabelFile, splits: Splits) -> Labels:
    """Return the labels of some patches.

    A patch that the label file does not list has shares 0, no genus and no split, so nothing trains or scores on it.
    """
    fractions = np.zeros((len(stems), len(GENERA)), dtype=np.float64)
    present = np.zeros(fractions.shape, dtype=bool)
    for row, stem in enumerate(stems):
        for genus, share in file.entries.get(stem, ()):
            fractions[row, _PLACE[genus]] += share
            present[row, _PLACE[genus]] |= share > THRESHOLD
    parsed = [parse_stem(stem) for stem in stems]
    return Labels(
        fractions=np.minimum(fractions, 1).astype(np.float32),
        present=present,
        ages=np.array([stem.age for stem in parsed], dtype=np.int64),
        species=np.array([stem.species for stem in parsed], dtype=np.str_),
        split=np.array([splits.of.get(s, "") if s in file.entries else "" for s in stems], dtype="<U5"),
    )


def _pairs(path: Path) -> list[tuple[str, Any]]:
    """Return the file's entries; a plain dict would silently keep the last of two with one name."""
    if not path.is_file():
        root = path.parent.parent
        way = f"Unpack {named_archives(root)} in {root}." if root.is_dir() and archives(root) else "Put it there."
        raise AlignscopeError("E101", str(path), "there is no label file", way)
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        raise AlignscopeError("E111", str(path), f"not JSON ({error})", "Copy or download the file again.") from error
    if not isinstance(found, _Pairs):
        raise AlignscopeError("E111", str(path), "not an object of patches by name", _PUBLISHED)
    return found


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object, so that it is no JSON list."""


def _all_of(wrong: Sequence[AlignscopeError]) -> AlignscopeError:
    """Return the first error, which names the others too."""
    first, *others = wrong
    if not others:
        return first
    named = "; ".join(f"{e.where.partition(', entry ')[2]}: {e.found}" for e in others[: _SHOWN - 1])
    more = f"; and {len(wrong) - _SHOWN:,} more" if len(wrong) > _SHOWN else ""
    found = f"{first.found} (of {len(wrong):,} entries that cannot be used; {named}{more})"
    return AlignscopeError(first.code, first.where, found, first.way_out)


def _list(path: Path, name: str, listed: Any) -> list[Any]:
    if isinstance(listed, _Pairs) or not isinstance(listed, list):
        raise AlignscopeError("E111", f"{path}, entry {name!r}", f"{listed!r} is not a list of shares", _PUBLISHED)
    return listed


def _share(path: Path, name: str, item: Any) -> tuple[str, float]:
    where = f"{path}, entry {name!r}"
    if isinstance(item, _Pairs) or not isinstance(item, list) or len(item) != 2:
        raise AlignscopeError("E111", where, f"{item!r} is not [genus, share]", _PUBLISHED)
    genus, share = item
    if genus not in GENERA:
        raise AlignscopeError("E111", where, f"an unknown genus, {genus!r}", f"Known are {', '.join(GENERA)}.")
    # Shares above 1 are published: 38 patches have one.
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < _MOST:
        raise AlignscopeError("E111", where, f"the share of {genus} is {share!r}", "Expected a share from 0 to 1.")
    return genus, float(share)


def _facts(listed: Sequence[tuple[str, float]]) -> tuple[bool, bool, bool, bool]:
    """Whether a genus is listed twice, adding would change who is present, a sum is above 1, and nobody is present."""
    summed: Counter[str] = Counter()
    for genus, share in listed:
        summed[genus] += share  # type: ignore[assignment]
    present = {genus for genus, share in listed if share > THRESHOLD}
    added = {genus for genus, share in summed.items() if share > THRESHOLD}
    # Shares have five decimals; a few thousand of them add up to 1.00001.
    return len(summed) < len(listed), added != present, any(s > 1.0001 for s in summed.values()), not present


def _listed(folder: Path, splits: Sequence[str]) -> dict[str, str]:
    of: dict[str, str] = {}
    for split in splits:
        path = _list_path(folder, split)
        for number, line in enumerate(_text(path).splitlines(), start=1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            stem = _stem(line.strip(), where).text
            if stem in of:
                raise AlignscopeError("E111", where, f"{stem} is already in {of[stem]}", "Keep one of the two.")
            of[stem] = split
    return of


def _text(path: Path) -> str:
    """Return a list's text, which Windows saves as UTF-16 or with a byte order mark."""
    content = path.read_bytes()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if wide else "utf-8-sig", errors="replace")


def _stem(name: str, where: str) -> Stem:
    try:
        return parse_stem(name)
    except AlignscopeError as error:
        raise AlignscopeError(error.code, where, f"{name!r} is {error.found}", error.way_out) from None


def _list_path(folder: Path, split: str) -> Path:
    return folder / f"{split}_filenames.lst"


def _fraction(stem: str) -> float:
    return int.from_bytes(hashlib.sha256(stem.encode()).digest()[:8], "big") / 2**64
