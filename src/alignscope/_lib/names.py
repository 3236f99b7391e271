"""Names as people type them: a misspelt one is answered with the one that is meant."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from difflib import SequenceMatcher
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
Returned = TypeVar("Returned")
Value = TypeVar("Value")

_ALIKE = 0.6  # of `SequenceMatcher.ratio`, as in difflib
_OTHER_WORDS = {
    **dict.fromkeys(("dim", "k", "latent", "n_components"), ("components",)),
    **dict.fromkeys(("label", "labels", "target", "targets"), ("y1", "y")),
    "y": ("y1",),
}
"""What other libraries and the command line call an argument of ours, which is one or the other."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return which of some names is most like one that is none of them, the first of equals; None if none is."""
    words = words_for(known)
    alike = {word: SequenceMatcher(None, name.lower(), word.lower()).ratio() for word in words}
    best = max(words, key=alike.__getitem__, default=None)
    return words[best] if best is not None and alike[best] >= _ALIKE else None


def words_for(known: Iterable[str]) -> dict[str, str]:
    """Return every word that stands for one of some names -> the name: itself, and what others call it."""
    words = {k: k for k in known}
    others = {other: next((k for k in ours if k in words), None) for other, ours in _OTHER_WORDS.items()}
    return {other: k for other, k in others.items() if k is not None} | words


def keywords_named(function: Callable[P, Returned]) -> Callable[P, Returned]:
    """Make a function answer a wrong call with a TypeError that names the keyword it takes, or how it is called."""
    signature = inspect.signature(function)
    known = [k for k in signature.parameters if k not in ("self", "cls")]
    first = [k for k in known if signature.parameters[k].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Returned:
        for name in [k for k in kwargs if k not in known]:
            meant = closest(name, known)
            way_out = f"Did you mean '{meant}'?" if meant else f"It takes {', '.join(known)}."
            raise TypeError(f"{function.__qualname__}() got an unexpected keyword argument '{name}'. {way_out}")
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            called = f"{function.__qualname__}({', '.join([*first, '...'])})"
            raise TypeError(f"{function.__qualname__}(): {error}. Call it as {called}.") from None
        return function(*args, **kwargs)

    return call


class Numbered(dict[str, Value]):
    """A dict with keys such as "1" and "12", which may be given as whole numbers too."""

    def __missing__(self, key: Any) -> Value:
        if isinstance(key, int) and str(key) in self:
            return self[str(key)]
        raise KeyError(f"{key!r} is not among {', '.join(map(repr, self))}")
