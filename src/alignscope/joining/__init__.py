"""Tables of samples joined by their ids, never by their order.

>>> from alignscope.joining import join, match
>>> pair = join([[1.0], [2.0], [3.0]], [[30.0], [10.0]], ids1=["a", "b", "c"], ids2=["c", "a"])
>>> pair.n, pair.x2.read(0, 2).tolist()
(2, [[10.0], [30.0]])

`match` says which rows belong together and reads none of them: a `Joined`, whose `save` writes the folder of a pair.

>>> matched = match([[1.0], [2.0], [3.0]], [[30.0], [10.0]], ids1=["a", "b", "c"], ids2=["c", "a"])
>>> matched.n, type(matched).__name__
(2, 'Joined')
"""

from alignscope.joining.join import join, match
from alignscope.joining.joined import Joined

__all__ = [
    "Joined",
    "join",
    "match",
]
