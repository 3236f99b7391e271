"""The pairs that the contrastive forecast is judged on, in two named halves, and networks trained on them.

Choices of the forecast were made on the design half alone; the held-out half was scored once. Three of the real pairs
(alphaearth_sentinel1, leaves_texture_shape, watch_accelerometer_gyroscope) were in no earlier trial and are held out;
of pairs that are made from the same scenes or rows both are in one half; the rest is by the alphabet.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from alignscope import run_study
from alignscope._lib.types import Matrix
from alignscope.datasets import FactorModel, example_pair
from alignscope.datasets.known_truth import crowded, leak, partly_shared, redundant, regression, ten_classes, toy
from alignscope.datasets.trifeature import PairView
from alignscope.study.data.dataset import prepare
from alignscope.study.data.files import FileData
from alignscope.study.data.prepared import StudyData, open_data
from alignscope.study.encoders import MLPSpec
from alignscope.study.objectives import InfoNCESpec
from alignscope.study.spec import OptimiserSpec, StudySpec, SweepSpec
from benchmarks._pairs import PAIRS

SIZES, SEEDS, STEPS, BATCH, TEST, HIDDEN, ROWS = (2, 8, 32), (0,), 1000, 256, 0.25, (128, 128), 4000

HALVES = {
    "design": (
        "crowded",
        "factors, loading 0.3",
        "fuel_s2_era5",
        "hydraulics_thermal_hydraulic",
        "leak",
        "mfeat_fourier_karhunen",
        "redundant",
        "statlog_centre_neighbours",
        "statlog_visible_infrared",
        "ten classes",
        "terramesh_s2_s1",
        "trifeature",
    ),
    "held out": (
        "alphaearth_sentinel1",
        "biomassters_s2_s1",
        "example",
        "factors, loading 1",
        "flair2_aerial_elevation",
        "leaves_texture_shape",
        "partly shared",
        "regression",
        "toy",
        "trifeature, CoMM",
        "watch_accelerometer_gyroscope",
    ),
}

TRAINED = os.environ.get("ALIGNSCOPE_TRAINED")
"""A folder that keeps what was measured of trained networks, so that another forecast takes no training."""

Place = tuple[int, int, str]
"""Latent size, modality and target."""

Arrays = tuple[Matrix, Matrix, Matrix, Matrix]


def open_pairs(half: str) -> Iterator[tuple[str, StudyData, FileData]]:
    """Yield name, prepared rows and specification of every pair of a half; "quick" has one, generated and small."""
    names = ("quick",) if half == "quick" else HALVES[half]
    with TemporaryDirectory() as made:
        for name in names:
            given = _given(name, Path(made) / name)
            prepared = prepare(given.fingerprinted(Path()), Path(made) / f"{name} prepared", Path())
            yield name, open_data(prepared), given


def _given(name: str, folder: Path) -> FileData:
    if name not in GENERATED:
        return FileData(pair=str((PAIRS / name).resolve()), test=TEST)
    folder.mkdir()
    for role, values in zip(("x1", "x2", "y1", "y2"), GENERATED[name](), strict=True):
        np.save(folder / f"{role}.npy", values)
    return FileData(**{role: str(folder / f"{role}.npy") for role in ("x1", "x2", "y1", "y2")}, test=TEST)


def measured(name: str, data: StudyData, given: FileData) -> dict[Place, float]:
    """Return held-out R^2 of the probe of trained embeddings at length 1, mean over seeds."""
    quick = name == "quick"
    kept = None if TRAINED is None or quick else Path(TRAINED) / f"{name}.json"
    batch = min(BATCH, data.train)
    spec = StudySpec(
        name=name,
        data=given,
        encoder=MLPSpec(hidden=HIDDEN),
        optimiser=OptimiserSpec(batch=batch),
        sweep=SweepSpec(
            lambdas=(0.0,),
            components=SIZES[:1] if quick else SIZES,
            seeds=SEEDS[:1] if quick else SEEDS,
            trainings=("contrastive",),
            objectives=(InfoNCESpec(),),
            epochs=(1 if quick else max(1, round(STEPS / (data.train // batch))),),
        ),
    )
    training = hashlib.sha256(msgspec.json.encode((spec.encoder, spec.optimiser, spec.sweep))).hexdigest()
    if kept is not None and kept.exists() and (held := json.loads(kept.read_text()))["training"] == training:
        return {(k, m, t): value for k, m, t, value in held["measured"]}
    with TemporaryDirectory() as out:
        results = run_study(spec, out, workers=1 if quick else None, base=Path()).results
    found = {(r.components, r.modality, r.target): r.used.value for r in results.contrastive}
    if kept is not None:
        kept.write_text(json.dumps({"training": training, "measured": [[*place, v] for place, v in found.items()]}))
    return found


def _factors(loading: float) -> FactorModel:
    names = ("shared", "own 1", "own 2")
    mine, theirs = ({n: n for n in names[:2]}, {n: n for n in names[::2]})
    return FactorModel(names, (loading, 1, 0), (loading, 0, 1), mine, theirs, tau1=0.3, tau2=0.3, d1=8, d2=8)


def _pictures(view: PairView) -> Arrays:
    rows = np.arange(ROWS)
    codes, classes = view.targets(rows), view.classes
    y1, y2 = (
        np.hstack([1.0 * (codes[t][:, None] == np.arange(len(classes[t]))) for t in seen]) for seen in view.visible
    )
    x1, x2 = (x.reshape(ROWS, -1).astype(np.float32) for x in view.inputs(rows))
    return x1, x2, y1, y2


def _arrays(sample: object) -> Arrays:
    x1, x2, y1, y2 = (getattr(sample, role) for role in ("x1", "x2", "y1", "y2"))
    return x1, x2, y1, y2


GENERATED: dict[str, Callable[[], Arrays]] = {
    "quick": lambda: _arrays(example_pair(200)),
    "crowded": lambda: _arrays(crowded(20).sample(ROWS, 1)),
    "example": lambda: _arrays(example_pair(ROWS)),
    "factors, loading 0.3": lambda: _arrays(_factors(0.3).sample(ROWS)),
    "factors, loading 1": lambda: _arrays(_factors(1.0).sample(ROWS)),
    "leak": lambda: _arrays(leak(20).sample(ROWS, 2)),
    "partly shared": lambda: _arrays(partly_shared(20).sample(ROWS, 3)),
    "redundant": lambda: _arrays(redundant(20).sample(ROWS, 4)),
    "regression": lambda: _arrays(regression(20).sample(ROWS, 5)),
    "ten classes": lambda: _arrays(ten_classes(20).sample(ROWS, 6)),
    "toy": lambda: _arrays(toy(8).sample(ROWS, 7)),
    "trifeature": lambda: _pictures(PairView.paper(size=16)),
    "trifeature, CoMM": lambda: _pictures(PairView.comm(size=16)),
}
