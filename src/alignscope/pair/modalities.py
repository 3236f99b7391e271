"""`Modalities`: any number of modalities, or embeddings, of the same samples, and what they should predict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from alignscope._lib.checks import one_of
from alignscope._lib.types import Codes, Mask, Vector
from alignscope.errors import AlignscopeError
from alignscope.pair.alike import same_rows
from alignscope.pair.blocks import block_groups
from alignscope.pair.dequantize import Dequantize, dequantized
from alignscope.pair.dropping import Ignored, ignored_labels, leave_out
from alignscope.pair.identity import ids_of, require_same_ids, require_same_samples
from alignscope.pair.inputs import checked_weights, ground, open_block, require_equal_rows
from alignscope.pair.labels import KINDS, Kind, Target, encode_labels, target_of
from alignscope.pair.notes import Note, coded, require_plain
from alignscope.pair.paired import Pair
from alignscope.pair.readers.columns import MOST
from alignscope.pair.readers.formats import Input, open_any, vector_of
from alignscope.pair.readers.rows import Rows

TARGET = "y"
"""The name of the target's block."""


@dataclass(frozen=True, eq=False)
class Modalities:
    """M modalities of the same N samples, in the same order, and one target.

    blocks : name of a block, "x1" to "xM" -> its rows (N, D). y : what is predicted.
    names : of the modalities. groups : (N,) codes from 0 of rows that must stay in one fold.
    weights : (N,) at least 0. notes : what was done to the inputs on the way in.
    """

    blocks: dict[str, Rows]
    y: Target
    names: tuple[str, ...]
    groups: Codes | None = None
    weights: Vector | None = None
    notes: tuple[Note, ...] = ()

    @property
    def n(self) -> int:
        """The number of samples."""
        return self.y.rows.shape[0]

    @property
    def width(self) -> int:
        """The number of columns of all modalities together."""
        return sum(rows.shape[1] for rows in self.blocks.values())

    @property
    def tables(self) -> dict[str, Rows]:
        """The tables by the name of their block."""
        return {**self.blocks, TARGET: self.y.rows}

    @property
    def presence(self) -> dict[str, Mask | None]:
        """Rows of a modality that are NaN throughout lack it, which is seen where they are read."""
        return dict.fromkeys(self.blocks)

    def pair(self, one: str, two: str) -> Pair:
        """Two of the modalities, by the names of their blocks, as a pair with one target."""
        places = [list(self.blocks).index(block) for block in (one, two)]
        return Pair(
            self.blocks[one],
            self.blocks[two],
            self.y,
            self.y,
            groups=self.groups,
            weights=self.weights,
            name1=self.names[places[0]],
            name2=self.names[places[1]],
        )

    @classmethod
    def of(
        cls,
        xs: Sequence[Input],
        y: Input,
        *,
        names: Sequence[str] | None = None,
        targets: Sequence[str] | None = None,
        groups: Input | None = None,
        ids: Sequence[Input] | None = None,
        weights: Input | None = None,
        kind: Kind | None = None,
        ignore_label: Ignored | None = None,
        drop_missing: bool = False,
        coords: Input | None = None,
        block: float | None = None,
        dequantize: Dequantize = None,
    ) -> Modalities:
        """Checked modalities, each an array of any namespace, a list, a `Rows`, or the path of a file.

        xs : M of them, 2 to 30, each (N, ...), flattened per row. y : (N,) or (N, C), as in `Pair.of`.
        names : one per modality, all different. targets : names of the columns of y.
        ids : of the samples, one (N,) per modality, which must be the same row by row.
        groups, weights, kind, ignore_label, drop_missing, coords, block, dequantize : as in `Pair.of`.

        Raises `AlignscopeError`: E201 for fewer than two modalities or more than 30, E210 for names that do not fit or
        repeat, and all that `Pair.of` raises.

        >>> several = Modalities.of([[[1.0], [2.0], [4.0]], [[3.0], [1.0], [2.0]]], ["oak", "fir", "oak"])
        >>> several.n, several.names, several.y.names
        (3, ('embedding 1', 'embedding 2'), ('fir', 'oak'))
        """
        if kind is not None:
            one_of("kind", kind, KINDS)
        called = _names(len(xs), names)
        roles = [f"x{j}" for j in range(1, len(xs) + 1)]
        opened = {role: open_block(x, role, None) for role, x in zip(roles, xs, strict=True)}
        given = dequantized(opened, dequantize)
        given[TARGET] = open_any(y, TARGET, text=kind in ("class", "multilabel"))
        sides: dict[str, Input] = {k: v for k, v in (("groups", groups), ("weights", weights)) if v is not None}
        sides |= {f"ids{j}": one for j, one in enumerate(_one_each(ids, len(xs)), 1)}
        given |= ground(coords, block, groups)
        others = {k: open_any(v, k, text=k != "weights") for k, v in sides.items()}
        require_same_samples({**given, **others}, ids_given=ids is not None)
        side = {role: vector_of(rows, role) for role, rows in others.items()}
        require_equal_rows(given, side)
        given, side, dropped = leave_out(given, side, drop_missing, ignored_labels(ignore_label))
        notes: list[Note] = []
        if "coords" in given and block is not None:
            side["groups"], _, note = block_groups(given.pop("coords"), block)
            notes.append(note)
        each = {role: ids_of(side[role], role, others[role].dtype) for role in side if role.startswith("ids")}
        for role, found in list(each.items())[1:]:
            require_same_ids(each["ids1"], found, f"ids1 and {role}")
        target = target_of(given[TARGET], TARGET, targets, kind)
        grouped = encode_labels(side["groups"], "groups") if "groups" in side else None
        notes += grouped.notes if grouped else ()
        blocks = {role: given[role] for role in roles}
        notes += _twice(blocks, called)
        read = (*blocks.values(), target.rows, *others.values())
        return cls(
            blocks,
            target,
            called,
            groups=grouped.codes if grouped else None,
            weights=checked_weights(side.get("weights")),
            notes=coded([*dropped, *(note for rows in read for note in rows.notes), *notes]),
        )


def _names(count: int, names: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the modalities, one each. Raises E201 for too few or too many, E210 for names that do not fit."""
    if not 2 <= count <= MOST:
        raise AlignscopeError("E201", "embeddings", f"{count} given", f"Give 2 to {MOST}.")
    called = tuple(f"embedding {j}" for j in range(1, count + 1)) if names is None else tuple(map(str, names))
    require_plain(called, "the names of embeddings")
    if len(called) != count:
        raise AlignscopeError("E210", "names", f"{len(called)} for {count} embeddings", "Give one per embedding.")
    if twice := [name for name, times in Counter(called).items() if times > 1]:
        raise AlignscopeError("E210", "names", f"{twice[0]!r} more than once", "Give every embedding its own name.")
    return called


def _one_each(ids: Sequence[Input] | None, count: int) -> Sequence[Input]:
    if ids is not None and len(ids) != count:
        raise AlignscopeError("E204", "ids", f"{len(ids)} for {count} embeddings", "Give one file per embedding.")
    return [] if ids is None else ids


def _twice(blocks: dict[str, Rows], names: Sequence[str]) -> list[Note]:
    """A note on every two modalities that hold the same numbers."""
    called = dict(zip(blocks, names, strict=True))
    return [
        Note(f"{called[a]} and {called[b]} hold the same numbers: one of them adds nothing.", "AS120")
        for a, b in combinations(blocks, 2)
        if same_rows(blocks[a], blocks[b])
    ]
