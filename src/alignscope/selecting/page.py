"""The page of a matrix of embeddings: which are needed, what every two add up to, and what each knows of what."""

from __future__ import annotations

from collections.abc import Mapping

from alignscope.report.opening import Look, Opening
from alignscope.report.shell import write_page
from alignscope.report.tables import Table, setting_rows
from alignscope.report.words import brief, count, estimate, share
from alignscope.selecting.charts import MOST_TARGETS, chart_specs, spread
from alignscope.selecting.results import MatrixBadge, MatrixRecord

_LOOKS: Mapping[MatrixBadge, Look] = {
    "one suffices": "align",
    "some suffice": "align",
    "all add": "align",
    "none predicts": "do-not-align",
    "cannot tell": "cannot-tell",
}
_CONTENTS = {
    "pairs": "Which two add up",
    "shared": "Which share what",
    "losses": "What aligning them would cost",
    "targets": "Which knows what",
    "similarity": "How alike they are",
    "tables": "All figures",
    "made": "How this was made",
}
_CLOSED = {
    "similarity": "Linear CKA of every two.",
    "tables": "Every figure with its interval.",
    "made": "Settings, data.",
}


def matrix_page(m: MatrixRecord) -> str:
    """Return the page as one HTML file that needs nothing else."""
    names = {
        "m": m,
        "contents": _CONTENTS,
        "closed": _CLOSED,
        "opening": opening(m),
        "needed": m.order[: m.enough],
        "rest": [name for name in m.order[len(m.gains) :] if m.embeddings[name].ordered],
        "redundant": [", ".join(brief(n) for n in names) for names in m.redundant],
        "tables": [_steps(m), _alone(m), _pairs(m), _shared(m), _together(m), _targets(m)],
        "shown": min(len(m.targets), MOST_TARGETS),
        "settings": list(_settings(m)),
    }
    return write_page("selecting/matrix.html.j2", m.version, names, chart_specs(m))


def opening(m: MatrixRecord) -> Opening:
    """Return the first screen."""
    return Opening(m.decision.badge, _LOOKS[m.decision.badge], [m.decision.reason], m.action, _code(m))


def _code(m: MatrixRecord) -> str:
    """Return how to ask what aligning the first two would cost."""
    first = [m.embeddings[name].source for name in m.order[:2]]
    return f"alignscope audit {first[0]} {first[1]} --y1 {m.target.source}" if m.enough > 1 else ""


def _steps(m: MatrixRecord) -> Table:
    rows = [
        [str(k), name, estimate(sigma), estimate(gain), "yes" if k <= m.enough else "not shown"]
        for k, (name, sigma, gain) in enumerate(zip(m.order, m.sigmas, m.gains, strict=False), 1)
    ]
    head = ["Step", "Embedding", "Together", "Adds", "Needed"]
    return Table("One after the other", "Explained variance (R²), held out, 95% intervals.", head, rows, 2)


def _alone(m: MatrixRecord) -> Table:
    rows = [
        [name, e.source, count(e.columns), count(e.rank), count(e.rows), estimate(m.sigma[name])]
        for name, e in m.embeddings.items()
    ]
    head = ["Embedding", "Read from", "Columns", "Independent", "Rows", "Predicts alone"]
    return Table("Each alone", "Explained variance of the target (R²), held out.", head, rows, 2)


def _pairs(m: MatrixRecord) -> Table:
    rows = [
        [p.a, p.b, estimate(p.both), estimate(p.gain), "yes" if p.adds_up else "not shown", estimate(p.adds["a"]),
         estimate(p.adds["b"]), estimate(p.contrastive_loss["a"]), estimate(p.contrastive_loss["b"]),
         share(p.similarity, 2), count(p.rows)]
        for p in m.pairs
    ]  # fmt: skip
    head = ["A", "B", "Together", "Above the better", "Adds up", "A adds to B", "B adds to A", "A loses aligned",
            "B loses aligned", "CKA", "Rows"]  # fmt: skip
    caption = (
        "Explained variance (R²), held out. Adds up: 95% for all pairs at once. Aligned: trained by alignment alone."
    )
    return Table("Every two", caption, head, rows, 2)


def _shared(m: MatrixRecord) -> Table:
    names = spread(m.targets)
    rows = [
        [", ".join(p.names), estimate(p.share), "yes" if p.shown else "no", *(estimate(p.targets[t]) for t in names)]
        for p in m.shared.parts
    ]
    caption = (
        "Explained variance (R²) that exactly these have in common, held out; below 0 where they predict more together "
        "than one by one. Shown: differs from 0, 95% for all parts at once."
    )
    return Table("Which share what", caption, ["In", "Of the target", "Shown", *names], rows, 1)


def _together(m: MatrixRecord) -> Table:
    rows = [[name, estimate(t.kept), estimate(t.loss), count(t.directions)] for name, t in m.shared.together.items()]
    caption = f"Trained by alignment alone, each with all the others of {', '.join(m.shared.names)}, held out."
    return Table("All at once", caption, ["Embedding", "Keeps", "Loses", "Shared directions"], rows, 1)


def _targets(m: MatrixRecord) -> Table:
    rows = [[t, *(estimate(m.targets[t][name]) for name in m.order)] for t in spread(m.targets)]
    caption = "Explained variance (R²) of every target, held out; those first of which embeddings differ most."
    return Table("Every target", caption, ["Target", *m.order], rows, 1)


def _settings(m: MatrixRecord) -> list[tuple[str, str]]:
    made = {"version": m.version, "samples": m.n, "intervals": m.interval.estimand, "units left out": m.interval.units}
    fitted = {"fitted again without each": m.interval.refit, "folds that agree on what is needed": m.agreement}
    given = {"seed": m.provenance.seed, "folds": m.provenance.folds, "budget": m.provenance.budget}
    data = {name: d.sha256 for name, d in m.provenance.data.items()}
    return [*setting_rows({**made, **fitted, **given, **m.provenance.software}), *setting_rows(data, "sha256")]
