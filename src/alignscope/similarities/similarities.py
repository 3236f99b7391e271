"""The comparison of layers that a caller gets: its record with what is done with it, JSON, page and charts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Self

import msgspec

from alignscope._lib.outputs import PAGE, Output
from alignscope.errors import AlignscopeError
from alignscope.report.frames import Columns, Row
from alignscope.report.parts import Spec
from alignscope.report.results import Result, to_json_ready
from alignscope.similarities.results import SimilaritiesRecord


class Similarities(Result, SimilaritiesRecord, frozen=True):
    """How alike every two representations are: the fields are the keys of similarity.json."""

    output: ClassVar[Output] = Output("similarity", ("measures", "sampled"), "similarity.json")
    _columns = Columns(before=("row", "column"))

    @classmethod
    def of(cls, record: SimilaritiesRecord, verdict: str) -> Self:
        """Return a record with what is said of it."""
        fields = {name: getattr(record, name) for name in SimilaritiesRecord.__struct_fields__}
        return cls(**fields | {"verdict": verdict})

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Return the comparison of a similarity.json. Raises E103 where it is none."""
        try:
            return msgspec.json.decode(content, type=cls, strict=False)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise AlignscopeError("E103", cls.output.record, f"{error}", "Run it again.") from None

    def to_dict(self) -> dict[str, Any]:
        """Return the content of similarity.json as plain values."""
        return dict(to_json_ready(self))

    def to_json(self) -> bytes:
        """Return similarity.json; the same input and seed give the same bytes."""
        return msgspec.json.format(msgspec.json.encode(self.to_dict()), indent=1) + b"\n"

    def _files(self) -> dict[str, bytes]:
        from alignscope.report.render import chart_files  # with the page's libraries
        from alignscope.similarities.page import similarity_page

        return {PAGE: similarity_page(self).encode(), **chart_files(dict(self._charts()))}

    def _charts(self) -> dict[str, Spec]:
        from alignscope.similarities.page import chart_specs  # with the page's libraries

        return chart_specs(self)

    def _headlines(self) -> list[str]:
        return [self.verdict, f"{len(self.rows)} x {len(self.columns)} representations, {self.sampled:,} rows"]

    def _rows(self) -> Iterator[Row]:
        for key, measure in self.to_dict()["measures"].items():
            for a, found in measure["values"].items():
                for b, figure in found.items():
                    for row in self._columns.rows(figure, key, {"row": a, "column": b}):
                        yield row | {"held_out": key in ("cca", "r2")}
