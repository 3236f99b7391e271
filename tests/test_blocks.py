"""Groups from places: a block is a square of the ground, whatever the order, the sign or the turn of longitudes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignscope.errors import AlignscopeError
from alignscope.pair.blocks import spatial_blocks

places = st.lists(st.tuples(st.integers(-1800, 1799), st.integers(-900, 900)), min_size=1, max_size=30)


@given(at=places, side=st.integers(1, 50))
def test_two_samples_share_a_block_exactly_where_a_loop_says_so(at: list[tuple[int, int]], side: int) -> None:
    """Places and sides in tenths, in which floating point is no help."""
    x, y = np.array(at).T / 10
    found = spatial_blocks(x, y, side / 10, "places")
    for (a, b), name in zip(at, found.tolist(), strict=True):
        west, south = (float(part) for part in name.split(","))
        assert (west, south) == pytest.approx((a // side * side / 10, b // side * side / 10))


def test_longitudes_go_round_and_metres_do_not() -> None:
    x, y = np.array([-180.0, 180.0, 540.0]), np.zeros(3)
    assert len(set(spatial_blocks(x, y, 10.0, "places").tolist())) == 1
    assert spatial_blocks(x, y, 10.0, "places", degrees=False).tolist() == ["-180,0", "180,0", "540,0"]


@pytest.mark.parametrize(
    ("x", "y", "side", "said"),
    [
        ([1.0, np.nan], [1.0, 2.0], 1.0, r"places: 1 of 2 samples have no place \(.*row 1.*\[E203\]"),
        ([52.0], [113.0], 1.0, r"places: a latitude of 113 .*right order.*\[E304\]"),
        ([1.0], [1.0], 0.0, r"block: 0.*\[E304\]"),
        ([1.0], [1.0], np.nan, r"block: nan.*\[E304\]"),
    ],
)
def test_places_that_are_none(x: list[float], y: list[float], side: float, said: str) -> None:
    with pytest.raises(AlignscopeError, match=said):
        spatial_blocks(np.array(x), np.array(y), side, "places")
