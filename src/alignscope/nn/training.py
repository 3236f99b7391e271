"""What all training loops here share: the schedule of the learning rate, and one thread for one cell."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def learning_rates(peak: float, steps: int, *, warmup: float, cosine: bool = True) -> Iterator[float]:
    """Yield the learning rate of every step: a linear warm-up times a cosine decay to zero.

        rate_t = peak min(1, (t + 1) / w) (1 + cos(pi t / steps)) / 2,    w = max(1, warmup steps)

    Parameters
    ----------
    peak : the highest rate, > 0.
    steps : how many.
    warmup : share of the steps, 0..1.
    cosine : False for a constant rate after the warm-up.
    """
    rising = max(1, round(warmup * steps))
    for step in range(steps):
        decay = 0.5 * (1 + math.cos(math.pi * step / steps)) if cosine else 1.0
        yield peak * min(1.0, (step + 1) / rising) * decay


@contextmanager
def one_thread() -> Iterator[None]:
    """Give torch one thread: cells are many, and run side by side in processes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
