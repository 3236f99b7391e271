"""Blocks on the ground: those of different scenes that share some (tiles that overlap, one place at two dates), and
chips that touch one of another block.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from alignscope.scenes.chips import Scene

_INSIDE = 0.01  # pixels by which blocks must share ground; those that only touch do not


def merge_overlapping(
    scenes: Sequence[Scene], scene: np.ndarray, row: np.ndarray, column: np.ndarray, block: np.ndarray
) -> np.ndarray:
    """Return the block of every chip, (N,) from 0, where blocks that share ground in the same CRS are one.

    Otherwise a place would be fitted on in one scene and held out in another. Scenes without a map are left alone.

    scene, row, column, block : (N,) of every chip; a block is of one scene.
    """
    first = np.unique(block, return_index=True)[1]
    owner = scene[first]
    box = _boxes(scenes, scene, row, column, block)
    crs = [scenes[k].finest.crs for k in owner.tolist()]
    code = np.array([-1 if c is None else crs.index(c) for c in crs])
    pairs = [np.zeros((0, 2), np.int64)]
    for k in np.flatnonzero(code >= 0).tolist():
        shared = (box[k + 1 :, :2] < box[k, 2:]).all(axis=1) & (box[k + 1 :, 2:] > box[k, :2]).all(axis=1)
        other = k + 1 + np.flatnonzero(shared & (code[k + 1 :] == code[k]) & (owner[k + 1 :] != owner[k]))
        pairs.append(np.stack([np.full(len(other), k), other], axis=1))
    one, two = np.concatenate(pairs).T
    graph = coo_array((np.ones(len(one)), (one, two)), shape=(len(first), len(first)))
    return connected_components(graph, directed=False)[1][block].astype(np.int64)


def _boxes(
    scenes: Sequence[Scene], scene: np.ndarray, row: np.ndarray, column: np.ndarray, block: np.ndarray
) -> np.ndarray:
    """Return (blocks, 4): the least x and y, and the largest, of the chips of every block."""
    box = np.tile([np.inf, np.inf, -np.inf, -np.inf], (int(block.max()) + 1, 1))
    for k in np.unique(scene).tolist():
        mine, its, transform = scene == k, scenes[k].layout, scenes[k].finest.transform
        if transform is None:
            continue
        a, b, c, d, e, f = transform
        for down in (_INSIDE, its.chip - _INSIDE):
            for right in (_INSIDE, its.chip - _INSIDE):
                x, y = column[mine] * its.step + right, row[mine] * its.step + down
                corner = np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)
                np.minimum.at(box[:, :2], block[mine], corner)
                np.maximum.at(box[:, 2:], block[mine], corner)
    return box


def count_adjacent(
    scenes: Sequence[Scene], scene: np.ndarray, row: np.ndarray, column: np.ndarray, block: np.ndarray
) -> int:
    """Return how many chips touch a chip of another block of their scene, at a side or a corner; (N,) as above."""
    count = 0
    for k in np.unique(scene).tolist():
        mine, its = scene == k, scenes[k].layout
        reach = -(-its.chip // its.step)  # chips up to here share pixels or a side
        grid = np.full((its.rows + 2 * reach, its.columns + 2 * reach), -1)
        down, right = row[mine] + reach, column[mine] + reach
        grid[down, right] = block[mine]
        touches = np.zeros(len(down), bool)
        for r in (-reach, 0, reach):
            for c in (-reach, 0, reach):
                other = grid[down + r, right + c]
                touches |= (other >= 0) & (other != block[mine])
        count += int(touches.sum())
    return count
