"""Trifeature pairs as files: arrays, a table of the samples, what was made, and a page to look at."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from alignscope._lib import files as _files
from alignscope._lib.checks import whole
from alignscope._lib.contents import NpyWriter, csv_bytes, json_bytes, npy_bytes, toml_bytes
from alignscope._lib.outputs import Output
from alignscope._lib.progress import quiet
from alignscope._lib.types import Progress
from alignscope._lib.version import __version__
from alignscope.datasets.trifeature.page import page
from alignscope.datasets.trifeature.pairs import PARTS, PairView
from alignscope.errors import AlignscopeError

STEP = 1024
"""Pictures that are drawn at once: 50 MB at 128 px."""


class TrifeatureOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to make. Fields that `Trifeature` has too mean the same here.

    Attributes
    ----------
    n : training samples, at least 1.
    n_validation, n_test : samples of the two other parts, at least 0.
    size : side of the images in pixels, 16..1024.
    view : "single" (one image of all factors), "paper" (1: shape and texture in grey; 2: shape and colour) or "comm"
        (two full images of one shape).
    seed : of every draw, from 0.
    held_out : what the parts do not share: "samples", or "combinations" of factors (always those for "comm").
    biased : for "comm" only, None or the share of pairs whose texture 1 and colour 2 belong together, 0..1.
    values, correlation, rotation, jitter, noise, occlusion, difficulty : see `Trifeature`.
    """

    n: int
    n_validation: int = 0
    n_test: int = 0
    size: int = 64
    view: Literal["single", "paper", "comm"] = "paper"
    seed: int = 0
    held_out: Literal["samples", "combinations"] = "samples"
    biased: float | None = None
    values: tuple[int, int, int] = (10, 10, 10)
    correlation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation: float = 45.0
    jitter: float = 1.0
    noise: float = 0.0
    occlusion: float = 0.0
    difficulty: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def pairs(self) -> PairView:
        """Return the view that the options describe. Raises E304 for a field out of its range."""
        whole("n", self.n, 1, 2**31)
        whole("n_validation", self.n_validation, 0, 2**31)
        whole("n_test", self.n_test, 0, 2**31)
        names = ("size", "seed", "values", "correlation", "rotation", "jitter", "noise", "occlusion", "difficulty")
        drawn: dict[str, Any] = {name: getattr(self, name) for name in names}
        if self.view == "comm":
            return PairView.comm(biased=self.biased, **drawn)
        if self.biased is not None:
            raise AlignscopeError("E304", "biased", f"{self.biased} with view {self.view!r}", 'Take view "comm".')
        make = {"single": PairView.single, "paper": PairView.paper}
        if self.view not in make:
            raise AlignscopeError("E304", "view", f"{self.view!r}", 'Give "single", "paper" or "comm".')
        return make[self.view](held_out=self.held_out, **drawn)


def make_trifeature(options: TrifeatureOptions, out: str | Path, progress: Progress | None = None) -> Path:
    """Draw the pictures into a folder, and return the path of its page, report.html.

    The folder can be audited as it is: ``alignscope audit --pair OUT``. Rows are the training samples, then those for
    validation, then those for the test. It holds

    - x1.npy, x2.npy : uint8 (N, C, S, S), one per modality;
    - y1.npy, y2.npy : uint8 (N, columns), what each modality shows, as one 0/1 column per value, named in pair.toml;
    - shape.npy, ... : int64 (N,), the codes of every factor;
    - samples.csv : index, part, factors by name, pose;
    - results.json : the options, names, counts and the SHA-256 of every array;
    - report.html : contact sheets and counts.

    Pictures go to temporary names a thousand at a time, so memory does not grow with `n`; all files are renamed when
    the last is complete. A run that is killed leaves files that end in .tmp and nothing else; the next run makes the
    same bytes again.

    progress : called with what is being done and the share that is done, 0..1.

    Raises
    ------
    AlignscopeError
        E304 an option out of its range, E205 too few combinations to hold out, E401 or E402 the folder cannot be
        written, E404 it holds files that no such call has written.
    """
    out, progress = Path(out), progress or quiet
    view = options.pairs()
    index = np.concatenate(view.split(options.n, options.n_validation, options.n_test))
    names = [f"x{k}.npy" for k in range(1, len(view.modalities) + 1)]
    _files.check_writable(out)
    targets = view.targets(index)
    arrays = {f"{name}.npy": codes for name, codes in targets.items()}
    arrays |= {f"y{k}.npy": _one_hot(view, targets, seen) for k, seen in enumerate(view.visible, start=1)}
    small = {name: npy_bytes(array) for name, array in arrays.items()}
    small["samples.csv"] = _table(options, view, index, targets)
    small["pair.toml"] = _described(view)
    Output("trifeature").check(out, [*names, *small])
    with _files.placed(out, names) as temporary:
        hashes = dict(zip(names, _stream(view, index, temporary, progress), strict=True))
        hashes |= {name: hashlib.sha256(content).hexdigest() for name, content in small.items()}
        record = _record(options, view, targets, hashes)
        progress("drawing the page", 0.99)
        drawn = page(view, index, record).encode()
        # Without x1.npy, which is placed last, the folder is no pair: old and new pictures never stand side by side.
        for name in names:
            (out / name).unlink(missing_ok=True)
        _files.write_all(out, {"results.json": json_bytes(record), "report.html": drawn, **small})
    return out / "report.html"


def _stream(view: PairView, index: np.ndarray, paths: list[Path], progress: Progress) -> list[str]:
    """Write one .npy file a modality, some samples at a time, and return their SHA-256."""
    size = view.pictures.size
    with contextlib.ExitStack() as stack:
        files = [
            stack.enter_context(NpyWriter(path, np.dtype(np.uint8), (len(index), channels, size, size)))
            for path, channels in zip(paths, view.channels, strict=True)
        ]
        for start in range(0, len(index), STEP):
            progress("drawing pictures", 0.98 * start / len(index))
            for file, images in zip(files, view.inputs(index[start : start + STEP]), strict=True):
                file.append(images)
    return [file.sha256 for file in files]


def _columns(view: PairView, seen: tuple[str, ...]) -> list[str]:
    return [f"{factor}={value}" for factor in seen for value in view.classes[factor]]


def _one_hot(view: PairView, targets: dict[str, np.ndarray], seen: tuple[str, ...]) -> np.ndarray:
    blocks = [targets[factor][:, None] == np.arange(len(view.classes[factor])) for factor in seen]
    return np.hstack(blocks).astype(np.uint8)


def _described(view: PairView) -> bytes:
    fields: dict[str, str | list[str]] = {}
    for k, seen in enumerate(view.visible, start=1):
        fields |= {f"modality{k}": " and ".join(seen), f"y{k}_names": _columns(view, seen)}
    return toml_bytes(fields)


def _parts(options: TrifeatureOptions) -> dict[str, int]:
    return dict(zip(PARTS, (options.n, options.n_validation, options.n_test), strict=True))


def _table(options: TrifeatureOptions, view: PairView, index: np.ndarray, targets: dict[str, np.ndarray]) -> bytes:
    pose = view.nuisance(index)
    named = [np.asarray(view.classes[name])[codes] for name, codes in targets.items()]
    parts = np.repeat(list(PARTS), list(_parts(options).values()))
    places = [[f"{value:.6f}" for value in values] for values in pose.values()]
    return csv_bytes(["index", "part", *targets, *pose], zip(index, parts, *named, *places, strict=True))


def _record(
    options: TrifeatureOptions, view: PairView, targets: dict[str, np.ndarray], hashes: dict[str, str]
) -> dict[str, Any]:
    counts = {
        name: dict(zip(view.classes[name], np.bincount(codes, minlength=len(view.classes[name])).tolist(), strict=True))
        for name, codes in targets.items()
    }
    return {
        "kind": "trifeature",
        "version": __version__,
        "options": msgspec.to_builtins(options) | {"held_out": view.held_out},
        "n": sum(_parts(options).values()),
        "parts": _parts(options),
        "visible": view.visible,
        "channels": view.channels,
        "mapping": _mapping(view),
        "counts": counts,
        "sha256": dict(sorted(hashes.items())),
    }


def _mapping(view: PairView) -> dict[str, str] | None:
    if not view.synergy:
        return None
    textures, colours = view.classes["texture1"], view.classes["colour2"]
    return {texture: colours[code] for texture, code in zip(textures, view.mapping, strict=True)}
