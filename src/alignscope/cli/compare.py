"""``alignscope compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from alignscope._lib.files import check_writable
from alignscope.cli.options import (
    Block,
    Coords,
    Dequantize,
    DropMissing,
    FoldCount,
    Groups,
    IgnoreLabel,
    Kind,
    Weights,
    WritingCommand,
    arg,
    names_of,
    say,
)


class CompareCommand(WritingCommand, frozen=True, kw_only=True):
    """Say what a representation lost and won in training.

    Two files of embeddings of the same samples in the same order, in any format of `audit`, before and
    after training, of two layers, or of teacher and student; and a target. What is gone
    is told from what is no longer linear, and where it was lost. Writes compare.json, report.html and the charts to
    the folder --out, or nothing at all.
    """

    section = "Decide"
    first_call = "before.npy after.npy --y labels.csv"
    default_out = "compare"
    headings = (
        "Input: before after y targets",
        "Rows: groups coords block ids_before ids_after weights",
        "Reading: kind ignore_label drop_missing dequantize",
        "Method: lift budget folds seed",
    )

    before: Annotated[Path, tyro.conf.Positional, arg(metavar="BEFORE", help="The representation before.")]
    after: Annotated[Path, tyro.conf.Positional, arg(metavar="AFTER", help="The representation after.")]
    y: Annotated[Path, arg(metavar="FILE", help="Target: labels, or columns of numbers.")]
    targets: Annotated[
        str | None,
        arg(metavar="NAMES", help="Names of the columns of the target: a text file with one per line, or A,B,C."),
    ] = None
    groups: Groups = None
    coords: Coords = None
    block: Block = None
    ids_before: Annotated[Path | None, arg(metavar="FILE", help="Sample ids of BEFORE, compared with --ids-after.")] = (
        None
    )
    ids_after: Annotated[Path | None, arg(metavar="FILE", help="Sample ids of AFTER.")] = None
    weights: Weights = None
    kind: Kind = None
    ignore_label: IgnoreLabel = None
    drop_missing: DropMissing = False
    dequantize: Dequantize = ()
    lift: Annotated[
        int, arg(metavar="F", help="Random Fourier features that tell what is gone from what is not linear; 0: none.")
    ] = 256
    budget: Annotated[float, arg(metavar="SHARE", help="Share of what was predicted whose loss would not matter.")] = (
        0.05
    )
    folds: FoldCount = 5
    seed: Annotated[int, arg(metavar="N", help="Seed of all that is drawn: folds, units, features, samples.")] = 0

    def run(self) -> None:
        """Compare, write the results, and print what was lost."""
        from alignscope.comparing.api import compare  # slow to load, and help does without
        from alignscope.comparing.compared import Compared

        out = self.folder()
        check_writable(out)
        Compared.output.check(out)
        with self.progress() as progress:
            found = compare(
                self.before,
                self.after,
                self.y,
                groups=self.groups,
                ids_before=self.ids_before,
                ids_after=self.ids_after,
                weights=self.weights,
                targets=names_of(self.targets),
                kind=self.kind,
                ignore_label=self.ignore_label,
                drop_missing=self.drop_missing,
                coords=self.coords,
                block=self.block,
                dequantize=self.dequantize or None,
                lift=self.lift,
                budget=self.budget,
                folds=self.folds,
                seed=self.seed,
                progress=progress,
            )
            progress("drawing the page", 0.5)
            page = found.save(out)
        for line in found.summary().splitlines():
            say(line)
        self.finish(page, "compare.json")
