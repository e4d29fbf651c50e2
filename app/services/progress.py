"""How far one attempt is, for the person who waits: bytes, a smoothed speed, the time left, and an honest percent."""

import time
from threading import Lock
from typing import Any

_HALF_LIFE_SECONDS = 2.0
_SHORTEST_SECONDS = 0.1
_STALLED_AFTER_SECONDS = 10.0
_PERCENT_BEFORE_PROCESSING = 98.0


class ProgressMeter:
    """Counts bytes fetched and stored; any thread may tell it and ask it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._fetched = 0
        self._stored = 0
        self._resumed = 0
        self._kept = 0
        self._total: int | None = None
        now = time.monotonic()
        self._fetching = _Rate(now)
        self._storing = _Rate(now)
        self._last_byte_at = now

    @property
    def stored(self) -> int:
        """Bytes that this attempt brought into the bucket."""
        return self._stored

    @property
    def resumed(self) -> int:
        """Bytes that an earlier attempt fetched, and that this one went on from."""
        return self._resumed + self._kept

    def expect(self, total: int | None) -> None:
        """The length in bytes, once it is known."""
        self._total = total

    def resume(self, count: int) -> None:
        """So many bytes are in the bucket already: they are done, and say nothing of the speed."""
        self._resumed = count

    def keep(self, count: int) -> None:
        """So many bytes of what will be counted as fetched were here already."""
        with self._lock:
            self._kept = self._fetched = count
            self._fetching.skip(count)

    def add_fetched(self, count: int) -> None:
        with self._lock:
            self._fetched += count
            self._last_byte_at = time.monotonic()

    def set_fetched(self, count: int) -> None:
        """The same, from a source that counts for itself."""
        with self._lock:
            if count > self._fetched:
                self._fetched = count
                self._last_byte_at = time.monotonic()

    def add_stored(self, count: int) -> None:
        with self._lock:
            self._stored += count
            self._last_byte_at = time.monotonic()

    def snapshot(self) -> dict[str, Any]:
        """The `Progress` of models/media.py.

        Speed and time left are those of fetching, with which storing keeps step, and those of storing after that.
        """
        with self._lock:
            now = time.monotonic()
            self._fetching.measure(now, self._fetched)
            self._storing.measure(now, self._stored)
            fetched, stored = (self._resumed + count for count in (self._fetched, self._stored))
            total = max(self._total, fetched) if self._total else None
            all_fetched = total is not None and fetched >= total
            speed, done = (self._storing.speed, stored) if all_fetched else (self._fetching.speed, fetched)
            return {
                "percent": round(_PERCENT_BEFORE_PROCESSING * (fetched + stored) / (2 * total), 1) if total else None,
                "bytes_done": fetched,
                "bytes_stored": stored,
                "bytes_total": total,
                "speed_bps": round(speed),
                "eta_s": round((total - done) / speed, 1) if total and speed > 1 else None,
                "stalled": now - self._last_byte_at > _STALLED_AFTER_SECONDS,
            }


class _Rate:
    """Bytes a second, smoothed exponentially with a half-life of two seconds."""

    def __init__(self, now: float) -> None:
        self.speed = 0.0
        self._at = now
        self._bytes = 0

    def skip(self, count: int) -> None:
        """So many bytes did not have to move."""
        self._bytes += count

    def measure(self, now: float, count: int) -> None:
        """So many bytes have moved until now, in all."""
        elapsed = now - self._at
        if elapsed < _SHORTEST_SECONDS:
            return
        kept = 0.5 ** (elapsed / _HALF_LIFE_SECONDS)
        self.speed = kept * self.speed + (1 - kept) * (count - self._bytes) / elapsed
        self._at, self._bytes = now, count
