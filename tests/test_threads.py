"""Threads: the limit on the BLAS holds wherever work goes, and is lifted; work side by side comes back in order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import scipy.linalg  # noqa: F401  (it brings a BLAS of its own)
from threadpoolctl import threadpool_info

from alignscope._lib.threads import one_blas_thread, side_by_side


def blas_threads(_=None):
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)


def limits_seen():
    before = blas_threads()
    with one_blas_thread():
        inside = blas_threads()
        with one_blas_thread():
            pass
        still = blas_threads()
        below = side_by_side(lambda _: side_by_side(blas_threads, range(3)), range(3))
    assert blas_threads() == before
    return inside, still, below


EXPECTED = ({1}, {1}, [[{1}] * 3] * 3)


def test_the_limit_holds_in_all_that_is_started_under_it():
    assert limits_seen() == EXPECTED


def test_the_limit_holds_in_a_thread_of_the_caller():
    before = blas_threads()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(limits_seen).result() == EXPECTED
    assert blas_threads() == before


def test_without_a_limit_none_is_set():
    assert side_by_side(blas_threads, range(3)) == [blas_threads()] * 3


def test_the_limit_is_lifted_after_an_error():
    before = blas_threads()
    with pytest.raises(ZeroDivisionError, match="division"), one_blas_thread():
        _ = 1 / 0
    assert blas_threads() == before


@pytest.mark.parametrize("items", [[], [3], range(50)])
def test_results_come_in_order(items):
    assert side_by_side(lambda k: k * k, items) == [k * k for k in items]


def test_the_error_of_a_piece_of_work_comes_through():
    with pytest.raises(ValueError, match="seven"):
        side_by_side(lambda k: int("seven") if k == 7 else k, range(9))
