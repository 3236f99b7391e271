"""Finished runs of every command as what two of them are compared by: a kind, a version of its format, a record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from alignscope._lib.outputs import RECORDS
from alignscope.auditing.audit import Audit
from alignscope.auditing.results import SCHEMA as AUDIT_SCHEMA
from alignscope.bench.running import Bench
from alignscope.bench.spec import SCHEMA as BENCH_SCHEMA
from alignscope.comparing.compared import Compared
from alignscope.comparing.results import SCHEMA as COMPARE_SCHEMA
from alignscope.errors import AlignscopeError
from alignscope.paper.running import Paper
from alignscope.report.results import Result
from alignscope.selecting.matrix import Selected
from alignscope.selecting.results import SCHEMA as MATRIX_SCHEMA
from alignscope.similarities.results import SCHEMA as SIMILARITY_SCHEMA
from alignscope.similarities.similarities import Similarities
from alignscope.study.running import Study
from alignscope.study.spec import SCHEMA as STUDY_SCHEMA

_RESULTS: tuple[type[Result], ...] = (Audit, Selected, Compared, Similarities, Study, Bench, Paper)
_SCHEMAS = {
    "audit": AUDIT_SCHEMA,
    "matrix": MATRIX_SCHEMA,
    "compare": COMPARE_SCHEMA,
    "similarity": SIMILARITY_SCHEMA,
    "study": STUDY_SCHEMA,
    "bench": BENCH_SCHEMA,
}
_DATA = ("join", "scenes", "sample", "trifeature", "treesatai-like")  # commands `data ...` whose record has its kind
_INSPECTION = ("without_labels", "without_split")


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes
    ----------
    source : the path that was given, or "result" for one in memory.
    kind : "audit", "matrix", "compare", "study", "bench", "paper", or the name of a command of ``alignscope data``.
    record : the content of its JSON file. result : the same as its type; None for the commands of ``alignscope data``.
    """

    source: str
    kind: str
    record: dict[str, Any]
    result: Result | None = None

    @property
    def schema(self) -> int:
        """The version of its format."""
        return int(self.record.get("schema", 0))

    @classmethod
    def of(cls, run: str | Path | Result) -> Run:
        """Return a result, or that of a folder or a JSON file.

        Raises E101 where there is none, E102 for JSON that is none, E103 for a damaged one, and E403 for one of a newer
        version.
        """
        if isinstance(run, Result):
            return cls("result", run.output.command, run.to_dict(), run)
        path = _found(Path(run))
        try:
            content = path.read_bytes()
            record = msgspec.json.decode(content)
        except OSError as error:
            raise AlignscopeError("E101", str(path), f"{error.strerror}", "Give the folder of a run.") from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise AlignscopeError("E103", str(path), f"{error}", "Run it again.") from None
        return cls._read(path, content, record if isinstance(record, dict) else {})

    @classmethod
    def _read(cls, path: Path, content: bytes, record: dict[str, Any]) -> Run:
        for kind in _RESULTS:
            if all(key in record for key in kind.output.keys):
                name = kind.output.command
                _check_schema(path, record, _SCHEMAS.get(name, 0))
                try:
                    return cls(str(path), name, record, kind.from_json(content))  # type: ignore[attr-defined]
                except AlignscopeError as error:  # which does not say of which run
                    raise AlignscopeError(error.code, str(path), error.found, error.way_out) from None
        name = "treesatai" if all(key in record for key in _INSPECTION) else str(record.get("kind"))
        if name != "treesatai" and name not in _DATA:
            _refuse(path, "no result of a command of alignscope")
        return cls(str(path), f"data {name}", record)


def _found(path: Path) -> Path:
    """Return the JSON file of a folder, or the file itself."""
    if not path.is_dir():
        return path
    for name in RECORDS:
        if (path / name).is_file():
            return path / name
    if (path / "store.json").is_file():
        raise AlignscopeError(
            "E101", str(path), "its trainings have not ended: there is no results.json", "Give its command again."
        )
    raise AlignscopeError("E101", str(path), f"none of {', '.join(RECORDS)}", "Give the folder of a finished run.")


def _check_schema(path: Path, record: dict[str, Any], known: int) -> None:
    schema = record.get("schema", known)
    if not isinstance(schema, int):
        _refuse(path, "no version of a format")
    if schema > known:
        found = f"version {schema} of the format, newer than {known}, which is known here"
        raise AlignscopeError("E403", str(path), found, "Update alignscope.")


def _refuse(path: Path, found: str) -> NoReturn:
    raise AlignscopeError("E102", str(path), found, "Give the folder of a finished run.")
