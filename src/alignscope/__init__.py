"""alignscope: before you align modalities, know what you would lose; align without losing it; and prove both.

>>> import alignscope
>>> from alignscope.datasets import example_pair
>>> field = example_pair()  # an optical and a radar sensor over the same plots
>>> pair = alignscope.Pair.of(field.x1, field.x2, field.y1, field.y2, groups=field.groups)
>>> pair.n, pair.d1, pair.d2
(2000, 8, 6)
>>> result = alignscope.audit(field.x1, field.x2, field.y1, field.y2, groups=field.groups, components=2)
>>> result.sigma.held_out["11"].value > 0.5
True

`open_folder` reads a pair that lies in files, `join` matches tables by their ids, and `AlignedReducedRank` is the
encoder behind the audit as an estimator. `run_study`, `run_bench` and `run_paper` train (extra ``[train]``). What
cannot be used raises an `AlignscopeError` with a code:

>>> try:
...     alignscope.audit(field.x1, field.x2[:-1], field.y1)
... except alignscope.AlignscopeError as error:
...     print(error.code)
E202

Importing this package imports neither torch nor scipy nor the page's libraries: names load what they need.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from alignscope._lib.version import __version__
from alignscope.errors import AlignscopeError

if TYPE_CHECKING:
    from pathlib import Path

    from alignscope.auditing.api import audit
    from alignscope.auditing.audit import Audit
    from alignscope.auditing.estimator import AlignedReducedRank
    from alignscope.bench.running import Bench, run_bench
    from alignscope.comparing.api import compare
    from alignscope.comparing.compared import Compared
    from alignscope.diffing.difference import diff
    from alignscope.joining.join import join
    from alignscope.pair.folder import open_folder
    from alignscope.pair.paired import Pair
    from alignscope.paper.running import Paper, run_paper
    from alignscope.selecting.api import matrix
    from alignscope.selecting.matrix import Selected
    from alignscope.similarities.api import similarity
    from alignscope.similarities.similarities import Similarities
    from alignscope.study.running import Study, run_study

__all__ = [
    "AlignedReducedRank",
    "AlignscopeError",
    "Pair",
    "__version__",
    "audit",
    "compare",
    "diff",
    "join",
    "load",
    "matrix",
    "open_folder",
    "run_bench",
    "run_paper",
    "run_study",
    "similarity",
]

_HOMES = {
    "AlignedReducedRank": "auditing.estimator",
    "Pair": "pair.paired",
    "audit": "auditing.api",
    "compare": "comparing.api",
    "diff": "diffing.difference",
    "join": "joining.join",
    "matrix": "selecting.api",
    "open_folder": "pair.folder",
    "run_bench": "bench.running",
    "run_paper": "paper.running",
    "run_study": "study.running",
    "similarity": "similarities.api",
}

_RESULTS = {
    "directions": ("auditing.audit", "Audit"),
    "gains": ("selecting.matrix", "Selected"),
    "measures": ("similarities.similarities", "Similarities"),
    "representations": ("comparing.compared", "Compared"),
    "retention": ("study.running", "Study"),
    "pareto": ("bench.running", "Bench"),
    "claims": ("paper.running", "Paper"),
}
"""A key that only one kind of result has -> where the kind is."""


def load(path: "str | Path") -> "Audit | Selected | Compared | Similarities | Study | Bench | Paper":
    """Return the result of a finished run: of `audit`, `matrix`, `compare`, `similarity`, a study, bench or paper.

    Parameters
    ----------
    path : the folder of the run, or its JSON file, or one that holds this and more under "results", as the
        documentation keeps a bench.

    Raises
    ------
    AlignscopeError : E101 where there is no such file, E102 for JSON that is none of these, E103 for a damaged one, or
        one of another version.

    Example
    -------
    >>> alignscope.load("run").verdict                               # doctest: +SKIP
    """
    # None of these is needed to import the package.
    from pathlib import Path

    import msgspec

    from alignscope._lib.outputs import RECORDS  # likewise

    path = Path(path)
    if path.is_dir():
        found = [path / name for name in RECORDS if (path / name).is_file()]
        if not found:
            raise AlignscopeError("E101", str(path), f"none of {', '.join(RECORDS)}", "Give the folder of a run.")
        path = found[0]
    try:
        content = path.read_bytes()
        fields = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        if (kept := bytes(fields.get("results", b"")))[:1] == b"{":
            content, fields = kept, msgspec.json.decode(kept, type=dict[str, msgspec.Raw])
    except OSError as error:
        raise AlignscopeError("E101", str(path), f"{error.strerror}", "Give the folder of a run.") from None
    except msgspec.ValidationError:  # JSON, but not an object
        fields = {}
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise AlignscopeError("E103", str(path), f"{error}", "Run it again.") from None
    home = next((home for key, home in _RESULTS.items() if key in fields), None)
    if home is None:
        raise AlignscopeError(
            "E102",
            str(path),
            "no result of audit, matrix, compare, similarity, study, bench or paper",
            "Give one of those. The folder of a pair is read by alignscope.open_folder.",
        )
    module, name = home
    return getattr(import_module(f"{__name__}.{module}"), name).from_json(content)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        from alignscope._lib.names import closest  # slow to load, and rarely needed

        meant = closest(name, __all__)
        hint = f". Did you mean {meant!r}?" if meant else ""
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
