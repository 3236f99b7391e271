"""The runs behind docs/satellite-results.md, all of them: some three hours of processor time.

python docs/_satellite_runs.py DATA OUT [NAME ...]     # then: python docs/_satellite_results.py OUT

DATA holds pairs/NAME (folders of paired arrays) and scenes/FOLDER/*.npz. With names, only those: of pairs (TITLES in
_satellite_results.py), or same, different, long, pretraining. Killed, the same command goes on.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from _satellite_results import CHIPS
from alignscope.auditing.api import audit
from alignscope.bench.running import run_bench
from alignscope.bench.spec import BenchSpec
from alignscope.bench.tasks.kind import TrainingSpec
from alignscope.bench.tasks.pair import PairTask
from alignscope.pair.folder import open_folder
from alignscope.paper.running import _satellite_specs
from alignscope.scenes import cut
from alignscope.study import read_spec, run_study
from alignscope.study.data.files import FileData
from alignscope.study.encoders import ConvSpec, EncoderSpec, MLPSpec
from alignscope.study.spec import OptimiserSpec, StudySpec, SweepSpec

EXAMPLES = Path(__file__).parent.parent / "examples"
TEST = 0.3
SIZES = {
    "biomassters_s2_s1": (1, 2),
    "flair2_aerial_elevation": (2, 4),
    "fuel_s2_era5": (1, 2),
    "hydraulics_thermal_hydraulic": (2, 4),
    "mfeat_fourier_karhunen": (4, 9),
    "statlog_centre_neighbours": (2, 5),
    "statlog_visible_infrared": (2, 5),
    "terramesh_s2_s1": (3, 7),
    "chips_flair2": (2, 4),
    "chips_terramesh": (3, 7),
    "chips_biomassters": (1, 2),
}
"""Latent sizes of every pair: one in which the targets just fit or do not, one with capacity to spare."""

CHIP_ENCODERS: dict[str, EncoderSpec] = {
    "chips_flair2": ConvSpec(widths=(24, 48, 64), patch=4),
    "chips_terramesh": ConvSpec(widths=(32, 64, 64), patch=2),
    "chips_biomassters": ConvSpec(widths=(32, 64), patch=1),
}
SCENES = {
    "chips_flair2": "geobench2_flair2",
    "chips_terramesh": "terramind_terramesh",
    "chips_biomassters": "geobench2_biomassters",
}
WIDE = ("fuel_s2_era5", "chips_flair2", "hydraulics_thermal_hydraulic")  # run first, over more alignment weights
METHODS = ("none", "cross", "regression", "mil_nce", "cross_self", "private", "canonical", "comm", "concatenation")


def pair_study(name: str, folder: Path) -> StudySpec:
    """Return the study of one pair: bilevel, both directions, about a thousand steps (700 on chips)."""
    n = len(np.load(folder / "x1.npy", mmap_mode="r"))
    chips = name.startswith(CHIPS)
    batch, steps = (64, 700) if chips else (256 if n > 8000 else 128, 1000)
    return StudySpec(
        name=name,
        data=FileData(pair=str(folder), test=TEST),
        encoder=CHIP_ENCODERS.get(name, MLPSpec(hidden=(128, 128))),
        optimiser=OptimiserSpec(learning_rate=2e-3, weight_decay=1e-2, batch=batch),
        sweep=SweepSpec(
            lambdas=(0.0, 0.3, 1.0, 3.0, 10.0, 30.0) if name in WIDE else (0.0, 1.0, 3.0, 10.0),
            seeds=(0, 1, 2),
            components=SIZES[name],
            directions=("1to2", "2to1"),
            trainings=("bilevel",),
            epochs=(max(5, round(steps / (n * (1 - TEST) // batch))),),
        ),
    )


def chip_bench(name: str, folder: Path) -> BenchSpec:
    """Return the bench of one pair of chips."""
    small = name == "chips_biomassters"
    task = PairTask(
        name=name.removeprefix(CHIPS),
        pair=str(folder),
        components=8 if small else 12,
        encoder=MLPSpec(hidden=(128, 128)) if small else CHIP_ENCODERS[name],
        training=TrainingSpec(steps=200, batch=128),
    )
    methods = tuple(m for m in METHODS if m != "mil_nce" or not small)  # its encoders have no places
    return BenchSpec(name=task.name, tasks=(task,), seeds=(0, 1, 2), methods=methods)


def patch_studies() -> dict[str, StudySpec]:
    """Return the studies of generated patches."""
    same, different = _satellite_specs(read_spec(EXAMPLES / "satellite.toml"), None, "full")
    longer = replace(different.sweep, components=(16,), seeds=(0,), lambdas=(0.0, 0.1, 1.0), epochs=(60,))
    return {
        "same": replace(same, sweep=replace(same.sweep, components=(16,))),
        "different": different,
        "long": replace(different, name=f"{different.name}, three times as long", marks=(7, 20, 40), sweep=longer),
        "pretraining": read_spec(EXAMPLES / "satellite-pretraining.toml"),
    }


def main(data: Path, out: Path, names: list[str]) -> None:
    """Run what is named, or all."""
    studies = patch_studies()
    for name in names or [*SIZES, *studies]:
        print(name, flush=True)
        if name in studies:
            run_study(studies[name], out / name).save(out / name)
            continue
        folder = audited = data / "pairs" / name
        if name.startswith(CHIPS):
            folder = out / "chips" / name
            audited = folder / "features"
            cut(EXAMPLES / f"scenes-{name.removeprefix(CHIPS)}.toml", folder, data / "scenes" / SCENES[name])
            run_bench(chip_bench(name, folder), out / "bench" / name).save(out / "bench" / name)
        audit(open_folder(audited)).save(out / "audits" / name)
        run_study(pair_study(name, folder), out / "pairs" / name).save(out / "pairs" / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
