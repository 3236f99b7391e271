"""A folder that holds a whole pair, its tables and a pair.toml with their names; and whether one may be written to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from alignscope._lib.checks import one_of, real
from alignscope._lib.outputs import Output
from alignscope._lib.toml import tree_of
from alignscope.errors import AlignscopeError
from alignscope.pair.labels import KINDS
from alignscope.pair.paired import Pair
from alignscope.pair.readers.formats import FORMATS, KEYED

TABLES = ("x1", "x2", "y1", "y2", "groups", "ids1", "ids2", "weights", "present1", "present2")
"""The names that tables have in a folder, before their suffix."""

_SUFFIXES = tuple(suffix for suffix in FORMATS if suffix not in KEYED)
_NAMES = {
    "y_kind": "kind",
    "block": "block",
    "modality1": "name1",
    "modality2": "name2",
    "x1_names": "features1",
    "x2_names": "features2",
    "y1_names": "targets1",
    "y2_names": "targets2",
}


def open_folder(folder: str | Path, **given: Any) -> Pair:
    """Return the pair of a folder.

    The folder holds ``x1`` and ``x2`` and, where there are any, ``y1``, ``y2``, ``groups``, ``ids1``, ``ids2``,
    ``weights``, ``present1`` and ``present2``, each as .npy, .csv, .parquet, .zarr or .pt. A ``pair.toml`` may
    give ``modality1``, ``modality2`` and lists of column names ``x1_names``, ``x2_names``, ``y1_names``,
    ``y2_names``, say by ``y_kind`` what y1 and y2 are, and by ``block`` how large blocks of ground are, for which
    ``coords`` stands in the folder; other keys (a licence, a source) are left alone. What is `given` overrides the
    folder.

    Raises
    ------
    AlignscopeError : E101 without x1 or x2, E109 for two tables of one name, E103 for a pair.toml that cannot be
        read, E210 for names that are not text, and all that `Pair.of` raises.
    """
    folder = Path(folder)
    found: dict[str, Any] = {k: path for k in TABLES if (path := _table(folder, k)) is not None}
    for needed in ("x1", "x2"):
        if needed not in found:
            raise AlignscopeError(
                "E101", str(folder), f"no {needed}.npy (or {', '.join(_SUFFIXES[1:])})", "Put it there."
            )
    options = {**found, **_described(folder / "pair.toml"), **given}
    if "block" in options and "coords" not in options:
        options["coords"] = _table(folder, "coords")
    return Pair.of(options.pop("x1"), options.pop("x2"), **options)


def _table(folder: Path, name: str) -> Path | None:
    there = [p for suffix in _SUFFIXES if (p := folder / f"{name}{suffix}").exists()]
    if len(there) > 1:
        found = f"it holds {' and '.join(path.name for path in there)}, two tables for {name}"
        raise AlignscopeError("E109", str(folder), found, "Keep the one that is meant.")
    return there[0] if there else None


def _described(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        described = tree_of(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:  # not TOML, or not UTF-8
        raise AlignscopeError("E103", str(path), f"not TOML ({error})", "Correct or remove it.") from None
    if "y_kind" in described:
        one_of(f"{path}, y_kind", described["y_kind"], KINDS)
    out = {new: described[old] for old, new in _NAMES.items() if old in described}
    if "block" in out:
        real(f"{path}, block", out["block"], above=True)
    for name, value in out.items():
        if name == "block":
            continue
        texts = [value] if name in ("name1", "name2", "kind") else value
        if not isinstance(texts, list) or not all(isinstance(v, str) for v in texts):
            raise AlignscopeError("E210", f"{path}, {name}", f"{value!r}", "Give text, or a list of text.")
    return out


def require_own(out: Path, output: Output, written: Collection[str], inputs: Mapping[str, Path]) -> None:
    """Pass a folder of which nothing is lost when a run puts the files `written` there.

    output : what runs of the command write besides. inputs : what is read now, by its label.

    Raises
    ------
    AlignscopeError : E404 where the folder has tables or other files that no such run wrote, or that are read from now.
    """
    there = [path.name for path in sorted(out.glob("*")) if path.name.split(".")[0] in TABLES]
    ours = written if output.is_in(out) else ()
    if others := [name for name in there if name not in ours]:
        found = f"it holds {', '.join(others[:3])}, which no {output.command} has written"
        raise AlignscopeError("E404", str(out), found, "Choose an empty or new folder.")
    output.check(out, written)
    places = {(out / name).resolve() for name in written}
    for label, path in inputs.items():
        if path.resolve() in places:
            raise AlignscopeError("E404", str(out), f"{label} is read from it", "Choose another folder.")
