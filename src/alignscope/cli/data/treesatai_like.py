"""``alignscope data treesatai-like``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from alignscope.cli.options import WritingCommand, arg, say


class TreeSatAILikeCommand(WritingCommand, frozen=True, kw_only=True):
    """Make patches like those of TreeSatAI, with known factors.

    Their format is exactly that of TreeSatAI-Time-Series. Genus is seen by all modalities, age (the width of the
    crowns) only from the air, phenology only in the series, moisture only by Sentinel-1. Writes the files of the
    archive, truth.csv, results.json and report.html to the folder --out. About 0.7 MB per patch. A run that was
    killed goes on with the same command.
    """

    interrupted = "finished patches are kept, and the same command goes on from there"

    first_call = "--n 200"
    default_out = "treesatai-like"

    n: Annotated[int, arg(metavar="N", help="Patches.")]
    seed: Annotated[int, arg(metavar="N", help="Seed of every draw.")] = 0
    layout: Annotated[
        Literal["released", "anysat"],
        arg(help="Names as published, or those that the code of OmniSat and AnySat expects."),
    ] = "released"
    shared: Annotated[float, arg(metavar="X", help="Strength of genus in all modalities, 0 to 2.")] = 1.0
    texture: Annotated[float, arg(metavar="X", help="Strength of age in the aerial picture, 0 to 1.")] = 1.0
    phenology: Annotated[float, arg(metavar="X", help="Strength of phenology in the series, 0 to 2.")] = 1.0
    moisture: Annotated[float, arg(metavar="X", help="Strength of moisture in Sentinel-1, 0 to 2.")] = 1.0
    noise: Annotated[float, arg(metavar="X", help="Size of what hides the factors, 0 to 2.")] = 1.0
    overlap: Annotated[float, arg(metavar="SHARE", help="How often age follows from genus, 0 to 1.")] = 0.0
    plain: Annotated[bool, arg(help="Leave out the quirks of the published labels and masks.")] = False

    def run(self) -> None:
        """Generate the archive."""
        from alignscope.datasets.treesatai.generator.generator import Generated  # slow to load, and help does without
        from alignscope.datasets.treesatai.generator.making import make_treesatai_like
        from alignscope.datasets.treesatai.generator.writer import is_begun

        options = msgspec.structs.asdict(self)
        for name in (*WritingCommand.__struct_fields__, "layout", "plain"):
            del options[name]
        source = Generated(**options, traps=not self.plain)
        out = self.folder(lambda folder: is_begun(source, folder, layout=self.layout))
        with self.progress() as progress:
            page = make_treesatai_like(source, out, layout=self.layout, progress=progress)
        say(f"Archive: {out}")
        self.finish(page)
