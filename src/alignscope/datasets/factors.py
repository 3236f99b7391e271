"""Linear-Gaussian pairs whose every figure is known in closed form.

`FactorModel` draws two modalities from shared and owned factors, `prescribed_angles` a pair with given
principal angles between what is predicted and what is aligned, and `example_pair` a small named story.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from alignscope._lib.checks import real
from alignscope._lib.types import Codes, Matrix, Vector
from alignscope.datasets.factor_parts import Mixing, Side, Targets, orthogonal, side, weights
from alignscope.errors import AlignscopeError


@dataclass(frozen=True, eq=False)
class FactorTruth:
    """Population figures of a `FactorModel`, per row: energies are those of a sample divided by N.

    With r_ik = l_ik^2 / (l_ik^2 + tau_i^2) the share of coordinate k of modality i that is factor k:
    sigma_ij = sum_k r_ik ||H_j[k]||^2 / (||H_j||^2 + C_j eta_j^2). Two independent looks at one factor add
    their precisions, so both modalities together have r_bk = s_k / (1 + s_k), s_k = sum_i l_ik^2 / tau_i^2.

    Attributes
    ----------
    r1, r2, rb : (F,) shares in 0..1 of modality 1, modality 2 and both.
    h1, h2 : (F, C_j) weights of the factors in the targets.
    eta1, eta2 : standard deviation of the noise of each target column.
    """

    r1: Vector
    r2: Vector
    rb: Vector
    h1: Matrix
    h2: Matrix
    eta1: float
    eta2: float

    @property
    def sigma(self) -> dict[str, float]:
        """Sigma "ij" of modality i (1, 2, or b for both) on target j, in 0..1."""
        return {
            f"{i}{j}": float(np.dot(r, np.sum(h**2, axis=1))) / self._energy(j)
            for j, h in (("1", self.h1), ("2", self.h2))
            for i, r in (("1", self.r1), ("2", self.r2), ("b", self.rb))
        }

    def per_target(self, modality: Literal["1", "2", "b"], target: Literal["1", "2"]) -> Vector:
        """Sigma of one modality on every column of one target, (C_j,)."""
        r = {"1": self.r1, "2": self.r2, "b": self.rb}[modality]
        h, eta = (self.h1, self.eta1) if target == "1" else (self.h2, self.eta2)
        explained: Vector = r @ h**2
        total = np.sum(h**2, axis=0) + eta**2
        r2: Vector = np.divide(explained, total, out=np.zeros_like(explained), where=total > 0)
        return r2

    def ry(self, direction: int, scaled: bool = True) -> Matrix:
        """Return RY = R_i^(1/2) H_i in factor coordinates, (F, C_i).

        `scaled` multiplies by the factor that gives the target block the energy ||Y_i||^2 = N C_i.
        """
        r, h = (self.r1, self.h1) if direction == 1 else (self.r2, self.h2)
        ry: Matrix = np.sqrt(r)[:, None] * h * (self._scale(str(direction)) if scaled else 1.0)
        return ry

    def rt(self, direction: int, components: int, scaled: bool = True) -> Matrix:
        """Return RT = (R1 R2)^(1/2) [R_j^(1/2) H_j]_K in factor coordinates, j the other modality, (F, C_j).

        [.]_K is the best approximation of rank K = `components`; the target scaling is "fitted".
        """
        other = 2 if direction == 1 else 1
        u, s, vt = np.linalg.svd(self.ry(other, scaled), full_matrices=False)
        k = min(components, len(s))
        rt: Matrix = np.sqrt(self.r1 * self.r2)[:, None] * ((u[:, :k] * s[:k]) @ vt[:k])
        return rt

    def _energy(self, target: str) -> float:
        h, eta = (self.h1, self.eta1) if target == "1" else (self.h2, self.eta2)
        return float(np.sum(h**2) + h.shape[1] * eta**2)

    def _scale(self, target: str) -> float:
        return float(np.sqrt((self.h1 if target == "1" else self.h2).shape[1] / self._energy(target)))


@dataclass(frozen=True, eq=False)
class FactorSample:
    """N rows of a `FactorModel` with its names and its population figures.

    Attributes
    ----------
    x1, x2 : (N, D_i) features.
    y1, y2 : (N, C_j) targets; the same array when both modalities share one target.
    features1, features2, targets1, targets2 : names of the columns.
    factors : (N, F) the latent factors, unit variance.
    truth : population figures.
    groups : (N,) integer codes, or None.
    """

    x1: Matrix
    x2: Matrix
    y1: Matrix
    y2: Matrix
    features1: tuple[str, ...]
    features2: tuple[str, ...]
    targets1: tuple[str, ...]
    targets2: tuple[str, ...]
    factors: Matrix
    truth: FactorTruth
    groups: Codes | None = None


@dataclass(frozen=True, eq=False)
class FactorModel:
    """Two modalities and their targets, made of independent factors with unit variance.

    X_i = [f diag(l_i) + tau_i E_i | E_i'] M_i + mean_i,  Y_j = f H_j + eta_j E.

    Only the factors with l_ik > 0 have a coordinate in modality i, so its own coordinates are F_i <= D_i. A
    rotation of the factors before the noise changes nothing in law, so it is part of M_i. The D_i - F_i
    coordinates E_i' are pure noise of unit variance. M_i is invertible, so every linear figure of X_i is
    that of its coordinates, in which the extra ones say nothing of any target: the closed forms stay exact.
    Source: THEORY.md 9.

    Parameters
    ----------
    names : names of the F factors.
    l1, l2 : (F,) loadings >= 0; a factor with both > 0 is shared, with one > 0 owned, with none in no modality.
    targets1 : {target: factor}, {target: {factor: weight}}, or a matrix H1 of shape (F, C1).
    targets2 : the same for modality 2; None means one target for both, noise included.
    tau1, tau2 : noise of the factor coordinates, >= 0.
    eta1, eta2 : noise of each target column, >= 0 (eta2 is not used when the target is common).
    d1, d2 : numbers of features; None is the number of factors of the modality.
    mixing1, mixing2 : M_i: "identity" (each feature is named for its factor), "orthogonal", a condition
        number >= 1, or an invertible (D_i, D_i) matrix.
    mean1, mean2 : a number or a row of D_i.
    mixing_seed : seed of the random part of M_i.

    Raises
    ------
    AlignscopeError
        E201 shapes, E203 not finite, E206 and E207 nothing varies, E210 names, E304 a number out of range,
        E305 an unknown mixing.
    """

    names: tuple[str, ...]
    l1: npt.ArrayLike
    l2: npt.ArrayLike
    targets1: Targets
    targets2: Targets | None = None
    tau1: float = 0.0
    tau2: float = 0.0
    eta1: float = 0.0
    eta2: float = 0.0
    d1: int | None = None
    d2: int | None = None
    mixing1: Mixing = "orthogonal"
    mixing2: Mixing = "orthogonal"
    mean1: npt.ArrayLike = 0.0
    mean2: npt.ArrayLike = 0.0
    mixing_seed: int = 0
    _truth: FactorTruth = field(init=False, repr=False)
    _sides: tuple[Side, Side] = field(init=False, repr=False)
    _targets: tuple[tuple[str, ...], tuple[str, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names) or not self.names:
            raise AlignscopeError("E210", "names", "no factor, or a name twice", "Name every factor once.")
        sides = (
            side(1, self.names, self.l1, self.tau1, self.d1, self.mixing1, self.mean1, self.mixing_seed),
            side(2, self.names, self.l2, self.tau2, self.d2, self.mixing2, self.mean2, self.mixing_seed),
        )
        h1, named1 = weights("targets1", self.targets1, self.names)
        common = self.targets2 is None
        h2, named2 = (h1, named1) if common else weights("targets2", self.targets2, self.names)
        eta1 = real("eta1", self.eta1)
        eta2 = eta1 if common else real("eta2", self.eta2)
        for where, h, eta in (("targets1", h1, eta1), ("targets2", h2, eta2)):
            if not np.any(h) and eta == 0:
                raise AlignscopeError("E206", where, "all weights are 0", "Give a factor, or eta > 0.")
        precision = sides[0].precision + sides[1].precision
        rb = np.where(np.isinf(precision), 1.0, precision / (1.0 + np.minimum(precision, 1e300)))
        truth = FactorTruth(sides[0].share, sides[1].share, rb, h1, h2, eta1, eta2)
        for name, value in (("_truth", truth), ("_sides", sides), ("_targets", (named1, named2))):
            object.__setattr__(self, name, value)

    def truth(self) -> FactorTruth:
        """Population figures in closed form."""
        return self._truth

    def sample(self, n: int, seed: int = 0, exact: bool = False) -> FactorSample:
        """Draw n rows; with `exact`, factors and noises are orthonormal: sample moments are the population's.

        `exact` needs more rows than one plus all factors and noise columns (E205).
        """
        return self._build(*self._draw(n, np.random.default_rng(seed), exact))

    def _draw(self, n: int, rng: np.random.Generator, exact: bool) -> tuple[Matrix, list[Matrix]]:
        widths = self._widths()
        needed = sum(widths) + 2 if exact else 1
        if n < needed:
            found, way = f"{n} rows where {needed} are needed", "Take more rows, or exact=False."
            raise AlignscopeError("E205", "sample(n)", found, way)
        e = rng.standard_normal((n, sum(widths)))
        if exact:
            q, r = np.linalg.qr(e - e.mean(axis=0))
            e = q * np.sign(np.diag(r)) * np.sqrt(n)
        f, *noises = np.split(e, np.cumsum(widths)[:-1], axis=1)
        return f, noises

    def _widths(self) -> list[int]:
        """Return how many factors, and how many noises of x1, x2, y1 and y2, there are."""
        c2 = 0 if self.targets2 is None else self._truth.h2.shape[1]
        return [len(self.names), *(len(s.mixing) for s in self._sides), self._truth.h1.shape[1], c2]

    def _build(self, f: Matrix, noises: list[Matrix], groups: Codes | None = None) -> FactorSample:
        e1, e2, ey1, ey2 = noises
        truth, (side1, side2) = self._truth, self._sides
        y1 = f @ truth.h1 + truth.eta1 * ey1
        y2 = y1 if self.targets2 is None else f @ truth.h2 + truth.eta2 * ey2
        x1, x2 = side1.features(f, e1), side2.features(f, e2)
        return FactorSample(x1, x2, y1, y2, side1.names, side2.names, *self._targets, f, truth, groups)


@dataclass(frozen=True, eq=False)
class AngleSample:
    """A pair with A = alpha^2 Pi_Y and B = beta^2 Pi_T, at known principal angles.

    Attributes
    ----------
    x1, x2, y1, y2 : arrays of N rows; y2 lies in col(x2), so T = y2 in the target scaling "fitted".
    theta : (m,) principal angles between col(P1 Y1) and col(P1 T), in radians.
    alpha, beta : norms of every column of y1 and of y2.
    """

    x1: Matrix
    x2: Matrix
    y1: Matrix
    y2: Matrix
    theta: Vector
    alpha: float
    beta: float


def prescribed_angles(
    theta: npt.ArrayLike,
    n: int,
    d1: int,
    d2: int,
    seed: int = 0,
    alpha: float | None = None,
    beta: float | None = None,
) -> AngleSample:
    """Draw a pair where col(P1 Y1) and col(P1 T) have exactly the principal angles `theta`.

    With u_k, v_k orthonormal in col(X1), Y1 = alpha [u_k] and
    T = Y2 = beta [cos(theta_k) u_k + sin(theta_k) v_k]: the closed forms of THEORY.md 4.5 apply to every K.

    Parameters
    ----------
    theta : (m,) angles in 0..pi/2.
    n : rows, at least d1 + d2 + 2.
    d1, d2 : features, at least 2 m and m.
    alpha, beta : > 0; None is sqrt(n), for which ||Y_j||^2 = N C_j.

    Raises
    ------
    AlignscopeError
        E201 too few features, E205 too few rows, E304 an angle or a norm out of range.
    """
    angles = np.atleast_1d(np.asarray(theta, dtype=float))
    m = angles.size
    if angles.ndim != 1 or m == 0 or not np.all((angles >= 0) & (angles <= np.pi / 2)):
        raise AlignscopeError("E304", "theta", "angles outside 0..pi/2", "Give radians in 0..pi/2.")
    if d1 < 2 * m or d2 < m:
        found = f"d1 = {d1}, d2 = {d2} for {m} angles"
        raise AlignscopeError("E201", "prescribed_angles", found, f"Take d1 >= {2 * m} and d2 >= {m}.")
    if n < d1 + d2 + 2:
        raise AlignscopeError("E205", "prescribed_angles", f"{n} rows", f"Take at least {d1 + d2 + 2}.")
    a, b = (float(np.sqrt(n)) if norm is None else norm for norm in (alpha, beta))
    if not (0 < a < np.inf and 0 < b < np.inf):
        raise AlignscopeError("E304", "alpha and beta", f"{a} and {b}", "Give finite numbers above 0.")
    rng = np.random.default_rng(seed)
    e = rng.standard_normal((n, d1 + d2 - m))
    q = np.linalg.qr(e - e.mean(axis=0))[0]
    u, v = q[:, :m], q[:, m : 2 * m]
    t = u * np.cos(angles) + v * np.sin(angles)
    x1 = q[:, :d1] @ orthogonal(d1, rng) * np.sqrt(n)
    x2 = np.hstack([t, q[:, d1:]]) @ orthogonal(d2, rng) * np.sqrt(n)
    return AngleSample(x1, x2, a * u, b * t, angles, a, b)


_BANDS = {  # cover, chlorophyll, roughness
    "blue 490 nm": (-0.6, -0.3, 0.1),
    "green 560 nm": (-0.3, -0.7, 0.1),
    "red 665 nm": (-0.9, -0.5, 0.2),
    "red edge 705 nm": (-0.2, -0.9, 0.1),
    "red edge 740 nm": (0.5, 0.8, 0.1),
    "near infrared 842 nm": (0.9, 0.2, -0.4),
    "shortwave infrared 1610 nm": (-0.5, 0.1, -0.5),
    "shortwave infrared 2190 nm": (-0.6, 0.0, -0.6),
}
_POLARISATIONS = {
    "VV backscatter": (0.3, 0.1, 0.9),
    "VH backscatter": (0.9, 0.1, 0.3),
    "HH backscatter": (0.2, -0.1, 0.8),
    "VV coherence": (-0.6, 0.1, 0.2),
    "VH coherence": (-0.7, -0.2, 0.1),
    "entropy": (0.6, 0.3, 0.5),
}


def example_pair(n: int = 2000, seed: int = 0, sites: int = 40) -> FactorSample:
    """Draw an optical and a radar sensor over the same plots, with what is measured there on the ground.

    Both see canopy cover, and each should predict it: the shared factor. The optical sensor should also predict leaf
    chlorophyll, and the radar surface roughness: the unique ones. Each has a faint trace of the other's, which is
    what alignment at K = 2 trades its own for: in the population, chlorophyll is lost beyond lambda = 4.43 in
    direction 1, and roughness beyond 13.3 in direction 2. At K = 3 alignment is lossless there. Plots stand in
    `sites` groups whose factors are alike (intra-class correlation 0.2).
    """
    if not 2 <= sites <= n:
        raise AlignscopeError("E304", "sites", f"{sites} for {n} rows", "Take 2 to n sites.")
    names = ("canopy cover", "leaf chlorophyll", "surface roughness")
    cover, chlorophyll, roughness = names
    model = FactorModel(
        names=names,
        l1=np.sqrt([9.0, 4.0, 1 / 3]),  # shares 0.9, 0.8 and 0.25
        l2=np.sqrt([3.0, 1 / 9, 17 / 3]),  # shares 0.75, 0.1 and 0.85
        targets1={cover: cover, chlorophyll: chlorophyll},
        targets2={cover: cover, roughness: roughness},
        tau1=1.0,
        tau2=1.0,
        eta1=0.5,
        eta2=0.5,
        d1=len(_BANDS),
        d2=len(_POLARISATIONS),
        mixing1=0.05 * _physical(_BANDS),
        mixing2=_physical(_POLARISATIONS),
        mean1=0.3,
        mean2=-12.0,
    )
    rng = np.random.default_rng(seed)
    f, noises = model._draw(n, rng, exact=False)
    groups = np.arange(n) * sites // n
    f = np.sqrt(0.2) * rng.standard_normal((sites, len(names)))[groups] + np.sqrt(0.8) * f
    drawn = model._build(f, noises, groups)
    return replace(drawn, features1=tuple(_BANDS), features2=tuple(_POLARISATIONS))


def _physical(table: Mapping[str, tuple[float, ...]]) -> Matrix:
    """Mixing whose first rows are the loadings of a table, and the rest noise orthogonal to them."""
    rows: Matrix = np.asarray(list(table.values()), dtype=float).T
    rest: Matrix = np.linalg.svd(rows)[2][len(rows) :]
    return np.vstack([rows, 0.3 * rest])
