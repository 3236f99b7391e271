"""The figures of a study as rows of one table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alignscope.report.frames import Columns, Row

COLUMNS = Columns(
    before=(
        "modality", "target", "label", "trained_on", "training", "direction", "gauge", "objective", "temperature",
        "components", "lambda", "epochs", "epoch", "seeds",
    ),
    along={"lambdas": "lambda"},
)  # fmt: skip

_TABLES = (
    "retention", "forecast", "agreement", "capacity", "forecast_map", "paths", "loss_parts", "cost_parts",
    "class_rows", "sigma_rows", "contrastive",
)  # fmt: skip
_IN_SAMPLE = ("loss_parts",)


def study_rows(record: dict[str, Any], within: str = "") -> Iterator[Row]:
    """Yield a row for every figure of a study's summary; its single trainings stand in `results.cells`.

    within : what comes before every key in `what`.
    """
    for table in _TABLES:
        for row in COLUMNS.rows(record.get(table, []), f"{within}{table}", {}):
            yield row | {"held_out": table not in _IN_SAMPLE}
