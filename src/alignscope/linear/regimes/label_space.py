"""Label-relevant subspaces of two modalities in whitened coordinates, and what correlates outside of them.

U_i is an orthonormal basis of X_i, C = U1^T U2 (the singular values of C are the canonical correlations).
L_i is the span of U_i^T Y over the canonical directions of (X_i, Y) that exceed chance, widened by what the
other's L_j shows of modality i where that exceeds chance too: a target that mixes shared and unique parts
then leaves nothing of its shared part outside of L_i. The part of (L1, L2) that correlates is shared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg as sla
from scipy.sparse.linalg import LinearOperator, eigsh
from scipy.special import chdtri

from alignscope._lib.types import Matrix, Vector
from alignscope.linear.regimes.chance import chance_cross, chance_root, population_cross, population_root
from alignscope.linear.regimes.types import Link, RegimeInput

_DENSE = 200  # up to this size a dense eigenvalue is faster
_TOLERANCE = 1e-10  # a column that keeps less than this share of its variance given the others is dropped


@dataclass(frozen=True, eq=False)
class Whitened:
    """X = U R, U orthonormal, from `gram` = X'X: `root` is R (r, D) and `coordinates` gives U'B from X'B."""

    root: Matrix
    gram: Matrix
    kept: np.ndarray
    factor: Matrix
    scale: Vector

    @classmethod
    def of(cls, gram: Matrix) -> Whitened:
        """Factor the gram matrix, columns at unit norm, by pivoted Cholesky; drop dependent columns."""
        norm = np.sqrt(np.maximum(np.diagonal(gram), 0.0))
        scale = np.divide(1.0, norm, out=np.zeros_like(norm), where=norm > 0)
        c, pivots, rank, _ = sla.lapack.dpstrf(gram * scale * scale[:, None], tol=_TOLERANCE)
        upper = np.triu(c)[:rank]
        order = pivots - 1
        root = np.empty_like(upper)
        root[:, order] = upper
        return cls(root * norm, gram, order[:rank], upper[:, :rank], scale)

    @property
    def rank(self) -> int:
        """Numerical rank of X."""
        return len(self.kept)

    def coordinates(self, cross: Matrix) -> Matrix:
        """U'B from X'B."""
        rows = cross[self.kept] * self.scale[self.kept, None]
        solved: Matrix = sla.solve_triangular(self.factor, rows, trans=1)
        return solved


@dataclass(frozen=True, eq=False)
class LabelSpaces:
    """The label subspaces of one set of second moments.

    Attributes
    ----------
    n : rows.
    u1, u2, uy : whitened coordinates of the modalities and of the target.
    c : (r1, r2) U1'U2.
    base1, base2 : (r_i, a_i) orthonormal bases of L1 and L2.
    shared1, shared2 : (r_i, k) matched directions in them, and `rho` (k,) their correlations.
    roots1, roots2 : squared canonical correlations of each modality and the target, falling.
    found : numbers of directions (own 1, own 2, widened 1, widened 2, shared), to repeat on resamples.
    overlap1, overlap2 : estimated squared cosine between the sample's L_i and the population's, 0..1.
    """

    n: float
    u1: Whitened
    u2: Whitened
    uy: Whitened
    c: Matrix
    base1: Matrix
    base2: Matrix
    shared1: Matrix
    shared2: Matrix
    rho: Vector
    roots1: Vector
    roots2: Vector
    found: tuple[int, int, int, int, int]
    overlap1: float
    overlap2: float

    @classmethod
    def of(
        cls,
        m: RegimeInput,
        thresholds: tuple[float, float] = (0.0, 0.0),
        found: tuple[int, int, int, int, int] | None = None,
    ) -> LabelSpaces:
        """Find the subspaces; with `found`, take those numbers of directions instead of testing for chance.

        `thresholds` are lower limits of a root that counts as more than chance, from a permutation null.
        """
        u1, u2, uy = Whitened.of(m.c11), Whitened.of(m.c22), Whitened.of(m.cyy)
        c = u1.coordinates(u2.coordinates(m.c12.T).T)
        left1, roots1 = label_roots(u1, uy, m.cy11)
        left2, roots2 = label_roots(u2, uy, m.cy22)
        if found is None:
            own1, own2 = (
                int(np.sum(roots > max(least, chance_root(u.rank, uy.rank, m.n))))
                for roots, least, u in ((roots1, thresholds[0], u1), (roots2, thresholds[1], u2))
            )
        else:
            own1, own2 = found[:2]
        l1, l2 = left1[:, :own1], left2[:, :own2]
        base1 = _widen(l1, roots1[:own1], c, l2, roots2[:own2], m.n, found[2] if found else None)
        base2 = _widen(l2, roots2[:own2], c.T, l1, roots1[:own1], m.n, found[3] if found else None)
        p, rho, qt = np.linalg.svd(base1.T @ c @ base2, full_matrices=False)
        level = chance_root(base1.shape[1], base2.shape[1], m.n)
        shared = found[4] if found else int(np.sum(rho**2 > level))
        return cls(
            n=m.n,
            u1=u1,
            u2=u2,
            uy=uy,
            c=c,
            base1=base1,
            base2=base2,
            shared1=base1 @ p[:, :shared],
            shared2=base2 @ qt[:shared].T,
            rho=rho[:shared],
            roots1=roots1,
            roots2=roots2,
            found=(own1, own2, base1.shape[1] - own1, base2.shape[1] - own2, shared),
            overlap1=_overlap(roots1[:own1], u1.rank, uy.rank, m.n),
            overlap2=_overlap(roots2[:own2], u2.rank, uy.rank, m.n),
        )

    def alignment(self) -> Link:
        """Return min rho on the label subspaces against max nu outside of them (canonical correlations)."""
        n, k = self.n, len(self.rho)
        rho = float(self.rho.min(initial=1.0))
        high = float(rho / np.sqrt(self.overlap1 * self.overlap2) + (1 - rho**2) * _spread(k, k, n))
        p, q = self.u1.rank - self.base1.shape[1], self.u2.rank - self.base2.shape[1]
        bounds = max(rho - self._common_error, 0.0), min(high, 1.0)
        if p == 0 or q == 0:
            return Link(rho, 0.0, 0.0, *bounds, 0.0, 1.0)
        root = min(_top_square(_outside(self.base1, _outside(self.base2, self.c.T).T)), 1.0)
        seen = root > chance_root(p, q, n)
        hidden = float(np.sqrt(population_root(root if seen else 0.0, p, q, n)))
        low = np.sqrt(root) - (1 - hidden**2) * _spread(p, q, n) if seen else 0.0
        return Link(rho, hidden if seen else 0.0, hidden, *bounds, float(np.clip(low, 0, hidden)), 1.0)

    @property
    def _common_error(self) -> float:
        """Return what the noise of the target, common to L1 and L2, adds to rho: (1 - r) ||C||^2 / (n r)."""
        if self.found[0] == 0 or self.found[1] == 0:
            return 0.0
        root1, root2 = self.roots1[self.found[0] - 1], self.roots2[self.found[1] - 1]
        return float((1 - max(root1, root2)) * np.sum(self.c**2) / (self.n * np.sqrt(root1 * root2)))

    def prediction(self, source: int) -> Link:
        """Min tau against max xi when modality `source` predicts the other: A = Sigma_ts Sigma_ss^(-1/2).

        tau are the singular values of A on the shared label directions of the source, xi those of A outside
        of its label subspace; both carry the unit of the predicted modality, their ratio has none.
        """
        n, c, target = (self.n, self.c, self.u2) if source == 1 else (self.n, self.c.T, self.u1)
        base, shared, overlap = (
            (self.base1, self.shared1, self.overlap1) if source == 1 else (self.base2, self.shared2, self.overlap2)
        )
        a = c @ target.root / np.sqrt(n)  # A transposed, (r, d)
        image = shared.T @ a
        tau = float(np.sqrt(max(np.linalg.eigvalsh(image @ image.T)[0], 0.0))) if len(image) else 0.0
        p, free = len(c) - base.shape[1], n - 1 - len(c)
        if p == 0:
            return Link(tau, 0.0, 0.0, tau, tau, 0.0)
        if free <= 0:
            return Link(tau, 0.0, np.inf, 0.0, np.inf, 0.0)
        outside = _outside(base, a)
        square = _top_square(outside)
        grow = n / free  # the residual covariance has lost the degrees of freedom of the source
        noise = grow * _top(lambda v: target.gram @ v / n - a.T @ (a @ v), a.shape[1])
        trace = grow * max(float(np.trace(target.gram)) / n - float(np.sum(a**2)), 0.0)
        q = trace / noise if noise > 0 else 0.0
        seen = square > chance_cross(noise, p, q, n)
        hidden = float(np.sqrt(population_cross(square if seen else 0.0, noise, p, q, n)))
        high = tau / np.sqrt(overlap) + np.sqrt(noise) * _spread(len(image), 1, n)
        low = np.sqrt(square) - np.sqrt(noise) * _spread(p, q, n) if seen else 0.0
        least = np.sqrt(max(tau**2 - (1 - overlap) * float(np.sum(outside**2)) / p, 0.0))
        ends = float(least), float(high), float(np.clip(low, 0, hidden))
        return Link(tau, hidden if seen else 0.0, hidden, *ends)


def _spread(p: float, q: float, n: float) -> float:
    """Return how far noise moves the extreme one of many equal singular values, beyond a single one."""
    return float((max(np.sqrt(p), 1.0) + max(np.sqrt(q), 1.0) - 2) / np.sqrt(n))


def label_roots(u: Whitened, uy: Whitened, cross: Matrix) -> tuple[Matrix, Vector]:
    """Canonical directions (r, m) of a modality with the target, and their squared correlations."""
    left, s, _ = np.linalg.svd(uy.coordinates(u.coordinates(cross).T).T, full_matrices=False)
    return left, np.minimum(s**2, 1.0)


def top_overlap(c: Matrix, left1: Matrix, left2: Matrix) -> float:
    """Largest correlation between the spans of two sets of whitened directions."""
    return float(np.linalg.svd(left1.T @ c @ left2, compute_uv=False).max(initial=0.0))


def unique_share(m: RegimeInput, spaces: LabelSpaces, modality: int) -> float:
    """unique_i = 1 - ||S_i'R||^2 / ||L_i'R||^2, R = U_i'Y_i, S_i the part of L_i with a match in L_j; in 0..1.

    It is the share of what modality i explains of its target along directions that no direction of the other
    modality correlates with beyond chance: alignment keeps S_i alone.
    """
    own, cross = (spaces.u1, m.cy11) if modality == 1 else (spaces.u2, m.cy22)
    base, shared = (spaces.base1, spaces.shared1) if modality == 1 else (spaces.base2, spaces.shared2)
    ry = own.coordinates(cross[:, m.columns(modality)])
    whole = float(np.sum((base.T @ ry) ** 2))
    share = 1.0 - float(np.sum((shared.T @ ry) ** 2)) / whole if whole > 0 else 0.0
    return min(share, 1.0) if share > 1e-12 else 0.0


def unmatched_root(m: RegimeInput, spaces: LabelSpaces, modality: int) -> float:
    """Squared correlation of the target with the best direction of L_i that has no match, less its error; in 0..1.

    Chance is taken off it, and then a standard error, 2 sqrt(t / n) (1 - t) of a squared correlation t.
    """
    own, cross = (spaces.u1, m.cy11) if modality == 1 else (spaces.u2, m.cy22)
    base, shared = (spaces.base1, spaces.shared1) if modality == 1 else (spaces.base2, spaces.shared2)
    if base.shape[1] == shared.shape[1]:
        return 0.0
    told = spaces.uy.coordinates(own.coordinates(cross).T).T
    root = min(_top_square(_outside(shared, base @ (base.T @ told))), 1.0)
    t = population_root(root, own.rank, spaces.uy.rank, m.n) if root > 0 else 0.0
    return float(max(t - 2 * np.sqrt(t / m.n) * (1 - t), 0.0))


def _widen(
    own: Matrix, roots: Vector, c: Matrix, theirs: Matrix, their_roots: Vector, n: float, count: int | None
) -> Matrix:
    """Add to a label subspace the directions of C `theirs` outside of it that are more than chance.

    An entry of C `theirs` outside has the variance (1 - t) / n of a regression on what has R^2 t inside, and
    that which the sampling error of `own`, of variance (1 - root) / (n root) an entry, takes from inside. The
    error of `theirs` comes over by C to directions of strong nuisance, weighted by the squares of C.
    """
    if theirs.shape[1] == 0 or own.shape[0] == own.shape[1]:
        return own
    left, s, _ = np.linalg.svd(_outside(own, c @ theirs), full_matrices=False)
    if count is None:
        inside = np.sum((own.T @ c @ theirs) ** 2, axis=0)
        noise = 1 - inside.min() + inside.max() * (1 / roots.min(initial=1.0) - 1)
        carried = _outside(theirs, _outside(own, c).T)
        squares = np.linalg.eigvalsh(carried.T @ carried if len(carried) > len(own) else carried @ carried.T)
        # What is added by chance has a match by construction, and hides a unique direction where there is one more
        # here than there; with as many on both sides it is what is missed that hides a mixture of shared and unique.
        point = 0.95 if own.shape[1] == theirs.shape[1] else 0.99
        level = noise * chance_root(len(own) - own.shape[1], theirs.shape[1], n, point)
        level += _weighted95(np.maximum(squares, 0.0)) * (1 / float(their_roots.min()) - 1) / n
        count = int(np.sum(s**2 > level))
    return np.hstack([own, left[:, :count]])


def _weighted95(weights: Vector) -> float:
    """95% point of a sum of independent chi2_1 with these weights: of the scaled chi2 with its mean and variance."""
    first, second = float(np.sum(weights)), float(np.sum(weights**2))
    return second / first * float(chdtri(first**2 / second, 0.05)) if second > 0 else 0.0


def _outside(base: Matrix, m: Matrix) -> Matrix:
    outside: Matrix = m - base @ (base.T @ m)
    return outside


def _top_square(m: Matrix) -> float:
    """Largest squared singular value."""
    return _top(lambda v: m.T @ (m @ v), m.shape[1])


def _top(apply: Callable[[Matrix], Matrix], size: int) -> float:
    """Largest eigenvalue of a symmetric map that has none below 0: dense if small, by Lanczos if not."""
    if size <= _DENSE:
        return max(float(np.linalg.eigvalsh(apply(np.eye(size)))[-1]), 0.0)
    # Drawn, so that no structure of the data makes it orthogonal to the answer; fixed, so that runs agree.
    start = np.random.default_rng(0).standard_normal(size)
    if not np.any(apply(start)):
        return 0.0
    operator = LinearOperator((size, size), matvec=apply, dtype=np.float64)
    top = eigsh(operator, k=1, which="LA", v0=start, tol=1e-10, return_eigenvectors=False)
    return max(float(top[0]), 0.0)


def _overlap(roots: Vector, p: int, q: int, n: float) -> float:
    """Squared cosine between estimated and true label direction: population root over sample root."""
    if len(roots) == 0:
        return 1.0
    root = float(roots.min())
    return max(min(population_root(root, p, q, n) / root, 1.0), 1e-3)
