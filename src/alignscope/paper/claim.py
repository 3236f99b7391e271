"""One row of the table of checks, how its verdict comes about, and how its numbers are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

__all__ = ["GLOSSARY", "Claim", "Run", "Verdict", "decimal", "judge", "numbers", "percent", "short"]

Verdict = Literal["holds", "holds with a correction", "does not hold", "undecided", "not tested here"]

GLOSSARY: dict[str, str] = {
    "λ": "the strength of alignment: how much it counts against prediction",
    "K": "the latent size: how many numbers an encoder gives for a sample",
    "σ": "the share of a target's variance that a linear map of a modality explains (a number from 0 to 1)",
    "latent": "the vector of K numbers that an encoder makes of a sample",
    "target": "what a modality is asked to predict",
    "gauge": "how the representation that is aligned to is scaled; without a fixed scale λ has no meaning",
    "reduced-rank regression": "least squares through a latent of K numbers",
    "capacity": "the smallest latent that holds both what must be predicted and what is aligned to",
    "R²": "the share of variance explained; 1 is perfect, 0 is no better than the mean",
    "retention": "what a representation tells of a target, relative to λ = 0 at the same K and length of training",
    "held out": "scored on rows that were not used for fitting",
}
"""Every term of art and symbol in the claims' texts, in plain words, for the page to print beside them."""


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


@dataclass(frozen=True)
class Run:
    """What every check is given: the seed of all draws, and the number of random problems behind a count."""

    seed: int
    trials: int

    def rng(self, key: str) -> np.random.Generator:
        """Return the generator of one check, which does not depend on what other checks draw."""
        return np.random.default_rng([self.seed, *key.encode()])

    def some(self, divisor: int) -> int:
        """Return the number of problems for a check whose problems cost more; at least 10."""
        return max(10, self.trials // divisor)


def judge(as_stated: bool, corrected: bool = False) -> Verdict:
    """Return the verdict on a statement that holds as stated, or in the corrected form, or not at all."""
    return "holds" if as_stated else "holds with a correction" if corrected else "does not hold"


def numbers(figures: Mapping[str, float | int | bool]) -> dict[str, float]:
    """Return plain floats, as they go into JSON."""
    return {name: float(value) for name, value in figures.items()}


def percent(share: float) -> str:
    """Write a share of one in percent, with a true minus sign."""
    return f"{round(100 * float(share))} %".replace("-", "−")


def decimal(value: float) -> str:
    """Write a number with two decimals and a true minus sign."""
    return f"{value:.2f}".replace("-", "−")


def short(value: float) -> str:
    """Write a number with two digits, powers of ten where it is very small or large."""
    return "0" if value == 0 else f"{value:.2g}"
