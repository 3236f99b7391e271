"""
Audit two encoders' embeddings
==============================

Two files of embeddings of the same plots: in another order, not all of the same plots, and each with its own ids. They
are joined by id, audited, and compared with what the order of the rows alone would have said.
"""

# sphinx_gallery_thumbnail_path = 'generated/audit/size_2.svg'
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import alignscope
from alignscope.joining import match
from alignscope.pair import open_folder

rng = np.random.default_rng(0)
n = 1_500
plot = np.array([f"plot_{i:05d}" for i in range(n)])
tile = np.arange(n) // 50
species = rng.choice(["beech", "oak", "pine", "spruce"], size=n)

# The optical encoder distinguishes pine from the others, the radar encoder spruce; both see oak.
oak, pine, spruce = (species == name for name in ("oak", "pine", "spruce"))
optical = np.column_stack([oak, pine]) @ rng.normal(size=(2, 32)) + 0.7 * rng.normal(size=(n, 32))
radar = np.column_stack([oak, spruce]) @ rng.normal(size=(2, 24)) + 0.7 * rng.normal(size=(n, 24))

# %%
# On disk: a parquet table with a column of lists, as embeddings of foundation models are published, an .npz in another
# order, and a table of labels. No two files hold the same plots.

scratch = tempfile.TemporaryDirectory()
folder = Path(scratch.name)
some = np.arange(100, n)
embeddings = pa.table({"id": plot[some], "embedding": list(optical[some].astype(np.float32))})
parquet.write_table(embeddings, folder / "optical.parquet", row_group_size=200)
shuffled = rng.permutation(n)[:1_400]
np.savez(folder / "radar.npz", embedding=radar[shuffled], id=plot[shuffled])
parquet.write_table(pa.table({"id": plot, "species": species, "tile": tile}), folder / "labels.parquet")

# %%
# Join. In a shell: ``alignscope data join optical.parquet:embedding radar.npz:embedding --ids1 optical.parquet:id ...``
# Nothing is assumed of the order; what is left out is counted and named.

table = folder / "labels.parquet"
joined = match(
    f"{folder}/optical.parquet:embedding",
    f"{folder}/radar.npz:embedding",
    f"{folder}/optical.parquet:id",
    f"{folder}/radar.npz:id",
    y1=f"{table}:species",
    y1_ids=f"{table}:id",
    groups=f"{table}:tile",
    groups_ids=f"{table}:id",
    name1="optical",
    name2="radar",
)
print(joined.summary())
joined.save(folder / "pair")
assert joined.n == np.intersect1d(some, shuffled).size

# %%
# Audit the folder; ``alignscope audit --pair`` does the same and draws the page.

pair = open_folder(folder / "pair")
labels = np.load(folder / "pair" / "y1.npy")
result = alignscope.audit(pair.x1, pair.x2, labels, groups=pair.groups, components=2, name1="optical", name2="radar")
print(result.verdict)
pays = {k: result.directions[k].targets_at_risk[0].target for k in ("1", "2")}
assert pays == {"1": "pine", "2": "spruce"}  # each encoder's own class

# %%
# Complementary: both together predict more of the labels than the better one alone, by more than chance.

gain = result.non_redundant.complementary["1"].gain
print(f"both over the better one: {gain.value:.2f}, 95% interval {gain.low:.2f} to {gain.high:.2f}")
assert gain.low > 0

# %%
# By the order of the rows, as if the first 1,400 of both files were the same plots, the radar encoder seems to predict
# nothing of the labels. Nothing warns: both arrays have the same number of rows.

kept = np.isin(plot[some], np.load(folder / "pair" / "ids1.npy"))
by_order = alignscope.audit(optical[some][kept], radar[shuffled][: kept.sum()], labels)
right, wrong = (audit.sigma.held_out["21"].value for audit in (result, by_order))
print(f"radar on the labels, held out: {right:.2f} joined by id, {wrong:.2f} joined by order")
assert wrong < 0.02 < 0.2 < right

# %%
# Ids that differ in spelling only are an error that says how.

try:
    match(optical, radar, plot, np.char.add(plot, ".tif"))
except alignscope.AlignscopeError as error:
    print(error)
    assert error.code == "E204" and "Without file endings" in str(error)

scratch.cleanup()
