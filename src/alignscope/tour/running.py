"""Run the three parts, one after another, and write the index of their pages."""

from __future__ import annotations

from pathlib import Path

import msgspec

from alignscope._lib.files import write_all
from alignscope._lib.outputs import Output
from alignscope._lib.progress import quiet
from alignscope._lib.types import Progress
from alignscope._lib.version import __version__
from alignscope.auditing.api import audit
from alignscope.paper.running import first_spec, run_paper
from alignscope.report.shell import write_page
from alignscope.study.running import run_study
from alignscope.tour.example import example
from alignscope.tour.findings import Finding, of_audit, of_paper, of_study

OUTPUT = Output("tour", record="findings.json", page="index.html")


def run_tour(out: Path, workers: int | None = None, progress: Progress = quiet) -> tuple[Path, list[Finding]]:
    """Write audit/, study/, paper/ and index.html to a folder, and return the index and what was found.

    Finished trainings are kept: killed at any instant, the same call goes on where it stopped. Raises what its three
    parts raise, and E404 where index.html or findings.json is somebody else's.
    """
    OUTPUT.check(out)
    progress("auditing the example", 0.0)
    audited = audit(example())
    audited.save(out / "audit")
    study = run_study(first_spec(), out / "study", workers=workers, progress=lambda w, s: progress(w, 0.1 + 0.5 * s))
    study.save(out / "study")
    # The paper's trainings are those of the study, which are there.
    paper = run_paper(out / "study", "first", workers=workers, progress=lambda w, s: progress(w, 0.6 + 0.3 * s))
    progress("drawing the pages", 0.9)
    paper.save(out / "paper")
    findings = [
        of_audit(audited, "audit/report.html"),
        of_paper(paper, "paper/report.html"),
        of_study(study.results, "study/report.html"),
    ]
    record = {"kind": "tour", "version": __version__, "findings": findings}
    page = write_page("tour/index.html.j2", __version__, {"contents": {}, "findings": findings})
    write_all(
        out,
        {OUTPUT.record: msgspec.json.format(msgspec.json.encode(record)) + b"\n", OUTPUT.page: page.encode()},
    )
    return out / OUTPUT.page, findings
