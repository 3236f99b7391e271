"""Counter-based random numbers and a cosine that are the same bits on every machine and in every array namespace.

A draw is a function of (key, counter) alone, so that sample 7 is sample 7 in whatever batch, order or process it
is made. Only integer operations modulo 2^64 and exactly rounded floating-point operations are used.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alignscope._lib.types import Array

_GAMMA = -7046029254386353131  # 0x9E3779B97F4A7C15, the odd integer next to 2^64 over the golden ratio
_MIX = ((30, -4658895280553007687), (27, -7723592293110705685))  # shift, then multiply: splitmix64's finaliser
_LAST_SHIFT = 31


def _logical_shift(z: Array, bits: int) -> Array:
    """Shift right and fill with zeros; int64 is the widest integer that every namespace has, and it is signed."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def mix(z: Array) -> Array:
    """Finaliser of splitmix64 on int64 arrays of any namespace: a bijection whose every output bit depends on all.

    Source: Steele, Lea & Flood (2014), constants of Stafford's variant 13.
    """
    for shift, factor in _MIX:
        z = (z ^ _logical_shift(z, shift)) * factor
    return z ^ _logical_shift(z, _LAST_SHIFT)


def hashed(start: Array, counter: Array) -> Array:
    """64 random bits for each counter, as int64; `start` is a key, or an int64 array of keys."""
    return mix(start + mix(counter * _GAMMA))


def key(seed: int, *names: str | int) -> np.ndarray:
    """Return the key of a named stream of a seed, an int64 array without axes."""
    value = np.asarray([seed % 2**64], dtype=np.uint64).view(np.int64)
    for name in names:
        value = hashed(value, np.asarray([_digest(str(name))], dtype=np.uint64).view(np.int64))
    return value.reshape(())


def _digest(name: str) -> int:
    """FNV-1a of a name: Python's own hash differs from run to run."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    return h


def uniform(start: Array, counter: Array) -> np.ndarray:
    """Uniform float64 numbers in [0, 1), multiples of 2^-53."""
    bits: np.ndarray = _logical_shift(hashed(start, np.asarray(counter, dtype=np.int64)), 11)
    return bits * 2.0**-53


def below(n: int, start: Array, counter: Array) -> np.ndarray:
    """Uniform integers 0..n-1, int64."""
    drawn: np.ndarray = np.floor(uniform(start, counter) * n)
    return drawn.astype(np.int64)


def order(n: int, start: Array) -> np.ndarray:
    """Return a random permutation of 0..n-1."""
    return np.argsort(hashed(start, np.arange(n)), kind="stable")


def cos_sin(degrees: Any) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of angles in degrees, within 2^-52, by Taylor's series on -45..45 degrees.

    numpy's own differ in the last bit from one processor to the next, and a rounded pixel could follow.
    """
    angle = np.asarray(degrees, dtype=np.float64)
    quarter = np.floor(angle / 90.0 + 0.5)
    r = (angle - 90.0 * quarter) * (np.pi / 180.0)
    square = r * r
    cosine, sine = np.ones_like(r), np.ones_like(r)
    for k in range(9, 0, -1):
        cosine = 1.0 - square * cosine / float((2 * k - 1) * (2 * k))
        sine = 1.0 - square * sine / float((2 * k) * (2 * k + 1))
    sine = sine * r
    turn = quarter.astype(np.int64) % 4
    c = np.choose(turn, (cosine, -sine, -cosine, sine))
    s = np.choose(turn, (sine, cosine, -sine, -cosine))
    return c, s
