"""How alike the representations of every two layers are, by five measures with their chance levels: `similarity`."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import scipy

from alignscope._lib.checks import whole
from alignscope._lib.interval import Interval
from alignscope._lib.threads import one_blas_thread
from alignscope._lib.types import Matrix, Progress, Vector
from alignscope._lib.version import __version__
from alignscope.auditing.results import DataRecord
from alignscope.errors import AlignscopeError
from alignscope.linear.jackknife import Jackknife
from alignscope.measures.neighbours import NEIGHBOURS, nearest
from alignscope.pair.inputs import open_block, require_equal_rows
from alignscope.pair.readers.formats import Input
from alignscope.pair.readers.rows import Rows, as_numpy
from alignscope.similarities.results import SCHEMA, MeasureRecord, SimilaritiesRecord, SimilarityProvenance
from alignscope.similarities.similarities import Similarities
from alignscope.similarities.verdict import verdict_sentence

MOST_LAYERS = 100
LEAST_ROWS = 60
SAMPLED = 2_000
"""The most rows that are looked at."""

_PARTS = 10  # of the rows, left out in turn for intervals
_CHANCE = 5  # pairs of layers that the level of chance is measured on
_KEPT = 0.99  # share of a layer's variance in the directions that canonical correlations are taken in


def similarity(
    layers: Mapping[str, Input] | Sequence[Input],
    others: Mapping[str, Input] | Sequence[Input] | None = None,
    *,
    rows: int = SAMPLED,
    seed: int = 0,
    progress: Progress | None = None,
) -> Similarities:
    """Say how alike the representations of every two layers, or encoders, are.

    Of two representations A and B of the same rows, centred:

    - ``cka``: linear CKA, ||A^T B||_F^2 / (||A^T A||_F ||B^T B||_F), without bias: of products of different rows
    - ``cca``: the mean squared canonical correlation in the leading directions (99% of the variance), on rows that the
      directions were not fitted on
    - ``r2``: how much of B a linear map of these directions of A predicts, on rows that it was not fitted on; it has
      a direction
    - ``procrustes``: ||A^T B||_* / (||A||_F ||B||_F), 1 where B is a rotation of A
    - ``mutual_knn``: which share of the 10 nearest neighbours of a row are the same

    What unrelated representations have is measured on layers whose rows are shuffled. None is a score of quality.
    Intervals are a jackknife over tenths of the rows, of held-out figures over those that they are scored on, without
    fitting again; rows must not depend on each other. They hold for one figure each.

    Parameters
    ----------
    layers : by name, or one after the other, (N x D) each. others : those of another encoder; without it every two of
        `layers` are compared.
    rows : how many rows are looked at, drawn at random; at least 60.
    seed : of the rows and of what is held out.
    progress : called with (what is being done, share done in 0..1).

    Raises
    ------
    AlignscopeError : E201 for fewer than two layers or more than 100, E202 where rows differ, E205 for too few of them,
        E203 for NaN and infinity, E207 for a layer that does not vary, and what reading raises.

    Example
    -------
    >>> import numpy as np
    >>> import alignscope
    >>> x = np.random.default_rng(0).normal(size=(200, 4))
    >>> found = alignscope.similarity({"first": x, "turned": x[:, ::-1], "squared": x**2})
    >>> round(found.measures["procrustes"].values["first"]["turned"].value, 6)
    1.0
    """
    sampled, seed = whole("rows", rows, LEAST_ROWS), whole("seed", seed)
    progress = progress or (lambda what, share: None)
    down, across = _by_name(layers), _by_name(others or {})
    both = len(down) + len(across)
    if not down or (others is not None and not across) or not 2 <= both <= MOST_LAYERS:
        raise AlignscopeError("E201", "layers", f"{both} given", f"Give 2 to {MOST_LAYERS} layers.")
    opened = {("rows", name): open_block(x, name, None) for name, x in down.items()}
    opened |= {("columns", name): open_block(x, name, None) for name, x in across.items()}
    n = require_equal_rows({_called(key, opened): rows for key, rows in opened.items()}, {})
    if n < LEAST_ROWS:
        raise AlignscopeError("E205", "layers", f"{n} rows", f"Give at least {LEAST_ROWS}.")
    chosen = np.sort(np.random.default_rng([seed, 7]).permutation(n)[:sampled])
    parts = np.random.default_rng([seed, 8]).permutation(np.arange(len(chosen)) % _PARTS)
    found = {}
    for done, (key, table) in enumerate(opened.items()):
        progress("reading the layers", done / len(opened))
        found[key] = _Layer.of(table, chosen, parts)
    with one_blas_thread():
        return _compared(found, n, seed, opened, progress)


def _called(key: tuple[str, str], opened: Mapping[tuple[str, str], Rows]) -> str:
    """Return the name of a layer, which one of the other encoder may have too."""
    side, name = key
    return f"{name} (other)" if side == "columns" and ("rows", name) in opened else name


def _by_name(layers: Mapping[str, Input] | Sequence[Input]) -> Mapping[str, Input]:
    if isinstance(layers, Mapping):
        return layers
    if not isinstance(layers, list | tuple):  # an array, whose rows are no layers
        raise AlignscopeError("E201", "layers", f"one {type(layers).__name__}", "Give a list or a dict of layers.")
    return {f"layer {k}": layer for k, layer in enumerate(layers, 1)}


@dataclass(eq=False)
class _Layer:
    """The sampled rows of one representation, and what is worked out of them once."""

    x: Matrix
    parts: Vector
    digest: str

    @classmethod
    def of(cls, table: Rows, chosen: np.ndarray, parts: np.ndarray) -> _Layer:
        """Read the chosen rows. Raises E203 for NaN and infinity, E207 where nothing varies."""
        step = max(256, (64 << 20) // (8 * table.shape[1]))
        taken = []
        for start in range(0, table.shape[0], step):
            inside = chosen[(chosen >= start) & (chosen < start + step)]
            if len(inside):
                block = as_numpy(table.read(start, min(start + step, table.shape[0])))
                taken.append(block[inside - start].astype(np.float64))
        x = np.concatenate(taken)
        if not np.isfinite(x).all():
            raise AlignscopeError("E203", table.name, "NaN or infinity", "Leave out these rows in every layer.")
        digest = hashlib.sha256(np.ascontiguousarray(x).data).hexdigest()
        varies = np.ptp(x, axis=0) > 0
        if not varies.any():
            raise AlignscopeError("E207", table.name, "it has the same values in all rows", "Leave it out.")
        seen = parts % 2 == 0
        if not all((rows != rows[0]).any() for rows in (x[seen], x[~seen])):
            raise AlignscopeError("E207", table.name, "it varies in too few of its rows", "Leave it out.")
        # No measure depends on the scale; a power of two is exact, and keeps products from overflowing.
        x = np.ldexp(x, -np.frexp(np.abs(x).max())[1])
        return cls(np.where(varies, x - x.mean(axis=0), 0.0), parts, digest)

    @cached_property
    def neighbours(self) -> np.ndarray:
        """The nearest other rows of every row."""
        return nearest(self.x, min(NEIGHBOURS, len(self.x) - 1))

    @cached_property
    def fitted(self) -> tuple[Matrix, Matrix]:
        """Whitened coordinates of the leading directions on the even parts, and of the odd parts in these."""
        seen = self.parts % 2 == 0
        mean = self.x[seen].mean(axis=0)
        u, s, vt = np.linalg.svd(self.x[seen] - mean, full_matrices=False)
        share = np.cumsum(s**2) / np.sum(s**2)
        k = int(min(np.searchsorted(share, _KEPT) + 1, max(seen.sum() // 10, 1)))
        return u[:, :k], (self.x[~seen] - mean) @ (vt[:k].T / s[:k])

    @cached_property
    def own(self) -> Vector:
        """h(A, A) of all rows, and without each part."""
        return _cross(self, self)


def _cross(a: _Layer, b: _Layer) -> Vector:
    """Return the sum over different parts u, v of <A_u^T B_u, A_v^T B_v>, of all of them and without each."""
    products = np.stack([(a.x[a.parts == u].T @ b.x[b.parts == u]).ravel() for u in range(_PARTS)])
    squares, total = np.square(products).sum(axis=1), products.sum(axis=0)
    without = [np.square(total - p).sum() - (squares.sum() - q) for p, q in zip(products, squares, strict=True)]
    return np.array([np.square(total).sum() - squares.sum(), *without])


def _cka(a: _Layer, b: _Layer) -> Vector:
    scale = np.sqrt(np.maximum(a.own, 0) * np.maximum(b.own, 0))
    return np.clip(np.divide(_cross(a, b), scale, out=np.zeros_like(scale), where=scale > 0), 0.0, 1.0)


def _cca(a: _Layer, b: _Layer) -> Vector:
    (u, new_u), (v, new_v) = a.fitted, b.fitted
    left, _, right = np.linalg.svd(u.T @ v, full_matrices=False)
    return _without(new_u @ left, new_v @ right.T, a.parts, lambda p, q: float(np.mean(np.maximum(_rho(p, q), 0) ** 2)))


def _r2(a: _Layer, b: _Layer) -> Vector:
    u, new_u = a.fitted
    seen = a.parts % 2 == 0
    mean = b.x[seen].mean(axis=0)
    told = new_u @ (u.T @ (b.x[seen] - mean))
    missed = np.square(b.x[~seen] - mean - told).sum(axis=1)
    energy = np.square(b.x[~seen] - mean).sum(axis=1)
    return _without(missed, energy, a.parts, lambda m, e: 1 - float(m.sum() / e.sum()) if e.any() else np.nan)


def _procrustes(a: _Layer, b: _Layer) -> Vector:
    scale = np.linalg.norm(a.x) * np.linalg.norm(b.x)
    return np.array([min(float(np.linalg.svd(a.x.T @ b.x, compute_uv=False).sum() / scale), 1.0)])


def _mutual_knn(a: _Layer, b: _Layer) -> Vector:
    k = a.neighbours.shape[1]
    same = np.array(
        [len(np.intersect1d(p, q, assume_unique=True)) / k for p, q in zip(a.neighbours, b.neighbours, strict=True)]
    )
    return np.array([same.mean(), *(same[a.parts != u].mean() for u in range(_PARTS))])


def _rho(p: Matrix, q: Matrix) -> Vector:
    p, q = p - p.mean(axis=0), q - q.mean(axis=0)
    norms = np.linalg.norm(p, axis=0) * np.linalg.norm(q, axis=0)
    return np.divide((p * q).sum(axis=0), norms, out=np.zeros(len(norms)), where=norms > 0)


def _without(p: Matrix, q: Matrix, parts: Vector, figure: Callable[[Matrix, Matrix], float]) -> Vector:
    """Return a figure of the odd parts' rows, and the same without each of these parts."""
    odd = parts[parts % 2 == 1]
    return np.array([figure(p, q), *(figure(p[odd != u], q[odd != u]) for u in range(1, _PARTS, 2))])


@dataclass(frozen=True)
class _Measure:
    title: str
    work: Callable[[_Layer, _Layer], Vector]
    symmetric: bool
    unchanged_by: str


_MEASURES = {
    "cka": _Measure("Linear CKA, without bias", _cka, True, "rotation, shift, one scale"),
    "cca": _Measure("Mean squared canonical correlation, held out", _cca, True, "invertible linear maps, nearly"),
    "r2": _Measure("Predicted linearly (R², held out)", _r2, False, "invertible linear maps of what predicts"),
    "procrustes": _Measure("Procrustes similarity", _procrustes, True, "rotation, shift, one scale"),
    "mutual_knn": _Measure("Mutual nearest neighbours", _mutual_knn, True, "shift, scales of columns"),
}


def _compared(
    found: Mapping[tuple[str, str], _Layer],
    n: int,
    seed: int,
    opened: Mapping[tuple[str, str], Rows],
    progress: Progress,
) -> Similarities:
    one = [name for side, name in found if side == "rows"]
    two = [name for side, name in found if side == "columns"] or one
    side = "rows" if two is one else "columns"
    sampled = len(next(iter(found.values())).x)
    shuffled = _shuffled(list(found.values()), seed)
    measures = {}
    for done, (key, m) in enumerate(_MEASURES.items()):
        values: dict[str, dict[str, Interval]] = {a: {} for a in one}
        for i, a in enumerate(one):
            progress(f"comparing by {m.title}", (done + i / len(one)) / len(_MEASURES))
            for b in two:
                known = values.get(b, {}).get(a) if m.symmetric and two is one else None
                values[a][b] = known or _interval(m.work(found["rows", a], found[side, b]))
        chance = float(np.mean([m.work(a, b)[0] for a, b in shuffled]))
        measures[key] = MeasureRecord(m.title, [0.0, 1.0], m.symmetric, m.unchanged_by, chance, values)
    data = {
        _called(key, opened): DataRecord(table.name, found[key].digest, *table.shape, table.dtype)
        for key, table in opened.items()
    }
    software = {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}
    provenance = SimilarityProvenance(seed, data, software)
    record = SimilaritiesRecord("similarity", SCHEMA, __version__, "", n, sampled, one, list(two), measures, provenance)
    return Similarities.from_record(record, verdict=verdict_sentence(record))


def _shuffled(layers: list[_Layer], seed: int) -> list[tuple[_Layer, _Layer]]:
    """Return a few pairs of layers, the rows of one of each in another order."""
    order = np.random.default_rng([seed, 9]).permutation(len(layers[0].x))
    some = layers[: _CHANCE + 1]
    return [(a, _Layer(b.x[order], b.parts, "")) for a, b in pairwise(some)]


def _interval(figures: Vector) -> Interval:
    """Return a figure with its interval; none where it was not worked out without parts of the rows."""
    value, again = float(figures[0]), figures[1:]
    if not len(again):
        return Interval(value, None, None)
    return Jackknife(np.full(len(again), 1 / len(again))).interval(value, again, 0.0, 1.0)


def layer_names(names: Sequence[str]) -> list[str]:
    """Return names in the order of the numbers in them: layer_2 before layer_10."""
    import re  # of the command line alone

    return sorted(names, key=lambda name: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", name)])
