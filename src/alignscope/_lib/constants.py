"""Constants that several packages share."""

from __future__ import annotations

from typing import Literal

KNOWN_R2 = 0.05
"""R^2 (or score above chance) below which nothing counts as predicted: there is nothing to retain, and a ratio of two
such numbers says nothing."""

PREDICTABLE = 0.5
"""Share of a direction above which more of it can be predicted than cannot: the others are not aligned."""

OBJECTIVE_ALIASES: dict[str, Literal["info_nce", "barlow_twins"]] = {
    "infonce": "info_nce",
    "clip": "info_nce",
    "barlow": "barlow_twins",
}
"""Other names of objectives, wherever one is named."""
