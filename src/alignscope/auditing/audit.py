"""The audit that a caller gets: its record with what is done with it, JSON, page and charts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Self

import msgspec

from alignscope._lib.outputs import Output
from alignscope.auditing.frames import COLUMNS, rows
from alignscope.auditing.results import AuditRecord, Direction
from alignscope.auditing.verdict import more_lines, networks_sentence
from alignscope.errors import AlignscopeError
from alignscope.report.frames import Row
from alignscope.report.parts import Spec
from alignscope.report.results import Result, to_json_ready
from alignscope.report.words import capital


class Audit(Result, AuditRecord, frozen=True):
    """What aligning two modalities would cost: the fields are the keys of audit.json."""

    output: ClassVar[Output] = Output("audit", ("directions", "provenance"), "audit.json")
    _columns = COLUMNS

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Return the audit of an audit.json. Raises E103 where it is none."""
        try:
            return msgspec.json.decode(content, type=cls, strict=False)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise AlignscopeError("E103", cls.output.record, f"{error}", "Audit again.") from None

    def to_dict(self) -> dict[str, Any]:
        """Return the content of audit.json: plain values, infinity as the string "inf"."""
        return dict(to_json_ready(self))

    def to_json(self) -> bytes:
        """Return audit.json; the same input and seed give the same bytes."""
        return msgspec.json.format(msgspec.json.encode(self.to_dict()), indent=1) + b"\n"

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
        return rows(self.to_dict())
