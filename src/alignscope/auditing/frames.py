"""The figures of an audit as rows of one table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from alignscope.report.frames import Columns, Row

COLUMNS = Columns(
    before=("modality", "target_of", "target", "feature", "components", "lambda"),
    named=dict.fromkeys(
        ("per_target", "held_out_per_target", "loss_per_target", "support", "f1", "recall"), "target"
    ),
    along={"lambda": "lambda", "components": "components"},
    counted=("correlations", "null95"),
)  # fmt: skip

_ANY_SIZE = ("contrastive", "predictive", "detectable", "classes", "carriers")
"""Parts of a direction that are not of the latent size K."""
_HELD_OUT = re.compile(
    r"(.*\.)?held_out.*|(non_redundant|contrastive|predictive|detectable|lambda_budget|targets_at_risk|classes|shared"
    r"|lifted)\..*|lambda_budget|capacity\.(lossless_at|curve\..*)"
)
"""What is held out; all else is in sample, as the records say."""


def rows(record: dict[str, Any]) -> Iterator[Row]:
    """Yield a row for every figure of an audit.json: of sigma, non_redundant, directions, shared and lifted.

    Keys of a direction stand without "directions".
    """
    for row in _rows(record):
        yield row | {"held_out": _HELD_OUT.fullmatch(row["what"]) is not None}


def _rows(record: dict[str, Any]) -> Iterator[Row]:
    for kind in ("in_sample", "held_out"):
        yield from _sigma(record["sigma"][kind], f"sigma.{kind}")
    for found in record["non_redundant"]["comparisons"]:
        at = {"modality": found["knower"], "target_of": found["target"]}
        yield from COLUMNS.rows(found["difference"], "non_redundant.comparisons.difference", at)
    for j, found in record["non_redundant"]["complementary"].items():
        at = {"modality": "both", "target_of": j}
        yield from COLUMNS.rows(found["gain"], "non_redundant.complementary.gain", at)
    for i, direction in record["directions"].items():
        for row in COLUMNS.rows(direction, "", {"modality": i, "target_of": i}):
            of_k = row["what"].partition(".")[0] not in _ANY_SIZE
            yield ({"components": record["components"]} if of_k else {}) | row
    for i, shared in (record["shared"] or {}).items():
        yield from COLUMNS.rows(shared, "shared", {"modality": i, "target_of": i})
    if lifted := record["lifted"]:
        yield from _sigma(lifted["sigma"], "lifted.sigma")
        for i, direction in lifted["directions"].items():
            yield from COLUMNS.rows(direction, "lifted", {"modality": i, "target_of": i})


def _sigma(figures: dict[str, Any], what: str) -> Iterator[Row]:
    for key, figure in figures.items():
        at = {"modality": "both" if key[0] == "b" else key[0], "target_of": key[1]}
        yield from COLUMNS.rows(figure, what, at)
