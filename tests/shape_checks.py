"""The checker that the import hook puts on every function: beartype, which also takes an int for a float."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintPep673Exception

_check = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with its annotations checked; as it is where they name `Self`, which needs the class."""
    try:
        return _check(function)
    except BeartypeDecorHintPep673Exception:
        return function
