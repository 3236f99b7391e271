"""``alignscope bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from alignscope._lib.progress import Bar
from alignscope.cli._options import TrainingCommand, arg, print_outcome, print_where, say


class BenchCommand(TrainingCommand, frozen=True, kw_only=True):
    """Train all methods alike on data with known truth, and rank them by what they retain.

    The quick scale takes some minutes on two cores, the full one about an hour. Every training is kept in a file of its
    own as soon as it ends: killed at any instant, the same command goes on, and with a further --method only that one
    is trained. Writes results.json, report.html and the charts to the folder --out.
    """

    scale: Annotated[Literal["quick", "full"], arg(help="How many seeds and steps.")] = "quick"
    spec: Annotated[
        Path | None, arg(metavar="SPEC.toml", help="Tasks, seeds and steps of your own, in place of --scale.")
    ] = None
    method: Annotated[
        Path | None,
        arg(metavar="FILE.py", help="Methods of your own, which alignscope.bench.register adds to all."),
    ] = None
    only: Annotated[tuple[str, ...], arg(metavar="NAME", help="Run these methods alone. By default all.")] = ()

    def run(self) -> None:
        """Run the bench and write what it found."""
        from alignscope.bench.running import Bench  # slow to load, and help does without
        from alignscope.bench.running import run_bench as run

        Bench.output.check(self.out)
        spec = self.scale if self.spec is None else self.spec
        with Bar() as progress, self.how() as how:
            bench = run(spec, self.out, methods_file=self.method, methods=self.only or None, progress=progress, **how)
            progress("drawing the page", 0.95)
            page = bench.save(self.out)
        for notes in bench.results.notes.values():
            for note in notes:
                say(f"  {note}")
        print_outcome(bench.results, bench.outcome)
        for line in bench.results.ranking():
            say(line)
        print_where(page)
