"""How many connections a download gets, and how slow a source may be."""

from collections.abc import Callable

import pytest

from app.services.fetch.growth import Growth
from app.services.fetch.rate_floor import RateFloor, TooSlowError

MIB = 1 << 20


def connections_after(seconds: float, rate_of: Callable[[int], float], most: int = 16) -> int:
    """How many there are in the end, from two on, where so many together bring `rate_of(n)` bytes a second."""
    growth = Growth(0.0)
    number, total, now = 2, 0.0, 0.0
    while now < seconds:
        now += 0.05
        total += rate_of(number) * 0.05
        if number < most and growth.wants_more(now, int(total)):
            number += 1
    return number


def test_site_that_limits_each_connection_gets_as_many_as_are_allowed() -> None:
    assert connections_after(2, lambda number: number * 50 * MIB, most=4) == 4
    assert connections_after(10, lambda number: number * MIB, most=4) == 4


def test_line_that_is_full_gets_one_trial_and_no_more() -> None:
    assert connections_after(4, lambda _: 100 * MIB) == 3


def test_growth_ends_where_the_line_is_full() -> None:
    assert connections_after(4, lambda number: min(number, 5) * 10 * MIB) == 6


def test_it_is_tried_again_when_the_site_has_become_faster() -> None:
    growth = Growth(0.0)
    assert growth.wants_more(1, MIB)
    assert not growth.wants_more(2, 2 * MIB)
    assert not growth.wants_more(4, 60 * MIB)
    assert growth.wants_more(8, 100 * MIB)


def test_a_few_bytes_prove_nothing_for_a_while() -> None:
    growth = Growth(0.0)
    assert not growth.wants_more(0.05, 100 * MIB)
    assert not growth.wants_more(0.5, 1000)
    assert growth.wants_more(2.1, 1000)


def test_rate_below_the_floor_over_a_window_is_too_slow() -> None:
    floor = RateFloor(1000, 10)
    for _ in range(9):
        floor.waited(1, 999)
    with pytest.raises(TooSlowError):
        floor.waited(1, 999)


def test_rate_at_the_floor_is_enough_and_each_window_counts_for_itself() -> None:
    floor = RateFloor(1000, 10)
    floor.waited(1, 10_000_000)
    floor.waited(9, 0)
    with pytest.raises(TooSlowError):
        floor.waited(10, 9_999)


def test_no_floor_is_no_limit() -> None:
    RateFloor(0, 10).waited(1e9, 1)
