"""The published patches through the whole chain: archive, cache, packed tensors, encoders; and what a study says."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from alignscope.datasets.treesatai import Archive, Cache, build_cache, packed
from alignscope.errors import AlignscopeError
from alignscope.nn import initialise
from alignscope.nn.encoders import OmniSatPretraining, omnisat_encoder
from alignscope.study.data.dataset import prepare
from alignscope.study.data.treesatai import TreeSatAIData

torch.set_num_threads(1)

GIVEN = os.environ.get("ALIGNSCOPE_DATA")
DATA = Path(GIVEN) if GIVEN else Path(__file__).resolve().parents[2] / "shared" / "data"
PATCHES = DATA / "treesatai_ts"
WHY = f"the published patches are not at {PATCHES}; set ALIGNSCOPE_DATA to the folder that holds treesatai_ts/"

pytestmark = [pytest.mark.real, pytest.mark.skipif(not PATCHES.is_dir(), reason=WHY)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return build_cache(Archive.open(PATCHES), tmp_path_factory.mktemp("cache"), workers=1)


@pytest.mark.parametrize("series", ["s2", "s1_asc", "s1_des"])
def test_real_patches_go_through_the_encoders_and_one_step_of_pre_training(series: str, cache: Cache) -> None:
    whole = np.flatnonzero(cache.present[:, [cache.modalities.index(m) for m in ("aerial", series)]].all(axis=1))
    assert len(whole) == 6
    pictures = torch.from_numpy(packed(cache, "aerial", whole)).permute(0, 3, 1, 2) / 255 - 0.5
    x = torch.from_numpy(packed(cache, series, whole))
    assert torch.isfinite(x).all()
    assert (x[:, :, 0] > 0).any(dim=(1, 2, 3)).all()  # every patch has a usable date
    encoders = omnisat_encoder(4, False, 8), omnisat_encoder(x.shape[2] - 1, True, 8)
    pretraining = OmniSatPretraining(*encoders)
    initialise(pretraining, 0)
    losses = pretraining(pictures, x, torch.Generator().manual_seed(0))
    sum(losses).backward()
    assert all(torch.isfinite(loss) for loss in losses)
    assert all(torch.isfinite(p.grad).all() for p in pretraining.parameters() if p.grad is not None)
    codes = [encoder(inputs) for encoder, inputs in zip(encoders, (pictures, x), strict=True)]
    for code in codes:
        assert code.shape == (6, 8)
        assert code.std(dim=0).max() > 0  # patches are told apart


def test_a_study_says_that_seven_patches_are_too_few(tmp_path: Path) -> None:
    spec = TreeSatAIData(path=str(PATCHES), dates=8, aerial_side=30)
    with pytest.raises(AlignscopeError, match=r"patches of the split train and .* of test have both|no patch of split"):
        prepare(spec, tmp_path, Path())
