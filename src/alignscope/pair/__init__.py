"""What goes in: two modalities of the same samples, validated once, at the door."""

from alignscope.pair.folder import open_folder
from alignscope.pair.paired import Pair
from alignscope.pair.readers.readers import open_rows
from alignscope.pair.readers.rows import Rows

__all__ = [
    "Pair",
    "Rows",
    "open_folder",
    "open_rows",
]
