"""What a comparison of two runs returns: frozen records whose fields are the keys of diff.json."""

from __future__ import annotations

from typing import Literal

import msgspec

from alignscope._lib.interval import Interval


class RunRecord(msgspec.Struct, frozen=True):
    """One of the two runs: what was given, and the version of alignscope that it is of."""

    source: str
    version: str


class ChangedFigure(msgspec.Struct, frozen=True):
    """A figure that differs.

    Attributes
    ----------
    figure : its path in the JSON file. at : of a curve, where it changed most.
    change : after less before; paired by seed, the mean over the seeds that both runs have.
    low, high : the 95% interval of the change. interval : how it came about; None where there is none.
    main : whether it is one of the figures that a page shows first.
    """

    figure: str
    at: str
    before: float
    after: float
    change: float
    low: float | None
    high: float | None
    interval: Literal["paired", "unpaired"] | None
    main: bool

    @property
    def significant(self) -> bool:
        """Whether the interval of the change excludes 0."""
        return Interval(self.change, self.low, self.high).significant


class Changed(msgspec.Struct, frozen=True):
    """A text, an option, a version or a hash that differs; None where a run has none."""

    key: str
    before: str | None
    after: str | None


class ChangedFinding(msgspec.Struct, frozen=True):
    """A finding or note that only one of the runs has."""

    code: str
    text: str


class Findings(msgspec.Struct, frozen=True):
    """The findings whose code the second run has more often, and those whose code it has less often."""

    new: list[ChangedFinding]
    gone: list[ChangedFinding]


class DifferenceRecord(msgspec.Struct, frozen=True):
    """The fields of `alignscope.diffing.difference.Difference`: the keys of diff.json.

    Attributes
    ----------
    kind : "diff". of : the command whose runs these are.
    before, after : the two runs.
    paired_by : "seed", "rows" or None. pairing : why, in one sentence.
    tolerance : by how much figures may differ and be the same. compared : how many figures and curves both runs have.
    figures : those that differ. new, gone : paths of figures that only the second, or the first, run has.
    texts, options, versions, data : what else differs.
    """

    kind: Literal["diff"]
    version: str
    of: str
    before: RunRecord
    after: RunRecord
    paired_by: Literal["seed", "rows"] | None
    pairing: str
    tolerance: float
    compared: int
    figures: list[ChangedFigure]
    new: list[str]
    gone: list[str]
    findings: Findings
    texts: list[Changed]
    options: list[Changed]
    versions: list[Changed]
    data: list[Changed]
