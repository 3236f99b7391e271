"""The charts of a matrix of embeddings: the order, what every two add up to and would lose, targets, similarity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
from alignscope.report.words import brief, estimate, share, short
from alignscope.selecting.results import CommonRecord, MatrixRecord

_ROW = 28  # pixels
MOST_TARGETS = 40


def chart_specs(m: MatrixRecord) -> dict[str, Spec]:
    """Return every chart by name, the one that leads the page first."""
    specs = {"order": order(m), "gains": gains(m), "shared": shared(m), "shared_targets": shared_targets(m)}
    return {**specs, "losses": losses(m), "targets": targets(m), "similarity": similarity(m)}


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
    hues = {"needed": "var(--one)", "not shown to add": "var(--cap)"}
    text = "What the embeddings predict together, each adding most to those above it, held out."
    return _shares(rows, labels, hues, text, tips(Embedding="Embedding", Together="Together", Adds="Adds"))


def shared(m: MatrixRecord) -> Spec:
    """Draw what the embeddings of every subset have in common of the target, coloured by how many they are."""
    several = len(m.shared.names)
    rows = [
        {
            "row": k,
            "x": p.share.value,
            "low": p.share.low,
            "high": p.share.high,
            "kind": "in one" if len(p.names) == 1 else "in all" if len(p.names) == several else "in some",
            "Embeddings": " + ".join(p.names),
            "In common": estimate(p.share),
            "Shown": "yes" if p.shown else "no",
        }
        for k, p in enumerate(m.shared.parts)
    ]
    hues = {"in all": "var(--both)", "in some": "var(--two)", "in one": "var(--one)"}
    text = "What exactly these embeddings have in common of the target, and none of the others has, held out."
    tip = {"Embeddings": "Embeddings", "In common": "In common", "Shown for all at once": "Shown"}
    return _shares(rows, part_names(m), hues, text, tips(**tip))


def part_names(m: MatrixRecord) -> list[str]:
    """Return what every part is called where there is little room.

    >>> " + ".join(brief(name) for name in ["optical", "radar"])
    'optical + radar'
    """
    several = len(m.shared.names)
    return [
        f"all {several}" if len(p.names) == several else ("only " if len(p.names) == 1 else "") + _beside(p.names)
        for p in m.shared.parts
    ]


def _beside(names: Sequence[str]) -> str:
    room = 32 // len(names)
    return " + ".join(short(brief(name), room) for name in names)


def shared_targets(m: MatrixRecord) -> Spec:
    """Draw what the embeddings of every subset have in common of every target column."""
    names = spread({t: {_key(p): p.targets[t] for p in m.shared.parts} for t in m.targets})[:MOST_TARGETS]
    cells = {(_key(p), t): (p.targets[t].value, estimate(p.targets[t])) for p in m.shared.parts for t in names}
    rows = [_key(p) for p in m.shared.parts]
    text = "What exactly these embeddings have in common of every target, held out."
    return heat(rows, names, cells, "In common", text, hue="var(--both)", labels=part_names(m))


def _key(part: CommonRecord) -> str:
    return " + ".join(part.names)


def _shares(rows: list[Spec], labels: Sequence[str], hues: Mapping[str, str], text: str, tip: list[Spec]) -> Spec:
    """Draw shares of the target with their intervals, one a row, coloured by kind."""
    y, params = row_axis(labels)
    y["axis"]["offset"] = 6  # a mark at 0 leaves the names legible
    ends = [end for row in rows for end in (row["x"], row["low"], row["high"]) if end is not None]
    x = share_axis("x", "explained variance (R², held out)", low_end(ends), high_end(ends))
    kinds = [kind for kind in hues if any(row["kind"] == kind for row in rows)]
    colour = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": kinds, "range": [hues[k] for k in kinds]},
        "legend": {"title": None, "orient": "top"} if len(kinds) > 1 else None,
    }
    encoding = {"x": x, "y": y, "color": colour, "tooltip": tip}
    layers = [
        reference("x", 0.0, color="var(--soft)"),
        intervals(encoding, along="x", strokeWidth=4, opacity=0.45, strokeCap="round"),
        dots(encoding, 90),
    ]
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
    at_once = "all at once"
    cells |= {(name, at_once): (t.loss.value, estimate(t.loss)) for name, t in m.shared.together.items()}
    text = (
        "What the embedding of each row would lose, trained by alignment with that of each column alone, or with all "
        "others at once, held out."
    )
    return heat(m.order, [*m.order, at_once], cells, "Lost", text, hue="var(--loss)")


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
