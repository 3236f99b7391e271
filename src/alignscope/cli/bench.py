"""``alignscope bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from alignscope.cli.options import TrainingCommand, arg, print_outcome, say
from alignscope.errors import AlignscopeError


class BenchCommand(TrainingCommand, frozen=True, kw_only=True):
    """Train all methods alike on data with known truth, and rank them.

    They are ranked by what they retain. The quick scale takes some minutes on two cores, the full one about an
    hour. Every training is kept in a file of its own as soon as it ends: killed at any instant, the same command
    goes on, and with a further --method only that one is trained. Writes results.json, report.html and the charts
    to the folder --out.
    """

    first_call = "--only infonce --only none"
    default_out = "bench"
    headings = ("What to train: list scale spec only method",)

    list: Annotated[bool, arg(help="List the methods and the tasks, and train nothing.")] = False
    scale: Annotated[Literal["quick", "full"], arg(help="How many seeds and steps.")] = "quick"
    spec: Annotated[
        Path | None, arg(metavar="SPEC.toml", help="Tasks, seeds and steps of your own, in place of --scale.")
    ] = None
    only: Annotated[
        tyro.conf.UseAppendAction[tuple[tuple[str, ...], ...]],
        arg(
            metavar="NAME",
            help="Run these methods alone, and those of --method unless one of them is named. May be repeated.",
        ),
    ] = ()
    method: Annotated[
        Path | None,
        arg(metavar="FILE.py", help="Methods of your own, which alignscope.bench.register adds."),
    ] = None

    def run(self) -> None:
        """Run the bench and write what it found."""
        if () in self.only:
            raise AlignscopeError(
                "E309", "bench", "--only has no value", "`alignscope bench --list` lists the methods."
            )
        from alignscope.bench.running import Bench, goes_on_in  # slow to load, and help does without
        from alignscope.bench.running import run_bench as run

        if self.list:
            self._print_list()
            return
        spec = self.scale if self.spec is None else self.spec
        only = [name for names in self.only for name in names] or None
        out = self.folder(lambda folder: goes_on_in(folder, spec, self.method, only))
        Bench.output.check(out)
        with self.progress() as progress, self.how() as how:
            bench = run(spec, out, methods_file=self.method, methods=only, progress=progress, **how)
            progress("drawing the page", 0.95)
            page = bench.save(out)
        for notes in bench.results.notes.values():
            for note in notes:
                say(f"  {note}")
        print_outcome(bench.results, bench.outcome)
        for line in bench.results.ranking():
            say(line)
        self.finish(page)

    def _print_list(self) -> None:
        from alignscope.bench.methods import ALIASES, METHODS  # as above
        from alignscope.bench.spec import read_scale, read_spec

        spec = read_scale(self.scale) if self.spec is None else read_spec(self.spec)
        for family in dict.fromkeys(e.family for e in METHODS.values()):
            say(f"Methods, {family}:")
            for e in METHODS.values():
                if e.family == family:
                    also = [alias for alias, name in ALIASES.items() if name == e.name]
                    say(f"  {e.name:24}{e.title}" + (f" (also {', '.join(also)})" if also else ""))
        say(f"Tasks of {self.spec or self.scale}:")
        for task in spec.tasks:
            say(f"  {task.name:24}{task.view}")
