"""The paper recomputed end to end: claims, linear figures and the synthetic experiment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from alignscope import __version__
from alignscope._files import write_all
from alignscope._threads import one_blas_thread
from alignscope.errors import AlignscopeError
from alignscope.paper._record import Verdict
from alignscope.paper.claims import FULL, QUICK, Claim, linear_claims, linear_figures, study_claims
from alignscope.results import to_json_ready
from alignscope.study.results import StudyResults
from alignscope.study.running import run_study
from alignscope.study.spec import parse_spec

__all__ = ["Paper", "run_paper"]

Say = Callable[[str, float], None]
Scale = Literal["quick", "full"]

_SPECS = {"quick": "quick.toml", "full": "paper.toml"}
_TRIALS = {"quick": QUICK, "full": FULL}
_LINEAR = 0.1  # share of the time that the linear part takes


@dataclass(frozen=True)
class Paper:
    """Everything that the paper says, and what was found.

    Attributes
    ----------
    scale : ``quick`` or ``full``.
    claims : one row a claim.
    figures : rows of the linear figures, by name.
    study : results of the synthetic experiment.
    """

    scale: Scale
    claims: list[Claim]
    figures: dict[str, list[dict[str, Any]]]
    study: StudyResults

    def verdicts(self) -> dict[str, int]:
        """Return how many claims have each verdict."""
        counted = Counter(claim.verdict for claim in self.claims)
        return {verdict: counted[verdict] for verdict in get_args(Verdict) if counted[verdict]}

    def to_json(self) -> bytes:
        """Return results.json; it depends on the scale alone."""
        content = {
            "version": __version__,
            "scale": self.scale,
            "claims": to_json_ready(msgspec.to_builtins(self.claims)),
            "figures": to_json_ready(self.figures),
            "study": msgspec.to_builtins(self.study),
        }
        return msgspec.json.encode(content, order="deterministic") + b"\n"

    def save(self, folder: str | Path) -> Path:
        """Write results.json, report.html and the charts to a folder, all or none; return the page's path."""
        from alignscope.report.paper_page import paper_charts, render_paper

        folder = Path(folder)
        page = render_paper(self.study, self.claims, self.figures, self.scale)
        charts = paper_charts(self.study, self.figures)
        write_all(folder, {"results.json": self.to_json(), "report.html": page.encode(), **charts})
        return folder / "report.html"


def run_paper(
    out: str | Path,
    scale: Scale = "quick",
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    device: str = "cpu",
    stack: int | None = None,
    resume: bool = False,
    say: Say | None = None,
) -> Paper:
    """Recompute the paper, keeping finished trainings in a folder.

    Parameters
    ----------
    out : the folder; killed at any instant, the same call goes on where it stopped.
    scale : ``quick`` for some minutes on two cores, ``full`` for the whole experiment.
    workers, executor, device, stack, resume, say : as for `alignscope.study.run_study`.

    Raises
    ------
    AlignscopeError : E305 for an unknown scale, and all that `run_study` raises.
    """
    if scale not in _SPECS:
        raise AlignscopeError("E305", "scale", f"'{scale}' is not known", f"Use one of {', '.join(_SPECS)}.")
    say = say or (lambda what, share: None)
    name = _SPECS[scale]
    spec = parse_spec((files("alignscope.study") / "specs" / name).read_text(encoding="utf-8"), name)
    study = run_study(
        spec,
        out,
        workers=workers,
        executor=executor,
        device=device,
        stack=stack,
        resume=resume,
        say=lambda what, share: say(what, (1 - _LINEAR) * share),
    ).results
    with one_blas_thread():
        claims = linear_claims(trials=_TRIALS[scale], say=lambda what, share: say(what, 1 - _LINEAR * (1 - share)))
        figures = linear_figures(trials=_TRIALS[scale])
    return Paper(scale, [*claims, *study_claims(study)], figures, study)
