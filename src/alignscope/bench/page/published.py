"""Published linear-probe figures on the bimodal Trifeature of CoMM, in percent, and how their protocol differs."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """One line of the literature: figures as printed, spread included; `key` is the method here that it names."""

    title: str
    key: str
    shared: str
    unique: str
    synergy: str
    source: str
    comparable: bool = True


PUBLISHED = (
    Published("Cross (CLIP)", "cross", "100.0", "11.6", "50.0", "arXiv 2409.07402"),
    Published("Cross + Self", "cross_self", "99.7", "86.9", "50.0", "arXiv 2409.07402"),
    Published("FactorCL", "factorcl", "99.8", "62.5", "46.5", "arXiv 2409.07402"),
    Published("CoMM", "comm", "99.9", "87.8", "71.9 (rerun by others: 71.4 ± 3.5)", "arXiv 2409.07402"),
    Published("InfMasking", "infmasking", "99.9", "90.6 ± 2.3", "77.0 ± 4.2", "arXiv 2509.25270"),
    Published("HRIL", "", "99.7", "92.6 ± 3.0", "82.3 ± 1.6", "no source at hand: not compared", False),
    Published("COrAL", "", "99.7", "96.4", "74.4", "its probe is fitted on test pairs: not comparable", False),
)


def best(role: str) -> Published:
    """Return the comparable line with the highest figure for "shared", "unique" or "synergy"."""
    some = [p for p in PUBLISHED if p.comparable]
    return max(some, key=lambda p: float(getattr(p, role).split()[0]))
