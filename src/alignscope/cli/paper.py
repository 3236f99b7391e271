"""``alignscope paper``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from alignscope.cli.options import Stack, TrainingCommand, arg, say


class PaperCommand(TrainingCommand, frozen=True, kw_only=True):
    """Recompute the paper: what of it holds, and what does not.

    Every definition, theorem, figure and experiment. The scale first has the linear theory and trainings of a minute;
    quick takes some minutes on two cores, full some hours. Writes results.json, report.html and the charts to the
    folder --out; killed at any instant, the same command goes on.
    """

    first_call = "--scale quick"
    default_out = "paper"

    scale: Annotated[Literal["first", "quick", "full"], arg(help="How many random problems and trainings.")] = "quick"
    treesatai: Annotated[
        Path | None,
        arg(metavar="FOLDER", help="The archive TreeSatAI-Time-Series; without it, patches generated in its format."),
    ] = None
    stack: Stack = None

    def run(self) -> None:
        """Recompute the paper and write what it found."""
        from alignscope.paper.running import Paper, specs_of  # slow to load, and help does without
        from alignscope.paper.running import run_paper as run
        from alignscope.study.running import goes_on_in

        out = self.folder(lambda folder: goes_on_in(folder, Paper.output, specs_of(self.scale, self.treesatai), Path()))
        Paper.output.check(out)
        with self.progress() as progress, self.how() as how:
            paper = run(out, self.scale, treesatai=self.treesatai, stack=self.stack, progress=progress, **how)
            progress("drawing the page", 0.95)
            page = paper.save(out)
        for verdict, number in paper.verdicts().items():
            say(f"  {number:3d} {verdict}")
        self.finish(page)
