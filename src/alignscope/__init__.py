"""alignscope: before you align modalities, know what you would lose.

    >>> import alignscope                                            # doctest: +SKIP
    >>> result = alignscope.audit(x1, x2, y1, y2, groups=sites)      # doctest: +SKIP
    >>> print(result.verdict); result.save("run")                    # doctest: +SKIP

Importing this package imports neither torch nor scipy nor the page's libraries: names load what they need.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from alignscope._lib.version import __version__
from alignscope.errors import AlignscopeError

if TYPE_CHECKING:
    from alignscope.auditing.api import Audit, AuditOptions, audit
    from alignscope.auditing.estimator import AlignedReducedRank
    from alignscope.pair.paired import Pair


__all__ = ["AlignedReducedRank", "AlignscopeError", "Audit", "AuditOptions", "Pair", "__version__", "audit"]

_HOMES = {
    "Audit": "alignscope.auditing.api",
    "AuditOptions": "alignscope.auditing.api",
    "audit": "alignscope.auditing.api",
    "Pair": "alignscope.pair.paired",
    "AlignedReducedRank": "alignscope.auditing.estimator",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
