"""Scenes: chips cut from co-registered rasters, with targets for each modality, in spatial blocks.

A TOML file names the rasters of two modalities and the rasters that say what is true of the ground; `cut` writes a
folder that an audit and a study read. The chips of a block are one group, so that they are held out together; blocks
never share a pixel, and with a `gap` no two chips of different blocks touch.
"""

from alignscope.scenes.features import FEATURES, chip_features, feature_names
from alignscope.scenes.files import cut
from alignscope.scenes.spec import SceneSpec, read_scenes

__all__ = [
    "FEATURES",
    "SceneSpec",
    "chip_features",
    "cut",
    "feature_names",
    "read_scenes",
]
