"""The comparison that a caller gets: its record with what is done with it, JSON, page and charts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Self

import msgspec

from alignscope._lib.outputs import PAGE, Output
from alignscope.comparing.results import CompareDecision, CompareRecord
from alignscope.comparing.verdict import action_sentence, verdict_sentence
from alignscope.report.frames import Columns, Row
from alignscope.report.parts import Spec
from alignscope.report.results import RecordedResult
from alignscope.report.words import capital


class Compared(RecordedResult, CompareRecord, frozen=True):
    """What became of what a representation predicts: the fields are the keys of compare.json."""

    output: ClassVar[Output] = Output("compare", ("representations",), "compare.json")
    _columns = Columns(
        before=("target", "group"),
        named=dict.fromkeys(("targets", "support", "f1", "recall"), "target"),
        counted=("correlations",),
    )

    @classmethod
    def decided(cls, record: CompareRecord, decision: CompareDecision) -> Self:
        """Return a record with its decision, and with what is said of both."""
        found = cls.from_record(record, decision=decision)
        return msgspec.structs.replace(found, verdict=verdict_sentence(found), action=action_sentence(found))

    def _files(self) -> dict[str, bytes]:
        from alignscope.comparing.page import compare_page  # with the page's libraries
        from alignscope.report.render import chart_files

        return {PAGE: compare_page(self).encode(), **chart_files(dict(self._charts()))}

    def _charts(self) -> dict[str, Spec]:
        from alignscope.comparing.charts import chart_specs  # with the page's libraries

        return chart_specs(self)

    def _headlines(self) -> list[str]:
        size = f"{self.n:,} samples, {' and '.join(str(r.columns) for r in self.representations.values())} columns"
        return [f"{capital(self.decision.badge)}. {self.decision.reason}", self.action, self.verdict, size]

    def _details(self) -> list[str]:
        return [f"  {f.code} {f.text}" for f in self.findings]

    def _rows(self) -> Iterator[Row]:
        record = self.to_dict()
        for what in ("sigma", "targets", "lifted", "classes", "kind", "similarity", "representations"):
            part = {"targets": record["targets"]} if what == "targets" else record[what]
            if part is not None:
                for row in self._columns.rows(part, "" if what == "targets" else what, {}):
                    yield row | {"held_out": what != "representations"}
        for group in record["groups"]:
            for row in self._columns.rows(group["loss"], "groups.loss", {"group": group["group"]}):
                yield row | {"held_out": True}
