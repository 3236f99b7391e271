"""``alignscope data treesatai``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from alignscope._lib.files import check_writable
from alignscope.cli.options import WritingCommand, arg, say
from alignscope.report.words import percent

if TYPE_CHECKING:
    from alignscope.datasets.treesatai.inspection.inspection import Inspection

_SHOWN = 10


class TreeSatAICommand(WritingCommand, frozen=True, kw_only=True):
    """Say what a folder of TreeSatAI-Time-Series holds and lacks.

    Says where missing files belong, and which files are broken. Takes the published layout or that of OmniSat and
    AnySat, all of it or a part. Every file is read; broken ones are listed at the end. With --out, writes
    results.json and report.html.
    """

    first_call = "TreeSatAI-TS --out inspection"
    headings = ("Input: path quick workers",)

    path: Annotated[
        Path, tyro.conf.Positional, arg(metavar="PATH", help="Folder of the data set, or the one that holds it.")
    ]
    out: Annotated[
        Path | None, arg(metavar="FOLDER", aliases=("-o",), help="Folder for the results. By default none is written.")
    ] = None
    workers: Annotated[int | None, arg(metavar="N", help="Processes that read. By default one per core.")] = None
    quick: Annotated[bool, arg(help="Read names and headers only, no values.")] = False

    def run(self) -> None:
        """Inspect the folder, say what was found and write it to --out."""
        from alignscope.datasets.treesatai.archive import Archive  # slow to load, and help does without
        from alignscope.datasets.treesatai.inspection.inspection import inspect
        from alignscope.datasets.treesatai.inspection.writing import OUTPUT, write_inspection  # likewise

        archive = Archive.open(self.path)
        if self.out is not None:
            check_writable(self.out)
            OUTPUT.check(self.out)
        page = None
        with self.progress() as progress:
            found = inspect(archive, workers=self.workers, quick=self.quick, progress=progress)
            if self.out is not None:
                progress("drawing the page", 0.98)
                page = write_inspection(archive, found, self.out)
        _print(found)
        if page is not None:
            self.finish(page)


def _print(found: Inspection) -> None:
    say(f"TreeSatAI-Time-Series in {found.path}: {found.patches:,} patches, {found.whole:,} with all modalities.")
    for modality, count in found.files.items():
        missing = found.missing[modality]
        place = f"; missing {missing.count:,}, the first belongs at {missing.place}" if missing.count else ""
        say(f"  {modality:7s} {count:,}{place}")
    if found.absent:
        say(f"  Labelled or listed, without any file: {len(found.absent):,}")
    say(f"  Without labels: {len(found.without_labels):,}; in no list: {len(found.without_split):,}")
    _print_counts("Splits", found.splits)
    _print_counts("Genera", {genus: sum(by.values()) for genus, by in found.genera.items()})
    _print_counts("Age classes", {str(age): sum(by.values()) for age, by in enumerate(found.ages)})
    _print_counts("Years", found.years)
    for modality, its in found.dates.items():
        unusual = {"repeated": its.repeated, "not of the year": its.outside, "zeros": its.zeros, "NaN": its.nans}
        listed = "".join(f", {count:,} {name}" for name, count in unusual.items() if count)
        say(f"  Dates {modality:6s} {its.least} to {its.most}, median {its.median:g}{listed}")
    if found.clear_share is not None:
        say(f"  Clear Sentinel-2 dates: {percent(found.clear_share)}; patches without any: {len(found.cloudy):,}")
    for note in found.notes:
        say(f"  Note: {note}")
    say(f"Broken files: {len(found.broken):,}")
    for one in found.broken[:_SHOWN]:
        say(f"  {one.message}")
    if len(found.broken) > _SHOWN:
        say(f"  ... and {len(found.broken) - _SHOWN:,} more; --out writes all to results.json")


def _print_counts(name: str, counts: dict[str, int]) -> None:
    if any(counts.values()):
        say(f"  {name}: " + ", ".join(f"{key} {count:,}" for key, count in counts.items() if count))
