"""What a regime is worked out from, and what comes out: moments in, figures with bounds and a verdict out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import msgspec
import numpy as np

from alignscope._lib.interval import Answer
from alignscope._lib.types import Codes, Matrix
from alignscope.errors import AlignscopeError
from alignscope.moments.moments import Moments

Verdict: TypeAlias = Literal["both", "align", "predict", "neither", "undecided"]


@dataclass(frozen=True, eq=False)
class RegimeInput:
    """Centred co-moments (sums over rows, not divided by n) of two modalities and the target columns.

    Attributes
    ----------
    c11, c12, c22 : (D1, D1), (D1, D2), (D2, D2) X1'X1, X1'X2, X2'X2.
    cy11, cy22 : (D1, C) X1'Y and (D2, C) X2'Y, Y being all target columns of both modalities.
    cyy : (C, C) Y'Y.
    n : number of rows.
    targets1 : None when the target is common; else Y = [Y1 Y2] and Y1 is the first `targets1` columns.

    Raises
    ------
    AlignscopeError
        E201 shapes, E203 not finite, E205 fewer than 4 rows, E206 a target or E207 a modality is constant.
    """

    c11: Matrix
    c12: Matrix
    c22: Matrix
    cy11: Matrix
    cy22: Matrix
    cyy: Matrix
    n: float
    targets1: int | None = None

    def __post_init__(self) -> None:
        d1, d2, c = len(self.c11), len(self.c22), len(self.cyy)
        shapes = {"c11": (d1, d1), "c12": (d1, d2), "c22": (d2, d2)}
        shapes |= {"cy11": (d1, c), "cy22": (d2, c), "cyy": (c, c)}
        for name, shape in shapes.items():
            block = getattr(self, name)
            if block.shape != shape or 0 in shape:
                raise AlignscopeError("E201", name, f"shape {block.shape}", f"It must be {shape}, not empty.")
            if not np.isfinite(block).all():
                raise AlignscopeError("E203", name, "NaN or infinity", "Give finite co-moments.")
        if not self.n >= 4:
            raise AlignscopeError("E205", "regime", f"{self.n} rows", "Give at least 4 rows.")
        if self.targets1 is not None and not 0 < self.targets1 < c:
            found = f"{self.targets1} of {c} target columns"
            raise AlignscopeError("E201", "targets1", found, "Both modalities need a target column.")
        for name, where, code in (("c11", "modality 1", "E207"), ("c22", "modality 2", "E207")):
            if not np.trace(getattr(self, name)) > 0:
                raise AlignscopeError(code, where, "all columns are constant", "Give columns that vary.")
        for modality in (1, 2):
            if not self.energy(modality) > 0:
                found = "all columns are constant"
                raise AlignscopeError("E206", f"target {modality}", found, "Give a target that varies.")

    @classmethod
    def of(cls, moments: Moments) -> RegimeInput:
        """Take the blocks x1, x2, y1, y2 of `Moments`; y1 and y2 of the same columns are a common target."""
        common = moments.blocks["y1"] == moments.blocks["y2"]
        y: list[str] = ["y1"] if common else ["y1", "y2"]
        width = moments.blocks["y1"].stop - moments.blocks["y1"].start
        return cls(
            moments.cross("x1", "x1"),
            moments.cross("x1", "x2"),
            moments.cross("x2", "x2"),
            moments.cross("x1", y),
            moments.cross("x2", y),
            moments.cross(y, y),
            moments.rows,
            None if common else width,
        )

    def permuted(self, rows: Mapping[str, Matrix], shuffles: Iterable[Codes]) -> list[RegimeInput]:
        """Return the moments with targets laid against other rows, one for each shuffle.

        rows : x1, x2, y1, y2 of all rows or of a sample of m, whose co-moments are carried over to n. The
        modalities' own moments stay those of all rows.
        """
        x1, x2 = (rows[k] - rows[k].mean(axis=0) for k in ("x1", "x2"))
        y = rows["y1"] if self.targets1 is None else np.hstack([rows["y1"], rows["y2"]])
        y = (y - y.mean(axis=0)) * (self.n / len(y))
        out = []
        for s in shuffles:
            laid = y[s]
            out.append(replace(self, cy11=x1.T @ laid, cy22=x2.T @ laid))
        return out

    def columns(self, modality: int) -> slice:
        """Target columns of one modality."""
        if self.targets1 is None:
            return slice(None)
        return slice(None, self.targets1) if modality == 1 else slice(self.targets1, None)

    def energy(self, modality: int) -> float:
        """Centred sum of squares of the target of one modality."""
        return float(np.diagonal(self.cyy)[self.columns(modality)].sum())


class Link(msgspec.Struct, frozen=True):
    """Label against nuisance for one objective: `signal` (rho or tau), `nuisance` (nu or xi), both >= 0.

    `nuisance` is corrected for chance as a single strong one would need, and 0 where chance explains it;
    `hidden` is the same, or else what could be there undetected; where it reaches `limit` nothing can be decided.
    `signal_high` and `nuisance_low` are on the far side of what sampling does to the smallest of several equal
    signals, to the largest of several equal nuisances, and to the label subspaces (Weyl's inequality);
    `signal_low` is without the nuisance that errors of the label subspaces let in.
    """

    signal: float
    nuisance: float
    hidden: float
    signal_low: float
    signal_high: float
    nuisance_low: float
    limit: float = float("inf")


class Bounds(msgspec.Struct, frozen=True):
    """A figure with its interval; None where it does not apply or cannot be decided."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def exceeds(self, threshold: float = 1.0) -> Answer:
        """Return whether the figure is above a threshold, or that the interval does not decide."""
        if self.low is not None and self.low > threshold:
            return "yes"
        return "no" if self.high is not None and self.high < threshold else "undecided"


class Tested(msgspec.Struct, frozen=True):
    """A figure, its 95% point under permutation, and its p-value; None where there is none."""

    value: float | None
    null95: float | None
    p: float | None


class Regime(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The regime of a pair. Where it cannot be worked out, it has a verdict and a text alone, and so has its JSON.

    Attributes
    ----------
    verdict : both, align, predict, neither, or undecided, about what the modalities share of the target.
    align, predict : whether each objective recovers it; prediction does if either direction does.
    predict_from : the modality from which prediction separates better, or None.
    shared : number of label directions that both modalities predict.
    delta_ca : min rho / max nu, with interval.
    delta_cp : {"1_to_2", "2_to_1"} min tau / max xi per direction of prediction, with interval.
    unique : {"1", "2"} share (0..1) of what modality i explains of its target where nothing in the other correlates.
    links : {"ca", "1_to_2", "2_to_1"} the signal and nuisance behind each ratio.
    null : {"1", "2", "shared"} the figure tested.
    interval : how the intervals were made.
    text : a plain sentence, and a second one where either objective alone would lose a unique part.
    """

    verdict: Verdict
    align: Answer | None = None
    predict: Answer | None = None
    predict_from: int | msgspec.UnsetType | None = msgspec.UNSET
    shared: int | None = msgspec.field(name="shared_directions", default=None)
    delta_ca: Bounds = Bounds(None)
    delta_cp: dict[str, Bounds] = {}
    unique: dict[str, Bounds] = {}
    links: dict[str, Link] = {}
    null: dict[str, Tested] = {}
    interval: str = ""
    text: str
