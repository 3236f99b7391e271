"""Where the files of TreeSatAI-Time-Series stand: as published, as unpacked one folder deeper, or not unpacked yet."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from alignscope.datasets.treesatai.format import parse_stem
from alignscope.errors import AlignscopeError

AERIAL = "aerial"
SERIES_FOLDERS = ("sentinel-ts", "sentinel")
"""As published, with the year in the name; as OmniSat and AnySat expect it, without."""

LABEL_FILE = "TreeSatBA_v9_60m_multi_labels.json"
LABEL_FOLDERS = ("labels", "", "labels/labels")
SPLIT_FOLDERS = ("split", "", "split_original", "split/split")

_DEEPER = ("", "/60m", "/{0}", "/{0}/60m")
"""Where else files lie below their folder: as torchgeo unpacks them, or where an archive was unpacked in it."""

_SUFFIXES = {AERIAL: (".tif", ".tiff")} | dict.fromkeys(SERIES_FOLDERS, (".h5",))
_PACKED = (".zip", ".tar", ".tar.gz", ".tgz", ".7z")

_EXPECTED = (
    "Expected aerial/<stem>.tif, sentinel-ts/<stem>_<YYYY>.h5 or sentinel/<stem>.h5 (one of them at least), "
    f"labels/{LABEL_FILE} and split/{{train,val,test}}_filenames.lst."
)


def find_root(path: Path) -> Path:
    """Return the folder that holds the data set: `path`, or the one folder in it that does.

    Raises E101 where there is no such folder, E109 where it is not the data set, holds several, or is a part of one.
    """
    if not path.is_dir():
        raise AlignscopeError("E101", str(path), "there is no such folder", "Check the path.")
    whole = _of_a_part(path)
    if whole is not None:
        raise AlignscopeError("E109", str(path), "it is one part of the data set", f"Give {whole}.")
    if _holds(path):
        return path
    inside = [folder for folder in sorted(path.iterdir()) if folder.is_dir() and _holds(folder)]
    if len(inside) == 1:
        return inside[0]
    if inside:
        names = ", ".join(folder.name for folder in inside)
        raise AlignscopeError("E109", str(path), f"it holds several data sets: {names}", "Give one of them.")
    held = sorted(entry.name for entry in path.iterdir())
    found = f"it holds {', '.join(held[:6])}{' ...' if len(held) > 6 else ''}" if held else "it is empty"
    unpack = f"Unpack {named_archives(path)} there. " if archives(path) else ""
    raise AlignscopeError("E109", str(path), f"{found}, and no patch of TreeSatAI", unpack + _EXPECTED)


def list_patches(root: Path, kind: str) -> tuple[dict[str, list[str]], dict[str, str]]:
    """List `kind`, "aerial" or a folder of series, once.

    Returns the files of every stem, relative to `root`, and files whose name is not a patch, with the message of their
    error (E110).
    """
    files: dict[str, list[str]] = {}
    misnamed: dict[str, str] = {}
    for folder in _places(kind):
        _scan(root, folder, _SUFFIXES[kind], files, misnamed)
    return files, misnamed


def elsewhere(root: Path) -> list[str]:
    """Name the folders that hold such files and are not looked into, a sentence each."""
    known = {place for kind in _SUFFIXES for place in _places(kind)}
    notes = []
    for folder in sorted(_folders(root, 2)):
        name = folder.relative_to(root).as_posix()
        if name in known:
            continue
        suffixes = Counter(file.suffix for file in folder.iterdir() if file.suffix in {".h5", ".tif", ".pth"})
        if suffixes:
            named = ", ".join(f"{count} {suffix}" for suffix, count in sorted(suffixes.items()))
            places = f"{AERIAL}/, {SERIES_FOLDERS[0]}/ and {SERIES_FOLDERS[1]}/"
            more = " The .pth variant of a series is not read." if ".pth" in suffixes else ""
            if name.startswith(("s1", "s2")) and ".tif" in suffixes:
                more += " Pictures of Sentinel at one date, those of the first TreeSatAI, are no series."
            notes.append(f"{name}/ holds {named}, which are not used: files belong in {places}.{more}")
    return notes


def archives(folder: Path) -> list[str]:
    """Return the names of the packed files in a folder."""
    return sorted(entry.name for entry in folder.iterdir() if entry.name.lower().endswith(_PACKED))


def named_archives(folder: Path) -> str:
    """Return the first names of the packed files in a folder, as a sentence has them."""
    names = archives(folder)
    return ", ".join(names[:6]) + (f" and {len(names) - 6:,} more" if len(names) > 6 else "")


def packed(root: Path, missing: list[str]) -> list[str]:
    """Say which archives are not unpacked where parts of the data set are missing."""
    if not missing or not archives(root):
        return []
    return [f"There are no {', no '.join(missing)}: unpack {named_archives(root)} in {root}."]


def _places(kind: str) -> list[str]:
    return [kind + deeper.format(kind) for deeper in _DEEPER]


def _of_a_part(path: Path) -> Path | None:
    """Return the data set of which a folder is one part."""
    for above in reversed(path.parents[:3]):
        own = path.relative_to(above).as_posix()
        if any(own in _places(kind) for kind in _SUFFIXES) and _holds(above) and not (path / "labels").is_dir():
            return above
    return None


def _holds(folder: Path) -> bool:
    """Whether the folder has a file of a patch in one of the places where they belong."""
    places = ((place, suffixes) for kind, suffixes in _SUFFIXES.items() for place in _places(kind))
    return any(_scan(folder, place, suffixes, {}, {}, first=True) for place, suffixes in places)


def _scan(
    root: Path,
    folder: str,
    suffixes: tuple[str, ...],
    files: dict[str, list[str]],
    misnamed: dict[str, str],
    *,
    first: bool = False,
) -> bool:
    """Add the files of a folder by stem, and those whose name is not a patch; return whether there is any of a patch.

    first : stop at the first patch.
    """
    found = False
    if not (root / folder).is_dir():
        return found
    with os.scandir(root / folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or not entry.name.lower().endswith(suffixes):
                continue
            shown = os.fsencode(entry.name).decode(errors="replace")
            try:
                if shown != entry.name:
                    raise AlignscopeError("E110", shown, "a name that is not UTF-8", "Rename the file.")
                files.setdefault(parse_stem(entry.name).text, []).append(f"{folder}/{entry.name}")
                found = True
            except AlignscopeError as error:
                where = str(root / folder / shown)
                misnamed[f"{folder}/{shown}"] = str(AlignscopeError(error.code, where, error.found, error.way_out))
            if first and found:
                break
    return found


def _folders(root: Path, depth: int) -> Iterator[Path]:
    """Yield the folders below `root`, those below them, and so on."""
    with os.scandir(root) as entries:
        inside = [Path(entry.path) for entry in entries if entry.is_dir()]
    for folder in inside:
        yield folder
        if depth > 1:
            yield from _folders(folder, depth - 1)
