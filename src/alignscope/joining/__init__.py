"""Tables of samples joined by their ids, never by their order."""

from alignscope.joining.join import join, match
from alignscope.joining.joined import Joined

__all__ = [
    "Joined",
    "join",
    "match",
]
