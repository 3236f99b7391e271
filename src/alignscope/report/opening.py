"""The first screen of a page: what was found, in a badge and a sentence or two, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from alignscope.report.words import capital

Look = Literal["align", "align-with-care", "do-not-align", "cannot-tell"]


class Opening(NamedTuple):
    """What stands above and next to the first chart.

    Attributes
    ----------
    badge : the finding in a word or three. look : its colour: good, mixed, bad or open.
    found : one or two sentences. action : what to do, in a sentence or two. code : how, to be copied.
    """

    badge: str
    look: Look
    found: Sequence[str]
    action: str
    code: str = ""

    @property
    def lines(self) -> list[str]:
        """The same as text: the badge with what was found first, and what to do."""
        first, *more = self.found
        return [f"{capital(self.badge)}. {first}", *more, self.action]
