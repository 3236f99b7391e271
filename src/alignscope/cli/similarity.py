"""``alignscope similarity``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import tyro

from alignscope._lib.files import check_writable
from alignscope.cli.options import WritingCommand, arg, say
from alignscope.errors import AlignscopeError


class SimilarityCommand(WritingCommand, frozen=True, kw_only=True):
    """Say how alike every two layers are, by five measures.

    The folder holds one file per layer (.npy, .parquet, .csv, ...), of the same rows in the same order. Given two
    folders, every layer of the first is compared with every layer of the second. Writes similarity.json, report.html
    and the charts to the folder --out, or nothing at all.
    """

    section = "Decide"
    first_call = "layers/"
    default_out = "similarity"

    layers: Annotated[Path, tyro.conf.Positional, arg(metavar="FOLDER", help="The layers of an encoder, a file each.")]
    others: Annotated[
        Path | None, tyro.conf.Positional, arg(metavar="FOLDER2", help="Those of another, to compare with.")
    ] = None
    rows: Annotated[int, arg(metavar="N", help="Rows that are looked at, drawn at random.")] = 2000
    seed: Annotated[int, arg(metavar="N", help="Seed of the rows, and of what is held out.")] = 0

    def run(self) -> None:
        """Compare, write the results, and print which two are most and least alike."""
        from alignscope.similarities.api import similarity  # slow to load, and help does without
        from alignscope.similarities.similarities import Similarities

        out = self.folder()
        check_writable(out)
        Similarities.output.check(out)
        layers = _files(self.layers)
        others = None if self.others is None else _files(self.others)
        with self.progress() as progress:
            found = similarity(layers, others, rows=self.rows, seed=self.seed, progress=progress)
            progress("drawing the page", 0.5)
            page = found.save(out)
        for line in found.summary().splitlines():
            say(line)
        self.finish(page, "similarity.json")


def _files(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by their stems, in the order of the numbers in them."""
    from alignscope.pair.readers.formats import FORMATS, KEYED  # slow to load, and help does without
    from alignscope.similarities.api import layer_names

    if not folder.is_dir():
        way = "Give a folder with one file per layer."
        if folder.is_file():
            way += " Two files are compared by alignscope compare BEFORE AFTER --y Y."
        raise AlignscopeError("E101", str(folder), "no folder", way)
    suffixes = [s for s in FORMATS if s not in KEYED]
    there = {path.stem: path for path in _plain(folder.iterdir()) if path.suffix in suffixes}
    if not there:
        found = f"no file that ends in {', '.join(suffixes)}"
        raise AlignscopeError("E101", str(folder), found, "Give a folder with one file per layer.")
    return {name: there[name] for name in layer_names(list(there))}


def _plain(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if not path.name.startswith("."))
