"""All that a record holds: every figure, option, version, hash and text under a path, whatever the command.

A path names keys, joined by dots. A row of a table is named by what places it, ``cost_parts[components = 8, lambda = 3,
modality = 1, target = texture]``, never by its position. Values along a grid (`lambda`, `components`) are one curve.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alignscope.report.words import setting

_PLACES = (
    "key", "feature", "gauge", "direction", "training", "objective", "temperature", "components", "lambda", "epochs",
    "epoch", "task", "method", "other", "knower", "column", "modality", "target", "label", "name",
    "a", "b",
)  # fmt: skip
"""The fields that place a row in its table."""

_GRIDS = ("lambda", "lambdas", "components")
_SAID_TWICE = {"text", "call", "found", "claim", "note", "source", "order"}  # texts that repeat figures or the inputs
_OPTIONS = ("provenance", "spec", "options", "gauge", "components", "training", "scale", "targets")
_WHOLE = ("findings", "failures", "notes")  # lists of what is not a figure
_NOTE = re.compile(r"(AS\d{3}) (.*)", re.DOTALL)


@dataclass(frozen=True)
class Figure:
    """One figure with its interval, if it has one, and its values by seed, if they are known."""

    value: float
    low: float | None = None
    high: float | None = None
    seeds: Mapping[int, float] = field(default_factory=dict)

    @property
    def bounded(self) -> bool:
        """Whether it has an interval."""
        return self.low is not None and self.high is not None


@dataclass
class Contents:
    """All that a record says, by path."""

    figures: dict[str, Figure] = field(default_factory=dict)
    curves: dict[str, dict[str, float]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    findings: list[dict[str, str]] = field(default_factory=list)

    def add(self, other: Contents) -> None:
        """Take in all that another part of the record says."""
        self.findings += other.findings
        for name in ("figures", "curves", "texts", "options", "versions", "data"):
            getattr(self, name).update(getattr(other, name))


def contents_of(
    record: Mapping[str, Any], leave_out: Sequence[str] = (), seeds: Sequence[int] = (), under: str = ""
) -> Contents:
    """Return what a record says.

    leave_out : keys that are compared in another way, or not. seeds : those that the values by seed of an interval
    belong to; where some have no value, it is not known which. under : the first part of every path.
    """
    found = Contents()
    for path, value in _leaves(record, (), None, frozenset(leave_out)):
        _put(found, path, ".".join((under, *path) if under else path), value, seeds)
    return found


def named(place: Mapping[str, Any]) -> str:
    """Return what tells a row of a table from the others: "[components = 8, target = texture]"."""
    return "[" + ", ".join(f"{key} = {setting(value)}" for key, value in place.items()) + "]"


Grid = tuple[str, list[Any]]
Path = tuple[str, ...]


def _leaves(value: Any, path: Path, grid: Grid | None, leave_out: frozenset[str]) -> Iterator[tuple[Path, Any]]:
    if _is_estimate(value):
        yield path, value
    elif isinstance(value, Mapping):
        grid = next(((key, value[key]) for key in _GRIDS if _is_curve(value.get(key))), grid)
        for key, item in value.items():
            if key not in leave_out and (grid is None or item is not grid[1]):
                yield from _leaves(item, (*path, key), grid, leave_out)
    elif not isinstance(value, list) or not value or path[-1] in _WHOLE:
        yield path, value
    elif grid is not None and len(value) == len(grid[1]):
        # intervals along a grid are compared by their values
        points = [item["value"] if _is_estimate(item) else item for item in value]
        yield path, {f"{grid[0]} = {setting(at)}": point for at, point in zip(grid[1], points, strict=True)}
    elif any(isinstance(item, Mapping | list) for item in value):
        seen: Counter[str] = Counter()
        for number, item in enumerate(value, 1):
            name = _row_name(item) or f"[{number}]"
            seen[name] += 1
            name += f"#{seen[name]}" if seen[name] > 1 else ""
            yield from _leaves(item, (*path[:-1], path[-1] + name), grid, leave_out)
    else:
        yield path, value


def _row_name(row: Any) -> str:
    if not isinstance(row, Mapping):
        return ""
    if "key" in row:
        return named({"key": row["key"]})
    place = {key: row[key] for key in _PLACES if key in row and not isinstance(row[key], Mapping | list)}
    return named(place) if place else ""


def _is_estimate(value: Any) -> bool:
    return isinstance(value, Mapping) and {"value", "low", "high"} <= value.keys()


def _is_curve(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(_number(item) is not None for item in value)


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    return float(value) if isinstance(value, int | float) or value in ("inf", "-inf") else None


def _put(found: Contents, parts: Path, path: str, value: Any, seeds: Sequence[int]) -> None:
    """Sort one leaf to where it belongs."""
    last = parts[-1]
    if last in ("findings", "notes") or "notes" in parts[:1]:
        found.findings += [_finding(item) for item in value or ()]
    elif last == "failures":
        found.figures[path] = Figure(float(len(value)))
    elif last == "fingerprint" or "sha256" in parts:
        found.data[path.removesuffix(".sha256")] = setting(value)
    elif last == "version" or "software" in parts:
        found.versions[path] = setting(value)
    elif _is_estimate(value):
        by, middle = value.get("seeds"), _number(value["value"])
        known = isinstance(by, list) and len(by) == len(seeds)
        if middle is not None:
            by_seed = dict(zip(seeds, by, strict=True)) if known else {}
            found.figures[path] = Figure(middle, _number(value["low"]), _number(value["high"]), by_seed)
    elif parts[0] in _OPTIONS or "settings" in parts[-2:]:
        found.options[path] = value
    elif isinstance(value, Mapping):
        points = {at: _number(point) for at, point in value.items()}
        found.curves[path] = {at: point for at, point in points.items() if point is not None}
    elif (number := _number(value)) is not None:
        if last != "schema":
            found.figures[path] = Figure(number)
    elif _is_curve(value):
        found.curves[path] = {f"place {n}": _number(item) or 0.0 for n, item in enumerate(value, 1)}
    elif value is not None and last not in _SAID_TWICE:
        found.texts[path] = setting(value)


def _finding(item: Any) -> dict[str, str]:
    """Return a finding, or a note such as "AS116 x1 (a.csv): ...", as its code and text."""
    if isinstance(item, Mapping):
        return {"code": str(item["code"]), "text": str(item["text"])}
    match = _NOTE.fullmatch(str(item))
    return {"code": match[1], "text": match[2]} if match else {"code": "", "text": str(item)}
