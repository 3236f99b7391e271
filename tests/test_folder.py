"""A folder that holds a whole pair."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignscope.errors import AlignscopeError
from alignscope.pair.folder import open_folder
from alignscope.pair.paired import Pair
from audit_helpers import LABELS, X1, X2, Y1, Y2, N

DESCRIBED = """
modality1 = "camera"
modality2 = "radar"
x1_names = ["red", "green", "blue", "infrared"]
y2_names = ["height", "volume"]
licence = "CC BY 4.0"

[source]
url = "https://example.org"
"""


def filled(folder: Path, toml: str | None = DESCRIBED, **tables: np.ndarray) -> Path:
    for name, values in {"x1": X1, "x2": X2, **tables}.items():
        np.save(folder / f"{name}.npy", values)
    if toml is not None:
        (folder / "pair.toml").write_text(toml, encoding="utf-8")
    return folder


def everything(pair: Pair) -> list[np.ndarray]:
    return [np.asarray(rows.read(0, pair.n)) for rows in (pair.x1, pair.x2, pair.y1.rows, pair.y2.rows)]


def test_all_tables_and_names(tmp_path: Path) -> None:
    more = {
        "groups": np.arange(N) % 7,
        "ids1": np.arange(N),
        "ids2": np.arange(N),
        "weights": np.ones(N),
        "present1": np.arange(N) % 3 > 0,
        "present2": np.arange(N) % 4 > 0,
    }
    pair = open_folder(filled(tmp_path, y1=Y1, y2=Y2, **more))
    for read, given in zip(everything(pair), (X1, X2, Y1, Y2), strict=True):
        np.testing.assert_array_equal(read, given)
    assert (pair.name1, pair.name2) == ("camera", "radar")
    assert pair.x1.columns == ("red", "green", "blue", "infrared")
    assert pair.x2.columns == ("x2 0", "x2 1", "x2 2")
    assert pair.y2.names == ("height", "volume")
    assert pair.groups is not None and pair.weights is not None
    assert pair.present1 is not None and pair.present2 is not None
    assert pair.groups.max() == 6
    assert [int(pair.present1.sum()), int(pair.present2.sum())] == [40, 45]


def test_only_the_modalities(tmp_path: Path) -> None:
    pair = open_folder(filled(tmp_path, toml=None))
    assert (pair.y1.kind, pair.y2.kind) == ("modality", "modality")
    assert (pair.name1, pair.name2) == ("modality 1", "modality 2")
    assert pair.groups is None


def test_one_target_and_text_path(tmp_path: Path) -> None:
    pair = open_folder(str(filled(tmp_path, toml='modality1 = "camera"', y1=LABELS)))
    assert pair.y1 is pair.y2
    assert pair.y1.names == ("ash", "fir", "oak")
    assert (pair.name1, pair.name2) == ("camera", "modality 2")


def test_other_formats(tmp_path: Path) -> None:
    filled(tmp_path, toml=None)
    (tmp_path / "x1.npy").unlink()
    np.savetxt(tmp_path / "x1.csv", X1, delimiter=",", header="a,b,c,d", comments="", fmt="%.17g")
    (tmp_path / "y1.csv").write_text("kind\n" + "\n".join(LABELS) + "\n")
    pair = open_folder(tmp_path)
    np.testing.assert_array_equal(everything(pair)[0], X1)
    assert pair.x1.columns == ("a", "b", "c", "d")
    assert pair.y1.kind == "class"


def test_what_is_given_overrides_the_folder(tmp_path: Path) -> None:
    pair = open_folder(filled(tmp_path, y1=Y1, y2=Y2), name1="lens", y2=LABELS, targets2=["a", "f", "o"])
    assert (pair.name1, pair.name2) == ("lens", "radar")
    assert (pair.y2.kind, pair.y2.names) == ("class", ("a", "f", "o"))


REFUSED: dict[str, tuple[str | None, dict[str, Any], str, str]] = {
    "not TOML": ("modality1 = camera", {}, "E103", r"pair\.toml: not TOML \(Invalid value"),
    "not UTF-8": ("\udcff", {}, "E103", r"pair\.toml: not TOML \("),
    "a name that is no text": ("modality1 = 3", {}, "E210", r"pair\.toml, name1: 3\. Give text"),
    "names that are no list": ('x1_names = "red"', {}, "E210", r"pair\.toml, features1: 'red'\. Give text, or a list"),
    "names that are numbers": ("y2_names = [1, 2]", {}, "E210", r"pair\.toml, targets2: \[1, 2\]"),
    "too few names": ('x1_names = ["red"]', {}, "E210", r"x1: names: 1, columns: 4"),
    "rows that differ": (None, {"y1": Y1[:-1]}, "E202", r"y1 \(y1\.npy\) has 59"),
    "ids of one side": (None, {"ids1": np.arange(N)}, "E204", r"ids2 is missing"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    toml, tables, code, match = REFUSED[name]
    filled(tmp_path, None, **tables)
    if toml is not None:
        (tmp_path / "pair.toml").write_bytes(toml.encode("utf-8", "surrogateescape"))
    with pytest.raises(AlignscopeError, match=match) as error:
        open_folder(tmp_path)
    assert error.value.code == code


@pytest.mark.parametrize("missing", ["x1", "x2"])
def test_a_modality_is_missing(missing: str, tmp_path: Path) -> None:
    (filled(tmp_path) / f"{missing}.npy").unlink()
    message = rf"{re.escape(str(tmp_path))}: no {missing}\.npy \(or \.csv, .*\)\. Put it there\. \[E101\]"
    with pytest.raises(AlignscopeError, match=message):
        open_folder(tmp_path)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(AlignscopeError, match=r"nowhere: no x1\.npy.*E101"):
        open_folder(tmp_path / "nowhere")
