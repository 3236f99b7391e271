"""What a matrix of embeddings returns: frozen records whose fields are the keys of matrix.json. All is held out."""

from __future__ import annotations

from typing import Literal

import msgspec

from alignscope._lib.interval import Interval
from alignscope.auditing.results import DataRecord, Finding, IntervalRecord, TargetRecord

SCHEMA = 1

MatrixBadge = Literal["one suffices", "some suffice", "all add", "none predicts", "cannot tell"]


class MatrixDecision(msgspec.Struct, frozen=True):
    """Which embeddings are needed, from held-out intervals alone, and why in one sentence."""

    badge: MatrixBadge
    reason: str


class EmbeddingRecord(msgspec.Struct, frozen=True):
    """An embedding as it was read.

    rank : of its columns. rows : those that have it. ordered : whether it takes part in the order.
    """

    source: str
    columns: int
    rank: int
    rows: int
    ordered: bool


class PairRecord(msgspec.Struct, frozen=True):
    """Two embeddings beside each other, on the rows that have both.

    Attributes
    ----------
    a, b : their names. rows : that have both.
    both : sigma of the two side by side. gain : `both` less the sigma of the better one.
    adds_up : whether the gain is above 0 with an interval for all pairs at once (Bonferroni).
    adds : what each adds to the other, by "a" and "b".
    directions : detectable directions that the two share.
    contrastive_loss : what each loses of what it predicts of the target when the two are trained by alignment alone.
    similarity : linear CKA without bias, 0 to 1.
    """

    a: str
    b: str
    rows: int
    both: Interval
    gain: Interval
    adds_up: bool
    adds: dict[str, Interval]
    directions: int
    contrastive_loss: dict[str, Interval]
    similarity: float


class CommonRecord(msgspec.Struct, frozen=True):
    """What exactly some embeddings have in common of the target, and none of the others has (commonality analysis).

    Attributes
    ----------
    names : the embeddings. share : of the target. targets : the same of every column. Below 0 where embeddings predict
        more together than one by one (synergy).
    shown : whether `share` differs from 0 with an interval for all parts at once (Bonferroni).
    """

    names: list[str]
    share: Interval
    targets: dict[str, Interval]
    shown: bool


class TogetherRecord(msgspec.Struct, frozen=True):
    """An embedding trained by alignment with all the others at once, and nothing else.

    kept, loss : of what it predicts of the target. directions : detectable ones that it shares with the others.
    """

    kept: Interval
    loss: Interval
    directions: int


class SharedRecord(msgspec.Struct, frozen=True):
    """Which embeddings share what, of the first of the order, at most four, on the rows that have all of these.

    Attributes
    ----------
    names : the embeddings. rows : that have all of them.
    parts : of every subset, the largest first; their shares add up to what all predict together.
    together : by name, what alignment with all the others of `names` at once keeps and loses.
    """

    names: list[str]
    rows: int
    parts: list[CommonRecord]
    together: dict[str, TogetherRecord]


class MatrixProvenance(msgspec.Struct, frozen=True):
    """All that is needed to get the same figures again."""

    seed: int
    folds: int
    budget: float
    form: Literal["chan", "root"]
    data: dict[str, DataRecord]
    software: dict[str, str]


class MatrixRecord(msgspec.Struct, frozen=True):
    """The fields of `alignscope.selecting.matrix.Selected`: the keys of matrix.json.

    Attributes
    ----------
    kind : "matrix". n : samples. names : of the embeddings, as they were given.
    sigma : what each embedding predicts of the target, on the rows that have it.
    targets : the same of every column of the target, by its name and then by embedding.
    order : all names, each adding most to those before it; those that many rows lack stand last.
    sigmas, gains : of the first steps, what they predict together and what the last of them adds.
    enough : how many steps there are before the first whose gain is not significant.
    agreement : the share of the folds that chose the same ones.
    redundant : names that may stand for each other: none adds more than the budget to any other of them.
    shared : which embeddings have what in common, and what aligning all of them at once would lose.
    """

    kind: Literal["matrix"]
    schema: int
    version: str
    decision: MatrixDecision
    verdict: str
    action: str
    n: int
    names: list[str]
    embeddings: dict[str, EmbeddingRecord]
    target: TargetRecord
    sigma: dict[str, Interval]
    targets: dict[str, dict[str, Interval]]
    pairs: list[PairRecord]
    order: list[str]
    sigmas: list[Interval]
    gains: list[Interval]
    enough: int
    agreement: float
    redundant: list[list[str]]
    shared: SharedRecord
    interval: IntervalRecord
    findings: list[Finding]
    provenance: MatrixProvenance
