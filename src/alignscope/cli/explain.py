"""``alignscope explain``."""

from __future__ import annotations

from typing import Annotated

import tyro

from alignscope.cli._options import Command, arg, say
from alignscope.errors import CODES as ERRORS
from alignscope.errors import AlignscopeError


class ExplainCommand(Command, frozen=True, kw_only=True):
    """Explain a finding or error code, such as AS301 or E203."""

    code: Annotated[str, tyro.conf.Positional, arg(metavar="CODE", help="The code.")]

    def run(self) -> None:
        """Print what a code means."""
        from alignscope.auditing.codes import CODES as FINDINGS  # slow to load, and help does without

        code = self.code.upper()
        if code in ERRORS:
            say(f"{code}: {ERRORS[code]}")
        elif code in FINDINGS:
            found = FINDINGS[code]
            say(f"{code} ({found.severity}): {found.title}. {found.explanation}")
        else:
            raise AlignscopeError(
                "E304", "code", f"'{code}' is not known", f"Codes run from {min(ERRORS)} to {max(FINDINGS)}."
            )
