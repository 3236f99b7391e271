"""What a comparison of two representations returns: frozen records whose fields are the keys of compare.json.

All figures are held out. A change is after less before, with an interval from paired replicates.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from alignscope._lib.interval import Interval
from alignscope.auditing.results import ClassScores, DataRecord, Finding, IntervalRecord, TargetRecord
from alignscope.auditing.where import CellLoss, GroupLoss, SampleLoss

SCHEMA = 1

CompareBadge = Literal["lost", "no longer linear", "nothing lost", "gained", "nothing to lose", "cannot tell"]


class CompareDecision(msgspec.Struct, frozen=True):
    """What became of what the representation predicts, from held-out intervals alone, and why in one sentence."""

    badge: CompareBadge
    reason: str


class Change(msgspec.Struct, frozen=True):
    """An explained variance before and after, and the change; of a target, the interval of the change is its own.

    significant : whether the change is not 0 with an interval that holds for all targets at once (Bonferroni).
    lost : whether, with the same interval, more than the budget is lost of what was shown to be there.
    """

    before: Interval
    after: Interval
    change: Interval
    significant: bool
    lost: bool


class RepresentationRecord(msgspec.Struct, frozen=True):
    """A representation as it was read. effective_rank : exp of the entropy of its spectrum, 1 to its columns."""

    source: str
    columns: int
    rank: int
    effective_rank: float


class LiftedChange(msgspec.Struct, frozen=True):
    """The same with random Fourier features of each beside its columns: what is there, but not linearly, counts."""

    features: int
    sigma: Change
    targets: dict[str, Change]


class ClassChange(msgspec.Struct, frozen=True):
    """How well the largest linear prediction names the class before and after, and how many rows each has."""

    support: dict[str, float]
    before: ClassScores
    after: ClassScores


class KindRecord(msgspec.Struct, frozen=True):
    """Of what information about the target, in bits: in both, in one alone, in neither alone but both together.

    reason : why there is none, and then the others are None.
    """

    redundant: Interval | None = None
    unique_before: Interval | None = None
    unique_after: Interval | None = None
    synergy: Interval | None = None
    reason: str | None = None


class SimilarityRecord(msgspec.Struct, frozen=True):
    """How alike the two are.

    Attributes
    ----------
    cka : linear, without bias, 0 to 1. shared : sum of squared held-out canonical correlations.
    directions, correlations : detectable canonical directions, and how strong they are, held out.
    procrustes : 1 where one is a rotation of the other, up to scale; 0 where they share nothing.
    mutual_knn : share of the 10 nearest neighbours that are the same; mutual_knn_chance : of unrelated ones.
    rows : of the sample that the last three are worked out on.
    """

    cka: float
    shared: float
    directions: int
    correlations: list[float]
    procrustes: float
    mutual_knn: float
    mutual_knn_chance: float
    rows: int


class CompareProvenance(msgspec.Struct, frozen=True):
    """All that is needed to get the same figures again."""

    seed: int
    folds: int
    budget: float
    lift: int
    form: Literal["chan", "root"]
    data: dict[str, DataRecord]
    software: dict[str, str]


class CompareRecord(msgspec.Struct, frozen=True):
    """The fields of `alignscope.comparing.compared.Compared`: the keys of compare.json.

    Attributes
    ----------
    n : rows that have both representations.
    sigma, targets : of the target whole, and of its columns. lifted : the same with random features; None without.
    classes : None of a target that is no classes. kind : which kind of information is in which.
    groups, samples, cells : where the loss is, as in an audit; `groups` and `samples` with the largest losses first.
    """

    schema: int
    version: str
    decision: CompareDecision
    verdict: str
    action: str
    n: int
    representations: dict[str, RepresentationRecord]
    target: TargetRecord
    sigma: Change
    targets: dict[str, Change]
    lifted: LiftedChange | None
    classes: ClassChange | None
    groups: list[GroupLoss]
    samples: list[SampleLoss]
    cells: list[CellLoss]
    kind: KindRecord
    similarity: SimilarityRecord
    interval: IntervalRecord
    findings: list[Finding]
    provenance: CompareProvenance
