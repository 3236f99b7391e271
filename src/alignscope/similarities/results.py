"""What a comparison of layers returns: frozen records whose fields are the keys of similarity.json."""

from __future__ import annotations

from typing import Literal

import msgspec

from alignscope._lib.interval import Interval
from alignscope.auditing.results import DataRecord

SCHEMA = 1


class MeasureRecord(msgspec.Struct, frozen=True):
    """One measure of every two representations.

    Attributes
    ----------
    title : what it is called. range : of its values. symmetric : whether it is the same in both directions; of one that
        is not, a row predicts a column. unchanged_by : maps of a representation that do not change it.
    chance : what it is of layers whose rows are shuffled, the mean of a few.
    values : by row and then by column, with the 95% interval over samples of rows, where there is one.
    """

    title: str
    range: list[float]
    symmetric: bool
    unchanged_by: str
    chance: float
    values: dict[str, dict[str, Interval]]


class SimilarityProvenance(msgspec.Struct, frozen=True):
    """All that is needed to get the same figures again."""

    seed: int
    data: dict[str, DataRecord]
    software: dict[str, str]


class SimilaritiesRecord(msgspec.Struct, frozen=True):
    """The fields of `alignscope.similarities.similarities.Similarities`: the keys of similarity.json.

    Attributes
    ----------
    kind : "similarity". n : rows; sampled : those that are looked at.
    rows, columns : names of the representations that are compared with each other.
    measures : "cka", "cca", "r2", "procrustes" and "mutual_knn". verdict : the main finding.
    """

    kind: Literal["similarity"]
    schema: int
    version: str
    verdict: str
    n: int
    sampled: int
    rows: list[str]
    columns: list[str]
    measures: dict[str, MeasureRecord]
    provenance: SimilarityProvenance
