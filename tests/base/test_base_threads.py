"""Pieces of work side by side: in order, each with one thread of its own, and the same result as one after another."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from core.base.threads import side_by_side


def threads_allowed(_: object = None) -> int:
    return max(int(library["num_threads"]) for library in threadpool_info())


@pytest.fixture(params=[1, 3])
def allowed(request: pytest.FixtureRequest) -> object:
    with threadpool_limits(request.param):
        yield request.param


def test_results_keep_the_order_of_their_pieces(allowed: int) -> None:
    waits = [threading.Event() for _ in range(4)]

    def work(place: int) -> int:
        if allowed > 1 and place == 0:
            assert waits[1].wait(20), "the second piece was not worked on beside the first"
        waits[place].set()
        return place * place

    assert side_by_side(work, range(4)) == [0, 1, 4, 9]


def test_each_piece_has_one_thread_and_the_limit_is_given_back(allowed: int) -> None:
    before = threads_allowed()
    assert side_by_side(threads_allowed, range(3)) == [1, 1, 1]
    assert threads_allowed() == before


def test_within_a_piece_it_is_a_plain_loop(allowed: int) -> None:
    def names(_: object) -> set[int]:
        return set(side_by_side(lambda _: threading.get_ident(), range(3)))

    assert all(len(one) == 1 for one in side_by_side(names, range(3)))


def test_the_first_error_is_raised(allowed: int) -> None:
    def work(place: int) -> None:
        if place:
            raise ValueError(f"piece {place}")

    with pytest.raises(ValueError, match="piece 1"):
        side_by_side(work, range(3))


def test_products_are_equal_to_the_last_digit_whatever_is_allowed() -> None:
    matrices = np.random.default_rng(0).standard_normal((3, 400, 400))
    found = []
    for number in (1, 2):
        with threadpool_limits(number):
            found.append(side_by_side(lambda one: one @ one.T, matrices))
    assert all(np.array_equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize(("given", "kept"), [(None, "2000"), ("30", "30")])
def test_waiting_threads_soon_sleep_unless_told_otherwise(given: str | None, kept: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    if given:
        environment["GOMP_SPINCOUNT"] = given
    asked = "import core, os; print(os.environ['GOMP_SPINCOUNT'])"
    out = subprocess.run([sys.executable, "-c", asked], env=environment, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == kept
