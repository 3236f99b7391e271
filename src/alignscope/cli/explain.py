"""``alignscope explain``."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated

import tyro

from alignscope.cli.options import Command, arg, say
from alignscope.errors import CODES as ERRORS
from alignscope.errors import AlignscopeError


class ExplainCommand(Command, frozen=True, kw_only=True):
    """Explain a finding or error code, or list all codes.

    The beginning of a code, such as E2 or AS3, lists all that begin with it.
    """

    section = "Results"
    first_call = "AS301"

    code: Annotated[
        str, tyro.conf.Positional, arg(metavar="CODE", help="The code, or its beginning. By default all are listed.")
    ] = ""

    def run(self) -> None:
        """Print what a code means, or the codes with their meanings in short."""
        from alignscope.auditing.codes import CODES as FINDINGS  # slow to load, and help does without

        code = self.code.upper()
        texts = {**ERRORS, **{name: f"{c.title} ({c.severity.replace('_', ' ')})" for name, c in FINDINGS.items()}}
        if code in ERRORS:
            say(f"{code}: {ERRORS[code]}")
        elif code in FINDINGS:
            found = FINDINGS[code]
            say(f"{code} ({found.severity}): {found.title}. {found.explanation}")
        elif listed := [name for name in texts if name.startswith(code)]:
            for name in listed:
                say(f"{name:6} {texts[name]}")
        else:
            likely = " or ".join(get_close_matches(code, texts, n=2))
            raise AlignscopeError(
                "E304",
                "code",
                f"'{code}' is not known",
                f"{likely and f'Did you mean {likely}? '}`alignscope explain` lists all codes.",
            )
