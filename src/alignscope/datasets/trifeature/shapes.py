"""The ten shapes of Trifeature as signed distances.

Coordinates are in radii of the shape: x to the right, y downwards, and every shape fits the disc of radius 1, so
that no rotation takes it out of its box. Distances are exact, negative inside, in the same unit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import numpy as np

from alignscope.datasets.counter_random import cos_sin

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]
Points = Sequence[tuple[float, float]]


def _polygon(points: Points) -> Distance:
    """Distance to a simple polygon: the nearest edge, with the sign of an even-odd crossing count."""

    def distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        nearest = np.full(np.broadcast_shapes(x.shape, y.shape), np.inf)
        inside = np.zeros(nearest.shape, dtype=bool)
        for (ax, ay), (bx, by) in zip(points, [*points[1:], points[0]], strict=True):
            ex, ey = bx - ax, by - ay
            wx, wy = x - ax, y - ay
            along = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0.0, 1.0)
            dx, dy = wx - ex * along, wy - ey * along
            nearest = np.minimum(nearest, dx * dx + dy * dy)
            between = (y >= ay) != (y >= by)
            inside ^= between & ((wx * ey < wy * ex) == (ey > 0))
        root = np.sqrt(nearest)
        return np.where(inside, -root, root)

    return distance


def _union(parts: Sequence[Distance]) -> Distance:
    return lambda x, y: reduce(np.minimum, (part(x, y) for part in parts))


def _rectangle(left: float, top: float, right: float, bottom: float) -> Distance:
    return _polygon([(left, top), (right, top), (right, bottom), (left, bottom)])


def _on_circle(n: int, radii: Sequence[float] = (1.0,)) -> Points:
    """Return n points at equal angles from the top, at the given radii in turn."""
    c, s = cos_sin(np.arange(n) * (360.0 / n))
    return [(radii[k % len(radii)] * float(s[k]), -radii[k % len(radii)] * float(c[k])) for k in range(n)]


def _circle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.sqrt(x * x + y * y) - 1.0


def _cross(arm: float, half: float) -> Points:
    """Corners of a plus whose arms reach `arm` and are 2 `half` wide."""
    corner = [(half, -arm), (half, -half), (arm, -half), (arm, half), (half, half), (half, arm)]
    return corner + [(-x, -y) for x, y in corner]


_TEE: Points = [(-0.66, -0.74), (0.66, -0.74), (0.66, -0.28), (0.22, -0.28), (0.22, 0.97), (-0.22, 0.97)]
_TEE = [*_TEE, (-0.22, -0.28), (-0.66, -0.28)]
_FIVE = [(0.0, 0.0), (-0.47, -0.47), (0.47, -0.47), (-0.47, 0.47), (0.47, 0.47)]

SHAPES: Mapping[str, Distance] = {
    "triangle": _polygon(_on_circle(3)),
    "square": _polygon([(-0.7, -0.7), (0.7, -0.7), (0.7, 0.7), (-0.7, 0.7)]),
    "plus": _polygon(_cross(0.96, 0.27)),
    "circle": _circle,
    "tee": _polygon(_TEE),
    "rhombus": _polygon([(0.0, -1.0), (0.56, 0.0), (0.0, 1.0), (-0.56, 0.0)]),
    "pentagon": _polygon(_on_circle(5)),
    "star": _polygon(_on_circle(10, (1.0, 0.4))),
    "fivesquare": _union([_rectangle(x - 0.235, y - 0.235, x + 0.235, y + 0.235) for x, y in _FIVE]),
    "trapezoid": _polygon([(-0.32, -0.55), (0.32, -0.55), (0.87, 0.48), (-0.87, 0.48)]),
}
"""Signed distance of every shape; the order is that of the codes."""
