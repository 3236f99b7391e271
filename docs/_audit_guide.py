"""What the audit guide and the theory page show of audits: the example as it prints and draws, a limit that is not
consistent, and what benchmarks of the claims found."""

from __future__ import annotations

import json
import textwrap
from functools import cache, partial
from pathlib import Path

import numpy as np

import alignscope
from _tables import figure, table
from alignscope.auditing import Audit
from alignscope.auditing.page.charts import render_charts
from alignscope.datasets import example_pair
from alignscope.datasets.known_truth import toy
from alignscope.report.words import capital

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


@cache
def example() -> Audit:
    """Return the audit of ``alignscope audit --example``."""
    field = example_pair()
    names = {k: getattr(field, k) for k in ("features1", "features2", "targets1", "targets2")}
    return alignscope.audit(
        field.x1, field.x2, field.y1, field.y2, groups=field.groups, name1="optical", name2="radar", **names
    )


def printed() -> str:
    """What the command prints of the example, as a terminal wraps it, without its last lines, which name files.

    Raises ValueError where the README does not show the same.
    """
    result = example()
    issues = [f"  {f.code} {f.text}" for f in result.findings if f.severity == "issue"]
    decision = f"{capital(result.decision.badge)}. {result.decision.reason}"
    said = (decision, result.verdict, result.action, *issues)
    lines = [textwrap.fill(line, 92, subsequent_indent=" " * 4) for line in said]
    text = "\n".join(["```text", *lines, "```", ""])
    if "\n".join(["```text", *lines[:3]]) not in README.read_text(encoding="utf-8"):
        raise ValueError(f"README.md shows another output of the example than\n{text}")
    return text


def inconsistency() -> str:
    """The paper's toy with eight columns of noise, where the truth is that nothing is lost, for growing N."""
    rows = []
    for n in (200, 2_000, 20_000):
        sample = toy(8).sample(n, seed=0)
        found = alignscope.audit(sample.x1, sample.x2, sample.y1, sample.y2, components=2).directions["1"]
        loss = found.held_out_at_risk
        at = {value: int(np.argmin(np.abs(np.array(found.lambdas) - value))) for value in (1, 1_000)}
        held = found.raw.held_out_sigma_z
        rows.append(
            [
                f"{n:,}",
                *(figure(held[0] - held[k]) for k in at.values()),
                figure(found.raw.held_out_at_risk),
                found.detectable.directions,
                f"{figure(loss.value)} ({figure(loss.ends[0])} to {figure(loss.ends[1])})",
            ]
        )
    header = ["$N$", r"lost at $\lambda = 1$", r"at $\lambda = 1000$", r"as $\lambda \to \infty$"]
    return table([*header, "detectable directions", r"lost as $\lambda \to \infty$, detectable part"], rows)


def kept(name: str) -> str:
    """The promises of a benchmark beside what its last run measured."""
    path = ROOT / "benchmarks" / "results" / f"{name}.json"
    if not path.exists():
        return f"No run has been kept yet: `python -m benchmarks {name}` makes one.\n"
    found = json.loads(path.read_text(encoding="utf-8"))
    answers = {True: "yes", False: "**no**", None: "not told at this size"}
    rows = [[c["promise"], c["measured"], answers[c["kept"]]] for c in found["claims"]]
    return f"{found['setting']}\n\n{table(['promise', 'measured', 'kept'], rows)}"


def figures(folder: Path) -> None:
    """Write the charts of the example that the guide shows."""
    folder.mkdir(parents=True, exist_ok=True)
    charts = render_charts(example().to_dict())
    for name in ("trainings", "size_1", "size_2", "targets_1"):
        (folder / f"{name}.svg").write_bytes(charts[f"charts/{name}.svg"])


PAGES = {
    "audit_printed": printed,
    "audit_inconsistency": inconsistency,
    "audit_calibration": partial(kept, "calibration"),
    "audit_detection": partial(kept, "detection"),
}
