"""The comparison that a caller gets: its record with what is done with it, JSON, page and charts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Self

import msgspec

from alignscope._lib.outputs import PAGE, Output
from alignscope.comparing.results import CompareDecision, CompareRecord
from alignscope.comparing.verdict import action_sentence, verdict_sentence
from alignscope.errors import AlignscopeError
from alignscope.report.frames import Columns, Row
from alignscope.report.parts import Spec
from alignscope.report.results import Result, to_json_ready
from alignscope.report.words import capital


class Compared(Result, CompareRecord, frozen=True):
    """What became of what a representation predicts: the fields are the keys of compare.json."""

    output: ClassVar[Output] = Output("compare", ("representations",), "compare.json")
    _columns = Columns(
        before=("target", "group"),
        named=dict.fromkeys(("targets", "support", "f1", "recall"), "target"),
        counted=("correlations",),
    )

    @classmethod
    def of(cls, record: CompareRecord, decision: CompareDecision) -> Self:
        """Return a record with what is said of it."""
        fields = {name: getattr(record, name) for name in CompareRecord.__struct_fields__}
        found = cls(**fields | {"decision": decision})
        return msgspec.structs.replace(found, verdict=verdict_sentence(found), action=action_sentence(found))

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Return the comparison of a compare.json. Raises E103 where it is none."""
        try:
            return msgspec.json.decode(content, type=cls, strict=False)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise AlignscopeError("E103", cls.output.record, f"{error}", "Run it again.") from None

    def to_dict(self) -> dict[str, Any]:
        """Return the content of compare.json as plain values."""
        return dict(to_json_ready(self))

    def to_json(self) -> bytes:
        """Return compare.json; the same input and seed give the same bytes."""
        return msgspec.json.format(msgspec.json.encode(self.to_dict()), indent=1) + b"\n"

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
