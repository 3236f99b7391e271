"""
Rank a method of your own
=========================

A new alignment is one function in a file. The bench trains it next to the methods that are there already, with the same
encoders, samples and steps, and says what it retains. Here the data are the linear-Gaussian factor model: what both
modalities see, and what each sees alone, is known exactly, and so is the most that a representation can predict of it.
"""

# sphinx_gallery_thumbnail_path = 'generated/bench/pareto.svg'
import tempfile
from pathlib import Path

from alignscope.bench import parse_spec, run_bench

folder = Path(tempfile.mkdtemp())
method = folder / "distance.py"
method.write_text("""
from alignscope.bench import register

@register(title="Distance", note="Mean squared distance of the two embeddings.")
def distance(z1, z2):
    return (z1 - z2).square().sum(1).mean()
""")

# %%
# What to compare it with, and on what: left out, ``methods`` are all.

spec = parse_spec("""
name = "distance against four others"
methods = ["none", "cross", "cross_self", "canonical"]
seeds = [0, 1, 2]

[[tasks]]
kind = "gaussian"
name = "gaussian"
train = 2048
[tasks.training]
steps = 100
batch = 128
learning_rate = 1e-2
precision = "float32"
""")
bench = run_bench(spec, folder / "run", methods_file=method, workers=1)

# %%
# Columns are shares of the exact ceiling, means of three seeds. Distance has a trivial optimum, constant embeddings,
# and it is on the way there that it throws away what only one modality predicts.

rows = {row.method: row for row in bench.results.methods}
for row in sorted(rows.values(), key=lambda row: row.rank):
    shared, unique = (row.columns[f"gaussian.{part}"].value for part in ("shared", "unique"))
    print(f"{row.rank}. {row.title:16} shared {shared:.3f}, unique {unique:.3f}")

assert rows["distance"].rank == len(rows)
assert all(0 < found.value <= 1 for row in rows.values() for found in row.columns.values())

# %%
# Differences are taken seed by seed, so that they are not differences of luck: to the best of alignscope's own methods
# and to the best of all others, with 95% intervals.

for gap in bench.results.differences:
    if gap.method == "distance" and gap.column == "gaussian.unique":
        d = gap.difference
        print(f"{gap.method} minus {gap.other}: {d.value:+.3f} ({d.low:+.3f} to {d.high:+.3f})")
        assert d.high < 0

# %%
# ``bench.save("run")`` writes the page; on the command line the same is
# ``alignscope bench --method distance.py --out run/``.

print(bench.save(folder / "run").name)
