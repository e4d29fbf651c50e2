"""How far an attempt is: percent, speed and time left, by a clock that the test moves."""

from collections.abc import Callable
from threading import Thread
from types import SimpleNamespace

import pytest

from app.models.media import Progress
from app.services import progress
from app.services.progress import ProgressMeter

MIB = 1 << 20


@pytest.fixture
def move_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the monotonic clock forward."""
    now = [1000.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


def test_nothing_is_claimed_before_a_length_is_known(move_clock: Callable[[float], None]) -> None:
    meter = ProgressMeter()
    meter.add_fetched(MIB)
    move_clock(1)
    shown = Progress.model_validate(meter.snapshot())
    assert (shown.percent, shown.bytes_total, shown.eta_s, shown.bytes_done) == (None, None, None, MIB)
    assert shown.speed_bps > 0


def test_percent_counts_fetched_and_stored_and_leaves_room_for_processing() -> None:
    meter = ProgressMeter()
    meter.expect(10 * MIB)
    percents = [meter.snapshot()["percent"]]
    for _ in range(10):
        meter.add_fetched(MIB)
        percents.append(meter.snapshot()["percent"])
        meter.add_stored(MIB)
        percents.append(meter.snapshot()["percent"])
    assert percents == sorted(percents)
    assert (percents[0], percents[10], percents[-1]) == (0.0, 49.0, 98.0)
    assert meter.stored == 10 * MIB


def test_more_bytes_than_declared_never_pass_the_end() -> None:
    meter = ProgressMeter()
    meter.expect(MIB)
    meter.add_fetched(3 * MIB)
    meter.add_stored(3 * MIB)
    shown = meter.snapshot()
    assert (shown["percent"], shown["bytes_total"], shown["bytes_done"]) == (98.0, 3 * MIB, 3 * MIB)


@pytest.mark.parametrize("total", [0, None])
def test_length_of_nothing_is_no_length(total: int | None) -> None:
    meter = ProgressMeter()
    meter.expect(total)
    assert meter.snapshot()["percent"] is None


def test_steady_flow_shows_its_speed_and_the_time_left(move_clock: Callable[[float], None]) -> None:
    meter = ProgressMeter()
    meter.expect(100 * MIB)
    for _ in range(20):
        move_clock(1)
        meter.add_fetched(MIB)
        meter.add_stored(MIB)
        meter.snapshot()
    shown = meter.snapshot()
    assert shown["speed_bps"] == pytest.approx(MIB, rel=0.02)
    assert shown["eta_s"] == pytest.approx(80, rel=0.02)


def test_speed_is_that_of_fetching_and_of_storing_when_all_is_fetched(move_clock: Callable[[float], None]) -> None:
    meter = ProgressMeter()
    meter.expect(40 * MIB)
    for _ in range(20):
        move_clock(1)
        meter.add_fetched(2 * MIB)
        shown = meter.snapshot()
        if shown["bytes_done"] == 20 * MIB:
            assert shown["speed_bps"] == pytest.approx(2 * MIB, rel=0.05)
            assert shown["eta_s"] == pytest.approx(10, rel=0.05)
    for _ in range(20):
        move_clock(1)
        meter.add_stored(MIB)
        shown = meter.snapshot()
    assert (shown["bytes_done"], shown["bytes_stored"]) == (40 * MIB, 20 * MIB)
    assert shown["speed_bps"] == pytest.approx(MIB, rel=0.02)
    assert shown["eta_s"] == pytest.approx(20, rel=0.02)


def test_bytes_of_an_earlier_attempt_are_done_and_no_speed(move_clock: Callable[[float], None]) -> None:
    meter = ProgressMeter()
    meter.expect(10 * MIB)
    meter.resume(8 * MIB)
    move_clock(1)
    shown = meter.snapshot()
    assert (shown["bytes_done"], shown["bytes_stored"], shown["speed_bps"]) == (8 * MIB, 8 * MIB, 0)
    assert shown["percent"] == pytest.approx(78.4)
    meter.add_fetched(MIB)
    meter.add_stored(MIB)
    shown = meter.snapshot()
    assert (shown["bytes_done"], meter.stored, meter.resumed) == (9 * MIB, MIB, 8 * MIB)


def test_speed_forgets_half_in_two_seconds(move_clock: Callable[[float], None]) -> None:
    meter = ProgressMeter()
    for _ in range(20):
        move_clock(1)
        meter.add_fetched(MIB)
        meter.snapshot()
    before = meter.snapshot()["speed_bps"]
    move_clock(2)
    assert meter.snapshot()["speed_bps"] == pytest.approx(before / 2, rel=0.02)


def test_looks_in_quick_succession_leave_the_speed_alone(move_clock: Callable[[float], None]) -> None:
    meter = ProgressMeter()
    move_clock(1)
    meter.add_fetched(MIB)
    first = meter.snapshot()["speed_bps"]
    for _ in range(50):
        move_clock(0.001)
        assert meter.snapshot()["speed_bps"] == first


def test_silence_of_ten_seconds_is_a_stall_until_the_next_byte(move_clock: Callable[[float], None]) -> None:
    meter = ProgressMeter()
    move_clock(9)
    assert meter.snapshot()["stalled"] is False
    move_clock(2)
    assert meter.snapshot()["stalled"] is True
    meter.add_stored(1)
    assert meter.snapshot()["stalled"] is False


def test_source_that_counts_for_itself_never_counts_back() -> None:
    meter = ProgressMeter()
    for done in (100, 500, 300, 500, 900):
        meter.set_fetched(done)
    assert meter.snapshot()["bytes_done"] == 900


def test_threads_lose_no_byte() -> None:
    meter = ProgressMeter()

    def add() -> None:
        for _ in range(2000):
            meter.add_fetched(1)
            meter.add_stored(1)

    threads = [Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (meter.snapshot()["bytes_done"], meter.stored) == (16_000, 16_000)
