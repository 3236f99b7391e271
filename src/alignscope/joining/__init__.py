"""Tables of samples joined by their ids, never by their order."""

from alignscope.joining.join import Joined, join, match

__all__ = [
    "Joined",
    "join",
    "match",
]
