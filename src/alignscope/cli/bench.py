"""``alignscope bench``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import tyro

from alignscope._lib.progress import Bar
from alignscope.cli.study import Device, Out, Resume, Scheduler, Workers, how_of, print_outcome, print_where

if TYPE_CHECKING:
    from alignscope.bench.results import BenchResults

__all__ = ["BenchCommand", "run_bench"]

_arg = tyro.conf.arg


class BenchCommand(msgspec.Struct, frozen=True, kw_only=True):
    """Train all methods alike on data with known truth, and rank them by what they keep.

    The quick scale takes some minutes on two cores, the full one about an hour. Every training is kept in a file of its
    own as soon as it ends: killed at any instant, the same command goes on, and with a further --method only that one
    is trained. Writes results.json, report.html and the charts to the folder --out.
    """

    out: Out
    scale: Annotated[Literal["quick", "full"], _arg(help="How many seeds and steps.")] = "quick"
    spec: Annotated[
        Path | None, _arg(metavar="SPEC.toml", help="Tasks, seeds and steps of your own, in place of --scale.")
    ] = None
    method: Annotated[
        Path | None,
        _arg(metavar="FILE.py", help="Methods of your own, which alignscope.bench.register puts beside all."),
    ] = None
    only: Annotated[tuple[str, ...], _arg(metavar="NAME", help="Run these methods alone. By default all.")] = ()
    workers: Workers = None
    scheduler: Scheduler = None
    device: Device = "cpu"
    resume: Resume = False


def run_bench(command: BenchCommand) -> None:
    """Run the bench and write what it found."""
    from alignscope.bench.running import run_bench as run

    spec = command.scale if command.spec is None else command.spec
    with Bar() as progress, how_of(command) as how:
        bench = run(
            spec, command.out, methods_file=command.method, methods=command.only or None, progress=progress, **how
        )
        progress("drawing the page", 0.95)
        page = bench.save(command.out)
    print_outcome(bench.results, bench.outcome)
    for line in _ranking(bench.results):
        print(line)
    print_where(page)


def _ranking(results: BenchResults) -> Iterator[str]:
    """Yield a line a method without labels, the best first: its place, and its columns in percent."""
    width = max((len(row.title) for row in results.methods), default=0)
    for row in sorted((row for row in results.methods if row.rank), key=lambda row: row.rank or 0):
        figures = (f"{key} {100 * found.value:5.1f}" for key, found in row.columns.items())
        yield f"{row.rank:3d}. {row.title:{width}}  {'  '.join(figures)}"
