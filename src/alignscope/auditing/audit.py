"""The audit that a caller gets: its record with what is done with it, JSON, page and charts."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import msgspec

from alignscope._lib.outputs import Output
from alignscope._lib.results import Result, to_json_ready
from alignscope.auditing.results import AuditRecord
from alignscope.auditing.verdict import networks_sentence
from alignscope.errors import AlignscopeError
from alignscope.report.words import capital


class Audit(Result, AuditRecord, frozen=True):
    """What aligning two modalities would cost: the fields are the keys of audit.json."""

    output: ClassVar[Output] = Output("audit", ("directions", "provenance"), "audit.json")

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

    def _lines(self) -> list[str]:
        issues = [f"  {f.code} {f.text}" for f in self.findings if f.severity == "issue"]
        return [
            f"{capital(self.decision.badge)}. {self.decision.reason}",
            f"Audit of {self.n:,} samples, {self.d1} + {self.d2} features, K = {self.components}",
            self.verdict,
            *([networks_sentence(self)] if self.directions["1"].contrastive.expected.reason is None else []),
            *issues,
        ]

    def _repr_html_(self) -> str:
        from alignscope.auditing.page.page import notebook_html  # as above

        return notebook_html(self.to_dict())
