"""Runs fuzzed inputs through the command line, within limits, and says what each broke.

``python tests/fuzz_worker.py KIND SEED`` runs one and keeps its folder; else the lines of stdin say which.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import resource
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import vl_convert

import fuzz_damage
import fuzz_files
from alignscope import cli
from alignscope.errors import CODES, AlignscopeError, escaped
from alignscope.moments.onepass import collect

MEMORY = 2 << 30  # bytes beyond what the libraries take
SECONDS = 20  # of processor time
SECRET = b"the secret of another file "
STOPPED = "stopped before training"
FULL = 40  # one of so many audits is done in full, with its page

PAIR = 'modality1 = "one"\nx1_names = ["a", "b"]\nx2_names = ["c", "d", "e"]\nlicence = "none"'
STUDY = """name = "s"
[data]
kind = "files"
x1 = "x1.npy"
x2 = "x2.npy"
y1 = "y.npy"
test = 0.25
[encoder]
kind = "mlp"
width = 4
[train]
epochs = 1
batch = 8
[sweep]
lambdas = [0.0, 1.0]
components = [1]
seeds = [0]"""
SCENES = """chip = 4
block = 2
[modality1]
name = "one"
rasters = ["a.tif"]
[modality2]
name = "two"
rasters = [{ path = "b.npy", axes = "channel y x" }]
[[target]]
name = "cover"
modality = 1
raster = { path = "c.npy", axes = "y x" }
kind = "fractions"
groups = { low = [0], high = [1, 2] }"""


def good_files(folder: Path) -> None:
    """Write the inputs that stay as they are."""
    rng = np.random.default_rng(0)
    n = fuzz_damage.N
    x1 = rng.normal(size=(n, 2))
    for name, values in {
        "x1": x1,
        "x2": np.c_[x1[:, :1], rng.normal(size=(n, 2))],
        "y": np.arange(n) % 3,
        "ids": np.arange(n) + 100,
        "b": rng.normal(size=(2, 16, 16)),
        "c": rng.integers(0, 3, (16, 16)),
    }.items():
        np.save(folder / f"{name}.npy", values)


def table_case(kind: str) -> Callable[[Random, Path], list[str]]:
    """Return what writes a file of a format and names it in some place of an audit or a join."""

    def make(rng: Random, folder: Path) -> list[str]:
        spec = fuzz_files.FORMATS[kind](rng, folder)
        if rng.random() < 0.5:
            spec = fuzz_damage.damage(rng, folder, spec)
        role = rng.choice(["x1", "x1", "x1", "y1", "y1", "groups", "ids1", "weights", "present1"])
        if rng.random() < 0.15:
            given = {"x1": "x1.npy", "x2": "x2.npy", "ids1": "ids.npy", "ids2": "ids.npy", role: spec}
            given.pop("weights", None), given.pop("present1", None)
            return ["data", "join", *_options(given)]
        given = {"x1": "x1.npy", "x2": "x2.npy", "y1": "y.npy", role: spec}
        if role == "ids1":
            given["ids2"] = rng.choice([spec, "ids.npy"])
        return ["audit", *_options(given)]

    return make


def _options(given: dict[str, str]) -> list[str]:
    options = [part for role, spec in given.items() if role not in ("x1", "x2") for part in (f"--{role}={spec}",)]
    return [*options, "--", given["x1"], given["x2"]]


def pair_case(rng: Random, folder: Path) -> list[str]:
    """A folder of a pair whose pair.toml is odd."""
    (folder / "pair.toml").write_bytes(fuzz_damage.odd_toml(rng, PAIR))
    return ["audit", "--pair", "."]


def names_case(rng: Random, folder: Path) -> list[str]:
    """A list of names of columns that is odd."""
    names = fuzz_damage.named(rng, rng.choice([2, 2, 2, 3]))
    text = rng.choice(["\n", "\n", "\r\n", "\r"]).join(names)
    (folder / "names.txt").write_bytes(text.encode(rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"])))
    if rng.random() < 0.3:
        fuzz_damage.damage(rng, folder, "names.txt")
    given = rng.choice(["names.txt", "names.txt", ",".join(names).replace("\x00", ""), "."])
    return ["audit", f"--features1={given}", f"--name2={names[0]}", "x1.npy", "x2.npy"]


def study_case(rng: Random, folder: Path) -> list[str]:
    """A specification of a study that is odd; nothing is trained."""
    (folder / "s.toml").write_bytes(fuzz_damage.odd_toml(rng, STUDY))
    return ["study", "s.toml"]


def scenes_case(rng: Random, folder: Path) -> list[str]:
    """A specification of scenes, or one of their rasters, that is odd."""
    fuzz_damage.raster(folder / "a.tif")
    odd = rng.random() < 0.5
    (folder / "s.toml").write_bytes(fuzz_damage.odd_toml(rng, SCENES) if odd else SCENES.encode())
    if not odd:
        fuzz_damage.odd_raster(rng, folder, rng.choice(["a.tif", "a.tif", "b.npy", "c.npy"]))
    return ["data", "scenes", "s.toml"]


KINDS: dict[str, Callable[[Random, Path], list[str]]] = {
    **{kind: table_case(kind) for kind in fuzz_files.FORMATS},
    "pair": pair_case,
    "names": names_case,
    "study": study_case,
    "scenes": scenes_case,
}


def snapshot(folder: Path) -> dict[str, str]:
    """Return every path below a folder with what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or path.is_dir():
            found[os.fspath(path)] = "link" if path.is_symlink() else "folder"
        else:
            found[os.fspath(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


class Opened(SimpleNamespace):
    """What stands for an audit that was not worked out: the inputs were opened, checked and read once."""

    decision = SimpleNamespace(badge="align", reason="read")
    verdict = action = "read"
    findings = ()

    def save(self, folder: Path) -> Path:
        """Write the notes."""
        folder.mkdir()
        (folder / "audit.json").write_text(json.dumps([*self.notes, *self.names]), encoding="utf-8")
        return folder / "report.html"


def read_once(pair: Any, **_: Any) -> Opened:
    """Read all rows of a pair, as an audit does, and work out nothing else."""
    collect(pair, np.arange(pair.n) % 2)
    names = [*pair.x1.columns, *pair.x2.columns, *pair.y1.names, *pair.y2.names, pair.name1, pair.name2]
    return Opened(notes=pair.notes, names=names)


def stop(*_: Any, **__: Any) -> None:
    """Stand for the trainings of a study."""
    raise AlignscopeError("E502", "study", STOPPED, "Nothing to do.")


def run(kind: str, seed: int, base: Path) -> str | None:
    """Return what an input broke, or None where all promises were kept."""
    rng = Random(f"{kind} {seed}")
    folder, outside, own = base / "given", base / "outside", base / "tmp"
    for place in (folder, outside, own):
        place.mkdir()
    good_files(folder)
    (outside / "secret.txt").write_bytes(SECRET * 20)
    with h5py.File(outside / "secret.h5", "w") as file:
        file["x"] = np.frombuffer(SECRET * 20, "u1")[:480].reshape(24, 20)
    os.chdir(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        argv = KINDS[kind](rng, folder)
    argv = [*argv[: 1 + (argv[0] == "data")], "--out", "../out", *argv[1 + (argv[0] == "data") :]]
    before = snapshot(base)
    full = argv[0] == "audit" and rng.random() < 1 / FULL
    api, running = map(importlib.import_module, ("alignscope.auditing.api", "alignscope.study.running"))
    audit, units = api.audit, running.run_units
    if full:
        vl_convert.vegalite_to_svg('{"data": {"values": []}, "mark": "bar"}')  # it takes gigabytes of addresses at once
    else:
        api.audit = read_once
    running.run_units = stop
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        tempfile.tempdir = os.fspath(own)
        try:
            status, raised = captured(argv, out.fileno(), err.fileno())
        finally:
            tempfile.tempdir = None
            api.audit, running.run_units = audit, units
        out.seek(0), err.seek(0)
        faults = judge(status, raised, out.read(), err.read(), before, base)
    return f"alignscope {' '.join(argv)!r:.300}: {'; '.join(faults)}" if faults else None


def captured(argv: list[str], out: int, err: int) -> tuple[object, str]:
    """Return the exit status, and the traceback if there is one; all that is written goes to two files."""
    sys.stdout.flush()
    kept = os.dup(1), os.dup(2)
    os.dup2(out, 1), os.dup2(err, 2)
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime) + SECONDS + 1
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, resource.RLIM_INFINITY))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            return cli.main(argv), ""
    except SystemExit as error:
        return error.code, ""
    except BaseException:
        return None, traceback.format_exc()
    finally:
        sys.stdout.flush(), sys.stderr.flush()
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        for old, new in zip(kept, (1, 2), strict=True):
            os.dup2(old, new)
            os.close(old)


def _last(raised: str) -> str:
    """Return the error of a traceback, and the last line of the package on its way."""
    places = [line.strip() for line in raised.splitlines() if "alignscope" in line and line.startswith("  File")]
    return f"{raised.strip().splitlines()[-1][:300]} at {places[-1].rpartition('alignscope/')[2] if places else '?'}"


def judge(status: object, raised: str, out: bytes, err: bytes, before: dict[str, str], base: Path) -> list[str]:
    """Return every promise that was broken."""
    faults = [f"raised {_last(raised)}"] if raised else []
    if status not in (0, 2) and not raised:
        faults.append(f"exit {status}")
    message = err.decode("utf-8", "backslashreplace")
    if status == 2:
        code = re.fullmatch(r"alignscope: [^\n]*\[(E\d\d\d)\]\n", message)
        if code is None or code[1] not in CODES:
            faults.append(f"not one line with a code: {message[:600]!r}")
        elif code[1] in ("E901", "E902"):  # no reader foresaw it
            faults.append(f"not foreseen: {message[:600]}")
    elif message and not raised:
        faults.append(f"words on stderr: {message[:600]!r}")
    for stream, text in (("stderr", message), ("stdout", out.decode("utf-8", "backslashreplace"))):
        if odd := sorted({c for c in text if escaped(c) != c and c != "\n"}):
            faults.append(f"{stream} holds {odd}")
    if message.count("\n") == 1 and len(message) > 3000:
        faults.append(f"a message of {len(message):,} characters")
    after = snapshot(base)
    made = {path for path in after if before.get(path) != after[path]} | {p for p in before if p not in after}
    results = {path for path in made if Path(path).is_relative_to(base / "out")}
    if made - results:
        faults.append(f"touched {sorted(made - results)[:3]}")
    if status != 0 and results and STOPPED not in message:
        faults.append(f"left {sorted(results)[:3]}")
    told = [out, err, *(Path(path).read_bytes() for path in results if Path(path).is_file())]
    # as bytes, as text of the report, as the numbers of its letters
    if any(SECRET[:10] in text or ", ".join(map(str, SECRET[:10])).encode() in text for text in told):
        faults.append("tells the secret of another file")
    return faults


def main(arguments: list[str]) -> int:
    """Run one case, or all that stdin names; write what they broke as JSON, a line per case."""
    if arguments:
        kind, seed = arguments
        base = Path(tempfile.mkdtemp())
        print(run(kind, int(seed), base) or "nothing is broken", f"\n{base}")
        return 0
    for line in sys.stdin:
        kind, seed = line.split()
        with tempfile.TemporaryDirectory() as base:
            answer = run(kind, int(seed), Path(base))
            os.chdir("/")
        print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
