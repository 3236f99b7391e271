"""TreeSatAI-Time-Series as it lies on disk: which files there are, in the published layout or the OmniSat one."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from alignscope._lib.checks import one_of
from alignscope.datasets.treesatai.format import MODALITIES, SERIES, Labels, Patch, parse_stem
from alignscope.datasets.treesatai.labels import (
    LabelFile,
    Splits,
    labels_of,
    read_label_file,
    read_splits,
    split_files,
)
from alignscope.datasets.treesatai.places import (
    AERIAL,
    LABEL_FILE,
    LABEL_FOLDERS,
    SERIES_FOLDERS,
    elsewhere,
    find_root,
    list_patches,
    packed,
)
from alignscope.datasets.treesatai.read import read_aerial, read_series
from alignscope.errors import AlignscopeError
from alignscope.report.words import percent

_YEAR = re.compile(r"_((?:19|20)\d\d)\.h5$", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Archive:
    """The data set in a folder: all of it or any part. A `Source`.

    Files are found when it is opened and read on demand.

    Attributes
    ----------
    root : the folder that holds ``aerial/``, ``sentinel-ts/``, ``labels/``, ``split/``.
    aerial, series : the file of every stem, relative to `root`. Of several years the latest, as `notes` says.
    misnamed : files with a right suffix whose name is not a patch, with the message of their error (E110).
    layout : what there is to say of the files that were found.
    validation : share of the training patches that becomes "val" where there are only two lists.
    """

    root: Path
    aerial: Mapping[str, str]
    series: Mapping[str, str]
    misnamed: Mapping[str, str]
    layout: tuple[str, ...]
    validation: float

    @classmethod
    def open(cls, path: str | Path, *, validation: float = 0.1) -> Archive:
        """Find the files of the data set in a folder, or in the one folder in it that holds them.

        validation : where only the original two lists are there, the share of the training patches that becomes "val".

        Raises
        ------
        AlignscopeError : E101 there is no such folder, E109 it is not the data set.
        """
        root = find_root(Path(path))
        pictures, misnamed = list_patches(root, AERIAL)
        series: dict[str, list[str]] = {}
        for folder in SERIES_FOLDERS:
            found, more = list_patches(root, folder)
            misnamed |= more
            for stem, files in found.items():
                series.setdefault(stem, []).extend(files)
        notes = [
            *_several(pictures, "pictures"),
            *_several(series, "files of series; the latest year is used"),
            *elsewhere(root),
            *packed(root, [what for what, there in _parts(root, pictures, series).items() if not there]),
        ]
        # The name without a year is of no known year, so it comes before any other.
        chosen = {stem: max(files, key=lambda file: (_year(file) or 0, file)) for stem, files in series.items()}
        return cls(root, {s: max(f) for s, f in pictures.items()}, chosen, misnamed, tuple(notes), validation)

    @cached_property
    def stems(self) -> tuple[str, ...]:
        """The patches that have a file of at least one modality, sorted."""
        return tuple(sorted({*self.aerial, *self.series}))

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that are there. A file of series is taken to hold all three until it is read."""
        return tuple(m for m in MODALITIES if self._files(m))

    @cached_property
    def label_path(self) -> Path:
        """Where the label file is, or should be."""
        return _label_path(self.root)

    @cached_property
    def label_file(self) -> LabelFile:
        """The label file, read once. Raises as `read_label_file`."""
        return read_label_file(self.label_path)

    @cached_property
    def splits(self) -> Splits:
        """The lists of the splits, read once. Raises as `read_splits`."""
        return read_splits(self.root, self.validation)

    @cached_property
    def labels(self) -> Labels:
        """The labels of all patches. Raises E101, E110 or E111 for label file or lists that cannot be used."""
        return labels_of(self.stems, self.label_file, self.splits)

    @property
    def without_labels(self) -> tuple[str, ...]:
        """The patches that the label file does not list: they are in no split."""
        return tuple(stem for stem in self.stems if stem not in self.label_file.entries)

    @property
    def absent(self) -> tuple[str, ...]:
        """Stems of the label file and the lists that have no file at all, sorted."""
        return tuple(sorted({*self.label_file.entries, *self.splits.of} - {*self.stems}))

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say of files, labels and splits, a sentence each. Raises as `labels`."""
        return (*self.layout, *_label_notes(self.label_file), *_split_notes(self.splits))

    @cached_property
    def identity(self) -> str:
        """A hash of names, sizes and times of change of all files, of labels, lists and `validation`; 16 digits.

        It needs no file to be whole: a link that leads nowhere and lists that cannot be used count as they are.
        """
        digest = hashlib.sha256(repr(self.validation).encode())
        for name in sorted([*self.aerial.values(), *self.series.values()]):
            digest.update(os.fsencode(f"{name}\0{_size_and_time(self.root / name)}\n"))
        for path in [self.label_path, *split_files(self.root)]:
            digest.update(path.read_bytes() if path.is_file() else b"")
        return digest.hexdigest()[:16]

    def missing(self, modality: str) -> tuple[str, ...]:
        """The patches without a file of a modality, sorted; `place` says where it should be."""
        files = self._files(modality)
        return tuple(stem for stem in self.stems if stem not in files)

    def place(self, stem: str, modality: str) -> Path:
        """Where the file of a patch is, or should be; ``<YYYY>`` stands for the year of a series that is missing."""
        files = self._files(modality)
        if stem in files:
            return self.root / files[stem]
        used = Counter(file.rpartition("/")[0] for file in files.values())
        folder = max(used, key=lambda name: used[name], default=AERIAL if modality == AERIAL else SERIES_FOLDERS[0])
        if modality == AERIAL:
            return self.root / folder / f"{stem}.tif"
        plain = folder.split("/")[0] == SERIES_FOLDERS[1]
        return self.root / folder / (f"{stem}.h5" if plain else f"{stem}_<YYYY>.h5")

    def year(self, stem: str) -> int | None:
        """The year in the name of a patch's series; None where there is none."""
        return _year(self.series.get(stem, ""))

    def patch(self, stem: str, modalities: Collection[str]) -> Patch:
        """Read one patch. Raises as `read_aerial` and `read_series`; E101 names the place of a missing file."""
        for modality in modalities:
            one_of("modality", modality, MODALITIES)
            if stem not in self._files(modality):
                way = "Put it there, or take other modalities."
                raise AlignscopeError("E101", str(self.place(stem, modality)), "there is no such file", way)
        aerial = read_aerial(self.place(stem, AERIAL)) if AERIAL in modalities else None
        series = {m: read_series(self.place(stem, m), m) for m in SERIES if m in modalities}
        return Patch(parse_stem(stem), aerial, series)

    def _files(self, modality: str) -> Mapping[str, str]:
        return self.aerial if modality == AERIAL else self.series


def _label_path(root: Path) -> Path:
    places = [root / folder / LABEL_FILE for folder in LABEL_FOLDERS]
    return next((path for path in places if path.is_file()), places[0])


def _parts(root: Path, pictures: Mapping[str, object], series: Mapping[str, object]) -> dict[str, bool]:
    """Whether each part of the data set is there, by what sentences call it."""
    return {
        "pictures": bool(pictures),
        "series": bool(series),
        "label file": _label_path(root).is_file(),
        "lists of splits": bool(split_files(root)),
    }


def _size_and_time(path: Path) -> str:
    try:
        facts = os.stat(path)  # noqa: PTH116 - a Path's own stat takes twice as long over 100,000 files
    except OSError:
        return "none"
    return f"{facts.st_size}\0{facts.st_mtime_ns}"


def _year(file: str) -> int | None:
    found = _YEAR.search(file)
    return int(found[1]) if found else None


def _several(files: Mapping[str, list[str]], what: str) -> list[str]:
    """Name the patches that have more than one file."""
    found = sorted(stem for stem, names in files.items() if len(names) > 1)
    if not found:
        return []
    named = "; ".join(", ".join(sorted(files[stem])) for stem in found[:3])
    return [f"{_patches(len(found), 'has', 'have')} several {what}: {named}{' ...' if len(found) > 3 else ''}."]


def _label_notes(file: LabelFile) -> list[str]:
    notes = []
    if file.twice:
        notes.append(
            f"Label file: {_patches(len(file.twice), 'lists', 'list')} a genus twice. Shares are added for the area, "
            f"but each is held against 0.07 by itself, as published; adding first would change "
            f"{_patches(len(file.summed_differs))}."
        )
    if file.above_one:
        notes.append(
            f"Label file: {_patches(len(file.above_one), 'has', 'have')} a genus with a share above 1, taken as 1."
        )
    if file.empty:
        notes.append(f"Label file: {_patches(len(file.empty), 'has', 'have')} no genus above 0.07.")
    return notes


def _split_notes(splits: Splits) -> list[str]:
    if splits.folder is None:
        return ["There are no lists of splits, so no patch is in one."]
    if not splits.drawn:
        return []
    return [
        f"{splits.folder.name}/ has the original two lists; {percent(splits.drawn)} of the training patches were drawn "
        "for val, by the SHA-256 of their names."
    ]


def _patches(count: int, one: str = "", many: str = "") -> str:
    return f"{count:,} {'patch' if count == 1 else 'patches'} {one if count == 1 else many}".rstrip()
