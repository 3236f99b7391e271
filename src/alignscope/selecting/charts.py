"""The charts of a matrix of embeddings: the order, what every two add up to and would lose, targets, similarity."""

from __future__ import annotations

from collections.abc import Mapping

from alignscope._lib.interval import Interval
from alignscope.report.heat import heat
from alignscope.report.parts import (
    Spec,
    chart,
    dots,
    high_end,
    intervals,
    low_end,
    reference,
    row_axis,
    share_axis,
    tips,
)
from alignscope.report.words import brief, estimate, share
from alignscope.selecting.results import MatrixRecord

_ROW = 28  # pixels
MOST_TARGETS = 40


def chart_specs(m: MatrixRecord) -> dict[str, Spec]:
    """Return every chart by name, the one that leads the page first."""
    specs = {"order": order(m), "gains": gains(m), "losses": losses(m), "targets": targets(m)}
    return {**specs, "similarity": similarity(m)}


def order(m: MatrixRecord) -> Spec:
    """Draw what the first embeddings of the order predict together, with intervals; those not needed are pale."""
    steps = list(zip(m.order, m.sigmas, m.gains, strict=False))
    rows = [
        {
            "row": k,
            "x": sigma.value,
            "low": sigma.low,
            "high": sigma.high,
            "kind": "needed" if k < m.enough else "not shown to add",
            "Embedding": name,
            "Together": estimate(sigma),
            "Adds": estimate(gain),
        }
        for k, (name, sigma, gain) in enumerate(steps)
    ]
    labels = [brief(name) if k == 0 else f"+ {brief(name)}" for k, (name, _, _) in enumerate(steps)]
    y, params = row_axis(labels)
    ends = [end for sigma in m.sigmas for end in (sigma.value, *sigma.ends)]
    x = share_axis("x", "explained variance (R², held out)", low_end(ends), high_end(ends))
    kinds = [kind for kind in ("needed", "not shown to add") if any(row["kind"] == kind for row in rows)]
    hues = {"needed": "var(--one)", "not shown to add": "var(--cap)"}
    colour = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": kinds, "range": [hues[k] for k in kinds]},
        "legend": {"title": None, "orient": "top"} if len(kinds) > 1 else None,
    }
    tip = tips(Embedding="Embedding", Together="Together", Adds="Adds")
    encoding = {"x": x, "y": y, "color": colour, "tooltip": tip}
    layers = [
        reference("x", 0.0, color="var(--soft)"),
        intervals(encoding, along="x", strokeWidth=4, opacity=0.45, strokeCap="round"),
        dots(encoding, 90),
    ]
    text = "What the embeddings predict together, each adding most to those above it, held out."
    return chart(text, rows, layers, _ROW * len(rows) + 10, params)


def gains(m: MatrixRecord) -> Spec:
    """Draw what every two predict beyond the better one; on the diagonal what each predicts alone."""
    text = "What every two embeddings predict beyond the better one, held out."
    cells: dict[tuple[str, str], tuple[float, str]] = {
        (name, name): (e.value, f"alone {estimate(e)}") for name, e in m.sigma.items()
    }
    for p in m.pairs:
        said = f"{estimate(p.gain)} above the better one; together {estimate(p.both)}"
        cells[p.a, p.b] = cells[p.b, p.a] = (p.gain.value, said)
    return heat(m.order, m.order, cells, "Gain", text, apart=True)


def losses(m: MatrixRecord) -> Spec:
    """Draw what the embedding of a row would lose, trained by alignment with that of a column alone."""
    cells = {}
    for p in m.pairs:
        for one, two, k in ((p.a, p.b, "a"), (p.b, p.a, "b")):
            lost = p.contrastive_loss[k]
            cells[one, two] = (lost.value, estimate(lost))
    text = "What the embedding of each row would lose, trained by alignment with that of each column alone, held out."
    return heat(m.order, m.order, cells, "Lost", text, hue="var(--loss)")


def targets(m: MatrixRecord) -> Spec:
    """Draw what every embedding predicts of every target column, those that differ most between embeddings first."""
    names = spread(m.targets)[:MOST_TARGETS]
    cells = {(t, name): (e.value, estimate(e)) for t in names for name, e in m.targets[t].items()}
    return heat(names, m.order, cells, "Predicted", "What every embedding predicts of every target, held out.")


def spread(found: Mapping[str, Mapping[str, Interval]]) -> list[str]:
    """Return the targets, those first of which embeddings differ most in what they predict."""

    def range_of(target: str) -> float:
        values = [e.value for e in found[target].values()]
        return max(values) - min(values)

    return sorted(found, key=lambda t: -range_of(t))


def similarity(m: MatrixRecord) -> Spec:
    """Draw how alike every two embeddings are."""
    cells = {(p.a, p.b): (p.similarity, share(p.similarity, 2)) for p in m.pairs}
    cells |= {(b, a): found for (a, b), found in cells.items()}
    return heat(m.order, m.order, cells, "CKA", "Linear CKA of every two embeddings, without bias.", hue="var(--both)")
