"""Turns docstrings, which are plain text with equations, into reStructuredText that cannot be misread.

Without it `||Y||^2` would be a substitution, `X*` the start of an emphasis and `coef_` a link.
"""

from __future__ import annotations

import re

_FIELD = re.compile(r"^(?P<name>[*\w][\w., *]*?) : (?P<text>.*)$")
_BULLET = re.compile(r"^(?:[-*]|\d+\.) ")
_SPAN = re.compile(r"(``.+?``|`[^`]+`)")


def process(app, what, name, obj, options, lines: list[str]) -> None:
    """Handle Sphinx's `autodoc-process-docstring`: rewrite `lines` in place."""
    lines[:] = convert(lines)


def convert(lines: list[str]) -> list[str]:
    """Return the docstring's lines as reStructuredText."""
    out: list[str] = []
    i, fields, listed = 0, False, False
    while i < len(lines):
        line = lines[i].rstrip()
        following = lines[i + 1].strip() if i + 1 < len(lines) else ""
        if line and following and set(following) == {"-"}:
            out += ["", f"**{line.strip()}**", ""]
            i, fields, listed = i + 2, True, False
        elif line.lstrip().startswith(">>>"):
            block, i = _take(lines, i, lambda text: bool(text.strip()))
            out += ["", *block, ""]
        elif line.startswith(" ") and not listed and (not out or not out[-1].strip()):
            block, i = _take(lines, i, lambda text: text.startswith(" ") or not text.strip())
            out += ["::", "", *("    " + text for text in block), ""]
        elif not line:
            out.append("")
            # A list goes on over a blank line only if what follows is indented.
            listed = listed and following != "" and lines[i + 1].startswith(" ")
            i += 1
        else:
            text, begins = _item(line, fields)
            if begins and not listed:
                out.append("")
            elif listed and not begins and not line.startswith(" "):
                out.append("")
                listed = False
            listed = listed or begins
            indent = "  " if listed and not begins else ""
            out.append(indent + text if begins or not listed else indent + escape(line.strip()))
            i += 1
    return [*out, ""]


def escape(text: str) -> str:
    """Return prose with its code spans as literals and every other mark-up character escaped."""
    parts = _SPAN.split(text)
    for k, part in enumerate(parts):
        if k % 2:
            parts[k] = f"``{part.strip('`')}``"
        else:
            parts[k] = re.sub(r"(\w)_(?=\W|$)", r"\1\\_", re.sub(r"([\\*|`])", r"\\\1", part))
    return "".join(parts)


def _item(line: str, fields: bool) -> tuple[str, bool]:
    """Return the line as text, and whether it begins an item of a list."""
    field = _FIELD.match(line) if fields else None
    if field:
        return f"- **{escape(field['name'])}**: {escape(field['text'])}", True
    bullet = _BULLET.match(line)
    if bullet:
        return "- " + escape(line[bullet.end() :]), True
    return escape(line), False


def _take(lines: list[str], start: int, keep) -> tuple[list[str], int]:
    """Return the run of lines from `start` that `keep` accepts, without blank lines at its end."""
    stop = start
    while stop < len(lines) and keep(lines[stop]):
        stop += 1
    block = [text.rstrip() for text in lines[start:stop]]
    while block and not block[-1]:
        block.pop()
    return block, stop
