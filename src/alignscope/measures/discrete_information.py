"""Partial information decomposition of labels: two sources and a target, each one of a few values, in bits.

The definition of Bertschinger, Rauh, Olbrich, Jost and Ay (2014, "BROJA"): with P(x1, y) and P(x2, y) given,

    U = min_Q I_Q(X1, X2; Y) over all Q(x1, x2, y) with these two margins,
    R = I(X1; Y) + I(X2; Y) - U,   U_i = U - I(X_j; Y),   S = I(X1, X2; Y) - U

Since I_Q = H(Y) + sum q ln(q / s) with s(x1, x2) = sum_y q, and sum q ln(q / s) = min_t sum q ln(q / t) over
distributions t(x1, x2), the two are minimised in turn: t = s, and for every y the coupling of P(., y) that is nearest
to t, by Sinkhorn's scaling, q = t e^(a_y(x1) + b_y(x2)). Both sets are convex, so that this ends in the minimum
(Csiszár & Tusnády 1984; Banerjee, Rauh & Montúfar 2018 for this problem). Every other Q' with the margins of such a q
has, as sum q ln(q / s) is convex and homogeneous,

    I_Q' >= H(Y) + sum_y sum_x1 P(x1, y) a_y + sum_y sum_x2 P(x2, y) b_y - max ln sum_y e^(a_y + b_y):

how far U may be off, which is returned.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from alignscope._lib.types import Matrix
from alignscope.errors import AlignscopeError

TOLERANCE = 1e-7  # nats
_MOST_STEPS = 20_000
_RELAXED = 1.9
_CHECKED = 20  # steps between two looks at how far off it is
_SCALINGS, _LAST_SCALINGS = 3, 200
_MARGIN = 1e-12  # a relative change of scalings at which margins are met
_NOTHING = 1e-290


class DiscretePID(NamedTuple):
    """What two sources say of a target, in bits; redundancy, unique1, unique2 and synergy add up to I(X1,X2; Y).

    Attributes
    ----------
    redundancy, unique1, unique2, synergy : what either says, only one does, and only both together do; all >= 0.
    gap : by how much U may be too large, and so what is unique, and redundancy and synergy too small.
    """

    redundancy: float
    unique1: float
    unique2: float
    synergy: float
    gap: float


def discrete_pid(table: Any) -> DiscretePID:
    """Return redundancy, unique parts and synergy of two discrete sources about a target, in bits.

    Parameters
    ----------
    table : (A, B, C) counts or probabilities of (x1, x2, y), at least 0, of any total. Counts of few samples overstate
        every part: what is estimated from n of them is off by about (A B - 1)(C - 1) / (2 n ln 2) in all.

    Raises
    ------
    AlignscopeError : E201 for another shape or an empty table, E203 for NaN or infinity, E304 for negative counts.

    Example
    -------
    What the exclusive or of two coins says is in neither of them:

    >>> import numpy as np
    >>> table = np.zeros((2, 2, 2))
    >>> table[[0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0]] = 1
    >>> [round(part, 6) for part in discrete_pid(table)]
    [0.0, 0.0, 0.0, 1.0, 0.0]
    """
    p = _probabilities(table)
    one, two, both = (_information(m) for m in (p.sum(axis=1), p.sum(axis=0), p.reshape(-1, p.shape[2])))
    union, gap = _union(p)
    union = min(max(union, one, two), both)  # rounding apart
    parts = (one + two - union, union - two, union - one, both - union, gap)
    return DiscretePID(*(max(float(part), 0.0) / float(np.log(2)) for part in parts))


def _probabilities(table: Any) -> np.ndarray:
    p = np.asarray(table, dtype=np.float64)
    if p.ndim != 3 or p.size == 0:
        raise AlignscopeError("E201", "table", f"shape {p.shape}", "Give counts of (x1, x2, y), three axes.")
    if not np.isfinite(p).all():
        raise AlignscopeError("E203", "table", "NaN or infinity", "Give finite counts.")
    if (p < 0).any():
        raise AlignscopeError("E304", "table", f"{int((p < 0).sum())} negative counts", "Give counts of at least 0.")
    if not p.any():
        raise AlignscopeError("E201", "table", "only zeros", "Give the counts of some samples.")
    return p / p.sum()


def _information(joint: Matrix) -> float:
    """Return the mutual information of the two axes, in nats."""
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    there = joint > 0
    return float((joint[there] * np.log(joint[there] / independent[there])).sum())


def _union(p: np.ndarray) -> tuple[float, float]:
    """Return the union information in nats, and how much less it may be."""
    a, b, y = p.sum(axis=1).T, p.sum(axis=0).T, p.sum(axis=(0, 1))  # (C x A), (C x B), (C)
    entropy = -float((y[y > 0] * np.log(y[y > 0])).sum())
    t = a.T @ np.divide(b, y[:, None], out=np.zeros_like(b), where=y[:, None] > 0)
    u, v = np.ones_like(a), np.ones_like(b)
    lower = -np.inf
    for step in range(_MOST_STEPS):
        look = step % _CHECKED == 0
        for _ in range(_LAST_SCALINGS if look else _SCALINGS):
            u = _scaled(a, v @ t.T)
            before, v = v, _scaled(b, u @ t)
            if look and np.abs(v - before).max() <= _MARGIN * np.abs(v).max():
                break
        s = t * (u.T @ v)
        if look:
            q = t * u[:, :, None] * v[:, None, :]
            there = q > 0
            value = entropy + float((q[there] * np.log((q / np.maximum(s, _NOTHING))[there])).sum())
            bound = entropy + float((a[a > 0] * np.log(u[a > 0])).sum() + (b[b > 0] * np.log(v[b > 0])).sum())
            lower = max(lower, bound - float(np.log((u.T @ v).max())))
            if value - lower <= TOLERANCE:
                break
        # Further than to s, which is twice as fast; how far off the end is, the bound says all the same.
        t = t * np.divide(s, t, out=np.zeros_like(s), where=t > 0) ** _RELAXED
        t = t / t.sum()
    return value, value - lower


def _scaled(margin: Matrix, of: Matrix) -> Matrix:
    return np.divide(margin, of, out=np.zeros_like(margin), where=(margin > 0) & (of > 0))
