"""What every command writes, kept, so that two versions can be compared figure by figure.

    python -m benchmarks.behaviour keep FOLDER [--source OTHER/src]
    python -m benchmarks.behaviour compare BEFORE AFTER

`keep` runs the commands with small specifications on generated data, and the audit on every real pair that is at hand,
and keeps all JSON and arrays. `--source` takes the sources of another checkout. `compare` lists keys that were renamed
(`RENAMED`), texts that read differently, and everything else that differs, and fails where there is any of the last.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("ALIGNSCOPE_DATA", ROOT.parent / "shared" / "data"))

RENAMED: dict[str, str] = {
    "asked": "trained_on",
    "at_risk": "maximum_loss",
    "shrinkage": "norm_collapse",
    "delay": "under_training",
    "rest": "residual",
    "strength": "alignment_weight",
    "touching": "adjacent",
    "code": "embedding",
}
"""Keys and tags of the results that have another name now: before -> after."""

# What differs from run to run, an archive's identity by the times of its files too, or states the sources themselves.
UNSTABLE = {
    "seconds", "elapsed", "started", "finished", "host", "machine", "id", "identity", "digest", "alignscope"
}  # fmt: skip

# Folders whose files are named by hashes of sources and specifications; what they hold is in results.json too.
HASHED = {"cells", "timings", "caches", "data"}

STUDY = """
name = "behaviour"
marks = [1]

[data]
kind = "trifeature"
size = 32
train = 512
test = 256

[encoder]
kind = "conv"
widths = [16, 32]

[sweep]
lambdas = [0, 1, 10]
seeds = [0, 1]
components = [12, 24]
gauges = ["raw", "whitened"]
trainings = ["joint", "bilevel"]
epochs = [2]
"""

SATELLITE = """
name = "satellite behaviour"
task = "binary"
baselines = ["concatenation", "late_fusion", "attention"]

[data]
kind = "treesatai"
generated = 192
most = 48
aerial_side = 30
dates = 6
targets = ["age", "genus"]

[encoder]
kind = "omnisat"

[pretraining]
epochs = 1

[sweep]
lambdas = [0, 1]
components = [8]
epochs = [1]
"""

BENCH = """
name = "behaviour"
seeds = [0, 1]

[tuning]
task = "gaussian"
steps = 20

[[tasks]]
kind = "gaussian"
name = "gaussian"
train = 512
[tasks.training]
steps = 30
batch = 128
precision = "float32"

[[tasks]]
kind = "pictures"
name = "pictures"
view = "paper"
size = 28
train = 256
probe = 128
test = 128
widths = [16, 32]
components = 8
[tasks.training]
steps = 10
batch = 64
"""

FILES = """
name = "files behaviour"
[data]
kind = "files"
pair = "joined"
[encoder]
kind = "mlp"
hidden = [32]
[sweep]
lambdas = [0, 1]
components = [4]
gauges = ["normalised", "stop_gradient"]
directions = ["1to2", "both"]
epochs = [3]
"""

SCENES = """
chip = 8
block = 2
[modality1]
name = "optical"
rasters = [{ path = "scenes.npz:optical", axes = "scene channel y x", names = ["red", "green", "blue"] }]
[modality2]
name = "height"
rasters = [{ path = "scenes.npz:height", axes = "scene y x", names = ["height"] }]
[[target]]
name = "cover"
modality = 1
raster = { path = "scenes.npz:cover", axes = "scene y x" }
kind = "fractions"
groups = { green = [1, 2], grey = [3] }
[[target]]
name = "built"
modality = 2
raster = { path = "scenes.npz:cover", axes = "scene y x" }
kind = "fractions"
groups = { low = [1], tall = [2, 3] }
"""


def write_inputs(folder: Path) -> None:
    """Write the files that the commands below read."""
    for name, text in {
        "study.toml": STUDY,
        "satellite.toml": SATELLITE,
        "bench.toml": BENCH,
        "files.toml": FILES,
        "scenes.toml": SCENES,
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    rng = np.random.default_rng(0)
    cover = rng.integers(1, 4, size=(6, 12, 12)).repeat(4, axis=1).repeat(4, axis=2)
    optical = cover[:, None] * np.array([1.0, -0.5, 0.2])[:, None, None] + rng.normal(size=(6, 3, 48, 48))
    height = 2.0 * (cover == 3) + rng.normal(size=cover.shape)
    np.savez(folder / "scenes.npz", optical=optical, height=height, cover=cover)
    shared, own1, own2 = rng.normal(size=(3, 240, 2))
    ids = np.array([f"s{i:04d}" for i in range(240)])
    order = rng.permutation(240)
    x1 = np.hstack([shared, own1]) @ rng.normal(size=(4, 8)) + rng.normal(size=(240, 8))
    x2 = np.hstack([shared, own2]) @ rng.normal(size=(4, 6)) + rng.normal(size=(240, 6))
    labels = np.array(["oak", "beech", "pine"])[np.digitize(own1[:, 0] + shared[:, 0], [-0.5, 0.5])]
    np.savez(folder / "one.npz", x=x1, id=ids)
    np.savez(folder / "two.npz", x=x2[order], id=ids[order])
    lines = [f"{i},{label},{i[:3]}" for i, label in zip(ids[5:], labels[5:], strict=True)]
    (folder / "labels.csv").write_text("\n".join(["key,species,site", *lines]) + "\n", encoding="utf-8")


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield the name of every run, and its command."""
    yield "example", ["audit", "--example"]
    yield "example-whitened", ["audit", "--example", "--gauge", "whitened", "--components", "3", "--folds", "4"]
    for pair in sorted(DATA.glob("pairs/*/x1.npy")):
        yield pair.parent.name, ["audit", "--pair", str(pair.parent), "--lambdas", "0.01:100:21"]
    yield "trifeature", ["data", "trifeature", "--n", "200", "--size", "32", "--n-test", "50"]
    yield "treesatai-like", ["data", "treesatai-like", "--n", "24"]
    yield "treesatai", ["data", "treesatai", "treesatai-like"]
    join = ["data", "join", "one.npz:x", "two.npz:x", "--ids1", "one.npz:id", "--ids2", "two.npz:id"]
    yield "joined", [*join, "--y1", "labels.csv:species", "--y1-ids", "labels.csv:key"]
    yield "joined-audit", ["audit", "--pair", "joined"]
    yield "scenes", ["data", "scenes", "scenes.toml"]
    yield "scenes-audit", ["audit", "--pair", "scenes/features"]
    yield "study", ["study", "study.toml"]
    yield "files", ["study", "files.toml"]
    yield "satellite", ["study", "satellite.toml"]
    methods = ("none", "cross", "regression", "cross_self", "canonical", "private", "decur", "comm", "concatenation")
    yield "bench", ["bench", "--spec", "bench.toml", *(word for name in methods for word in ("--only", name))]


def keep(folder: Path, source: Path) -> None:
    """Run every command and keep what it wrote and printed."""
    folder.mkdir(parents=True)
    write_inputs(folder)
    environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for name, command in commands():
        if name == "bench":  # options that repeat are given once, with all their values
            command = [word for i, word in enumerate(command) if word != "--only" or "--only" not in command[:i]]
        line = [sys.executable, "-m", "alignscope.cli", *command, "--out", name]
        done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        print(f"{name}: exit {done.returncode}", flush=True)
        (folder / f"{name}.stdout").write_text(done.stdout, encoding="utf-8")
        if done.returncode:
            raise SystemExit(done.stderr)


def figures(path: Path) -> dict[str, Any]:
    """Return every leaf of a file by its place in it: values of JSON, and a hash of the rest."""
    if path.suffix == ".json":
        # The keys of an audit are a contract: none may have another name.
        renamed = {} if path.name == "audit.json" else RENAMED
        return dict(leaves(json.loads(path.read_text(encoding="utf-8")), "", renamed))
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {name: hashlib.sha256(arrays[name].tobytes()).hexdigest() for name in arrays.files}
    return {"": hashlib.sha256(path.read_bytes()).hexdigest()}


def leaves(value: Any, place: str, renamed: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Yield (place, value) of everything that is not a container, under its new name."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in UNSTABLE:
                yield from leaves(inner, f"{place}.{renamed.get(key, key)}", renamed)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from leaves(inner, f"{place}[{i}]", renamed)
    else:
        yield place, renamed.get(value, value) if isinstance(value, str) else value


def kept_files(folder: Path) -> dict[str, Path]:
    """Return the results of a run by their place: cells by their contents, since their names are hashes of sources."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".json", ".npz", ".npy", ".csv", ".h5", ".tif", ".toml"} and not HASHED & {*path.parts}:
            found[str(path.relative_to(folder))] = path
    return found


def compare(before: Path, after: Path) -> int:
    """Print what differs, and return how many differences are neither names nor texts."""
    old, new = kept_files(before), kept_files(after)
    texts, others = [], [f"only on one side: {name}" for name in sorted(old.keys() ^ new.keys())]
    for name in sorted(old.keys() & new.keys()):
        was, now = figures(old[name]), figures(new[name])
        others += [f"{name}{place}: only on one side" for place in sorted(was.keys() ^ now.keys())]
        for place in was.keys() & now.keys():
            if was[place] != now[place]:
                words = isinstance(was[place], str) and isinstance(now[place], str) and " " in was[place]
                (texts if words else others).append(f"{name}{place}: {was[place]!r} -> {now[place]!r}")
    print(f"{len(old)} files before, {len(new)} after; {len(RENAMED)} names are mapped.")
    print(f"{len(texts)} texts read differently:", *sorted(texts)[:400], sep="\n  ")
    print(f"{len(others)} other differences:", *sorted(others, key=lambda x: x.split(".json")[0])[-200:], sep="\n  ")
    print(*(f"{number} in {name}" for name, number in Counter(x.split(".json")[0] for x in others).items()), sep="\n")
    return len(others)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.behaviour", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    one = actions.add_parser("keep", help="run all commands into a new folder")
    one.add_argument("folder", type=Path)
    one.add_argument("--source", type=Path, default=ROOT / "src", help="the sources to run")
    two = actions.add_parser("compare", help="compare two such folders")
    two.add_argument("before", type=Path)
    two.add_argument("after", type=Path)
    given = parser.parse_args()
    if given.action == "compare":
        return int(compare(given.before, given.after) > 0)
    keep(given.folder.resolve(), given.source.resolve())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
