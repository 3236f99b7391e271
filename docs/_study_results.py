"""The paper's experiment as kept in docs/results: tables and figures of the page, made from small JSON at every build.

python docs/_study_results.py RUN/results.json NAME     # keeps what a run found as docs/results/NAME.json
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from _tables import table
from alignscope.study.page.page import study_charts
from alignscope.study.results import SeedInterval, StudyResults

HERE = Path(__file__).parent
KEPT = HERE / "results"
OWN = ((1, "texture"), (2, "colour"))
BOTH = ((1, "shape"), (1, "texture"), (2, "shape"), (2, "colour"))


def keep(results: StudyResults) -> StudyResults:
    """Return the results without what no figure of the page needs: curves, marks before the last, scores by target."""
    cells = []
    for record in results.cells:
        marks = record.marks[-1:]
        cells.append(msgspec.structs.replace(record, curve=(), marks=tuple(_lean(mark) for mark in marks)))
    asked = tuple(row for row in results.retention if row.trained_on)
    return msgspec.structs.replace(results, cells=tuple(cells), retention=asked)


def _lean(mark: Any) -> Any:
    parts = {}
    for name in ("train", "test"):
        parts[name] = msgspec.structs.replace(getattr(mark, name), targets=())
    return msgspec.structs.replace(mark, **parts)


def rounded(value: Any) -> Any:
    """Return JSON with numbers of four digits, which is more than an interval over five seeds warrants."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list | tuple) else value


def load(name: str) -> StudyResults:
    """Return kept results."""
    return msgspec.json.decode((KEPT / f"{name}.json").read_bytes(), type=StudyResults)


def figures(name: str, folder: Path) -> None:
    """Write the figures of kept results as SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in study_charts(load(name)).items():
        if path.endswith(".svg"):
            (folder / Path(path).name).write_bytes(content)


def retention(name: str = "study-paper", gauge: str = "whitened") -> str:
    """What each modality retains at the end of the longest training, by latent size, target and lambda."""
    results = load(name)
    longest = max(results.spec.sweep.epochs)
    found = {
        (r.components, r.lambda_, r.modality, r.target): r.retention
        for r in results.retention
        if r.gauge == gauge and r.epoch == r.epochs == longest
    }
    lambdas = sorted({lam for _, lam, *_ in found})
    rows = [
        [str(k), f"{target} from modality {m}", *(_interval(found.get((k, lam, m, target))) for lam in lambdas)]
        for k in sorted(results.spec.sweep.components)
        for m, target in BOTH
    ]
    return table(["K", "retained of", *(f"λ = {lam:g}" for lam in lambdas)], rows)


def by_length(name: str = "study-paper", lam: float = 1.0) -> str:
    """What is retained of what only one modality predicts, by length of training, at one lambda."""
    results = load(name)
    lengths = sorted(results.spec.sweep.epochs)
    found = {
        (r.gauge, r.components, r.epochs, r.modality, r.target): r.retention
        for r in results.retention
        if r.epoch == r.epochs and r.lambda_ == lam
    }
    rows = [
        [
            gauge,
            str(k),
            f"{target} from modality {m}",
            *(_interval(found.get((gauge, k, e, m, target))) for e in lengths),
        ]
        for gauge in results.spec.sweep.gauges
        for k in sorted(results.spec.sweep.components)
        for m, target in OWN
    ]
    return table(["target scaling", "K", "retained of", *(f"{e} epochs" for e in lengths)], rows)


def fall(name: str = "study-paper") -> str:
    """How far the raw alignment loss falls, and how much of that is norm collapse, in factors of ten (in sample)."""
    results = load(name)
    longest = max(results.spec.sweep.epochs)
    rows = [
        [str(p.components), f"{p.lambda_:g}", *(_interval(i) for i in (p.fall, p.norm_collapse, p.alignment))]
        for p in results.loss_parts
        if p.gauge == "raw" and p.epochs == longest and p.lambda_ in (0.1, 1.0, 10.0)
    ]
    return table(["K", "λ", "fall", "norm collapse", "real alignment"], rows)


def agreement(name: str = "study-paper") -> str:
    """How well the forecast ranks what was measured, overall, per latent size, and its error."""
    rows, results = [], load(name)
    for a in results.agreement:
        size = "all" if a.components is None else str(a.components)
        said = "none: nothing varies" if a.correlation is None else f"{a.correlation:.2f}"
        within = "" if a.low is None or a.high is None else f" ({a.low:.2f} to {a.high:.2f})"
        rows.append([size, str(a.points), said + within, f"{a.error:.3f}", f"{a.error_no_loss:.3f}"])
    return table(["K", "points", "rank correlation", "mean error", "error of “nothing is lost”"], rows)


def rules(name: str = "study-paper") -> str:
    """The forecast next to rules of one line."""
    rows = [
        [s.name, f"{s.rank:.2f}", f"{s.error:.3f}", f"{s.missed} of {c.losses}", str(s.false_alarms)]
        for c in load(name).contests
        for s in (c.forecast, *c.rules)
    ]
    return table(["prediction", "rank correlation", "mean error", "losses missed", "called falsely"], rows)


def capacity(name: str = "study-paper") -> str:
    """What the audit of the lambda = 0 features says of every latent size."""
    rows = []
    for c in load(name).capacity:
        free = "none looked at" if c.within_budget_at is None else _interval(c.within_budget_at, digits=0)
        size = _interval(c.lossless_at, digits=0)
        rows.append([str(c.components), str(c.modality), _interval(c.maximum_loss), free, size])
    return table(
        ["K", "modality", "maximum loss, λ → ∞ (held out)", "within 5% at any λ from K", "c (in sample)"],
        rows,
    )


def _interval(interval: SeedInterval | None, digits: int = 2) -> str:
    if interval is None:
        return "–"
    text = f"{interval.value:.{digits}f}"
    if interval.low is not None and interval.high is not None and round(interval.high - interval.low, digits) > 0:
        text += f" ({interval.low:.{digits}f} to {interval.high:.{digits}f})"
    return text.replace("-", "−")


def main(arguments: Sequence[str]) -> None:
    """Keep what a run found."""
    source, name = arguments
    results = msgspec.json.decode(Path(source).read_bytes(), type=StudyResults)
    content = msgspec.json.encode(rounded(msgspec.to_builtins(keep(results))), order="deterministic")
    (KEPT / f"{name}.json").write_bytes(content + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
