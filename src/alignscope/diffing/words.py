"""How a comparison is worded, on the console and on its page."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence

from alignscope.diffing.results import ChangedFigure, DifferenceRecord
from alignscope.report.words import MISSING, count, finite, lam, number, setting, signed

_SHOWN = 8
_WHO = {"1": "x1", "2": "x2", "b": "both"}  # short, so that a chart on a phone has room for the rest
_PARTS = {
    "redundant": "in either",
    "unique.1": "only in x1",
    "unique.2": "only in x2",
    "synergy": "only in both together",
}
_AUDIT = {
    "held_out_at_risk": "{0}: lost, supervised",
    "contrastive.all": "{0}: kept, contrastive",
    "contrastive.loss": "{0}: lost, contrastive",
}


def label(path: str) -> str:
    """Return a path in words where it is one of the main figures, else as it is."""
    if match := re.fullmatch(r"sigma\.held_out\.([12b])([12])", path):
        return f"{_WHO[match[1]]} on y{match[2]} (held-out R²)"
    if match := re.fullmatch(r"directions\.([12])\.(.+)", path):
        return _AUDIT[match[2]].format(_WHO[match[1]]) if match[2] in _AUDIT else path
    if match := re.fullmatch(r"information\.([12])\.(.+)", path):
        return f"information on y{match[1]}, {_PARTS[match[2]]} (bits)" if match[2] in _PARTS else path
    if match := re.fullmatch(r"methods\[method = (.+)\]\.columns\.(.+)", path):
        return f"{match[1]}: {match[2]}"
    return ", ".join(_trained(path)) or path


def _trained(path: str) -> list[str]:
    """Return the parts of the path of a score of trainings in words; none of another path."""
    match = re.search(r"trainings\[(.+)\]\.targets\[modality = (\d), target = (.+)\]\.(\w+)$", path)
    if match is None:
        return []
    place = dict(part.split(" = ", 1) for part in match[1].split(", "))
    where = [f"λ {place['lambda']}", f"K {place['components']}", f"{place['epochs']} epochs"]
    return [
        f"{match[3]} by {match[2]}",
        *where,
        *(place[name] for name in ("gauge", "direction", "training")),
        match[4],
    ]


def short_labels(paths: Sequence[str]) -> tuple[list[str], str]:
    """Return what tells figures apart, and what scores of trainings have in common."""
    parts = [_trained(path) for path in paths]
    if len(parts) < 2 or not all(parts):
        return [label(path) for path in paths], ""
    varies = [len(set(column)) > 1 for column in zip(*parts, strict=True)]
    names = [", ".join(itertools.compress(some, varies)) for some in parts]
    return names, ", ".join(part for part, differs in zip(parts[0], varies, strict=True) if not differs)


def change(figure: ChangedFigure) -> str:
    """Write a change with its interval: "+0.031 (+0.010 to +0.052, paired)"."""
    text = _signed(figure.change)
    if figure.interval is None:
        return text
    return f"{text} ({_signed(figure.low)} to {_signed(figure.high)}, {figure.interval})"


def value(figure: float) -> str:
    """Write a figure of any size: "0.1234", "4,812", "∞"."""
    if not finite(figure):
        return lam(figure)
    return count(int(figure)) if figure == int(figure) and abs(figure) < 1e15 else number(figure)


def _signed(figure: float | None) -> str:
    if figure is None or not finite(figure):
        return MISSING if figure is None else "+∞" if figure > 0 else "−∞"
    if figure == int(figure):
        return number(figure, "+,.0f")
    return number(figure, "+.3g") if abs(figure) < 0.001 else signed(figure)


def headline(found: DifferenceRecord) -> list[str]:
    """Return what differs in few sentences, the most important first."""
    if not (found.figures or found.new or found.gone or found.texts or found.findings.new or found.findings.gone):
        rest = "options, versions or data do" if found.options or found.versions or found.data else "nor anything else"
        return [f"No figure, finding or verdict differs, {rest}."]
    significant = sum(figure.significant for figure in found.figures)
    said = [f"{count(len(found.figures))} of {count(found.compared)} figures and curves differ."]
    if any(figure.interval for figure in found.figures):
        said[0] = f"{said[0][:-1]}; the 95% interval of the change excludes 0 for {count(significant)} of them."
    if found.new or found.gone:
        said.append(f"{count(len(found.new))} figures are new, {count(len(found.gone))} are gone.")
    codes = [
        f"{what}: {_codes(f.code for f in some)}."
        for what, some in (("New findings", found.findings.new), ("Gone findings", found.findings.gone))
        if some
    ]
    return [*said, *codes]


def _codes(codes: Iterable[str]) -> str:
    return ", ".join(code or "a note" for code in codes)


def lines(found: DifferenceRecord) -> list[str]:
    """Return what is printed of a comparison."""
    verdicts = [
        line
        for text in found.texts
        if text.key in ("decision.badge", "verdict")
        for line in (f"{text.key} before: {setting(text.before)}", f"{text.key} after:  {setting(text.after)}")
    ]
    figures = [
        f"  {label(f.figure)}: {value(f.before)} to {value(f.after)}, {change(f)}" for f in found.figures[:_SHOWN]
    ]
    return [f"Two runs of `{found.of}`. {found.pairing}", *headline(found), *verdicts, *figures]
