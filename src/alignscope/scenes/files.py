"""Chips as files: a pair of pixels, the same pair as features, where each chip is, and a page to look at."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from alignscope._lib import files as _files
from alignscope._lib.contents import NpyWriter, csv_bytes, json_bytes, npy_bytes, toml_bytes
from alignscope._lib.outputs import Output
from alignscope._lib.progress import quiet
from alignscope._lib.types import Progress
from alignscope._lib.version import __version__
from alignscope.pair.folder import require_own
from alignscope.pair.readers.formats import split_key
from alignscope.scenes.chips import Scene, open_scenes, stacked
from alignscope.scenes.features import chip_features, feature_names
from alignscope.scenes.ground import count_adjacent
from alignscope.scenes.page import page, shown_chips
from alignscope.scenes.spec import SceneSpec, checked_scenes, read_scenes
from alignscope.scenes.survey import Survey, scan

_TABLES = tuple(f"{name}.npy" for name in ("x1", "x2", "y1", "y2", "groups", "ids1", "ids2"))
_SMALL = ("samples.csv", "pair.toml", "features/pair.toml")
_OUTPUT = Output("scenes")


def cut(
    spec: SceneSpec | str | Path, out: str | Path, root: str | Path | None = None, progress: Progress | None = None
) -> Path:
    """Cut the chips of a specification into a folder, and return the path of its page, report.html.

    The folder can be audited and studied as it is (``alignscope audit --pair OUT/features``). Rows are chips, by
    scene, then from north to south, then from west to east. It holds

    - x1.npy, x2.npy : (N, C, h, w), uint8 where all sources are, else float32; without NaN: an invalid pixel has the
      median of its chip and channel;
    - y1.npy, y2.npy : (N, columns) float32, named in pair.toml; columns that do not vary are left out;
    - groups.npy : (N,) the block of every chip; ids1.npy, ids2.npy : "scene/row/column";
    - samples.csv : scene, row, column, x and y of the chip's centre (on the map, else in pixels), block;
    - features/ : the same pair with `chip_features` instead of pixels;
    - results.json : the specification, what was dropped and filled in, and the SHA-256 of every file;
    - report.html : chips of both modalities, targets, and a map of the blocks.

    Rasters are read twice, a strip at a time; only an array of a .npz is held whole. A run that is killed leaves files
    that end in .tmp and no pair, for x1.npy is put in place last; the next run makes the same bytes.

    Parameters
    ----------
    spec : a specification, or the path of a TOML file.
    root : what paths are relative to; by default the specification's folder, or the working directory.
    progress : called with what is being done and the share that is done, 0..1.

    Raises
    ------
    AlignscopeError
        E101 to E107 (files), E201, E204, E206, E208, E210, E211 and E212 (what does not fit together), E306 and E307
        (the specification), E401 or E402 (the folder cannot be written), E404 (it holds tables
        that no cut wrote, or that are read now).
    """
    out, progress = Path(out), progress or quiet
    if isinstance(spec, SceneSpec):
        spec, base = checked_scenes(spec), Path()
    else:
        base = Path(spec).parent
        spec = read_scenes(spec)
    root = base if root is None else Path(root)
    inputs = {field: root / split_key(source.path)[0] for field, source in spec.sources.items()}
    require_own(out, _OUTPUT, (*_TABLES, *(f"features/{name}" for name in _TABLES), *_SMALL), inputs)
    _files.check_writable(out)
    scenes = open_scenes(spec, root)
    survey = scan(spec, scenes, progress)
    small = _small(spec, survey)
    with _files.placed(out, ["x1.npy", "x2.npy"]) as temporary:
        written = _stream(spec, survey, temporary, progress)
        for i, features in reversed([*enumerate(written.features, 1)]):
            small[f"features/x{i}.npy"] = npy_bytes(features)
        hashes = written.hashes | {name: hashlib.sha256(content).hexdigest() for name, content in small.items()}
        record = _record(spec, survey, written.filled, hashes)
        progress("drawing the page", 0.98)
        drawn = page(spec, survey, written.shown, record).encode()
        # Without x1.npy neither folder is a pair, so old and new tables never stand together as one.
        for folder in (out, out / "features"):
            for name in _TABLES:
                (folder / name).unlink(missing_ok=True)
        _files.write_all(out, {"results.json": json_bytes(record), "report.html": drawn, **small})
    return out / "report.html"


@dataclass(frozen=True, eq=False)
class _Written:
    """What the second reading made: hashes of the pixels, features, filled pixels per modality, and chips to show."""

    hashes: dict[str, str]
    features: list[np.ndarray]
    filled: list[int]
    shown: list[np.ndarray]


def _stream(spec: SceneSpec, survey: Survey, paths: list[Path], progress: Progress) -> _Written:
    made = [_modality(spec, survey, i, path, progress) for i, path in enumerate(paths)]
    digests, features, filled, shown = zip(*made, strict=True)
    hashes = {f"x{i}.npy": digest for i, digest in enumerate(digests, 1)}
    return _Written(hashes, list(features), list(filled), list(shown))


def _modality(
    spec: SceneSpec, survey: Survey, modality: int, path: Path, progress: Progress
) -> tuple[str, np.ndarray, int, np.ndarray]:
    """Write the pixels of one modality; return their SHA-256, features, how many were filled, and chips to show."""
    form = survey.forms[modality]
    dtype = np.dtype(np.uint8 if form.integral and spec.modalities[modality].scale == "none" else np.float32)
    features, filled, shown, done = [], 0, [], 0
    wanted = shown_chips(survey.n)
    with NpyWriter(path, dtype, (survey.n, len(form.channels), form.side, form.side)) as file:
        for chips in _chips(survey, modality):
            progress("cutting chips", 0.5 + 0.24 * (modality + done / survey.n))
            filled += _fill(chips)
            centre, spread = survey.scales[modality]
            scaled = ((chips - centre[:, None, None]) / spread[:, None, None]).astype(np.float32)
            pixels = np.rint(scaled).astype(np.uint8) if dtype == np.uint8 else scaled
            file.append(pixels)
            features.append(chip_features(pixels))
            shown.append(pixels[wanted[(wanted >= done) & (wanted < done + len(chips))] - done])
            done += len(chips)
    return file.sha256, np.concatenate(features), filled, np.concatenate(shown)


def _chips(survey: Survey, modality: int) -> Iterator[np.ndarray]:
    """Yield the chips that stay, (n, C, side, side) float64, with NaN."""
    for scene, keep in zip(survey.scenes, survey.kept, strict=True):
        for strip in scene.strips():
            mine = keep[strip.first : strip.last]
            if mine.any():
                yield stacked(strip, scene.modalities[modality])[mine]


def _fill(chips: np.ndarray) -> int:
    """Put the median of its chip and channel in place of every NaN; return how many there were."""
    bad = np.isnan(chips)
    for i, c in np.argwhere(bad.any(axis=(2, 3))):
        chips[i, c][bad[i, c]] = np.nanmedian(chips[i, c])
    return int(bad.sum())


def _small(spec: SceneSpec, survey: Survey) -> dict[str, bytes]:
    """Return all files but pixels and features, most of which both folders hold."""
    at = survey.chips
    names = [survey.scenes[k].name for k in at.scene]
    ids = np.array([f"{name}/{r}/{c}" for name, r, c in zip(names, at.row, at.column, strict=True)])
    arrays = {"groups": at.block, "ids1": ids, "ids2": ids}
    arrays |= {f"y{i}": values for i, values in enumerate(survey.values, 1) if values.size}
    files = {f"{name}.npy": npy_bytes(values) for name, values in arrays.items()}
    files = {f"{folder}{name}": content for folder in ("", "features/") for name, content in files.items()}
    files["samples.csv"] = _table(survey, names)
    files["pair.toml"] = _described(spec, survey, features=False)
    files["features/pair.toml"] = _described(spec, survey, features=True)
    return files


def _table(survey: Survey, names: list[str]) -> bytes:
    at, lines = survey.chips, []
    for k, name, row, column, block in zip(at.scene, names, at.row, at.column, at.block, strict=True):
        x, y = _centre(survey.scenes[k], int(row), int(column))
        lines.append((name, row, column, f"{x:.10g}", f"{y:.10g}", block))
    return csv_bytes(("scene", "row", "column", "x", "y", "block"), lines)


def _centre(scene: Scene, row: int, column: int) -> tuple[float, float]:
    layout = scene.layout
    return scene.finest.place(column * layout.step + layout.chip / 2, row * layout.step + layout.chip / 2)


def _described(spec: SceneSpec, survey: Survey, features: bool) -> bytes:
    """Return pair.toml."""
    lines: dict[str, str | list[str]] = {}
    for i, (modality, form, columns) in enumerate(zip(spec.modalities, survey.forms, survey.columns, strict=True), 1):
        lines[f"modality{i}"] = modality.name
        if features:
            lines[f"x{i}_names"] = feature_names(form.channels)
        if columns:
            lines[f"y{i}_names"] = columns
    return toml_bytes(lines)


def _record(spec: SceneSpec, survey: Survey, filled: list[int], hashes: dict[str, str]) -> dict[str, Any]:
    at = survey.chips
    total: Counter[str] = Counter()
    for why in survey.dropped:
        total.update(why)
    modalities = [
        {
            "name": modality.name,
            "channels": list(form.channels),
            "side": form.side,
            "filled": count / (survey.n * len(form.channels) * form.side**2),
            "targets": columns,
            "constant": constant,
            "centre": scale[0].tolist(),
            "spread": scale[1].tolist(),
        }
        for modality, form, count, columns, constant, scale in zip(
            spec.modalities, survey.forms, filled, survey.columns, survey.constant, survey.scales, strict=True
        )
    ]
    return {
        "kind": "scenes",
        "version": __version__,
        "spec": msgspec.to_builtins(spec),
        "n": survey.n,
        "blocks": int(at.block.max()) + 1,
        "adjacent": count_adjacent(survey.scenes, at.scene, at.row, at.column, at.block),
        "modalities": modalities,
        "notes": [note.line for note in survey.notes],
        "dropped": dict(sorted(total.items())),
        "scenes": [
            {"scene": scene.name, "kept": int(keep.sum()), "dropped": why}
            for scene, keep, why in zip(survey.scenes, survey.kept, survey.dropped, strict=True)
        ],
        "sha256": dict(sorted(hashes.items())),
    }
