"""The audit that a caller gets: its record with what is done with it, JSON, page and charts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from alignscope._lib.outputs import Output
from alignscope.auditing.results import AuditRecord, Direction
from alignscope.auditing.verdict import more_lines, networks_sentence
from alignscope.report.frames import Columns, Row
from alignscope.report.parts import Spec
from alignscope.report.results import RecordedResult
from alignscope.report.words import capital

_COLUMNS = Columns(
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
    r"|lifted|information)\..*|lambda_budget|capacity\.(lossless_at|curve\..*)"
)
"""What is held out; all else is in sample, as the records say."""


class Audit(RecordedResult, AuditRecord, frozen=True):
    """What aligning two modalities would cost: the fields are the keys of audit.json."""

    output: ClassVar[Output] = Output("audit", ("directions", "provenance"), "audit.json")
    _columns = _COLUMNS

    def _files(self) -> dict[str, bytes]:
        # Figures need none of the page's libraries.
        from alignscope.auditing.page.charts import render_charts
        from alignscope.auditing.page.page import render_page

        record = self.to_dict()
        return {"report.html": render_page(record).encode(), **render_charts(record)}

    def _charts(self) -> dict[str, Spec]:
        from alignscope.auditing.page.charts import chart_specs  # as above

        return chart_specs(self.to_dict(), live=False)

    def _headlines(self) -> list[str]:
        size = f"Audit of {self.n:,} samples, {self.d1} + {self.d2} features, K = {self.components}"
        return [f"{capital(self.decision.badge)}. {self.decision.reason}", self.action, self.verdict, size]

    def _details(self) -> list[str]:
        order = ("issue", "tip", "info")
        found = [f"  {f.code} {f.text}" for severity in order for f in self.findings if f.severity == severity]
        networks = [networks_sentence(self)] if self.directions["1"].contrastive.expected.reason is None else []
        return [*networks, *more_lines(self), *found]

    def _parts(self) -> dict[str, type]:
        return {"directions[1]": Direction}

    def _rows(self) -> Iterator[Row]:
        return _rows_of(self.to_dict())


def _rows_of(record: dict[str, Any]) -> Iterator[Row]:
    """Yield a row for every figure of an audit.json: of sigma, non_redundant, directions, shared and lifted.

    Keys of a direction stand without "directions".
    """
    for row in _placed(record):
        yield row | {"held_out": _HELD_OUT.fullmatch(row["what"]) is not None}


def _placed(record: dict[str, Any]) -> Iterator[Row]:
    for kind in ("in_sample", "held_out"):
        yield from _sigma(record["sigma"][kind], f"sigma.{kind}")
    for found in record["non_redundant"]["comparisons"]:
        at = {"modality": found["knower"], "target_of": found["target"]}
        yield from _COLUMNS.rows(found["difference"], "non_redundant.comparisons.difference", at)
    for j, found in record["non_redundant"]["complementary"].items():
        at = {"modality": "both", "target_of": j}
        yield from _COLUMNS.rows(found["gain"], "non_redundant.complementary.gain", at)
    for i, direction in record["directions"].items():
        for row in _COLUMNS.rows(direction, "", {"modality": i, "target_of": i}):
            of_k = row["what"].partition(".")[0] not in _ANY_SIZE
            yield ({"components": record["components"]} if of_k else {}) | row
    for i, shared in (record["shared"] or {}).items():
        yield from _COLUMNS.rows(shared, "shared", {"modality": i, "target_of": i})
    for j, found in (record["information"] or {}).items():
        for part in ("redundant", "synergy"):
            yield from _COLUMNS.rows(found.get(part), f"information.{part}", {"modality": "both", "target_of": j})
        for i, unique in found.get("unique", {}).items():
            yield from _COLUMNS.rows(unique, "information.unique", {"modality": i, "target_of": j})
    if lifted := record["lifted"]:
        yield from _sigma(lifted["sigma"], "lifted.sigma")
        for i, direction in lifted["directions"].items():
            yield from _COLUMNS.rows(direction, "lifted", {"modality": i, "target_of": i})


def _sigma(figures: dict[str, Any], what: str) -> Iterator[Row]:
    for key, figure in figures.items():
        at = {"modality": "both" if key[0] == "b" else key[0], "target_of": key[1]}
        yield from _COLUMNS.rows(figure, what, at)
