"""``alignscope study``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from alignscope.cli.options import Stack, TrainingCommand, arg, print_outcome, say


class StudyCommand(TrainingCommand, frozen=True, kw_only=True):
    """Train over alignment weights and seeds, and say what alignment costs.

    Latent sizes, target scalings and objectives may vary too. Every training is kept in a file of its own as soon
    as it ends: killed at any instant, the same command goes on. Writes results.json, report.html and the charts to
    the folder --out.
    """

    first_call = "study.toml"
    default_out = "study"

    spec: Annotated[Path, tyro.conf.Positional, arg(metavar="SPEC.toml", help="What to train; see the study guide.")]
    stack: Stack = None

    def run(self) -> None:
        """Run a study and write what it found."""
        from alignscope.study.running import Study, goes_on_in  # slow to load, and help does without
        from alignscope.study.running import run_study as run
        from alignscope.study.spec import read_spec

        out = self.folder(lambda folder: goes_on_in(folder, Study.output, [read_spec(self.spec)], self.spec.parent))
        Study.output.check(out)
        with self.progress() as progress, self.how() as how:
            study = run(self.spec, out, stack=self.stack, progress=progress, **how)
            progress("drawing the page", 0.95)
            page = study.save(out)
        for line in study.summary().splitlines()[:3]:  # the decision, what is hit hardest, and what to do
            say(line)
        for note in study.results.notes:
            say(f"  {note}")
        print_outcome(study.results, study.outcome)
        self.finish(page)
