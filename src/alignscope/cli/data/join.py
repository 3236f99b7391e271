"""``alignscope data join``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import tyro

from alignscope._lib.files import check_writable
from alignscope.cli.options import (
    Dequantize,
    DropMissing,
    IgnoreLabel,
    Kind,
    WritingCommand,
    arg,
    modality_names,
    say,
)


class JoinCommand(WritingCommand, frozen=True, kw_only=True):
    """Join embeddings, targets and groups by sample ids.

    They are never joined by their order. Files are those that alignscope audit reads: .npy, .npz:key, .csv:column,
    .tsv:column, .parquet:column, .arrow:column, .feather:column, .zarr, .h5:key, .nc:key, .mat:key, .pt:key,
    .safetensors:key, .h5ad:obsm/X_pca, .h5mu:rna/obsm/X_pca, or a folder or pattern of .npy files ('emb/*.npy');
    the last three have their ids with them. A sample is kept where every table has its id. Writes x1.npy, x2.npy
    and the rest of a pair, results.json, dropped.csv and report.html to the folder --out, which alignscope audit
    --pair reads.
    """

    first_call = "a.csv b.csv --ids1 a.csv:id --ids2 b.csv:id"
    default_out = "join"
    headings = (
        "Input: x1 x2 ids1 ids2 y1 y1_ids y2 y2_ids groups groups_ids name1 name2",
        "Reading: least kind ignore_label drop_missing dequantize",
    )

    x1: Annotated[Path, tyro.conf.Positional, arg(metavar="X1", help="Embeddings or features of modality 1.")]
    x2: Annotated[Path, tyro.conf.Positional, arg(metavar="X2", help="Embeddings or features of modality 2.")]
    ids1: Annotated[
        Path | None,
        arg(metavar="FILE", help="Sample ids of X1: text or whole numbers, each only once. AnnData has them already."),
    ] = None
    ids2: Annotated[Path | None, arg(metavar="FILE", help="Sample ids of X2.")] = None
    y1: Annotated[Path | None, arg(metavar="FILE", help="Target of modality 1: labels, or columns of numbers.")] = None
    y1_ids: Annotated[Path | None, arg(metavar="FILE", help="Sample ids of --y1.")] = None
    y2: Annotated[Path | None, arg(metavar="FILE", help="Target of modality 2. By default that of modality 1.")] = None
    y2_ids: Annotated[Path | None, arg(metavar="FILE", help="Sample ids of --y2.")] = None
    groups: Annotated[
        Path | None, arg(metavar="FILE", help="Group of every sample (a tile, a site), which is held out together.")
    ] = None
    groups_ids: Annotated[Path | None, arg(metavar="FILE", help="Sample ids of --groups.")] = None
    least: Annotated[
        float, arg(metavar="SHARE", help="Least share of the smallest table's rows that must be kept, 0 to 1.")
    ] = 0.5
    kind: Kind = None
    ignore_label: IgnoreLabel = None
    drop_missing: DropMissing = False
    dequantize: Dequantize = ()
    name1: Annotated[str | None, arg(metavar="TEXT", help="What pages call modality 1.")] = None
    name2: Annotated[str | None, arg(metavar="TEXT", help="What pages call modality 2.")] = None

    def run(self) -> None:
        """Join, write the pair, and say what was kept."""
        from alignscope.joining.join import match  # slow to load, and help does without

        out = self.folder()
        check_writable(out)
        given = msgspec.structs.asdict(self)
        for name in WritingCommand.__struct_fields__:
            del given[name]
        name1, name2 = modality_names(self.x1, self.x2)
        given |= {"name1": self.name1 or name1, "name2": self.name2 or name2}
        with self.progress() as progress:
            joined = match(**given, progress=progress)
            page = joined.save(out, progress)
        for line in joined.summary().splitlines():
            say(line)
        self.finish(page)
