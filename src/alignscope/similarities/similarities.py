"""The comparison of layers that a caller gets: its record with what is done with it, JSON, page and charts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from alignscope._lib.outputs import PAGE, Output
from alignscope.report.frames import Columns, Row
from alignscope.report.parts import Spec
from alignscope.report.results import RecordedResult
from alignscope.similarities.results import SimilaritiesRecord


class Similarities(RecordedResult, SimilaritiesRecord, frozen=True):
    """How alike every two representations are: the fields are the keys of similarity.json."""

    output: ClassVar[Output] = Output("similarity", ("measures", "sampled"), "similarity.json")
    _columns = Columns(before=("row", "column"))

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
