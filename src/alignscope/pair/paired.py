"""`Pair`: two modalities of the same samples, what each should predict, and which rows belong together.

Everything that a user can get wrong about the inputs as a whole is found here, once, before any long work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alignscope._lib.checks import one_of
from alignscope._lib.names import keywords_named
from alignscope._lib.types import Codes, Mask, Matrix, Vector
from alignscope.errors import AlignscopeError
from alignscope.pair.alike import alike_notes
from alignscope.pair.blocks import block_groups
from alignscope.pair.dequantize import Dequantize, dequantized
from alignscope.pair.dropping import Ignored, ignored_labels, leave_out
from alignscope.pair.identity import ids_of, require_same_ids, require_same_samples
from alignscope.pair.inputs import (
    checked_weights,
    ground,
    open_block,
    presence_mask,
    require_equal_rows,
    unlike_indexes,
)
from alignscope.pair.labels import (
    KINDS,
    Kind,
    Target,
    encode_labels,
    fitting_names,
    modality_target,
    target_of,
)
from alignscope.pair.notes import Note, coded, require_plain
from alignscope.pair.readers.formats import Input, open_any, vector_of
from alignscope.pair.readers.rows import Rows

_TARGETS = {"class": "classes", "regression": "quantities"}
_AS_WRITTEN = ("groups", "ids1", "ids2")  # of a text table: 007 is not 7


@dataclass(frozen=True, eq=False, repr=False)
class Pair:
    """Two modalities of the same N samples, in the same order.

    x1, x2 : the modalities, (N, D1) and (N, D2); y1, y2 : what each should predict.
    groups : (N,) codes from 0 of rows that must stay in one fold. weights : (N,) at least 0.
    present1, present2 : (N,) which rows have the modality; None where all do.
    name1, name2 : what the page calls the modalities. notes : what was done to the inputs on the way in.
    group_names : of the codes of `groups`. ids : (N,) of the samples, where they were given. places : (N, 2), east and
    north, where coordinates were given.
    """

    x1: Rows
    x2: Rows
    y1: Target
    y2: Target
    groups: Codes | None = None
    weights: Vector | None = None
    present1: Mask | None = None
    present2: Mask | None = None
    name1: str = "modality 1"
    name2: str = "modality 2"
    notes: tuple[Note, ...] = ()
    group_names: tuple[str, ...] = ()
    ids: np.ndarray | None = None
    places: Matrix | None = None

    @property
    def n(self) -> int:
        """The number of samples."""
        return self.x1.shape[0]

    @property
    def d1(self) -> int:
        """The number of columns of the first modality."""
        return self.x1.shape[1]

    @property
    def d2(self) -> int:
        """The number of columns of the second modality."""
        return self.x2.shape[1]

    @property
    def tables(self) -> dict[str, Rows]:
        """The tables by the name of their block."""
        return {"x1": self.x1, "x2": self.x2, "y1": self.y1.rows, "y2": self.y2.rows}

    @property
    def presence(self) -> dict[str, Mask | None]:
        """Which rows have each modality; None where all do."""
        return {"x1": self.present1, "x2": self.present2}

    def __repr__(self) -> str:
        sides = [f"{self.n:,} samples: {self.name1} ({self.d1:,} columns), {self.name2} ({self.d2:,} columns)"]
        for name, target in (("y1", self.y1), ("y2", self.y2)):
            if target.kind != "modality" and not (name == "y2" and target is self.y1):
                sides.append(f"{name}: {len(target.names):,} {_TARGETS[target.kind]}")
        if self.groups is not None:
            sides.append(f"{len(np.unique(self.groups)):,} groups")
        return f"Pair of {', '.join(sides)}"

    @classmethod
    @keywords_named
    def of(
        cls,
        x1: Input,
        x2: Input,
        y1: Input | None = None,
        y2: Input | None = None,
        *,
        groups: Input | None = None,
        ids1: Input | None = None,
        ids2: Input | None = None,
        weights: Input | None = None,
        present1: Input | None = None,
        present2: Input | None = None,
        name1: str = "modality 1",
        name2: str = "modality 2",
        features1: Sequence[str] | None = None,
        features2: Sequence[str] | None = None,
        targets1: Sequence[str] | None = None,
        targets2: Sequence[str] | None = None,
        kind: Kind | None = None,
        ignore_label: Ignored | None = None,
        drop_missing: bool = False,
        coords: Input | None = None,
        block: float | None = None,
        dequantize: Dequantize = None,
    ) -> Pair:
        """A pair of checked inputs, each an array of any namespace, a list, a `Rows`, or the path of a file.

        A target given for one modality only serves both; without any, each modality is its own target.
        A single integer, boolean or text target column is class labels; see `labels.target_of`.

        x1, x2 : (N, ...), flattened per row; y1, y2 : (N,) or (N, C).
        groups, ids1, ids2, weights, present1, present2 : (N,).
        features1, features2, targets1, targets2 : column names, one per column.
        kind : what y1 and y2 are: "class" for labels, whatever their type; "quantity" for numbers; "multilabel" for
        several labels per row, as text such as ``oak;fir`` or as columns of 0 and 1. By default `target_of` decides.
        ignore_label : labels of y1 and y2 that stand for none, such as -1 or "255,unknown": those rows are left out.
        drop_missing : leave out every row with a missing label, group, id or weight, or a NaN or an infinity.
        coords, block : (N, 2) places, latitude and longitude or a map's, and the side of the square blocks of ground
        that are the groups, in their units.
        dequantize : what whole numbers of x1 and x2 stand for, see `dequantized`.

        Raises `AlignscopeError`: E101-E108 (a file), E106 (not numbers), E201 (no rows or columns), E202
        (numbers of rows differ), E203 (NaN in labels, ids, groups or weights; large blocks are checked when
        they are read), E204 (ids), E205 (a modality present nowhere), E209 (weights), E210 (names), E304 (too
        many classes).

        >>> pair = Pair.of([[1.0], [2.0], [3.0]], [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], ["a", "b", "a"])
        >>> pair.n, pair.d1, pair.d2, pair.y1.names, pair.y2 is pair.y1
        (3, 1, 2, ('a', 'b'), True)
        """
        if kind is not None:
            one_of("kind", kind, KINDS)
        require_plain((name1, name2), "the names of the modalities")
        for names in (features1, features2, targets1, targets2):
            require_plain(map(str, names or ()), "the names of columns")
        _require_both_ids(ids1, ids2)
        opened = {"x1": open_block(x1, "x1", features1), "x2": open_block(x2, "x2", features2)}
        given = dequantized(opened, dequantize)
        labels, as_written = {"y1": y1, "y2": y2}, kind in ("class", "multilabel")
        given |= {k: open_any(value, k, text=as_written) for k, value in labels.items() if value is not None}
        sides = {"groups": groups, "ids1": ids1, "ids2": ids2, "weights": weights}
        sides |= {"present1": present1, "present2": present2}
        given |= ground(coords, block, groups)
        others = {k: open_any(v, k, text=k in _AS_WRITTEN) for k, v in sides.items() if v is not None}
        require_same_samples({**given, **others}, ids_given=ids1 is not None)
        values = {"x1": x1, "x2": x2, "coords": coords, **labels, **sides}
        side = {role: vector_of(rows, role) for role, rows in others.items()}
        require_equal_rows(given, side)
        given, side, dropped = leave_out(given, side, drop_missing, ignored_labels(ignore_label))
        notes: list[Note] = []
        places = None
        if "coords" in given and block is not None:
            side["groups"], places, note = block_groups(given.pop("coords"), block)
            notes.append(note)
        ids = [ids_of(side[role], role, others[role].dtype) for role in ("ids1", "ids2") if role in side]
        if ids:
            require_same_ids(ids[0], ids[1])
        targets, said = _targets(given, targets1, targets2, kind)
        notes += map(Note, said)
        mask1, mask2 = (presence_mask(side.get(role), role) for role in ("present1", "present2"))
        grouped = encode_labels(side["groups"], "groups") if "groups" in side else None
        blocks = (given["x1"], given["x2"], targets[0].rows, targets[1].rows, *others.values())
        notes += grouped.notes if grouped else ()
        notes += unlike_indexes({**given, **others}, values)
        notes += alike_notes(given["x1"], given["x2"], *targets)
        return cls(
            given["x1"],
            given["x2"],
            *targets,
            groups=grouped.codes if grouped else None,
            weights=checked_weights(side.get("weights")),
            present1=mask1,
            present2=mask2,
            name1=name1,
            name2=name2,
            group_names=grouped.names if grouped else (),
            ids=ids[0] if ids else None,
            places=places,
            notes=coded([*dropped, *(note for rows in blocks for note in rows.notes), *notes]),
        )


def _require_both_ids(ids1: Input | None, ids2: Input | None) -> None:
    if (ids1 is None) != (ids2 is None):
        alone, missing = ("ids1", "ids2") if ids2 is None else ("ids2", "ids1")
        raise AlignscopeError(
            "E204",
            alone,
            f"ids of one modality only; {missing} is missing",
            "Give the ids of both, or of neither.",
        )


def _targets(
    given: Mapping[str, Rows], names1: Sequence[str] | None, names2: Sequence[str] | None, kind: Kind | None
) -> tuple[tuple[Target, Target], list[str]]:
    if "y1" not in given and "y2" not in given:
        return (_own(given["x1"], "targets1", names1), _own(given["x2"], "targets2", names2)), []
    if "y1" in given and "y2" in given:
        return (target_of(given["y1"], "y1", names1, kind), target_of(given["y2"], "y2", names2, kind)), []
    role, names = ("y1", names1 or names2) if "y1" in given else ("y2", names2 or names1)
    target = target_of(given[role], role, names, kind)
    notes = ["y1 was not given: y2 is the target of both modalities."] if role == "y2" else []
    return (target, target), notes


def _own(rows: Rows, where: str, names: Sequence[str] | None) -> Target:
    target = modality_target(rows)
    if names is None:
        return target
    return Target(rows, "modality", fitting_names(names, rows.shape[1], where))
