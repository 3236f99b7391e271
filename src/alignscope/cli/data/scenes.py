"""``alignscope data scenes``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import tyro

from alignscope.cli.options import WritingCommand, arg, say


class ScenesCommand(WritingCommand, frozen=True, kw_only=True):
    """Cut chips from co-registered rasters.

    Rasters are GeoTIFF, .npy or .npz; chips have targets, and blocks for held-out figures. Writes x1.npy, x2.npy
    and the rest of a pair, the same pair as features, results.json and report.html to the folder --out: alignscope
    audit --pair OUT/features reads the features, and a study the pixels.
    """

    first_call = "scenes.toml"
    default_out = "scenes"

    spec: Annotated[Path, tyro.conf.Positional, arg(metavar="SPEC.toml", help="What to cut; see the scenes guide.")]
    root: Annotated[
        Path | None, arg(metavar="FOLDER", help="What the paths in SPEC.toml are relative to. By default its folder.")
    ] = None

    def run(self) -> None:
        """Cut the chips, and say how many stayed."""
        from alignscope.scenes.files import cut  # slow to load, and help does without

        with self.progress() as progress:
            page = cut(self.spec, self.folder(), self.root, progress)
        record = json.loads(page.with_name("results.json").read_text(encoding="utf-8"))
        say(f"Chips: {record['n']:,} in {record['blocks']:,} blocks of {len(record['scenes']):,} scenes.")
        if record["adjacent"]:
            say(f"  {record['adjacent']:,} chips touch one of another block; a `gap` separates blocks.")
        for reason, number in record["dropped"].items():
            say(f"  {number:,} left out: {reason}")
        for i, modality in enumerate(record["modalities"], 1):
            if modality["constant"]:
                say(f"  Targets of modality {i} left out, since they do not vary: {', '.join(modality['constant'])}")
        for note in record["notes"]:
            say(f"  {note}")
        self.finish(page)
