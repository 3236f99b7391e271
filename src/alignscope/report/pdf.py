"""The same drawing, the same bytes: the PDF writer numbers and orders its objects anew each time."""

from __future__ import annotations

import re

_REFERENCE = re.compile(rb"\b(\d+) 0 R\b")
_ENTRIES = re.compile(rb"(?:^ */\w+ \d+ 0 R\n)+", re.MULTILINE)


def canonical(pdf: bytes) -> bytes:
    """Return `pdf` with its objects in the order in which they are met from the root, numbered from 1.

    Reads files with one cross-reference table, as vl-convert writes them; any other is returned as it is.
    """
    tail = re.search(rb"\nxref\n0 (\d+)\n(.*?)trailer\n(<<.*?>>)\nstartxref\n\d+\n%%EOF\s*$", pdf, re.DOTALL)
    if tail is None:
        return pdf
    rows = [line.split() for line in tail[2].splitlines() if line.strip()]
    starts = sorted((int(row[0]), number) for number, row in enumerate(rows) if row[2] == b"n")
    if not starts:
        return pdf
    ends = [start for start, _ in starts[1:]] + [tail.start()]
    bodies = {
        number: _body(pdf[start:end]) for (start, number), end in zip(starts, ends, strict=True)
    }  # number: (dictionary, stream)
    head = _sorted(tail[3])
    numbers = _numbers(head, bodies)
    return _write(pdf[: starts[0][0]], head, bodies, numbers)


def _body(written: bytes) -> tuple[bytes, bytes]:
    """Split one object into its dictionary, entries sorted, and its stream."""
    inside = written[written.index(b"obj") + 3 : written.rindex(b"endobj")]
    dictionary, mark, stream = inside.partition(b"\nstream\n")
    return _sorted(dictionary), mark + stream


def _sorted(dictionary: bytes) -> bytes:
    return _ENTRIES.sub(lambda found: b"".join(sorted(found[0].splitlines(keepends=True))), dictionary)


def _numbers(head: bytes, bodies: dict[int, tuple[bytes, bytes]]) -> dict[int, int]:
    """Return the new number of each object by its old one: breadth first from the trailer."""
    met: list[int] = []
    waiting = [head]
    while waiting:
        for reference in _REFERENCE.findall(waiting.pop(0)):
            number = int(reference)
            if number in bodies and number not in met:
                met.append(number)
                waiting.append(bodies[number][0])
    return {old: new for new, old in enumerate(met, 1)}


def _write(start: bytes, head: bytes, bodies: dict[int, tuple[bytes, bytes]], numbers: dict[int, int]) -> bytes:
    def renumber(dictionary: bytes) -> bytes:
        return _REFERENCE.sub(lambda found: b"%d 0 R" % numbers.get(int(found[1]), 0), dictionary)

    out = bytearray(start)
    table = [b"0000000000 65535 f\r\n"]
    for old, new in numbers.items():
        table.append(b"%010d 00000 n\r\n" % len(out))
        dictionary, stream = bodies[old]
        out += b"%d 0 obj" % new + renumber(dictionary) + stream + b"endobj\n\n"
    place = len(out)
    size = re.sub(rb"/Size \d+", b"/Size %d" % len(table), renumber(head))
    out += b"xref\n0 %d\n" % len(table) + b"".join(table) + b"trailer\n" + size
    return bytes(out + b"\nstartxref\n%d\n%%%%EOF" % place)
