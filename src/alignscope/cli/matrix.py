"""``alignscope matrix``."""

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
    file_names,
    names_of,
    say,
)


class MatrixCommand(WritingCommand, frozen=True, kw_only=True):
    """Say which of several embeddings are needed, and which of them add up.

    Two to thirty files of embeddings, or of sensors, of the same samples in the same order, in any format of `audit`.
    A row that is NaN throughout lacks that embedding. Writes matrix.json, report.html and the charts to the folder
    --out, or nothing at all.
    """

    section = "Decide"
    first_call = "s1.npy s2.npy dem.npy --y labels.csv"
    default_out = "matrix"
    headings = (
        "Input: files y names targets",
        "Rows: groups coords block ids weights",
        "Reading: kind ignore_label drop_missing dequantize",
        "Method: budget folds seed",
    )

    files: Annotated[tuple[Path, ...], tyro.conf.Positional, arg(metavar="FILE", help="Embeddings, one file each.")]
    y: Annotated[Path, arg(metavar="FILE", help="Target: labels, or columns of numbers.")]
    names: Annotated[
        str | None, arg(metavar="A,B,...", help="What the page calls the embeddings. By default after their files.")
    ] = None
    targets: Annotated[
        str | None,
        arg(metavar="NAMES", help="Names of the columns of the target: a text file with one per line, or A,B,C."),
    ] = None
    groups: Groups = None
    coords: Coords = None
    block: Block = None
    ids: Annotated[
        tyro.conf.UseAppendAction[tuple[Path, ...]],
        arg(metavar="FILE", help="Sample ids, given once per embedding in their order, which must agree."),
    ] = ()
    weights: Weights = None
    kind: Kind = None
    ignore_label: IgnoreLabel = None
    drop_missing: DropMissing = False
    dequantize: Dequantize = ()
    budget: Annotated[
        float, arg(metavar="SHARE", help="What one may add to another, as a share of both, and be redundant to it.")
    ] = 0.05
    folds: FoldCount = 5
    seed: Annotated[int, arg(metavar="N", help="Seed of all that is drawn: folds and units.")] = 0

    def run(self) -> None:
        """Compare, write the results, and print what is needed."""
        from alignscope.selecting.api import matrix  # slow to load, and help does without
        from alignscope.selecting.matrix import Selected

        out = self.folder()
        check_writable(out)
        Selected.output.check(out)
        names = names_of(self.names) or file_names(self.files)
        with self.progress() as progress:
            found = matrix(
                self.files,
                self.y,
                names=names,
                targets=names_of(self.targets),
                groups=self.groups,
                ids=self.ids or None,
                weights=self.weights,
                kind=self.kind,
                ignore_label=self.ignore_label,
                drop_missing=self.drop_missing,
                coords=self.coords,
                block=self.block,
                dequantize=self.dequantize or None,
                budget=self.budget,
                folds=self.folds,
                seed=self.seed,
                progress=progress,
            )
            progress("drawing the page", 0.5)
            page = found.save(out)
        for line in found.summary().splitlines():
            say(line)
        self.finish(page, "matrix.json")
