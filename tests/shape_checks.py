"""Shapes and types of arguments and results, checked by beartype while tests run: in first calls and in some others.

Later calls of a function are like those before, and checks would be most of the time of a small audit, which calls
some functions ten thousand times. Functions inside functions are left out: they would be wrapped at every definition.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintPep673Exception
from jaxtyping import jaxtyped

FIRST, EVERY = 100, 20
"""How many calls of a function are checked, and one in how many after these."""

_check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # takes an int for a float


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with its annotations checked; as it is where they name `Self`, which needs the class."""
    try:
        return _check(function)
    except BeartypeDecorHintPep673Exception:
        return function


def some_calls(*, typechecker: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return what stands in for `jaxtyping.jaxtyped`, which the import hook writes above every function and class."""

    def decorate(defined: Any) -> Any:
        if inspect.isclass(defined):
            if is_dataclass(defined) and "__init__" in vars(defined):
                defined.__init__ = decorate(defined.__init__)  # type: ignore[misc]
            return defined
        if "<locals>" in defined.__qualname__:
            return defined
        checked, calls = jaxtyped(defined, typechecker=typechecker), itertools.count()

        @functools.wraps(defined)
        def some(*args: Any, **kwargs: Any) -> Any:
            call = next(calls)
            return (checked if call < FIRST or call % EVERY == 0 else defined)(*args, **kwargs)

        return some

    return decorate
