"""
Audit more rows than fit into memory
====================================

An audit reads its rows once, in pieces, and keeps second moments of a fixed size: memory does not grow with the number
of rows. Here half a gigabyte would do as well as these few megabytes; the call is the same.
"""

# sphinx_gallery_thumbnail_path = 'generated/audit/size_1.svg'
import tempfile
from pathlib import Path

import numpy as np

import alignscope
from alignscope.datasets import example_pair

folder = Path(tempfile.mkdtemp())
pair = example_pair(40_000)

# %%
# Files that are written a part at a time: a ``.npy`` is memory-mapped, and so are ``.zarr``, ``.h5`` and ``.parquet``
# read in pieces. Nothing below ever holds a whole file.

for name in ("x1", "x2", "y1", "y2"):
    values = getattr(pair, name)
    file = np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.float32, shape=values.shape)
    for start in range(0, len(values), 8192):
        file[start : start + 8192] = values[start : start + 8192]
    file.flush()

result = alignscope.audit(*(folder / f"{name}.npy" for name in ("x1", "x2", "y1", "y2")))
print(result)

# %%
# With so many rows the intervals are narrow. The answer is that of the small sample: at K = 2 each sensor loses about
# half of what it predicts, and alignment alone loses little.

for side in "12":
    direction = result.directions[side]
    low, high = direction.held_out_share.ends
    print(f"modality {side}: loses {direction.held_out_share.value:.2f} ({low:.2f} to {high:.2f})")
    assert 0.3 < low <= high < 0.7 and high - low < 0.1
    assert direction.contrastive.share.value < 0.1

# %%
# The same from a command line, for files of any size: ``alignscope audit x1.npy x2.npy --y1 y1.npy --y2 y2.npy``.
