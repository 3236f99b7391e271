"""The pair that `alignscope audit --example` audits."""

from __future__ import annotations

from alignscope.datasets.factors import example_pair
from alignscope.pair.paired import Pair


def example() -> Pair:
    """Return an optical and a radar sensor over the same plots, generated, whose answer is known."""
    made = example_pair()
    return Pair.of(
        made.x1, made.x2, made.y1, made.y2,
        groups=made.groups, name1="optical", name2="radar",
        features1=made.features1, features2=made.features2, targets1=made.targets1, targets2=made.targets2,
    )  # fmt: skip
