"""``alignscope study``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from alignscope._lib.progress import Bar
from alignscope.cli._options import Stack, TrainingCommand, arg, print_outcome, print_where, say


class StudyCommand(TrainingCommand, frozen=True, kw_only=True):
    """Train encoders over alignment weights, latent sizes, target scalings and seeds, and say what alignment costs.

    Every training is kept in a file of its own as soon as it ends: killed at any instant, the same command goes on.
    Writes results.json, report.html and the charts to the folder --out.
    """

    spec: Annotated[Path, tyro.conf.Positional, arg(metavar="SPEC.toml", help="What to train; see the study guide.")]
    stack: Stack = None

    def run(self) -> None:
        """Run a study and write what it found."""
        from alignscope.study.running import Study  # slow to load, and help does without
        from alignscope.study.running import run_study as run

        Study.output.check(self.out)
        with Bar() as progress, self.how() as how:
            study = run(self.spec, self.out, stack=self.stack, progress=progress, **how)
            progress("drawing the page", 0.95)
            page = study.save(self.out)
        for note in study.results.notes:
            say(f"  {note}")
        print_outcome(study.results, study.outcome)
        print_where(page)
