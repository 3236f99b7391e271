"""Inputs that cannot be used: what is made of a good one, and the one message that says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alignscope.errors import CODES

__all__ = ["Refused", "require_one_message"]


@dataclass(frozen=True)
class Refused:
    """What cannot be used. `match` is what the message says, the file or option first; more: of the command line."""

    name: str
    change: Callable[..., Any]
    code: str
    match: str
    more: tuple[str, ...] = ()


def require_one_message(case: Refused, status: int, err: str) -> None:
    """Require that a command has ended with status 2 after one line on stderr, which says where, what and the code."""
    assert status == 2 and case.code in CODES
    assert err.count("\n") == 1, err
    assert re.fullmatch(rf"alignscope: .*({case.match}).* \[{case.code}\]\n", err), err
