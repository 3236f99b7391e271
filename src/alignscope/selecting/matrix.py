"""The matrix of embeddings that a caller gets: its record with what is done with it, JSON, page and charts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from alignscope._lib.outputs import PAGE, Output
from alignscope.report.frames import Columns, Row
from alignscope.report.parts import Spec
from alignscope.report.results import RecordedResult
from alignscope.report.words import capital, estimate_percent
from alignscope.selecting.results import MatrixRecord


class Selected(RecordedResult, MatrixRecord, frozen=True):
    """Which of several embeddings predict what, add up, and are needed: the fields are the keys of matrix.json."""

    output: ClassVar[Output] = Output("matrix", ("order", "pairs"), "matrix.json")
    _columns = Columns(before=("embedding", "beside", "target", "step"))

    def _files(self) -> dict[str, bytes]:
        from alignscope.report.render import chart_files  # with the page's libraries
        from alignscope.selecting.page import matrix_page

        return {PAGE: matrix_page(self).encode(), **chart_files(dict(self._charts()))}

    def _charts(self) -> dict[str, Spec]:
        from alignscope.selecting.charts import chart_specs  # with the page's libraries

        return chart_specs(self)

    def _headlines(self) -> list[str]:
        size = f"{len(self.names)} embeddings of {self.n:,} samples"
        return [f"{capital(self.decision.badge)}. {self.decision.reason}", self.action, self.verdict, size]

    def _details(self) -> list[str]:
        steps = zip(self.order, self.sigmas, self.gains, strict=False)
        told = [
            f"  {k}. {name}: {estimate_percent(sigma)} together, {estimate_percent(gain)} more"
            for k, (name, sigma, gain) in enumerate(steps, 1)
        ]
        return [*told, *(f"  {f.code} {f.text}" for f in self.findings)]

    def _rows(self) -> Iterator[Row]:
        for row in self._placed():
            yield row | {"held_out": True}

    def _placed(self) -> Iterator[Row]:
        record, columns = self.to_dict(), self._columns
        for name, figure in record["sigma"].items():
            yield from columns.rows(figure, "sigma", {"embedding": name})
        for target, found in record["targets"].items():
            for name, figure in found.items():
                yield from columns.rows(figure, "targets", {"embedding": name, "target": target})
        for p in record["pairs"]:
            at = {"embedding": p["a"], "beside": p["b"]}
            for what in ("both", "gain", "directions", "similarity"):
                yield from columns.rows(p[what], f"pairs.{what}", at)
            for what in ("adds", "contrastive_loss"):
                yield from columns.rows(p[what]["a"], f"pairs.{what}", at)
                yield from columns.rows(p[what]["b"], f"pairs.{what}", {"embedding": p["b"], "beside": p["a"]})
        for part in record["shared"]["parts"]:
            at = {"embedding": " + ".join(part["names"])}
            yield from columns.rows(part["share"], "shared.share", at)
            for target, figure in part["targets"].items():
                yield from columns.rows(figure, "shared.targets", at | {"target": target})
        for name, found in record["shared"]["together"].items():
            for what, figure in found.items():
                yield from columns.rows(figure, f"shared.{what}", {"embedding": name})
        for k, name in enumerate(self.order[: len(self.gains)]):
            at = {"embedding": name, "step": str(k + 1)}
            yield from columns.rows(record["sigmas"][k], "sigmas", at)
            yield from columns.rows(record["gains"][k], "gains", at)
