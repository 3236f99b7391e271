"""What a representation retains of a target: linear probes, fitted on some samples and scored on others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from alignscope._lib.types import Codes, Matrix, Vector
from alignscope.errors import AlignscopeError
from alignscope.measures._classes import class_codes, recalls
from alignscope.measures._rows import check_paired, representation
from alignscope.measures.readout import Readout, explained, explained_share


@dataclass(frozen=True, eq=False)
class Probe:
    """What one probe found on the rows that were scored.

    Attributes
    ----------
    r2 : 1 - ||Y - Yhat||^2 / ||Y - m||^2 over all columns, m the mean of the rows that were fitted; at most 1, negative
        where it is worse than the mean, NaN where the target does not vary. Of classes, Y is their one-hot matrix, so
        that it is sigma of THEORY 2, held out.
    per_column : (C,) the same of every column, or class.
    predicted : (N, C) what it says of the rows that were scored.
    accuracy : share of rows whose class is predicted; None for a numerical target.
    balanced_accuracy : mean of the recalls; chance is 1 over the number of classes. None for a numerical target.
    recalls : (C,) share found of each class, NaN of a class that is not among the rows scored. None likewise.
    """

    r2: float
    per_column: Vector
    predicted: Matrix
    accuracy: float | None = None
    balanced_accuracy: float | None = None
    recalls: Vector | None = None


def linear_probe(train_z: Any, train_y: Any, test_z: Any, test_y: Any) -> Probe:
    """Fit a linear map with intercept from a representation to one target, and score it on other samples.

        min_{B, b}  ||Z B + b - Y||^2 / N + 1e-8 ||S B||^2,      S the standard deviations of Z

    The ridge is there so that the fit is defined whatever the rank of Z; no real direction feels it. A class is
    predicted as the largest column of the one-hot regression. That is the probe of the linear theory; where a
    representation orders three or more classes along one line, it does not find the middle ones, though other probes
    could.

    Parameters
    ----------
    train_z, test_z : (N, K) representations.
    train_y, test_y : floats (N,) or (N, C); or class codes (N,), whole numbers from 0. A class that is in one part only
        counts: one that was never seen is never found.

    Raises
    ------
    AlignscopeError : E201, E202, E203, E205; E106 for codes below 0 or a target of another type.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(400, 3))
    >>> linear_probe(z[:300], (z[:300, 0] > 0).astype(int), z[300:], (z[300:, 0] > 0).astype(int)).accuracy > 0.9
    True
    """
    return linear_probes(train_z, {"y": train_y}, test_z, {"y": test_y})["y"]


def linear_probes(
    train_z: Any, train_targets: Mapping[str, Any], test_z: Any, test_targets: Mapping[str, Any]
) -> dict[str, Probe]:
    """Return `linear_probe` of many named targets, at the cost of one factorisation of the representation."""
    z, held = representation("train z", train_z), representation("test z", test_z, 1)
    targets = {k: _Target.of(k, train_targets[k], test_targets[k]) for k in train_targets}
    for name, target in targets.items():
        check_paired("train z", z, f"train {name}", target.train)
        check_paired("test z", held, f"test {name}", target.test)
    if not targets:
        return {}
    readout = Readout(z, np.hstack([t.train for t in targets.values()]))
    rss, tss, predicted = readout.squares(held, np.hstack([t.test for t in targets.values()]))
    ends = np.cumsum([t.test.shape[1] for t in targets.values()])
    return {
        name: target.probe(rss[end - width : end], tss[end - width : end], predicted[:, end - width : end])
        for (name, target), end in zip(targets.items(), ends, strict=True)
        for width in [target.test.shape[1]]
    }


@dataclass(frozen=True, eq=False)
class _Target:
    """Columns to fit and to score; `codes` are the classes of the rows to score, or None."""

    train: Matrix
    test: Matrix
    codes: Codes | None

    @classmethod
    def of(cls, name: str, train: Any, test: Any) -> _Target:
        parts = np.asarray(train), np.asarray(test)
        kinds = {"codes" if p.dtype.kind in "iub" else "floats" if p.dtype.kind == "f" else "others" for p in parts}
        if kinds == {"codes"}:
            one, two = (class_codes(name, p) for p in parts)
            classes = np.arange(1 + max(one.max(initial=-1), two.max(initial=-1)))
            return cls(1.0 * (one[:, None] == classes), 1.0 * (two[:, None] == classes), two)
        if kinds != {"floats"}:
            found = f"types {parts[0].dtype} and {parts[1].dtype}"
            raise AlignscopeError(
                "E106", name, found, "Give floats, or class codes as whole numbers from 0, in both parts."
            )
        one, two = representation(f"train {name}", parts[0]), representation(f"test {name}", parts[1], 1)
        if one.shape[1] != two.shape[1]:
            raise AlignscopeError(
                "E201", name, f"{one.shape[1]} and {two.shape[1]} columns", "Give the same in both parts."
            )
        return cls(one, two, None)

    def probe(self, rss: Vector, tss: Vector, predicted: Matrix) -> Probe:
        r2, per_column = explained_share(rss, tss), explained(rss, tss)
        if self.codes is None:
            return Probe(r2, per_column, predicted)
        classes = predicted.argmax(axis=1)
        each = recalls(classes, self.codes, predicted.shape[1])
        return Probe(r2, per_column, predicted, float((classes == self.codes).mean()), float(np.nanmean(each)), each)
