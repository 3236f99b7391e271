"""Small studies for tests: rows with known factors, their cells, a specification with its files, made-up records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import twins
from alignscope.study.data.files import FileData
from alignscope.study.data.prepared import StudyData
from alignscope.study.encoders import LinearSpec, MLPSpec
from alignscope.study.results import CellRecord, Epoch, Mark, Scores, TargetScore
from alignscope.study.spec import SCHEMA, CellSpec, OptimiserSpec

MLP = MLPSpec(hidden=(12, 12))
LINEAR = LinearSpec()


def rows(n: int = 120, seed: int = 0, width1: int = 6, width2: int = 6) -> dict[str, np.ndarray]:
    """Two modalities with two shared and two own factors each; three target columns a modality."""
    rng = np.random.default_rng(seed)
    shared, own1, own2 = rng.normal(size=(3, n, 2))

    def mixed(width: int, *factors: np.ndarray) -> np.ndarray:
        f = np.hstack(factors)
        return f @ rng.normal(size=(f.shape[1], width)) + 0.5 * rng.normal(size=(n, width))

    return {
        "x1": mixed(width1, shared, own1),
        "x2": mixed(width2, shared, own2),
        "y1": mixed(3, shared[:, :1], own1),
        "y2": mixed(3, shared[:, 1:], own2),
    }


def numbers(n: int = 120, train: int = 96, **how: Any) -> StudyData:
    """`rows` as study data: each modality is asked for its block, and probed for the other's as well."""
    r = {name: values.astype(np.float32) for name, values in rows(n, **how).items()}
    targets = {"own": r["y1"], "other": r["y2"]}
    return StudyData(
        (r["x1"], r["x2"]), targets, train, (("own",), ("other",)), (("own", "other"), ("other", "own")), {}
    )


def classes(n: int = 120, train: int = 96, seed: int = 0) -> StudyData:
    """Three factors as unbalanced class codes, and a number; each modality sees two of the factors."""
    rng = np.random.default_rng(seed)
    codes = {
        "shape": rng.choice(3, n, p=[0.7, 0.2, 0.1]),
        "texture": rng.choice(2, n, p=[0.8, 0.2]),
        "colour": rng.integers(0, 4, n),
    }
    one = {name: np.eye(c.max() + 1)[c] for name, c in codes.items()}

    def seen(*names: str) -> np.ndarray:
        return (
            np.hstack([one[k] for k in names]) + 0.3 * rng.normal(size=(n, sum(one[k].shape[1] for k in names)))
        ).astype(np.float32)

    return StudyData(
        (seen("shape", "texture"), seen("shape", "colour")),
        {**codes, "place": rng.normal(size=(n, 1)).astype(np.float32)},
        train,
        (("shape", "texture"), ("shape", "colour")),
        (("shape", "texture", "colour", "place"), ("shape", "colour")),
        {name: tuple(f"{name} {k}" for k in range(o.shape[1])) for name, o in one.items()},
    )


def swapped(data: StudyData) -> StudyData:
    """The same rows with the modalities exchanged."""
    return StudyData(data.x[::-1], data.targets, data.train, data.trained_on[::-1], data.probed[::-1], data.classes)


def cell(**changes: Any) -> CellSpec:
    """A small cell; `optimiser` may be given as a dict of what differs from full batches without decay."""
    optimiser = {"batch": 32, "weight_decay": 0.0} | dict(changes.pop("optimiser", {}))
    lam = changes.pop("lam", 1.0)
    settings = {
        "data": FileData(x1="x1.npy", x2="x2.npy", y1="y1.npy"),
        "encoder": MLP,
        "task": "squared",
        "seed": 0,
        "components": 3,
        "gauge": "whitened" if lam else "none",
        "direction": "1to2" if lam else "none",
        "training": "joint" if lam else "none",
        "epochs": 3,
    }
    return CellSpec(lambda_=float(lam), optimiser=OptimiserSpec(**optimiser), **(settings | changes))


SPEC = """\
name = "tiny"
marks = [1]

[data]
kind = "files"
x1 = "x1.npy"
x2 = "x2.npy"
y1 = "y1.npy"
y2 = "y2.npy"

[encoder]
kind = "linear"

[optimiser]
batch = 32
learning_rate = 0.02

[sweep]
lambdas = [0, 1]
seeds = [0, 1]
components = [2, 3]
gauges = ["raw", "whitened"]
epochs = [2, 4]
"""


def write_files(folder: Path, made: Mapping[str, np.ndarray] | None = None, spec: str = SPEC) -> Path:
    """Write the tables and the specification to a folder; return the specification's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in (made or rows()).items():
        np.save(folder / f"{name}.npy", values)
    path = folder / "tiny.toml"
    path.write_text(spec)
    return path


def scored(
    kept: Mapping[tuple[int, str], float],
    asked: tuple[tuple[str, ...], tuple[str, ...]],
    *,
    r2_12: float = 0.5,
    r2_21: float = 0.4,
    variance: tuple[float, float] = (2.0, 2.0),
) -> Scores:
    """Scores in which the probe of (modality, target) has the R^2 given."""
    return Scores(
        task_loss=(1.0, 1.0),
        alignment_loss=variance[1] * (1 - r2_12),
        alignment_r2_12=r2_12,
        alignment_r2_21=r2_21,
        variance=variance,
        effective_rank=(2.0, 2.0),
        cka=0.5,
        targets=tuple(
            TargetScore(modality=m, target=t, trained_on=t in asked[m - 1], probe_r2=r2, probe_accuracy=r2 / 2)
            for (m, t), r2 in kept.items()
        ),
    )


def record(of: CellSpec, marks: Mapping[int, tuple[Scores, Scores]], status: str = "finished") -> CellRecord:
    """A record with these (train, test) scores by epoch."""
    return CellRecord(
        schema=SCHEMA,
        id=of.id,
        cell=of,
        status=status,
        reason=None if status == "finished" else "made up",
        curve=(Epoch(epoch=1, loss=1.0, task1=1.0, task2=1.0, alignment=1.0),),
        marks=tuple(Mark(epoch=e, train=a, test=b) for e, (a, b) in marks.items()),
    )


def plain(value: Any) -> str:
    """Everything a record holds, as text: equal only where every digit is."""
    return msgspec.json.encode(value).decode()


def share(y: np.ndarray, guess: np.ndarray, mean: np.ndarray) -> float:
    """1 - RSS / TSS about a mean."""
    return 1 - float(np.square(y - guess).sum() / np.square(y - mean).sum())


def regression(x: np.ndarray, y: np.ndarray, train: int) -> np.ndarray:
    """The predictions of every row by least squares with intercept on the first `train`."""
    design = np.c_[np.ones(len(x)), np.asarray(x, dtype=np.float64)]
    return design @ np.linalg.lstsq(design[:train], np.asarray(y, dtype=np.float64)[:train], rcond=None)[0]


def training_rows(data: StudyData) -> dict[str, np.ndarray]:
    """x1, x2, y1, y2 of the training rows in float64, targets scaled as a block."""
    t = slice(0, data.train)
    out = {f"x{i + 1}": twins.centred(x[t]) for i, x in enumerate(data.x)}
    return out | {
        f"y{i + 1}": twins.scaled(np.hstack([data.columns(name)[t] for name in asked]))
        for i, asked in enumerate(data.trained_on)
    }
