"""Tables in text: `.csv`, `.tsv` and the same in gzip, read into memory whole.

A few lines are looked at first: they tell the encoding, the separator, the decimal sign, and whether the first line
names the columns. What is not plain is said.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

from alignscope.errors import AlignscopeError
from alignscope.pair.missing import MISSING
from alignscope.pair.readers.cells import broken, called, wants_text
from alignscope.pair.readers.columns import is_nameless
from alignscope.pair.readers.headers import FirstLine, first_line, is_number
from alignscope.pair.readers.rows import ArrayRows, Where
from alignscope.pair.readers.tables import pick, rows_of

DELIMITERS = ("\t", ";", "|", ",")
LINES = 256  # looked at
CHARACTERS = 1 << 16  # looked at, but always the first lines
LONGEST = 1 << 26  # characters of a line
WIDEST = 1 << 16  # columns: each takes about 20 kB of memory while it is read
MOST_UNPACKED = 128 << 20  # bytes that a packed file may hold however small it is
MOST_RATIO = 200  # and how many times its own size beyond that

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NO_TEXT = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"\x1f\x8b": "packed by gzip",
}
_NULLS = sorted({form for text in MISSING for form in (text, text.upper(), text.capitalize())} | {"NaN", "-NaN", "NaT"})


@dataclass(frozen=True)
class Sheet:
    """How the text of a table is laid out.

    skip : lines before the first sample. names : one per column, None where no line gives them. notes : what to say.
    longest : characters of the longest line that was looked at. width : columns. empty : whether no sample follows.
    """

    encoding: str
    delimiter: str
    decimal: str
    skip: int
    width: int
    names: tuple[str, ...] | None
    longest: int
    empty: bool
    notes: tuple[str, ...] = ()


def open_csv(where: Where) -> ArrayRows:
    """A table in text, its columns separated by commas, semicolons, tabs, bars or, between numbers, spaces.

    The first line names the columns, unless it reads like the lines below it; see `headers.first_line`. Lines that
    begin with # before it are comments, and Excel's ``sep=;`` is followed. UTF-8, UTF-16 and cp1252.

    The key picks columns: ``table.csv:label``, ``table.csv:b1,b2``, ``table.csv:A*``. Missing cells become NaN.
    Raises E103 (ragged lines, an encoding), E105 (no such column), E106 (a column of text, or of ids), E201 and E210
    (a first line that may be names or a sample).
    """
    sheet = _survey(where)
    names = sheet.names
    if names is None:
        names = tuple(f"{where.role} {j}" for j in range(sheet.width)) if sheet.width > 1 else (where.role,)
    picked = pick(where, names)
    columns, sheet = _columns(where, sheet, picked)
    if sheet.width == 1 and sheet.names is not None and _recurs(sheet.names[0], columns[0]):
        # a lone column of labels, whose first label recurs, has no header
        sheet = replace(sheet, names=None, skip=sheet.skip - 1)
        columns, sheet = _columns(where, sheet, picked)
        names = (where.role,)
    notes = [f"{called(where)}: {note}." for note in sheet.notes]
    return rows_of(where, [names[j] for j in picked], columns, notes, sheet.skip + 1)


def _survey(where: Where) -> Sheet:
    """The layout of the file. Raises E103 for what is no text, E201 without any line and E210 for a doubtful header."""
    encoding, notes = _encoding(where)
    try:
        with _open(where.path, encoding) as file:
            lines = _lines(file)
        skip, delimiter, comment = _preamble(lines)
        lines = lines[skip:]
        delimiter = delimiter or _delimiter(lines)
        table = [cells for cells in csv.reader(lines, delimiter=delimiter) if cells]
        first_reader = csv.reader(lines, delimiter=delimiter)
        while table and not next(first_reader):
            pass
    except (csv.Error, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError) as error:
        raise broken(where, error) from error
    if not table:
        raise AlignscopeError("E201", where.text, "the file is empty", "Give a file with one line per sample.")
    decimal = _decimal(table, delimiter)
    notes += ("read with decimal commas",) * (decimal == ",")
    sheet = Sheet(encoding, delimiter, decimal, skip, len(table[0]), None, max(map(len, lines)), False)
    first = first_line(table, MISSING)
    if first.kind == "doubtful":
        way_out = "Give columns names that are not numbers; if it is a sample, put a line of names above it."
        raise AlignscopeError("E210", where.text, first.said, way_out)
    return _named(sheet, table, first, comment, first_reader.line_num, notes)


def _named(
    sheet: Sheet, table: Sequence[Sequence[str]], first: FirstLine, comment: str, lines: int, notes: Sequence[str]
) -> Sheet:
    """The layout with the names that the first line, or the comment above it, gives; `lines` of text it takes."""
    above = [cell.strip() for cell in next(csv.reader([comment], delimiter=sheet.delimiter), [])]
    if first.kind == "values":
        if len(above) == sheet.width > 1:
            return replace(sheet, names=tuple(above), notes=(*notes, "the names of the columns were read after the #"))
        return replace(sheet, notes=(*notes, *[first.said] * bool(first.said)))
    names = tuple(cell.strip() for cell in table[0])
    body = table[1:]
    if len(body) > 2 and all(len(cells) == len(names) + 1 for cells in body) and _row_names([c[0] for c in body]):
        names = ("", *names)  # as R writes row names, without a header of their own
    notes = (*notes, *[first.said] * bool(first.said))
    return replace(sheet, names=names, width=len(names), skip=sheet.skip + lines, notes=notes, empty=not body)


def _row_names(cells: Sequence[str]) -> bool:
    return not any(map(is_number, cells)) or list(cells) == [str(j) for j in range(1, len(cells) + 1)]


def _encoding(where: Where) -> tuple[str, tuple[str, ...]]:
    """The encoding of the file by its first bytes, and what to say of it. Raises E103 for what is no text."""
    try:
        with _bytes(where.path) as file:
            head = file.read(1 << 16)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise broken(where, error) from error
    for sign, what in _NO_TEXT.items():
        if head.startswith(sign):
            way_out = "Save it as text" if "Excel" in what else f"Name it {where.path.name}.gz"
            raise AlignscopeError("E103", where.text, f"it is {what}, not text", f"{way_out}.")
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return name, () if name == "utf-8-sig" else (f"read as {name.upper()}, as its byte order mark says",)
    if b"\0" in head:
        even, odd = head[::2].count(0), head[1::2].count(0)
        if min(even, odd) or max(even, odd) < len(head) // 4:
            raise AlignscopeError("E103", where.text, "it holds bytes of 0, so it is not text", "Give a text table.")
        name = "utf-16-le" if odd else "utf-16-be"
        return name, (f"read as {name.upper()}",)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return _western(where, head)
    return "utf-8", ()


def _western(where: Where, head: bytes = b"") -> tuple[str, tuple[str, ...]]:
    """The encoding of a file that is not UTF-8. Raises E103 where it is not that of Windows either."""
    try:
        head.decode("cp1252")
    except UnicodeDecodeError as error:
        found = f"it is neither UTF-8 nor cp1252 (byte 0x{head[error.start]:02x})"
        raise AlignscopeError("E103", where.text, found, "Save it as UTF-8.") from None
    return "cp1252", ("not UTF-8, so read as cp1252 (Windows, Western Europe); if names look wrong, save it as UTF-8",)


def _bytes(path: Path) -> io.BufferedIOBase:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


def _open(path: Path, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(cast(IO[bytes], _bytes(path)), encoding, errors="replace", newline="")


def _lines(file: io.TextIOWrapper) -> list[str]:
    """The first lines with their ends, few where they are long."""
    lines: list[str] = []
    total = 0
    while len(lines) < LINES and (total < CHARACTERS or len(lines) < 3):
        line = file.readline(LONGEST)
        if not line:
            break
        lines.append(line)
        total += len(line)
    return lines


def _preamble(lines: Sequence[str]) -> tuple[int, str | None, str]:
    """Lines before the table, the separator that Excel names there, and the last comment without its #."""
    delimiter, comment, skip = None, "", 0
    for line in lines:
        text = line.strip()
        if skip == 0 and (found := re.fullmatch(r'"?sep=(.)"?', line.strip("\r\n"), re.IGNORECASE)):
            delimiter = found[1]
        elif text.startswith("#") and not re.match(r"#\W*[,;\t|]", text):
            comment = text.lstrip("#").strip()
        elif text:
            break
        skip += 1
    return skip, delimiter, comment


def _delimiter(lines: Sequence[str]) -> str:
    """What separates the cells: what cuts all lines into equally many, else what cuts the first one."""
    lines = lines[:20]
    for delimiter in DELIMITERS:
        try:
            counts = [len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells]
        except csv.Error:  # a long line that it does not cut
            continue
        if len(counts) > 1 and max(counts[1:]) == min(counts[1:]) > 1 and counts[0] in (counts[1], counts[1] - 1):
            return delimiter
    numbers = [line.split(" ") for line in map(str.strip, lines) if line]
    alike = numbers and len(numbers[0]) > 1 and {len(cells) for cells in numbers} == {len(numbers[0])}
    if alike and all(is_number(cell) for cells in numbers[1:] or numbers for cell in cells):
        return " "
    for delimiter in (",", ";", "\t", "|"):
        if len(next((cells for cells in csv.reader(lines, delimiter=delimiter) if cells), [])) > 1:
            return delimiter
    return ","


def _decimal(table: Sequence[Sequence[str]], delimiter: str) -> str:
    """The decimal sign: a comma where cells have it between digits and none has a point there."""
    cells = [cell.strip() for line in table[:20] for cell in line]
    comma = any(re.fullmatch(r"[+-]?\d+,\d+([eE][+-]?\d+)?", cell) for cell in cells)
    point = any(re.fullmatch(r"[+-]?\d*\.\d+([eE][+-]?\d+)?", cell) for cell in cells)
    return "," if comma and not point and delimiter != "," else "."


def _columns(where: Where, sheet: Sheet, picked: Sequence[int]) -> tuple[list[Any], Sheet]:
    """The columns that are picked, as arrow has them, and the layout with the encoding that held."""
    import pyarrow as pa  # slow to load

    try:
        columns = _read(where, sheet, picked)
        if not any(pa.types.is_binary(column.type) for column in columns):
            return columns, sheet
        found = "invalid UTF8 data"
    except pa.ArrowInvalid as error:
        found = str(error)
        if "UTF8" not in found:
            raise broken(where, error) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise broken(where, error) from error
    except UnicodeDecodeError as error:
        encoding = "UTF-8 nor cp1252" if sheet.encoding == "cp1252" else sheet.encoding.upper()
        found = f"it is not {'neither ' if 'nor' in encoding else ''}{encoding}".replace("not neither", "neither")
        raise AlignscopeError("E103", where.text, f"{found} ({error.reason})", "Save it as UTF-8.") from None
    encoding, notes = _western(where)
    return _columns(where, replace(sheet, encoding=encoding, notes=(*notes, *sheet.notes)), picked)


def _read(where: Where, sheet: Sheet, picked: Sequence[int]) -> list[Any]:
    import pyarrow as pa  # slow to load
    from pyarrow import csv as arrow_csv  # slow to load

    if len(picked) > WIDEST:
        found = f"a text table of {len(picked):,} columns, where at most {WIDEST:,} are read"
        raise AlignscopeError("E201", where.text, found, "Save it by numpy.save, or pick columns.")
    if sheet.empty:
        return [pa.chunked_array([], pa.null()) for _ in picked]
    keys = [str(j) for j in range(sheet.width)]
    row_names = where.key is None and sheet.width > 1 and sheet.names is not None and is_nameless(sheet.names[0])
    written = [j for j in picked if j or not row_names]
    text = {keys[j]: pa.string() for j in written} if wants_text(where, len(written)) else {}
    table = arrow_csv.read_csv(
        _source(where),
        read_options=arrow_csv.ReadOptions(
            column_names=keys,
            skip_rows=sheet.skip,
            encoding="utf8" if sheet.encoding.startswith("utf-8") else sheet.encoding,
            block_size=max(1 << 20, 4 * sheet.longest),
        ),
        parse_options=arrow_csv.ParseOptions(delimiter=sheet.delimiter),
        convert_options=arrow_csv.ConvertOptions(
            null_values=_NULLS,
            decimal_point=sheet.decimal,
            column_types=text,
            include_columns=[keys[j] for j in picked] if len(set(picked)) < sheet.width else [],
        ),
    )
    return [table.column(keys[j]) for j in picked]


def _source(where: Where) -> Any:
    if where.path.suffix.lower() != ".gz":
        return where.path
    import pyarrow as pa  # slow to load

    return pa.PythonFile(_Unpacking(where), mode="r")


class _Unpacking(io.RawIOBase):
    """The content of a gzip file, refused (E103) where it is far larger than the file can be expected to hold."""

    def __init__(self, where: Where) -> None:
        self._where, self._file, self._count = where, _bytes(where.path), 0
        self._most = max(MOST_UNPACKED, MOST_RATIO * where.path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._file.read(len(buffer))
        self._count += len(block)
        if self._count > self._most:
            found = f"it holds more than {self._most:,} bytes, too many for a file of its size"
            raise AlignscopeError("E103", self._where.text, found, "Unpack it first.")
        buffer[: len(block)] = block
        return len(block)


def _recurs(name: str, column: Any) -> bool:
    """Whether the name of a lone column is one of its texts."""
    import pyarrow as pa  # slow to load
    import pyarrow.compute as pc  # slow to load

    return pa.types.is_string(column.type) and bool(pc.any(pc.equal(column, name)).as_py())
