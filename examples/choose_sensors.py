"""
Choose among several embeddings
===============================

Five sensors and embeddings over the same plots, of which two suffice. Which, is known here, and found.
"""

# sphinx_gallery_thumbnail_path = 'generated/matrix/order.svg'
import numpy as np

import alignscope

rng = np.random.default_rng(0)
n = 1_500
tile = np.arange(n) // 25  # plots of one tile resemble each other, so they are held out together


def field() -> np.ndarray:
    """Return a quantity of every plot, half of it shared by the plots of a tile."""
    return np.sqrt(0.5) * (rng.normal(size=n) + rng.normal(size=tile.max() + 1)[tile])


greenness, moisture, height = field(), field(), field()
optical = np.column_stack([greenness, moisture]) @ rng.normal(size=(2, 12)) + 0.1 * rng.normal(size=(n, 12))
radar = np.outer(moisture, rng.normal(size=8)) + 0.4 * rng.normal(size=(n, 8))
elevation = np.outer(height, rng.normal(size=4)) + 0.4 * rng.normal(size=(n, 4))
sensors = {
    "optical": optical,
    "radar": radar,
    "elevation": elevation,
    "optical, another encoder": optical @ rng.normal(size=(12, 10)) + 0.2 * rng.normal(size=(n, 10)),
    "soundings": rng.normal(size=(n, 6)),
}
# %%
# Elevation is missing for a few tiles: rows that are NaN throughout.

sensors["elevation"][:75] = np.nan
biomass = 1.2 * greenness + moisture + height + 0.5 * rng.normal(size=n)

# %%
# In a shell: ``alignscope matrix optical.npy radar.npy ... --y biomass.npy --groups tile.npy``

result = alignscope.matrix(sensors, biomass, groups=tile)
print(result.summary())
needed = result.order[: result.enough]
assert sorted(needed) == ["elevation", "optical"]

# %%
# Two optical embeddings are redundant, and fusion with radar adds nothing that optical does not show.

pairs = {frozenset((p.a, p.b)): p for p in result.pairs}
assert ["optical", "optical, another encoder"] in result.redundant
assert not pairs[frozenset(("optical", "radar"))].adds_up
assert pairs[frozenset(("optical", "elevation"))].adds_up

# %%
# What would alignment alone keep? Optical and elevation share nothing, so each would lose all that it predicts.

p = pairs[frozenset(("optical", "elevation"))]
lost = p.contrastive_loss["a" if p.a == "optical" else "b"]
print(f"aligned to elevation alone, optical loses {lost.value:.2f} of {result.sigma['optical'].value:.2f}")
assert lost.value > 0.9 * result.sigma["optical"].value

# %%
# And aligned to all the others at once? Height is in no other sensor, whatever it is aligned to. What exactly
# some of them have in common of the target, ``shared.parts`` says: they add up to what all predict together.

for part in result.shared.parts:
    if part.shown:
        print(f"{part.share.value:.2f} in {' and '.join(part.names)}")
only = next(part for part in result.shared.parts if part.names == ["elevation"])
assert only.shown and abs(only.share.value - result.sigma["elevation"].value) < 0.1
assert result.shared.together["elevation"].loss.value > 0.9 * result.sigma["elevation"].value

# %%
# Every figure as one table.

frame = result.to_frame("pyarrow")
print(frame.column_names, frame.num_rows)
