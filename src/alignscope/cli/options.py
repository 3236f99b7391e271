"""What the commands share: their options, what they print, and how trainings are spread."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec
import tyro

from alignscope._lib.outputs import free_folder
from alignscope._lib.progress import Bar
from alignscope.cli._ending import NOTHING_WRITTEN
from alignscope.errors import AlignscopeError, escaped

if TYPE_CHECKING:
    from alignscope.bench.results import BenchResults
    from alignscope.study.results import StudyResults
    from alignscope.sweep.sweep import Outcome

arg = partial(tyro.conf.arg, help_behavior_hint="")  # `_help` says what the default is


Out = Annotated[
    Path | None,
    arg(
        metavar="FOLDER",
        aliases=("-o",),
        help="Folder for the results. By default one named after the command, with a number where that is taken.",
    ),
]
Open = Annotated[bool, arg(help="Open the page in the browser, where there is one.")]
Quiet = Annotated[bool, arg(aliases=("-q",), help="Print nothing but errors.")]
Verbose = Annotated[
    bool, arg(aliases=("-v",), help="Print what is being done as lines on stderr, and the traceback of a fault.")
]
Dequantize = Annotated[
    tyro.conf.UseAppendAction[tuple[str, ...]],
    arg(
        metavar="HOW",
        help="What whole numbers of the inputs stand for: aef (AlphaEarth), tessera:FILE (times a scale per row), "
        "SCALE,OFFSET, or the .json of a STAC item. Give it once for each where they differ; none leaves one as it is.",
    ),
]
Workers = Annotated[
    int | None, arg(metavar="N", help="Processes that train, one thread each. By default one per core.")
]
Scheduler = Annotated[
    str | None,
    arg(metavar="ADDRESS", help="Train on a dask cluster, such as tcp://host:8786; its workers must see the folder."),
]
Device = Annotated[str, arg(metavar="NAME", help="Where torch computes: cpu, cuda, cuda:1.")]
Stack = Annotated[
    int | None, arg(metavar="N", help="Trainings at once, as one stack of models. By default 1, on a GPU 64.")
]
Resume = Annotated[bool, arg(help="Insist that the folder already holds some of these trainings.")]
Kind = Annotated[
    Literal["class", "quantity", "multilabel"] | None,
    arg(help="What targets are: labels, numbers, or several labels per row (oak;fir). By default by their type."),
]
IgnoreLabel = Annotated[
    str | None,
    arg(metavar="L[,L]", help="Labels that stand for none, such as 255; of a negative one --ignore-label=-1."),
]
Groups = Annotated[
    Path | None,
    arg(metavar="FILE", help="Samples of one group (a tile, a site, a patient) are held out together."),
]
Coords = Annotated[
    Path | None,
    arg(metavar="FILE", help="Places of the samples, such as table.csv:lat,lon: blocks of ground are the groups."),
]
Block = Annotated[
    float | None, arg(metavar="SIDE", help="Side of a block of ground, in the units of --coords: 0.2 degrees.")
]
Weights = Annotated[Path | None, arg(metavar="FILE", help="A weight of at least 0 for every row.")]
FoldCount = Annotated[int, arg(metavar="N", help="Number of folds of cross-validation.")]
DropMissing = Annotated[
    bool, arg(help="Leave out rows with a NaN, an infinity or no label, group or id, which are an error otherwise.")
]


def names_of(text: str | None) -> list[str] | None:
    """Return names from a text file with one a line, or from a list with commas."""
    if text is None:
        return None
    try:
        content = Path(text).read_text(encoding="utf-8-sig")
    except OSError:  # no file, or too long for the name of one
        return [name.strip() for name in text.split(",")]
    except UnicodeDecodeError as error:
        raise AlignscopeError("E103", text, f"it is not text in UTF-8 ({error.reason})", "Save it as UTF-8.") from None
    return content.splitlines()


def say(line: str) -> None:
    """Print a line on stdout, without anything in it that a terminal would obey."""
    print(escaped(line))


def modality_names(x1: Path, x2: Path) -> tuple[str, str]:
    """Name two modalities by their files: the stems, or the first part of their paths that tells the two apart.

    >>> modality_names(Path("cells.h5mu:rna/obsm/X_pca"), Path("cells.h5mu:prot/X"))
    ('rna', 'prot')
    """
    split = zip(*(re.split(r"[\\/:]", str(path)) for path in (x1, x2)), strict=False)
    parts = [(Path(one).stem, Path(two).stem) for one, two in split]
    keys = (x1.name.rpartition(":")[2], x2.name.rpartition(":")[2])
    of_mudata = all(".h5mu:" in str(path) for path in (x1, x2))  # a path there begins with the modality
    pairs = [*(parts if of_mudata else ()), (x1.stem, x2.stem), keys, *parts]
    first, second = next(((one, two) for one, two in pairs if one != two), (x1.stem, x2.stem))
    return escaped(first), escaped(second)


def file_names(files: Sequence[Path]) -> list[str]:
    """Name embeddings by their files: by the stems, else by the part of their paths that tells all apart, else whole.

    >>> file_names([Path("s2/emb.npy"), Path("s1/emb.npy")]), file_names([Path("s2.npy"), Path("s1.npy")])
    (['s2', 's1'], ['s2', 's1'])
    """
    split = zip(*(re.split(r"[\\/:]", str(path)) for path in files), strict=False)
    options = [[path.stem for path in files], *([Path(part).stem for part in parts] for parts in split)]
    different = (names for names in options if len(set(names)) == len(files))
    return [escaped(name) for name in next(different, [str(path) for path in files])]


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command: its fields are its options, its docstring is its help, and the first line of that a line of all.

    A new one is a file with a class like this, and its name in `COMMANDS`.
    """

    section: ClassVar[str] = "Data"
    """The heading that it stands under in the help of all commands."""
    first_call: ClassVar[str] = ""
    """What to type after its name for a first call."""
    too_many: ClassVar[str] = ""
    """What to do where it is given a file too many."""
    headings: ClassVar[tuple[str, ...]] = ()
    """Headings of its help with the options below: "Input: x1 x2 y1"; those in none stand under "Options"."""
    interrupted: ClassVar[str] = NOTHING_WRITTEN
    """What is true of the folder --out after Ctrl-C or SIGTERM."""

    quiet: Quiet = False
    verbose: Verbose = False

    def run(self) -> None:
        """Do what the command is for, and print what was found and where it is."""
        raise NotImplementedError

    def progress(self) -> Bar:
        """Return what shows progress as the options want it."""
        return Bar(lines=self.verbose, hidden=self.quiet)


class WritingCommand(Command, frozen=True, kw_only=True):
    """A command that writes a page and its figures to a folder."""

    default_out: ClassVar[str]
    """The name of the folder where no --out is given."""

    out: Out = None
    open: Open = False

    def folder(self, goes_on: Callable[[Path], bool] = lambda folder: False) -> Path:
        """Return the folder for the results: --out, or the default one that is free or that a run goes on in."""
        if self.out is not None:
            return self.out
        folder = free_folder(self.default_out, goes_on)
        if folder.exists() and goes_on(folder):
            say(f"Going on in {folder}, which holds results of this command.")
        elif folder.name != self.default_out:
            say(f"Results go to {folder}, since {self.default_out} is taken.")
        return folder

    def finish(self, page: Path, figures: str = "results.json") -> None:
        """Say where the page and the figures are, and open the page where that is wanted."""
        print_where(page, figures)
        if self.open:
            open_page(page)


class TrainingCommand(WritingCommand, frozen=True, kw_only=True):
    """A command that trains, so that finished trainings are there when it is given again."""

    section = "Train and compare"
    interrupted = "finished trainings are kept, and the same command goes on from there"

    workers: Workers = None
    scheduler: Scheduler = None
    device: Device = "cpu"
    resume: Resume = False

    @contextmanager
    def how(self) -> Iterator[dict[str, Any]]:
        """Yield the options that say how to train."""
        with _executor(self.scheduler, self.workers) as (executor, workers):
            yield {"workers": workers, "executor": executor, "device": self.device, "resume": self.resume}


def print_where(page: Path, figures: str = "results.json") -> None:
    """Say where the page and the figures are."""
    say(f"Page:    {page}")
    say(f"Figures: {page.with_name(figures)}")


def open_page(page: Path) -> None:
    """Open a page in the browser; where there is none with a window, say so."""
    windows = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    )  # without one of these the only browsers are those that would take the terminal
    with contextlib.suppress(webbrowser.Error, OSError):
        if windows and webbrowser.open(page.resolve().as_uri()):
            return
    say("There is no browser here to open the page in.")


def print_outcome(results: StudyResults | BenchResults, outcome: Outcome) -> None:
    """Say which trainings have no figures, how many are from before, and what was lost on the way."""
    for failure in results.failures:
        say(f"  {failure.status}: {failure.text} ({failure.reason})")
    say(f"Trainings: {len(results.cells)}, of which {outcome.reused} were there before.")
    if outcome.damaged or outcome.lost:
        say(f"  {len(outcome.damaged)} damaged files were set aside, {len(outcome.lost)} workers were lost.")


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
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what is lost is said in one line
    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        raise AlignscopeError("E502", address, f"no scheduler answers ({error})", "Correct the address.") from None
    with client:
        yield client.get_executor(), workers or sum(client.nthreads().values()) or None
