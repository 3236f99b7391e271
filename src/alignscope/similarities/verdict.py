"""What a comparison of layers says: which two are most and least alike."""

from __future__ import annotations

from alignscope.report.words import brief, share
from alignscope.similarities.results import SimilaritiesRecord


def pairs(record: SimilaritiesRecord) -> list[tuple[str, str]]:
    """Return every two different representations, each once where rows and columns are the same."""
    same = record.rows == record.columns
    return [(a, b) for i, a in enumerate(record.rows) for j, b in enumerate(record.columns) if not same or i < j]


def verdict_sentence(record: SimilaritiesRecord) -> str:
    """Return which two are most and least alike by CKA, and by neighbours."""
    cka, near = record.measures["cka"].values, record.measures["mutual_knn"].values
    every = sorted(pairs(record), key=lambda p: cka[p[0]][p[1]].value)
    (a, b), (c, d) = every[-1], every[0]
    most = f"{brief(a)} and {brief(b)} are most alike (CKA {share(cka[a][b].value, 2)}"
    most += f", {share(near[a][b].value, 2)} of nearest neighbours)"
    if len(every) == 1:
        return f"{most}."
    return f"{most}, {brief(c)} and {brief(d)} least (CKA {share(cka[c][d].value, 2)})."
