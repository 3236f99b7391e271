"""What a folder of TreeSatAI holds, what is missing and where it should be, and every file that is broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from alignscope._lib.checks import whole
from alignscope._lib.progress import quiet
from alignscope._lib.threads import cores
from alignscope._lib.types import Progress
from alignscope._lib.version import __version__
from alignscope.datasets.treesatai.archive import Archive
from alignscope.datasets.treesatai.format import AGES, GENERA, MODALITIES, SERIES, SPLITS, Labels, parse_stem
from alignscope.datasets.treesatai.inspection.scan import FileScan, SeriesScan, scan
from alignscope.errors import AlignscopeError, escaped

_LIST = (*SPLITS, "none")
"""The splits, and "none" for a patch that is in no list or has no labels."""


class Broken(msgspec.Struct, frozen=True):
    """A file that cannot be used, wholly or for some modalities, and the message that says why."""

    file: str
    modalities: tuple[str, ...]
    message: str


class Missing(msgspec.Struct, frozen=True):
    """Patches without a file of a modality: how many, which, and where the file of the first should be."""

    count: int
    stems: tuple[str, ...]
    place: str | None


class DateCounts(msgspec.Struct, frozen=True):
    """The dates of one modality over all files that can be read.

    Attributes
    ----------
    files : how many series. least, median, most : dates of a series.
    months : dates by month, January first. clear_months : the clear ones, for Sentinel-2 where values were read.
    repeated : dates on the day of the one before. files_with_repeats : series that have such.
    outside : dates that are not of the year in the file's name.
    values, zeros, nans : values that were read, and exact zeros and not finite ones among them.
    """

    files: int
    least: int
    median: float
    most: int
    months: tuple[int, ...]
    clear_months: tuple[int, ...] | None
    repeated: int
    files_with_repeats: int
    outside: int
    values: int
    zeros: int
    nans: int


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a folder of TreeSatAI.

    Attributes
    ----------
    path : the folder. quick : whether only headers were read. version : of alignscope.
    identity : as `Archive.identity`.
    patches : with a file of at least one modality. whole : with all four and none of them broken.
    files : by modality, how many patches have a file. missing : by modality, the patches without one.
    absent : patches of the label file and the lists without any file.
    without_labels, without_split : patches that the label file, or no list, names.
    splits : patches per split. genera : by genus, patches per split where it is present (more than 0.07 of the area).
    ages : by age class 0..11, patches per split. years : by year in the name of the series, patches.
    dates : by modality. clear_share : clear Sentinel-2 dates of all, 0..1, or None where none was read; clear is a date
        of which half of the pixels have at most 50% cloud. cloudy : patches without any clear date.
    notes : what else there is to say. broken : every file that cannot be used.
    """

    path: str
    version: str
    quick: bool
    identity: str
    patches: int
    whole: int
    files: dict[str, int]
    missing: dict[str, Missing]
    absent: tuple[str, ...]
    without_labels: tuple[str, ...]
    without_split: tuple[str, ...]
    splits: dict[str, int]
    genera: dict[str, dict[str, int]]
    ages: tuple[dict[str, int], ...]
    years: dict[str, int]
    dates: dict[str, DateCounts]
    clear_share: float | None
    cloudy: tuple[str, ...]
    notes: tuple[str, ...]
    broken: tuple[Broken, ...]


def inspect(
    archive: Archive, *, workers: int | None = None, quick: bool = False, progress: Progress | None = None
) -> Inspection:
    """Read every file of an archive and say what is there, what is missing and what is broken.

    A broken file never stops it, and none is left out: label file and lists are treated like any other file.

    workers : processes that read, by default one per core; 1 reads in this one. In a script of your own, more than 1
    needs ``if __name__ == "__main__":`` around the call. quick : read headers and dates, not values. progress : called
    with what is being done and the share that is done, 0..1.
    """
    progress = progress or quiet
    files = sorted([*archive.aerial.values(), *archive.series.values()])
    count = min(cores() if workers is None else whole("workers", workers, 1), len(files))
    seen = scan(
        archive.root, files, workers=count, quick=quick, progress=lambda what, share: progress(what, 0.95 * share)
    )
    progress("counting", 0.96)
    misnamed = [Broken(name, (), message) for name, message in sorted(archive.misnamed.items())]
    tables, broken_tables = _tables(archive)
    broken = [Broken(one.file, which, message) for one in seen for message, which in one.broken.items()]
    return Inspection(
        path=escaped(str(archive.root)),
        version=__version__,
        quick=quick,
        identity=archive.identity,
        patches=len(archive.stems),
        whole=_whole(archive, broken),
        files={m: len(archive.stems) - len(archive.missing(m)) for m in MODALITIES},
        missing={m: _missing(archive, m) for m in MODALITIES},
        years=_sorted_counts(str(archive.year(stem) or "none") for stem in archive.series),
        dates={m: _date_counts(one) for m in SERIES if (one := _series(seen, m))},
        clear_share=_clear_share(_series(seen, "s2")),
        cloudy=_cloudy(seen),
        broken=(*broken_tables, *misnamed, *broken),
        **tables,
    )


def _tables(archive: Archive) -> tuple[dict[str, Any], list[Broken]]:
    """Count patches by what label file and lists say of them; where those cannot be used, say so and count none."""
    try:
        labels = archive.labels
    except AlignscopeError as error:
        nothing: dict[str, Any] = {"absent": (), "without_labels": archive.stems, "without_split": archive.stems}
        nothing |= {"splits": {}, "genera": {}, "ages": (), "notes": archive.layout}
        where = error.where.split(",")[0]
        return nothing, [Broken(_relative(where, archive.root), (), str(error))]
    listed = np.where(labels.split == "", "none", labels.split)
    return {
        "absent": archive.absent,
        "without_labels": archive.without_labels,
        "without_split": tuple(stem for stem in archive.stems if stem not in archive.splits.of),
        "splits": _by_split(listed),
        "genera": {genus: _by_split(listed[labels.present[:, k]]) for k, genus in enumerate(GENERA)},
        "ages": tuple(_by_split(listed[labels.ages == age]) for age in range(AGES)),
        "notes": (*archive.notes, *_name_notes(archive, labels)),
    }, []


def _name_notes(archive: Archive, labels: Labels) -> list[str]:
    """Say how often the genus in the name is none of those in the label file."""
    rows = enumerate(archive.stems)
    place = {genus: k for k, genus in enumerate(GENERA)}
    other = 0
    for row, stem in rows:
        k = place.get(parse_stem(stem).genus)
        known = stem in archive.label_file.entries
        other += known and (k is None or not labels.present[row, k])
    if other == 1:
        return ["1 patch here has a genus in its name that its labels do not."]
    return [f"{other:,} patches here have a genus in their name that their labels do not."] if other else []


def _by_split(listed: np.ndarray) -> dict[str, int]:
    return {split: int((listed == split).sum()) for split in _LIST}


def _missing(archive: Archive, modality: str) -> Missing:
    stems = archive.missing(modality)
    return Missing(len(stems), stems, str(archive.place(stems[0], modality)) if stems else None)


def _whole(archive: Archive, broken: Iterable[Broken]) -> int:
    bad = {parse_stem(one.file).text for one in broken}
    return sum(stem in archive.series and stem not in bad for stem in archive.aerial)


def _series(seen: Sequence[FileScan], modality: str) -> list[SeriesScan]:
    return [one.series[modality] for one in seen if modality in one.series]


def _date_counts(series: Sequence[SeriesScan]) -> DateCounts:
    counts = [one.dates for one in series]
    clear = [one.clear for one in series if one.clear is not None]
    return DateCounts(
        files=len(series),
        least=min(counts),
        median=float(np.median(counts)),
        most=max(counts),
        months=_added(one.months for one in series),
        clear_months=_added(clear) if clear else None,
        repeated=sum(one.repeated for one in series),
        files_with_repeats=sum(one.repeated > 0 for one in series),
        outside=sum(one.outside for one in series),
        values=sum(one.values for one in series),
        zeros=sum(one.zeros for one in series),
        nans=sum(one.nans for one in series),
    )


def _added(months: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(np.sum(list(months), axis=0).tolist())


def _clear_share(series: Sequence[SeriesScan]) -> float | None:
    clear = [sum(one.clear) for one in series if one.clear is not None]
    return sum(clear) / sum(one.dates for one in series) if clear else None


def _cloudy(seen: Sequence[FileScan]) -> tuple[str, ...]:
    """The patches whose Sentinel-2 series was read and has no clear date."""
    return tuple(
        parse_stem(one.file).text
        for one in seen
        if "s2" in one.series and one.series["s2"].clear is not None and not sum(one.series["s2"].clear)
    )


def _sorted_counts(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _relative(path: str, root: Path) -> str:
    return str(Path(path).relative_to(root)) if Path(path).is_relative_to(root) else path
