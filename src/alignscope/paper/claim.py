"""One row of the table of checks, how a function becomes one, and how its verdict comes about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Literal, NamedTuple, ParamSpec

import msgspec
import numpy as np

from alignscope.report.words import number

P = ParamSpec("P")
Verdict = Literal["holds", "holds with a correction", "does not hold", "undecided", "not tested here"]

GLOSSARY: dict[str, str] = {
    "λ": "the alignment weight: how much alignment counts against prediction",
    "K": "the latent size: how many numbers an encoder gives for a sample",
    "σ": "the share of a target's variance that a linear map of a modality explains (a number from 0 to 1)",
    "latent": "the vector of K numbers that an encoder makes of a sample",
    "target": "what a modality is trained to predict",
    "target scaling": "how the representation that is aligned to is scaled; without a fixed scale λ has no meaning",
    "reduced-rank regression": "least squares through a latent of K numbers",
    "capacity": "the smallest latent that holds both what must be predicted and what is aligned to",
    "R²": "the share of variance explained; 1 is perfect, 0 is no better than the mean",
    "retention": "how well a representation predicts a target, relative to λ = 0 at the same K and length of training",
    "held out": "scored on samples that were not used for fitting",
}
"""Every term of art and symbol in the claims' texts, in plain words."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One statement, recomputed: what is said, what we find, and whether it holds.

    Attributes
    ----------
    key : stable name, such as ``theorem-2``.
    source : where it is said; ``ours`` for what is not in the paper.
    claim, found : what is said and what is found, in plain words (terms in `GLOSSARY`).
    verdict : worked out from `measured`, never set by hand.
    measured : the numbers behind it; shares are in 0..1.
    trials : how many random problems (or trainings) stand behind it.
    shown : ``figure:KEY`` for a figure of `linear_figures` or of the study, ``theory#ANCHOR`` for the theory page.
    """

    key: str
    source: str
    claim: str
    found: str
    verdict: Verdict
    measured: dict[str, float]
    trials: int
    shown: str


class Found(NamedTuple):
    """What a check returns: the fields of its `Claim` that are worked out, or that depend on what was found."""

    claim: str
    found: str
    verdict: Verdict
    measured: Mapping[str, float | int | bool]
    trials: int


def check(key: str, source: str, shown: str) -> Callable[[Callable[P, Found]], Callable[P, Claim]]:
    """Make a function that finds something into one that returns its `Claim`; to be listed in its module's `CHECKS`."""

    def decorate(find: Callable[P, Found]) -> Callable[P, Claim]:
        @wraps(find)
        def claim(*args: P.args, **kwargs: P.kwargs) -> Claim:
            fields = find(*args, **kwargs)._asdict()
            fields["measured"] = {name: float(value) for name, value in fields["measured"].items()}
            return Claim(key=key, source=source, shown=shown, **fields)

        return claim

    return decorate


def untested(claim: str, why: str) -> Found:
    """Return what a check finds where there is nothing to test the claim on."""
    return Found(claim, f"Not tested here: {why}.", "not tested here", {}, 0)


def judge(as_stated: bool, corrected: bool = False) -> Verdict:
    """Return the verdict on a statement that holds as stated, or in the corrected form, or not at all."""
    return "holds" if as_stated else "holds with a correction" if corrected else "does not hold"


@dataclass(frozen=True)
class Run:
    """What every check of the linear part is given: the seed of all draws, and the random problems behind a count."""

    seed: int
    trials: int

    def rng(self, key: str) -> np.random.Generator:
        """Return the generator of one check, which does not depend on what other checks draw."""
        return np.random.default_rng([self.seed, *key.encode()])

    def some(self, divisor: int) -> int:
        """Return the number of problems for a check whose problems cost more; at least 10."""
        return max(10, self.trials // divisor)


def digits(value: float) -> str:
    """Write a number with two digits, powers of ten where it is very small or large."""
    return number(value, ".2g")
