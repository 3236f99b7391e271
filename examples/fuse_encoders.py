"""
Fuse two encoders of the same images
====================================

One encoder was trained with captions, one by itself on crops. Do they add up, for which labels, and what would be lost
if one were aligned to the other? Generated, so that the answer is known.
"""

# sphinx_gallery_thumbnail_path = 'generated/encoders/shared.svg'
import numpy as np

import alignscope

# %%
# Images have an object and a scene, which captions name, and a texture and a layout, which they do not. The encoder
# with captions shows the first two; those without show object, texture and layout.

rng = np.random.default_rng(0)
n = 2_000
objects, scene, texture, layout = rng.normal(size=(4, n))


def encoder(width: int, noise: float, **factors: np.ndarray) -> np.ndarray:
    """Return embeddings that mix some factors, with noise."""
    shown = np.column_stack(list(factors.values()))
    return shown @ rng.normal(size=(shown.shape[1], width)) + noise * rng.normal(size=(n, width))


embeddings = {
    "captions": encoder(32, 0.6, objects=objects, scene=scene),
    "crops": encoder(24, 0.6, objects=objects, texture=texture, layout=layout),
    "small crops": encoder(12, 1.2, objects=objects, texture=texture, layout=layout),
}
labels = np.column_stack([objects, scene, texture, layout]) + 0.4 * rng.normal(size=(n, 4))

# %%
# In a shell: ``alignscope matrix captions.npy crops.npy small.npy --y labels.csv``

result = alignscope.matrix(embeddings, labels, targets=["object", "scene", "texture", "layout"])
print(result.summary())
assert sorted(result.order[: result.enough])[:2] == ["captions", "crops"]

# %%
# What exactly is where? Only captions show the scene; the two without captions have the layout in common, and the
# object is in all three. So aligning the encoder without captions to the one with loses texture and layout.

share = {tuple(part.names): part.targets for part in result.shared.parts}
for names, targets in share.items():
    shown = {name: f"{e.value:.2f}" for name, e in targets.items() if e.value > 0.1}
    print(f"{' + '.join(names):>30}: {shown}")
assert share["captions",]["scene"].value > 0.7
assert share["crops", "small crops"]["layout"].value > 0.6
assert share["captions", "crops", "small crops"]["object"].value > 0.6

pair = next(p for p in result.pairs if {p.a, p.b} == {"captions", "crops"})
lost = pair.contrastive_loss["a" if pair.a == "crops" else "b"]
print(f"aligned to captions alone, crops loses {lost.value:.2f} of {result.sigma['crops'].value:.2f}")
assert lost.low > 0.1

# %%
# .. image:: ../generated/encoders/shared.svg
#    :alt: What exactly some of the embeddings have in common
