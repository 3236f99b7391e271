"""The alignment problem in whitened coordinates: who predicts what, towards which target, in which target scaling.

    min  ||X1 V1 W1 - Y1||^2 + lambda ||X1 V1 Q1 - T||^2

over encoders V1 of rank K, with T made from a frozen modality 2. With U1 an orthonormal basis of X1 the
encoder is Z1 = U1 G, G orthonormal, and the problem is to maximise tr G^T (A + lambda B) G with
A = RY RY^T, B = RT RT^T, RY = U1^T Y1, RT = U1^T T. Source: arXiv 2509.17943, equation 3 and theorem 1;
gauges and the right V2 are ours (THEORY 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from alignscope._lib.checks import one_of, whole
from alignscope._lib.types import Matrix, Vector
from alignscope.errors import AlignscopeError
from alignscope.moments.moments import Basis, Moments

Gauge = Literal["fitted", "whitened", "source", "cca"]

RANK_RTOL = 1e-8
"""A direction counts towards a rank when its singular value exceeds this share of the largest: its energy is
then above 1e-16 of the whole, which is what float64 can tell from nothing."""


@dataclass(frozen=True, eq=False)
class AlignmentTarget:
    """What the encoder is aligned to: T = X2 `coefficients`, columns by falling importance.

    Attributes
    ----------
    coefficients : (D2 x M) T as a linear map of modality 2. The target at latent size K is its first K
        columns, except with the target scaling ``cca``, where it is always whole.
    energies : (M,) ||T_m||^2 of every column.
    partners : (C2 x M) for every column of T, the combination of targets that it predicts; None for ``cca`` and
        ``source``.
    gauge : how T is scaled.
    """

    coefficients: Matrix
    energies: Vector
    gauge: Gauge
    partners: Matrix | None = None


@dataclass(frozen=True, eq=False)
class Problem:
    """One direction of the alignment problem, ready to be solved at any lambda.

    Attributes
    ----------
    ry : (r1 x C1) RY = U1^T Y1, targets scaled as a block to ||Y1||^2 = N C1.
    rt_full : (r1 x M) U1^T T for the largest latent size.
    target_energies : (M,) ||T_m||^2.
    y_energies : (C1,) ||Y1_c||^2, summing to N C1.
    components : K, the latent size.
    gauge : how T is scaled.
    target_components : how many columns of T are aligned to; None for all of them.
    basis : the whitened coordinates of X1.
    target : what the encoder is aligned to, as a map of modality 2.
    """

    ry: Matrix
    rt_full: Matrix
    target_energies: Vector
    y_energies: Vector
    components: int
    gauge: Gauge
    target_components: int | None = None
    basis: Basis | None = None
    target: AlignmentTarget | None = None

    @classmethod
    def from_moments(
        cls,
        moments: Moments,
        components: int,
        *,
        encoder: str = "x1",
        predict: str = "y1",
        towards: str = "x2",
        through: str = "y2",
        gauge: Gauge = "fitted",
        target_components: int | None = None,
        ridge: float = 0.0,
        encoder_basis: Basis | None = None,
        towards_basis: Basis | None = None,
    ) -> Problem:
        """Return the problem of one direction from moments of the four blocks.

        Parameters
        ----------
        moments : moments that hold the four blocks.
        components : K >= 1.
        encoder, predict : the blocks of the modality that learns, and of what it must predict.
        towards, through : the blocks of the frozen modality, and of the target that shaped its representation.
        gauge : ``fitted`` T = U2 [U2^T Y2]_K; ``whitened`` an orthonormal basis of it, T^T T = N I; ``source`` the
            paper's own V2; ``cca`` T = U2, which models contrastive alignment (THEORY 6).
        target_components : rank of T; by default K, as in the paper.
        ridge : alpha >= 0, the penalty N alpha (||V1 W1||^2 + lambda ||V1 Q1||^2).
        encoder_basis, towards_basis : bases, where they are at hand.

        Raises
        ------
        AlignscopeError : E301 for a latent size below 1, E305 for an unknown target scaling.
        """
        basis = encoder_basis or moments.basis(encoder, ridge)
        scale = block_scale(moments, predict)
        target = alignment_target(moments, towards, through, gauge, towards_basis)
        return cls(
            ry=scale * basis.coordinates(predict),
            rt_full=basis.coordinates(towards) @ target.coefficients,
            target_energies=target.energies,
            y_energies=scale**2 * moments.energy(predict),
            components=check_components(components),
            gauge=gauge,
            target_components=None if gauge == "cca" else check_components(target_components or components),
            basis=basis,
            target=target,
        )

    @cached_property
    def rt(self) -> Matrix:
        """RT = U1^T T at this latent size (r1 x min(K, M))."""
        return self.rt_full[:, : self.target_components]

    @property
    def target_energy(self) -> float:
        """||T||^2 at this latent size."""
        return float(self.target_energies[: self.target_components].sum())

    @property
    def y_energy(self) -> float:
        """||Y1||^2, equal to N C1."""
        return float(self.y_energies.sum())

    @cached_property
    def sigma(self) -> float:
        """sigma_11 = ||RY||^2 / ||Y1||^2, what the modality predicts without any limit of size (in sample)."""
        return share_of(np.square(self.ry).sum(), self.y_energy)

    @property
    def floor_y(self) -> float:
        """The singular value below which a direction of RY is rounding."""
        return RANK_RTOL * float(np.sqrt(self.y_energy))

    @property
    def floor_t(self) -> float:
        """The singular value below which a direction of RT is rounding."""
        return RANK_RTOL * float(np.sqrt(self.target_energy))

    @cached_property
    def rank_y(self) -> int:
        """a = rank RY."""
        return column_space(self.ry, self.floor_y).shape[1]

    @cached_property
    def rank_t(self) -> int:
        """b = rank RT."""
        return column_space(self.rt, self.floor_t).shape[1]

    @cached_property
    def capacity(self) -> int:
        """c = rank [RY RT], the latent size from which alignment is lossless at any lambda (THEORY 4, item 2)."""
        both = np.hstack([column_space(self.ry, self.floor_y), column_space(self.rt, self.floor_t)])
        # A shared direction known to within an angle t leaves a singular value t / sqrt(2).
        return column_space(both, 1e-7).shape[1]

    @property
    def effective_components(self) -> int:
        """K_eff = min(K, r1, C1 + m), the latent size that can be used."""
        return min(self.components, self.ry.shape[0], self.ry.shape[1] + self.rt.shape[1])

    def with_components(self, components: int) -> Problem:
        """Return the same problem, aligned to the same target, at another latent size."""
        same = replace(self, components=check_components(components))
        # Neither ranks nor capacity depend on K once the target is fixed, and each costs a decomposition.
        kept = ("rt", "rank_y", "rank_t", "capacity")
        same.__dict__.update({k: v for k, v in self.__dict__.items() if k in kept})
        return same


def alignment_target(
    moments: Moments, towards: str, through: str, gauge: Gauge = "fitted", basis: Basis | None = None
) -> AlignmentTarget:
    """Return T for every latent size at once, made by reduced-rank regression of Y2 on X2.

    With U2^T Y2 = P D Q^T, the fitted values of rank K are F2 = U2 P_K D_K Q_K^T; the rotation Q_K is left out,
    since Q1 undoes it. The paper's own formula (``source``) projects the left singular vectors of Y2
    instead, which is right only when they lie in col(X2) (THEORY 3).

    Raises
    ------
    AlignscopeError : E305 for an unknown target scaling.
    """
    one_of("gauge", gauge, get_args(Gauge))
    basis = basis or moments.basis(towards)
    if gauge == "cca":
        coordinates = np.eye(basis.rank) * np.sqrt(moments.weight)
        return AlignmentTarget(basis.coefficients(coordinates), np.square(coordinates).sum(axis=0), gauge)
    partners = None
    ry = block_scale(moments, through) * basis.coordinates(through)
    if gauge == "source":
        coordinates = _source_coordinates(moments, through, ry)
    else:
        left, s, right = np.linalg.svd(ry, full_matrices=False)
        keep = s > RANK_RTOL * np.sqrt(moments.weight * ry.shape[1])
        coordinates = left[:, keep] * (s[keep] if gauge == "fitted" else np.sqrt(moments.weight))
        partners = right[keep].T
    return AlignmentTarget(basis.coefficients(coordinates), np.square(coordinates).sum(axis=0), gauge, partners)


def _source_coordinates(moments: Moments, through: str, ry: Matrix) -> Matrix:
    """U2^T U_Y, the whitened coordinates of the left singular vectors of Y2, scaled to ||column||^2 <= N."""
    gram = block_scale(moments, through) ** 2 * moments.cross(through, through)
    values, right = np.linalg.eigh(gram)
    values, right = values[::-1], right[:, ::-1]
    keep = values > RANK_RTOL**2 * values.max(initial=0.0)
    coordinates: Matrix = ry @ right[:, keep] * np.sqrt(moments.weight / values[keep])
    return coordinates


def stack_targets(problems: Sequence[Problem], weights: Sequence[float]) -> Problem:
    """Return one problem that is aligned to several frozen modalities at once.

    T = [sqrt(w_1) T_1, sqrt(w_2) T_2, ...], so that lambda w_j is the alignment weight of modality j (THEORY 6).
    The problems must share the encoder and what it predicts; each target is cut to its own problem's latent size.

    Raises
    ------
    AlignscopeError : E201 where the problems differ in encoder, E304 for weights that are not positive.
    """
    first = problems[0]
    if any(p.ry.shape != first.ry.shape or not np.allclose(p.ry, first.ry) for p in problems):
        raise AlignscopeError("E201", "problems", "they differ in encoder or target", "Stack problems of one encoder.")
    if len(weights) != len(problems) or min(weights) <= 0:
        raise AlignscopeError("E304", "weights", f"{list(weights)}", "Give one positive weight a modality.")
    return replace(
        first,
        rt_full=np.hstack([np.sqrt(w) * p.rt for p, w in zip(problems, weights, strict=True)]),
        target_energies=np.concatenate(
            [w * p.target_energies[: p.target_components] for p, w in zip(problems, weights, strict=True)]
        ),
        target_components=None,
    )


def block_scale(moments: Moments, block: str) -> float:
    """Return the factor that makes ||Y||^2 = N C for a block of targets; 0 for a block without variation."""
    energy = float(moments.energy(block).sum())
    s = moments.blocks[block]
    return 0.0 if energy <= 0 else float(np.sqrt(moments.weight * (s.stop - s.start) / energy))


def check_components(components: int) -> int:
    """Return the latent size, or raise E301 where it is not a positive whole number."""
    return whole("components", components, 1, code="E301")


def column_space(matrix: Matrix, floor: float) -> Matrix:
    """Return an orthonormal basis of the left singular vectors whose singular values exceed a floor."""
    if min(matrix.shape) == 0:
        return np.zeros((matrix.shape[0], 0))
    left, s, _ = np.linalg.svd(matrix, full_matrices=False)
    return left[:, s > floor]


def share_of(part: float, whole: float) -> float:
    """Return part / whole, 0 of nothing."""
    return float(part / whole) if whole > 0 else 0.0
