"""
Audit your own arrays
=====================

Two arrays of features with one row per sample, class labels, and the site that each sample comes from. Replace the
first block by your own; files on disk work the same way, by their paths.
"""

# sphinx_gallery_thumbnail_path = 'generated/audit/targets_1.svg'
import json
import tempfile
from pathlib import Path

import numpy as np

import alignscope

rng = np.random.default_rng(0)
n = 1_500
site = rng.integers(0, 30, size=n)
species = rng.choice(["beech", "oak", "pine", "spruce"], size=n, p=[0.4, 0.3, 0.2, 0.1])

# Colour distinguishes pine from the others, texture spruce, and both see oak.
pine, spruce, oak = (species == name for name in ("pine", "spruce", "oak"))
x1 = np.column_stack([pine, oak, 0.2 * spruce]) @ rng.normal(size=(3, 12)) + 0.5 * rng.normal(size=(n, 12))
x2 = np.column_stack([spruce, oak, 0.2 * pine]) @ rng.normal(size=(3, 20)) + 0.5 * rng.normal(size=(n, 20))

# %%
# Labels of text or whole numbers are classes. One set of labels serves both modalities. Groups keep each site in one
# fold, so that no site is both fitted and scored.

result = alignscope.audit(x1, x2, species, groups=site, components=2, name1="colour", name2="texture")
print(result.verdict)
assert result.targets["1"].names == ["beech", "oak", "pine", "spruce"]
assert result.sigma.interval.kind == "group"

# %%
# Findings are what is worth knowing, each under a code that the documentation explains.

for finding in result.findings:
    print(finding.code, finding.severity, finding.text)

# %%
# Averages hide who pays. Per class, held out, from the best prediction to unlimited alignment:

for target in result.directions["1"].targets_at_risk:
    print(f"{target.target:>6}: {target.sigma_z_prediction_first:.2f} -> {target.sigma_z_align_first:.2f}")
assert result.directions["1"].targets_at_risk[0].target == "pine"  # colour's own class
assert result.directions["2"].targets_at_risk[0].target == "spruce"  # texture's own class

# %%
# Of classes there are scores too: how often the largest of the linear predictions names the class, and how often it
# would by guessing.

classes = result.directions["1"].classes
assert classes is not None
for training, scores in classes.scores.items():
    print(f"{training}: balanced accuracy {scores.balanced_accuracy:.2f} (guessing {scores.chance:.2f})")
print("rows:", classes.support)
assert classes.scores["supervised"].recall["pine"] < classes.scores["unaligned"].recall["pine"]

# %%
# Save the page and the figures. The same arrays and seed give the same bytes.

with tempfile.TemporaryDirectory() as folder:
    page = result.save(folder)
    figures = json.loads((Path(folder) / "audit.json").read_text(encoding="utf-8"))
    print(page.name, sorted(path.name for path in Path(folder).iterdir())[:4])
assert figures["components"] == 2
assert figures == result.to_dict()

# %%
# Rows that do not match are an error that says what to do.

try:
    alignscope.audit(x1, x2[:-1], species)
except alignscope.AlignscopeError as error:
    print(error)
    assert error.code == "E202"
