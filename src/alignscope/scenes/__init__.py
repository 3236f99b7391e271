"""Scenes: chips cut from co-registered rasters, with targets for each modality, in spatial blocks.

A TOML file names the rasters of two modalities and the rasters that say what is true of the ground; `cut` writes a
folder that an audit and a study read. The chips of a block are one group, so that they are held out together; blocks
never share a pixel, and with a `gap` no two chips of different blocks touch.

>>> import numpy as np, pathlib, tempfile
>>> from alignscope.scenes import cut, read_scenes
>>> folder = pathlib.Path(tempfile.mkdtemp())
>>> rng = np.random.default_rng(0)
>>> for name, channels in (("optical", 3), ("radar", 2)):
...     np.save(folder / f"{name}.npy", rng.normal(size=(channels, 32, 32)))
>>> _ = (folder / "scenes.toml").write_text('''
... chip = 8
... block = 2
... [modality1]
... name = "optical"
... rasters = [{ path = "optical.npy", axes = "channel y x" }]
... [modality2]
... name = "radar"
... rasters = [{ path = "radar.npy", axes = "channel y x" }]
... ''')
>>> spec = read_scenes(folder / "scenes.toml")  # a `SceneSpec`
>>> cut(spec, folder / "chips", root=folder).name
'report.html'
>>> chips = np.load(folder / "chips" / "x1.npy")
>>> chips.shape
(16, 3, 8, 8)

Six numbers for every channel are features for an audit without an encoder:

>>> from alignscope.scenes import chip_features, feature_names
>>> chip_features(chips).shape, feature_names(["red"])
((16, 18), ['red mean', 'red sd', 'red p10', 'red p50', 'red p90', 'red texture'])
"""

from alignscope.scenes.features import chip_features, feature_names
from alignscope.scenes.files import cut
from alignscope.scenes.spec import SceneSpec, read_scenes

__all__ = [
    "SceneSpec",
    "chip_features",
    "cut",
    "feature_names",
    "read_scenes",
]
