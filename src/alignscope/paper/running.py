"""The paper recomputed end to end: claims, linear figures, the synthetic experiment and the one on satellite data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

import msgspec
from msgspec.structs import replace

from alignscope._lib.checks import one_of
from alignscope._lib.names import keywords_named
from alignscope._lib.outputs import Output
from alignscope._lib.threads import one_blas_thread
from alignscope._lib.types import Progress
from alignscope._lib.version import __version__
from alignscope.datasets.treesatai.archive import Archive
from alignscope.errors import AlignscopeError
from alignscope.paper.claim import Claim, Verdict
from alignscope.paper.claims.alignable import alignable
from alignscope.paper.table import FULL, QUICK, linear_claims, linear_figures, real_claims, study_claims
from alignscope.report.frames import Columns, Row
from alignscope.report.panels import figure_specs
from alignscope.report.parts import Spec
from alignscope.report.results import Result, to_json_ready
from alignscope.study.data.treesatai import TreeSatAIData
from alignscope.study.frames import COLUMNS, study_rows
from alignscope.study.results import StudyResults
from alignscope.study.running import run_study
from alignscope.study.spec import StudySpec, parse_spec

Scale = Literal["first", "quick", "full"]
_COLUMNS = Columns(before=("claim", "verdict", *COLUMNS.before))

_SPECS = {"first": "first.toml", "quick": "quick.toml", "full": "paper.toml"}
_SATELLITE = {"quick": "satellite-quick.toml", "full": "satellite.toml"}
_TRIALS = {"first": QUICK, "quick": QUICK, "full": FULL}
_SHARES = (0.45, 0.5, 0.7, 0.9)  # of the time, when the synthetic studies, then those of satellite patches have ended


@dataclass(frozen=True, repr=False)
class Paper(Result):
    """Everything that the paper says, and what was found.

    Attributes
    ----------
    scale : ``first``, ``quick`` or ``full``.
    claims : one row per claim.
    figures : rows of the linear figures, by name.
    study : results of the synthetic experiment.
    alignable : of the same at one latent size, aligned to all of the other modality and to what can be predicted of it.
        At the scale ``first`` these are the same trainings.
    same, different : those on satellite patches: both modalities trained on the genera, as in the paper; and the
        aerial picture trained on the age of the stand. None at the scale ``first``.
    version : of alignscope.
    """

    output: ClassVar[Output] = Output("paper", ("claims", "satellite"))
    _columns = _COLUMNS

    scale: Scale
    claims: list[Claim]
    figures: dict[str, list[dict[str, Any]]]
    study: StudyResults
    alignable: StudyResults
    same: StudyResults | None = None
    different: StudyResults | None = None
    version: str = __version__

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Return the paper of a results.json. Raises E103 where it is none."""
        try:
            fields: dict[str, Any] = msgspec.json.decode(content, type=dict)
            fields |= fields.pop("satellite")
            claims = msgspec.convert(fields.pop("claims"), list[Claim], strict=False)  # "inf" is a number
            studies: dict[str, Any] = {
                n: msgspec.convert(fields.pop(n), StudyResults)
                for n in ("study", "alignable", "same", "different")
                if n in fields
            }
            return cls(claims=claims, **studies, **fields)
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise AlignscopeError("E103", cls.output.record, f"{error}", "Recompute the paper.") from None

    def verdicts(self) -> dict[str, int]:
        """Return how many claims have each verdict."""
        counted = Counter(claim.verdict for claim in self.claims)
        return {verdict: counted[verdict] for verdict in get_args(Verdict) if counted[verdict]}

    def to_json(self) -> bytes:
        """Return results.json; it depends on the scale alone."""
        content = {
            "version": self.version,
            "scale": self.scale,
            "claims": to_json_ready(self.claims),
            "figures": to_json_ready(self.figures),
            "study": msgspec.to_builtins(self.study),
            "alignable": msgspec.to_builtins(self.alignable),
            "satellite": msgspec.to_builtins(self._satellite()),
        }
        return msgspec.json.encode(content, order="deterministic") + b"\n"

    def _satellite(self) -> dict[str, StudyResults]:
        return {name: found for name in ("same", "different") if (found := getattr(self, name)) is not None}

    def _files(self) -> dict[str, bytes]:
        from alignscope.paper.page.page import paper_charts, render_paper  # with the page's libraries

        satellite = self._satellite()
        page = render_paper(self.study, self.claims, self.figures, self.scale, satellite)
        return {"report.html": page.encode(), **paper_charts(self.study, self.figures, satellite)}

    def _charts(self) -> dict[str, Spec]:
        from alignscope.paper.page.opening import verdicts_by_group  # as above
        from alignscope.paper.page.page import claim_groups, paper_figures

        first = {"claims": verdicts_by_group(claim_groups(self.claims))}
        return figure_specs(first | paper_figures(self.study, self.figures, self._satellite()))

    def _headlines(self) -> list[str]:
        from alignscope.paper.page.opening import opening  # as above
        from alignscope.paper.page.page import tally

        counted = ", ".join(words for _, words in tally(self.claims))
        return opening(self.claims, [f"Paper, scale “{self.scale}”: {counted}."]).lines

    def _details(self) -> list[str]:
        order = sorted(self.claims, key=lambda c: c.verdict != "does not hold")
        return [f"{c.verdict}: {c.claim} {c.found}" for c in order]

    def _rows(self) -> Iterator[Row]:
        for claim in self.claims:
            at = {"claim": claim.key, "verdict": claim.verdict}
            yield from _COLUMNS.rows(to_json_ready(claim.measured), "claims.measured", at)
        record = self.to_dict()
        yield from study_rows(record["study"], "study.")
        yield from study_rows(record["alignable"], "alignable.")
        for name, study in record["satellite"].items():
            yield from study_rows(study, f"satellite.{name}.")


@keywords_named
def run_paper(
    out: str | Path,
    scale: Scale = "quick",
    *,
    treesatai: str | Path | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    device: str = "cpu",
    stack: int | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Paper:
    """Recompute the paper, keeping finished trainings in a folder.

    Parameters
    ----------
    out : the folder; killed at any instant, the same call goes on where it stopped.
    scale : ``first`` for the linear theory and trainings that take a minute on two cores, ``quick`` for every
        experiment in some minutes, ``full`` for the whole of them.
    treesatai : the archive TreeSatAI-Time-Series; without it, generated patches of its format with known truth.
    workers, executor, device, stack, resume : as for `alignscope.study.run_study`.

    Raises
    ------
    AlignscopeError : E305 for an unknown scale, or an archive at the scale ``first``, and all that `run_study` raises.
    """
    one_of("scale", scale, _SPECS)
    progress = progress or (lambda what, share: None)
    if treesatai is not None:
        if scale == "first":
            found = "first has no satellite patches, and an archive is given"
            raise AlignscopeError("E305", "scale", found, "Choose the scale quick or full.")
        Archive.open(treesatai)  # a folder that is not the archive is said before any training
    specs = specs_of(scale, treesatai)
    ends = (0.0, *_SHARES[-len(specs) :])
    studies = [
        run_study(
            spec,
            out,
            workers=workers,
            executor=executor,
            device=device,
            stack=stack,
            resume=resume and k == 0,
            progress=_part(progress, ends[k], ends[k + 1]),
        ).results
        for k, spec in enumerate(specs)
    ]
    with one_blas_thread():
        claims = linear_claims(trials=_TRIALS[scale], progress=_part(progress, ends[-1], 1.0))
        figures = linear_figures(trials=_TRIALS[scale])
    if scale == "first":
        return Paper(scale, [*claims, alignable(studies[0])], figures, studies[0], studies[0])
    study, cured, same, different = studies
    every = [*claims, *study_claims(study), alignable(cured), *real_claims(same, different)]
    return Paper(scale, every, figures, study, cured, same, different)


def specs_of(scale: Scale, archive: str | Path | None) -> list[StudySpec]:
    """Return what is trained: at the scale ``first`` one study, otherwise the four of a `Paper`."""
    synthetic = _read(_SPECS[scale])
    if scale == "first":
        return [synthetic]
    return [synthetic, _alignable_spec(synthetic), *_satellite_specs(_read(_SATELLITE[scale]), archive, scale)]


def first_spec() -> StudySpec:
    """Return the study of the scale ``first``."""
    return _read(_SPECS["first"])


def _read(name: str) -> StudySpec:
    return parse_spec((files("alignscope.study") / "specs" / name).read_text(encoding="utf-8"), name)


def _alignable_spec(spec: StudySpec) -> StudySpec:
    """Return the study at its largest lambda, latent size and length of training, each aligned to the other.

    With seeds of its own: the rule was chosen on pictures of seed 0.
    """
    s = spec.sweep
    sweep = replace(
        s,
        lambdas=(0.0, max(s.lambdas)),
        components=(max(s.components),),
        seeds=tuple(seed + 10 for seed in s.seeds),
        gauges=("whitened", "alignable"),
        directions=("both",),
        epochs=(max(s.epochs),),
    )
    return replace(spec, name=f"{spec.name}, aligned to what can be predicted", sweep=sweep)


def _satellite_specs(spec: StudySpec, archive: str | Path | None, scale: Scale) -> tuple[StudySpec, StudySpec]:
    """Return the study in which both modalities are trained on the genera, and that with a target for each.

    The second is trained as in the theory, one modality after the other, in a scale that is fixed. At full scale an
    archive is read whole: all training patches, and pictures at all of their pixels.
    """
    data = spec.data
    assert isinstance(data, TreeSatAIData)
    if archive is not None:
        data = replace(data, path=str(archive))
        if scale == "full":
            data = replace(data, most=None, aerial_side=300, dates=32)
    sweep = replace(spec.sweep, gauges=("normalised",), trainings=("bilevel",))
    different = replace(
        spec,
        name=f"{spec.name}, a target for each modality",
        data=replace(data, targets=("age", "genus")),
        sweep=sweep,
        baselines=(),
    )
    return replace(spec, data=data), different


def _part(progress: Progress, begin: float, end: float) -> Progress:
    """Return what reports the progress of one part of the whole."""
    return lambda what, share: progress(what, begin + (end - begin) * share)
