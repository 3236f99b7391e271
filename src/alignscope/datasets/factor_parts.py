"""The parts of the factor generator: one modality's coordinates and mixing, and the weights of targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from alignscope._lib.checks import real
from alignscope._lib.types import Matrix, Vector
from alignscope.errors import AlignscopeError

Mixing: TypeAlias = "str | float | Matrix"  # 'identity', 'orthogonal', a condition number, or the matrix
Targets: TypeAlias = "Mapping[str, str | Mapping[str, float]] | Matrix"


@dataclass(frozen=True, eq=False)
class Side:
    """One modality, resolved: its mixing is (D, D), its shares l^2/(l^2+tau^2), its precisions l^2/tau^2."""

    loadings: Vector
    tau: float
    mixing: Matrix
    mean: Vector
    names: tuple[str, ...]
    share: Vector
    precision: Vector

    def features(self, f: Matrix, e: Matrix) -> Matrix:
        """X = [f diag(l) + tau E | E'] M + mean, over the factors with a loading; `e` is [E | E']."""
        owned = np.flatnonzero(self.loadings > 0)
        z = e.copy()
        z[:, : len(owned)] *= self.tau
        z[:, : len(owned)] += f[:, owned] * self.loadings[owned]
        x: Matrix = z @ self.mixing + self.mean
        return x


def side(
    i: int,
    factors: tuple[str, ...],
    loadings: npt.ArrayLike,
    tau: float,
    d: int | None,
    mixing: Mixing,
    mean: npt.ArrayLike,
    seed: int,
) -> Side:
    """Check the arguments of modality i and resolve them."""
    loads = _loadings(f"l{i}", loadings, len(factors))
    real(f"tau{i}", tau)
    owned = np.flatnonzero(loads > 0)
    width = len(owned) if d is None else d
    if width < len(owned):
        found = f"{d} features for {len(owned)} factors"
        raise AlignscopeError("E201", f"d{i}", found, "Take one per factor or more.")
    if width == 0:
        raise AlignscopeError("E207", f"modality {i}", "it has no factor and no feature", "Load a factor.")
    row = np.asarray(mean, dtype=float)
    if row.shape not in ((), (width,)) or not np.isfinite(row).all():
        way = f"Give one finite number or {width} of them."
        raise AlignscopeError("E201", f"mean{i}", f"shape {row.shape} for {width} features", way)
    names = tuple(f"x{i}[{j}]" for j in range(width))
    if isinstance(mixing, str) and mixing == "identity":
        extra = range(width - len(owned))
        names = tuple(factors[k] for k in owned) + tuple(f"noise {j}" for j in extra)
    made = _mixing(f"mixing{i}", mixing, width, (seed, i))
    return Side(loads, tau, made, np.broadcast_to(row, (width,)), names, *_share(loads, tau))


def _loadings(name: str, value: npt.ArrayLike, count: int) -> Vector:
    loadings = np.asarray(value, dtype=float)
    if loadings.shape != (count,):
        raise AlignscopeError("E201", name, f"shape {loadings.shape}", f"Give {count} loadings.")
    if not np.all(np.isfinite(loadings) & (loadings >= 0)):
        raise AlignscopeError("E304", name, "a loading below 0 or not finite", "Give numbers >= 0.")
    return loadings


def _share(loadings: Vector, tau: float) -> tuple[Vector, Vector]:
    """Shares r = l^2 / (l^2 + tau^2) and precisions l^2 / tau^2 (infinite without noise)."""
    power = loadings**2
    total = power + tau**2
    share = np.divide(power, total, out=np.zeros_like(power), where=total > 0)
    precision = power / tau**2 if tau > 0 else np.where(power > 0, np.inf, 0.0)
    return share, precision


def weights(where: str, targets: Targets | None, factors: tuple[str, ...]) -> tuple[Matrix, tuple[str, ...]]:
    """Return the matrix (F, C) of a targets argument, and the names of its columns."""
    if not isinstance(targets, Mapping):
        h = np.asarray(targets, dtype=float)
        if h.ndim != 2 or len(h) != len(factors) or h.shape[1] == 0:
            raise AlignscopeError("E201", where, f"shape {h.shape}", f"Give ({len(factors)}, C), C >= 1.")
        names = tuple(f"target {j}" for j in range(h.shape[1]))
    else:
        h, names = np.zeros((len(factors), len(targets))), tuple(targets)
        for j, parts in enumerate(targets.values()):
            for factor, weight in ({parts: 1.0} if isinstance(parts, str) else parts).items():
                if factor not in factors:
                    raise AlignscopeError(
                        "E210", where, f"no factor is called {factor!r}", f"Known: {', '.join(factors)}."
                    )
                h[factors.index(factor), j] = weight
        if not names:
            raise AlignscopeError("E201", where, "no target", "Give at least one.")
    if not np.isfinite(h).all():
        raise AlignscopeError("E203", where, "a weight is not finite", "Give finite weights.")
    return h, names


def _mixing(where: str, mixing: Mixing, width: int, seed: tuple[int, int]) -> Matrix:
    """Return the invertible (width, width) matrix that a mixing argument stands for."""
    rng = np.random.default_rng(seed)
    if isinstance(mixing, str):
        if mixing not in ("identity", "orthogonal"):
            way = "Use identity, orthogonal, a condition number, or a matrix."
            raise AlignscopeError("E305", where, f"{mixing!r}", way)
        return np.eye(width) if mixing == "identity" else orthogonal(width, rng)
    given = np.asarray(mixing, dtype=float)
    if given.ndim == 0:
        if not (np.isfinite(given) and given >= 1):
            raise AlignscopeError("E304", where, f"condition number {given}", "Give a finite number >= 1.")
        spectrum = np.geomspace(1.0, 1.0 / float(given), width)
        made: Matrix = (orthogonal(width, rng) * spectrum) @ orthogonal(width, rng)
        return made
    if given.shape != (width, width) or not np.isfinite(given).all():
        raise AlignscopeError("E201", where, f"shape {given.shape}", f"Give finite ({width}, {width}).")
    if np.linalg.matrix_rank(given) < width:
        raise AlignscopeError("E201", where, "a singular matrix", "Give an invertible one.")
    return given


def orthogonal(d: int, rng: np.random.Generator) -> Matrix:
    """Draw an orthogonal matrix from the uniform (Haar) law."""
    q, r = np.linalg.qr(rng.standard_normal((d, d)))
    rotation: Matrix = q * np.sign(np.diag(r))
    return rotation
