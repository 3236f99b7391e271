"""What goes in: two modalities of the same samples, validated once, at the door.

>>> import numpy as np
>>> from alignscope.pair import Pair, open_folder, open_rows
>>> pair = Pair.of([[1.0], [2.0], [4.0]], [[3.0], [1.0], [2.0]], ["oak", "fir", "oak"], ids1=[7, 8, 9], ids2=[7, 8, 9])
>>> pair.n, pair.y1.names
(3, ('fir', 'oak'))

A folder with x1, x2 and, where there are any, targets, groups and ids is a pair too:

>>> import pathlib, tempfile
>>> folder = pathlib.Path(tempfile.mkdtemp())
>>> for name in ("x1", "x2"):
...     np.save(folder / f"{name}.npy", np.arange(8.0).reshape(4, 2) ** 2)
>>> open_folder(folder).n
4

Tables of every format are `Rows`, which are read a run at a time:

>>> rows = open_rows(folder / "x1.npy", "x1")
>>> rows.shape, rows.read(1, 3).tolist()
((4, 2), [[4.0, 9.0], [16.0, 25.0]])
"""

from alignscope.pair.folder import open_folder
from alignscope.pair.paired import Pair
from alignscope.pair.readers.formats import open_rows
from alignscope.pair.readers.rows import Rows

__all__ = [
    "Pair",
    "Rows",
    "open_folder",
    "open_rows",
]
