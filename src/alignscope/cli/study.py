"""``alignscope study``, ``alignscope paper`` and ``alignscope data trifeature``."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import tyro

from alignscope._lib.progress import Bar
from alignscope.errors import AlignscopeError

if TYPE_CHECKING:
    from alignscope.bench.results import BenchResults
    from alignscope.cli.bench import BenchCommand
    from alignscope.study.results import StudyResults
    from alignscope.sweep.sweep import Outcome

__all__ = ["PaperCommand", "StudyCommand", "TrifeatureCommand", "run_paper", "run_study", "run_trifeature"]

_arg = tyro.conf.arg

Out = Annotated[Path, _arg(metavar="FOLDER", help="Folder for the results; made where missing.")]
Workers = Annotated[int | None, _arg(metavar="N", help="Processes that train, one thread each. By default one a core.")]
Scheduler = Annotated[
    str | None,
    _arg(metavar="ADDRESS", help="Train on a dask cluster, such as tcp://host:8786; its workers must see the folder."),
]
Device = Annotated[str, _arg(metavar="NAME", help="Where torch computes: cpu, cuda, cuda:1.")]
Stack = Annotated[
    int | None, _arg(metavar="N", help="Trainings at once, as one stack of models. By default 1, on a GPU 64.")
]
Resume = Annotated[bool, _arg(help="Insist that the folder already holds some of these trainings.")]
Three = tuple[float, float, float]


class StudyCommand(msgspec.Struct, frozen=True, kw_only=True):
    """Train encoders over strengths of alignment, latent sizes, gauges and seeds, and say what alignment costs.

    Every training is kept in a file of its own as soon as it ends: killed at any instant, the same command goes on.
    Writes results.json, report.html and the charts to the folder --out.
    """

    spec: Annotated[Path, tyro.conf.Positional, _arg(metavar="SPEC.toml", help="What to train; see the study guide.")]
    out: Out
    workers: Workers = None
    scheduler: Scheduler = None
    device: Device = "cpu"
    stack: Stack = None
    resume: Resume = False


class PaperCommand(msgspec.Struct, frozen=True, kw_only=True):
    """Recompute the paper: every definition, theorem, figure and experiment of it, and what holds and what does not.

    The quick scale takes some minutes on two cores, the full one some hours. Writes results.json, report.html and the
    charts to the folder --out; killed at any instant, the same command goes on.
    """

    out: Out
    scale: Annotated[Literal["quick", "full"], _arg(help="How many random problems and trainings.")] = "quick"
    treesatai: Annotated[
        Path | None,
        _arg(metavar="FOLDER", help="The archive TreeSatAI-Time-Series; without it, patches generated in its format."),
    ] = None
    workers: Workers = None
    scheduler: Scheduler = None
    device: Device = "cpu"
    stack: Stack = None
    resume: Resume = False


class TrifeatureCommand(msgspec.Struct, frozen=True, kw_only=True):
    """Render pictures whose shape, texture and colour are known, as one picture or as pairs of two modalities.

    Writes x1.npy, x2.npy and what they show, results.json and a page to look at to the folder --out, which
    alignscope audit --pair reads.
    """

    n: Annotated[int, _arg(metavar="N", help="Training samples.")]
    out: Out
    size: Annotated[int, _arg(metavar="S", help="Side of the pictures in pixels.")] = 64
    view: Annotated[
        Literal["single", "paper", "comm"],
        _arg(help="One full picture; the paper's pairs (grey texture, solid colour); two full pictures of one shape."),
    ] = "paper"
    n_validation: Annotated[int, _arg(metavar="N", help="Further samples for validation.")] = 0
    n_test: Annotated[int, _arg(metavar="N", help="Further samples for the test.")] = 0
    seed: Annotated[int, _arg(metavar="N", help="Seed of every draw.")] = 0
    held_out: Annotated[
        Literal["samples", "combinations"], _arg(help="What training, validation and test do not share.")
    ] = "samples"
    biased: Annotated[
        float | None,
        _arg(metavar="SHARE", help="With --view comm: share of pairs whose texture and colour belong together."),
    ] = None
    values: Annotated[tuple[int, int, int], _arg(help="How many shapes, textures and colours.")] = (10, 10, 10)
    correlation: Annotated[
        Three, _arg(help="Of texture with shape, colour with shape, and colour with texture, each 0 to 1.")
    ] = (0.0, 0.0, 0.0)
    rotation: Annotated[float, _arg(metavar="DEGREES", help="The most that a shape turns either way.")] = 45.0
    jitter: Annotated[float, _arg(metavar="SHARE", help="0 keeps shapes in the middle, 1 puts them anywhere.")] = 1.0
    noise: Annotated[float, _arg(metavar="SHARE", help="Standard deviation of the pixel noise.")] = 0.0
    occlusion: Annotated[float, _arg(metavar="SHARE", help="Share of the shape's box that a bar hides.")] = 0.0
    difficulty: Annotated[Three, _arg(help="Of telling shapes, textures and colours apart, each from 0 to 1.")] = (
        0.0,
        0.0,
        0.0,
    )


def run_study(command: StudyCommand) -> None:
    """Run a study and write what it found."""
    from alignscope.study.running import run_study as run

    with Bar() as progress, how_of(command) as how:
        study = run(command.spec, command.out, stack=command.stack, progress=progress, **how)
        progress("drawing the page", 0.95)
        page = study.save(command.out)
    for note in study.results.notes:
        print(f"  {note}")
    print_outcome(study.results, study.outcome)
    print_where(page)


def run_paper(command: PaperCommand) -> None:
    """Recompute the paper and write what it found."""
    from alignscope.paper.running import run_paper as run

    with Bar() as progress, how_of(command) as how:
        paper = run(
            command.out, command.scale, treesatai=command.treesatai, stack=command.stack, progress=progress, **how
        )
        progress("drawing the page", 0.95)
        page = paper.save(command.out)
    for verdict, number in paper.verdicts().items():
        print(f"  {number:3d} {verdict}")
    print_where(page)


def run_trifeature(command: TrifeatureCommand) -> None:
    """Render the pictures."""
    from alignscope.datasets.trifeature.files import TrifeatureOptions, make_trifeature

    options = {name: value for name, value in msgspec.structs.asdict(command).items() if name != "out"}
    with Bar() as progress:
        page = make_trifeature(TrifeatureOptions(**options), command.out, progress)
    print_where(page)


def print_outcome(results: StudyResults | BenchResults, outcome: Outcome) -> None:
    """Say which trainings have no figures, how many are from before, and what was lost on the way."""
    for failure in results.failures:
        print(f"  {failure.status}: {failure.text} ({failure.reason})")
    print(f"Trainings: {len(results.cells)}, of which {outcome.reused} were there before.")
    if outcome.damaged or outcome.lost:
        print(f"  {len(outcome.damaged)} damaged files were set aside, {len(outcome.lost)} workers were lost.")


def print_where(page: Path) -> None:
    """Say where the page and the figures are."""
    print(f"Page:    {page}")
    print(f"Figures: {page.with_name('results.json')}")


@contextmanager
def how_of(command: StudyCommand | PaperCommand | BenchCommand) -> Iterator[dict[str, Any]]:
    """Yield the options that say how to train, which all commands that train have."""
    with _executor(command.scheduler, command.workers) as (executor, workers):
        yield {"workers": workers, "executor": executor, "device": command.device, "resume": command.resume}


@contextmanager
def _executor(address: str | None, workers: int | None) -> Iterator[tuple[Executor | None, int | None]]:
    """Yield the executor of a dask cluster and the number of its threads; None and `workers` without an address."""
    if address is None:
        yield None, workers
        return
    try:
        from distributed import Client
    except ImportError:
        raise AlignscopeError(
            "E107", "--scheduler", "dask is not installed", 'Run pip install "alignscope[dask]".'
        ) from None
    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        raise AlignscopeError("E502", address, f"no scheduler answers ({error})", "Correct the address.") from None
    with client:
        yield client.get_executor(), workers or sum(client.nthreads().values()) or None
