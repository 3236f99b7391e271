"""What a study and a bench return: everything found, and what this run did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, Self, TypeVar

import msgspec

from alignscope.errors import AlignscopeError
from alignscope.report.results import Result
from alignscope.sweep.sweep import NOTHING, Outcome

Found = TypeVar("Found", bound=msgspec.Struct)
Status = Literal["finished", "diverged", "failed"]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A training without figures, and why."""

    id: str
    status: Status
    reason: str
    text: str


@dataclass(frozen=True, repr=False)
class Finished(Result, Generic[Found]):
    """A finished run of many trainings; the abstract base.

    Attributes
    ----------
    results : everything found, the content of results.json.
    outcome : what this run did: how many cells it reused, which failed; nothing for one that was read back.
    noun : what it is, for messages. content : the type of `results`.
    """

    noun: ClassVar[str]
    content: ClassVar[type[msgspec.Struct]]

    results: Found
    outcome: Outcome = NOTHING

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Return the run of a results.json. Raises E103 where it is none."""
        try:
            return cls(msgspec.json.decode(content, type=cls.content))  # type: ignore[arg-type]
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise AlignscopeError("E103", cls.output.record, f"{error}", f"Run the {cls.noun} again.") from None

    def _parts(self) -> dict[str, type]:
        return {"results": self.content}

    def to_json(self) -> bytes:
        """Return results.json: keys in a fixed order, one line, a newline at the end."""
        return msgspec.json.encode(self.results, order="deterministic") + b"\n"
