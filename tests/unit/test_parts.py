"""Which part is fetched next, in which memory, and the checksum of parts that come in any order."""

from hashlib import sha256
from itertools import count, permutations
from threading import Thread

import pytest

from app.services.storage.multipart import Upload
from app.services.storage.parts import OrderedDigest, Part, PartQueue
from app.services.transfer import missing_parts, span_of
from tests.servers import eventually


def taken(queue: PartQueue) -> tuple[int, bytearray]:
    found = queue.take()
    assert found is not None
    return found


class Taker(Thread):
    """Takes one part, which may be a wait."""

    def __init__(self, queue: PartQueue) -> None:
        super().__init__(daemon=True)
        self._queue = queue
        self.got: list[tuple[int, bytearray] | None] = []
        self.start()

    def run(self) -> None:
        self.got.append(self._queue.take())

    def assert_waits(self) -> None:
        self.join(0.1)
        assert self.got == []

    def number(self) -> int | None:
        eventually(lambda: bool(self.got), seconds=2, what="it is given something")
        return self.got[0][0] if self.got[0] else None


def test_parts_are_handed_out_in_order_until_none_is_left() -> None:
    queue = PartQueue([2, 3, 7], 10, 3)
    assert [taken(queue)[0] for _ in range(3)] == [2, 3, 7]
    assert not queue.has_more
    for _ in range(3):
        queue.filled()
    assert queue.take() is None


def test_part_waits_for_memory_that_another_gives_back() -> None:
    queue = PartQueue(count(1), 10, 1)
    number, buffer = taken(queue)
    queue.filled()
    waiting = Taker(queue)
    waiting.assert_waits()
    part = Part(number, buffer, 10, holders=2)
    queue.let_go(part)
    waiting.assert_waits()
    queue.let_go(part)
    assert waiting.number() == 2


def test_part_that_is_put_back_goes_to_whoever_waits_with_its_memory() -> None:
    """All memory is taken, and the one part under way is given up: who waits must not wait for ever."""
    queue = PartQueue([1, 2], 10, 1)
    number, buffer = taken(queue)
    waiting = Taker(queue)
    waiting.assert_waits()
    queue.put_back(number, buffer)
    assert waiting.number() == 1


def test_nobody_leaves_while_a_part_may_be_put_back() -> None:
    queue = PartQueue([1], 10, 5)
    number, buffer = taken(queue)
    waiting = Taker(queue)
    waiting.assert_waits()
    queue.put_back(number, buffer)
    assert waiting.number() == 1
    last = Taker(queue)
    last.assert_waits()
    queue.filled()
    assert last.number() is None


def test_first_failure_ends_it_for_all() -> None:
    queue = PartQueue(count(1), 10, 1)
    taken(queue)
    waiting = Taker(queue)
    first = ValueError("first")
    queue.fail(first)
    queue.fail(ValueError("second"))
    assert waiting.number() is None
    assert queue.error is first
    assert queue.wait_failed(0)


@pytest.mark.parametrize("order", list(permutations(range(1, 5))))
def test_checksum_is_that_of_the_whole_in_any_order(order: tuple[int, ...]) -> None:
    bodies = {number: bytes([number]) * number for number in range(1, 5)}
    digest = OrderedDigest()
    counted = []
    for number in order:
        counted += digest.add(Part(number, bytearray(bodies[number] + b"rest"), number))
    assert [part.number for part in counted] == [1, 2, 3, 4]
    assert digest.hexdigest() == sha256(b"".join(bodies.values())).hexdigest()


def test_checksum_without_a_part_is_refused() -> None:
    digest = OrderedDigest()
    digest.add(Part(2, bytearray(1), 1))
    with pytest.raises(ValueError, match="part 1"):
        digest.hexdigest()


@pytest.mark.parametrize(
    ("length", "standing", "missing"),
    [(10, [], [1]), (11, [], [1, 2]), (30, [2], [1, 3]), (30, [1, 2, 3], []), (1, [1], [])],
)
def test_missing_parts_are_those_that_do_not_stand(length: int, standing: list[int], missing: list[int]) -> None:
    upload = Upload("key", "id", 10, standing=dict.fromkeys(standing, "etag"))
    assert missing_parts(upload, length) == missing


def test_spans_cover_the_file_once() -> None:
    spans = [span_of(number, 25, 10) for number in (1, 2, 3)]
    assert spans == [(0, 10), (10, 20), (20, 25)]


def test_whoever_waits_for_memory_fetches_the_part_before_it_that_was_put_back() -> None:
    """The memory that is waited for may be waiting, in the checksum's line, for just that part."""
    queue = PartQueue([1, 2, 3], 10, 2)
    first, second = taken(queue), taken(queue)
    queue.filled()  # part 2 is fetched, and keeps its memory until part 1 is counted
    waiting = Taker(queue)
    waiting.assert_waits()
    queue.put_back(*first)
    assert waiting.number() == 1
    queue.filled()
    queue.let_go(Part(*second, 10))
    assert taken(queue)[0] == 3
