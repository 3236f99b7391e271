"""``alignscope audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from alignscope._lib.files import check_writable
from alignscope.cli.options import (
    Block,
    Coords,
    Dequantize,
    DropMissing,
    FoldCount,
    Groups,
    IgnoreLabel,
    Kind,
    Weights,
    WritingCommand,
    arg,
    modality_names,
    names_of,
    say,
)
from alignscope.errors import AlignscopeError
from alignscope.report.words import capital

if TYPE_CHECKING:
    from alignscope._lib.types import Vector
    from alignscope.auditing.audit import Audit
    from alignscope.pair.paired import Pair


class AuditCommand(WritingCommand, frozen=True, kw_only=True):
    """Say what aligning two modalities would cost, before it is done.

    Files may be .npy, .npz:key, .csv or .tsv (.gz too), .parquet, .arrow or .feather, .zarr, .h5:key, .nc:key,
    .mat:key, .pt:key, .safetensors:key, .h5ad:obsm/X_pca or .h5mu:rna/obsm/X_pca, with one row per sample, all in
    the same order; or a folder or pattern of .npy files ('emb/*.npy'). Without --y2 both modalities share the
    target of --y1; without any target, each is its own. Writes audit.json, report.html and the charts to the folder
    --out, or nothing at all.
    """

    section = "Decide"
    first_call = "x1.npy x2.npy --y1 labels.csv"
    too_many = (
        "A target is given by --y1 FILE. An audit is of two modalities; for three and more there is "
        "alignscope matrix A B C --y Y."
    )
    default_out = "audit"
    headings = (
        "Input: example pair x1 x2 y1 y2 name1 name2 features1 features2 targets1 targets2",
        "Rows: groups coords block ids1 ids2 weights present1 present2",
        "Reading: kind ignore_label drop_missing dequantize",
        "Method: training components lift gauge lambdas budget folds seed",
    )

    x1: Annotated[Path | None, tyro.conf.Positional, arg(metavar="X1", help="Features of modality 1.")] = None
    x2: Annotated[Path | None, tyro.conf.Positional, arg(metavar="X2", help="Features of modality 2.")] = None
    y1: Annotated[Path | None, arg(metavar="FILE", help="Target of modality 1: labels, or columns of numbers.")] = None
    y2: Annotated[Path | None, arg(metavar="FILE", help="Target of modality 2. By default that of modality 1.")] = None
    groups: Groups = None
    coords: Coords = None
    block: Block = None
    ids1: Annotated[Path | None, arg(metavar="FILE", help="Sample ids of modality 1, compared with --ids2.")] = None
    ids2: Annotated[Path | None, arg(metavar="FILE", help="Sample ids of modality 2.")] = None
    weights: Weights = None
    present1: Annotated[Path | None, arg(metavar="FILE", help="1 where a row has modality 1, 0 where it lacks it.")] = (
        None
    )
    present2: Annotated[Path | None, arg(metavar="FILE", help="1 where a row has modality 2, 0 where it lacks it.")] = (
        None
    )
    kind: Kind = None
    ignore_label: IgnoreLabel = None
    drop_missing: DropMissing = False
    dequantize: Dequantize = ()
    components: Annotated[
        int | None,
        arg(
            metavar="K",
            aliases=("--latent",),
            help="Latent size K of supervised training. By default the larger rank of the two targets.",
        ),
    ] = None
    training: Annotated[
        Literal["supervised", "contrastive", "predictive"] | None,
        arg(help="Which kind of training leads the verdict; all are worked out."),
    ] = None
    lift: Annotated[
        int,
        arg(
            metavar="F",
            help="Ask the same of F random Fourier features of each modality as well, which are non-linear.",
        ),
    ] = 0
    gauge: Annotated[
        Literal["fitted", "whitened"],
        arg(help="Target scaling: align to the fitted values of modality 2, or to an orthonormal basis of them."),
    ] = "fitted"
    lambdas: Annotated[
        str,
        arg(
            metavar="START:STOP:COUNT",
            help="Alignment weights lambda on a logarithmic grid; 0 is added.",
        ),
    ] = "0.001:1000:100"
    budget: Annotated[float, arg(metavar="SHARE", help="Share of the predicted variance that alignment may cost.")] = (
        0.05
    )
    folds: FoldCount = 5
    seed: Annotated[
        int,
        arg(
            metavar="N",
            help="Seed of all that is drawn: folds, units, permutations, features.",
        ),
    ] = 0
    name1: Annotated[str | None, arg(metavar="TEXT", help="What the page calls modality 1.")] = None
    name2: Annotated[str | None, arg(metavar="TEXT", help="What the page calls modality 2.")] = None
    features1: Annotated[
        str | None,
        arg(metavar="NAMES", help="Names of the columns of x1: a text file with one per line, or A,B,C."),
    ] = None
    features2: Annotated[str | None, arg(metavar="NAMES", help="Names of the columns of x2.")] = None
    targets1: Annotated[str | None, arg(metavar="NAMES", help="Names of the columns of y1.")] = None
    targets2: Annotated[str | None, arg(metavar="NAMES", help="Names of the columns of y2.")] = None
    pair: Annotated[
        Path | None,
        arg(
            metavar="FOLDER",
            help="A folder with x1.npy, x2.npy and, where present, y1, y2, groups and pair.toml, in place of files.",
        ),
    ] = None
    example: Annotated[
        bool,
        arg(help="Audit the embedded generated data, an optical and a radar sensor, in place of files."),
    ] = False

    def run(self) -> None:
        """Audit, write the results, and print the verdict."""
        from alignscope.auditing.api import AuditOptions, audit  # slow to load, and help does without
        from alignscope.auditing.audit import Audit

        options = AuditOptions(
            self.components,
            self.gauge,
            read_lambdas(self.lambdas),
            self.budget,
            self.folds,
            self.seed,
            self.training,
            self.lift,
        ).check()
        pair = _open(self)
        out = self.folder()
        check_writable(out)
        Audit.output.check(out)
        with self.progress() as progress:
            result = audit(pair, **options.named, progress=progress)
            progress("drawing the page", 0.5)
            page = result.save(out)
        _summarise(result)
        self.finish(page, "audit.json")


def read_lambdas(text: str) -> Vector:
    """Return the lambdas of START:STOP:COUNT. Raises E302 where they cannot be read."""
    from alignscope.linear.path import lambda_grid  # slow to load, and help does without

    try:
        start, stop, count = text.split(":")
        grid = float(start), float(stop), int(count)
    except ValueError:
        raise AlignscopeError(
            "E302", "lambdas", f"'{text}'", "Give START:STOP:COUNT, for example 0.001:1000:100."
        ) from None
    return lambda_grid(*grid)


def _open(command: AuditCommand) -> Pair:
    from alignscope.pair.folder import open_folder  # slow to load, and help does without
    from alignscope.pair.paired import Pair

    ways = [command.x1 is not None or command.x2 is not None, command.pair is not None, command.example]
    if sum(ways) != 1 or (ways[0] and (command.x1 is None or command.x2 is None)):
        files = sum(path is not None for path in (command.x1, command.x2))
        raise AlignscopeError(
            "E304",
            "audit",
            f"{files} feature file{'' if files == 1 else 's'}, "
            f"{'a' if command.pair else 'no'} --pair folder, {'' if command.example else 'no '}--example",
            "Give X1 and X2, or --pair FOLDER, or --example.",
        )
    if command.example:
        from alignscope.tour.example import example  # slow to load, and help does without

        return example()
    given = {
        k: getattr(command, k)
        for k in ("y1", "y2", "groups", "ids1", "ids2", "weights", "present1", "present2", "name1", "name2")
    }
    given |= {k: getattr(command, k) for k in ("kind", "ignore_label", "drop_missing", "dequantize", "coords", "block")}
    given |= {k: names_of(getattr(command, k)) for k in ("features1", "features2", "targets1", "targets2")}
    given = {k: v for k, v in given.items() if v is not None}
    if command.pair is not None:
        return open_folder(command.pair, **given)
    assert command.x1 is not None and command.x2 is not None
    name1, name2 = modality_names(command.x1, command.x2)
    given = {"name1": name1, "name2": name2} | given
    return Pair.of(command.x1, command.x2, **given)


def _summarise(result: Audit) -> None:
    from alignscope.pair.notes import NOTE_CODES  # numpy is slow to load, and help does without

    say(f"{capital(result.decision.badge)}. {result.decision.reason}")
    say(result.verdict)
    say(result.action)
    for finding in result.findings:
        if finding.severity == "issue" or finding.code in ("AS108", "AS112", *NOTE_CODES):
            say(f"  {finding.code} {finding.text}")
