"""The page of a comparison of layers: a heat map for each measure, with what it is and what chance gives."""

from __future__ import annotations

from alignscope.report.heat import heat
from alignscope.report.opening import Opening
from alignscope.report.parts import Spec
from alignscope.report.shell import write_page
from alignscope.report.tables import Table, setting_rows
from alignscope.report.words import estimate, share
from alignscope.similarities.results import SimilaritiesRecord
from alignscope.similarities.verdict import pairs


def similarity_page(record: SimilaritiesRecord) -> str:
    """Return the page as one HTML file that needs nothing else."""
    others = {k: m.title for k, m in record.measures.items() if k != "cka"}
    names = {
        "r": record,
        "contents": {**others, "tables": "All figures", "made": "How this was made"},
        "closed": {"tables": "Every two, by every measure.", "made": "Settings and data."},
        "opening": _opening(record),
        "others": others,
        "said": {k: _said(record, k) for k in record.measures},
        "table": _table(record),
        "settings": _settings(record),
    }
    return write_page("similarities/similarity.html.j2", record.version, names, chart_specs(record))


def chart_specs(record: SimilaritiesRecord) -> dict[str, Spec]:
    """Return a heat map for every measure, CKA first."""
    specs = {}
    for key, m in record.measures.items():
        cells = {(a, b): (e.value, estimate(e, 2)) for a, found in m.values.items() for b, e in found.items()}
        text = f"{m.title} of every two representations."
        specs[key] = heat(record.rows, record.columns, cells, m.title, text, strongest=1.0)
    return specs


def _opening(record: SimilaritiesRecord) -> Opening:
    action = "Alike does not mean as good: ask a target what each of them predicts."
    one = next(iter(record.provenance.data.values())).source
    return Opening("how alike", "cannot-tell", [record.verdict], action, f"alignscope matrix {one} ... --y labels.csv")


def _said(record: SimilaritiesRecord, key: str) -> str:
    m = record.measures[key]
    way = "the same in both directions" if m.symmetric else "how much of the column is predicted from the row"
    by = f"unchanged by: {m.unchanged_by}"
    return f"From 0 to 1; {way}; {by}. With shuffled rows it is {share(m.chance, 2)}."


def _table(record: SimilaritiesRecord) -> Table:
    found = record.measures
    every = [(a, b) for a, b in pairs(record)]
    if record.rows == record.columns:
        every += [(b, a) for a, b in every]  # R² has a direction
    rows = [[a, b, *(estimate(m.values[a][b], 3) for m in found.values())] for a, b in every]
    caption = "With 95% intervals over tenths of the rows, where there are any."
    return Table("Every two", caption, ["Row", "Column", *(m.title for m in found.values())], rows, 2)


def _settings(record: SimilaritiesRecord) -> list[tuple[str, str]]:
    p = record.provenance
    made = {"version": record.version, "rows": record.n, "rows looked at": record.sampled, "seed": p.seed, **p.software}
    return [*setting_rows(made), *setting_rows({name: d.sha256 for name, d in p.data.items()}, "sha256 of rows")]
