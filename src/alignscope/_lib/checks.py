"""What a number or a choice must be: small functions that return what they established."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from numbers import Real
from typing import Any, SupportsIndex, TypeVar

from alignscope._lib.names import closest
from alignscope.errors import AlignscopeError

Number = TypeVar("Number")
Name = TypeVar("Name")


def whole(name: str, given: Any, low: int = 0, high: int | None = None, *, code: str = "E304") -> int:
    """Return a whole number in low..high, without `high` of at least `low`. Raises `code`; 2.0 and True are none."""
    if not isinstance(given, bool) and isinstance(given, SupportsIndex):
        found = operator.index(given)
        if low <= found and (high is None or found <= high):
            return found
    limits = f"of at least {low}" if high is None else f"in {low}..{high}"
    raise AlignscopeError(code, name, _shown(given), f"Give a whole number {limits}.")


def real(
    name: str, given: Number, low: float = 0.0, high: float = math.inf, *, above: bool = False, below: bool = False
) -> Number:
    """Return a finite number in low..high: where `above`, more than `low`, and where `below`, less than `high`.

    Raises E304.
    """
    value = float(given) if isinstance(given, Real) and not isinstance(given, bool) else math.nan
    if math.isfinite(value) and low <= value <= high and not (above and value == low) and not (below and value == high):
        return given
    if above and below:
        limits = f"between {low:g} and {high:g}"
    elif above or below or high == math.inf:
        limits = f"above {low:g}" if above else f"of at least {low:g}"
        limits += "" if high == math.inf else f" and below {high:g}" if below else f" and at most {high:g}"
    else:
        limits = f"in {low:g}..{high:g}"
    number = "finite number" if math.isinf(value) else "number"
    raise AlignscopeError("E304", name, _shown(given), f"Give a {number} {limits}.")


def one_of(name: str, given: Name, known: Iterable[Name]) -> Name:
    """Return a choice that is among those known. Raises E305."""
    if given not in (known := tuple(known)):
        names = [str(one) for one in known]
        meant = closest(given, names) if isinstance(given, str) else None
        hint = f"Did you mean {meant}? " if meant else ""
        raise AlignscopeError("E305", name, f"{_shown(given)} is not known", f"{hint}Use one of {', '.join(names)}.")
    return given


def _shown(given: Any) -> str:
    return f"{given}" if isinstance(given, Real) else f"{given!r}"
