"""How far one attempt is, for the person who waits: bytes, a smoothed speed, the time left, and an honest percent."""

import time
from threading import Lock
from typing import Any

_HALF_LIFE_SECONDS = 2.0
_STALLED_AFTER_SECONDS = 10.0
_PERCENT_BEFORE_PROCESSING = 98.0


class ProgressMeter:
    """Counts bytes fetched and stored; any thread may tell it and ask it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._fetched = 0
        self._stored = 0
        self._total: int | None = None
        self._speed = 0.0
        self._measured_at = time.monotonic()
        self._measured_bytes = 0
        self._last_byte_at = time.monotonic()

    @property
    def stored(self) -> int:
        """Bytes in the bucket."""
        return self._stored

    def expect(self, total: int | None) -> None:
        """The length in bytes, once it is known."""
        self._total = total

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
        """The `Progress` of models/media.py; bytes move twice, from the source and into the bucket."""
        with self._lock:
            moved = self._fetched + self._stored
            self._measure(moved)
            total = max(self._total, self._fetched) if self._total else None
            left = 2 * total - moved if total else None
            return {
                "percent": round(_PERCENT_BEFORE_PROCESSING * moved / (2 * total), 1) if total else None,
                "bytes_done": self._fetched,
                "bytes_total": total,
                "speed_bps": round(self._speed / 2),
                "eta_s": round(left / self._speed, 1) if left is not None and self._speed > 1 else None,
                "stalled": time.monotonic() - self._last_byte_at > _STALLED_AFTER_SECONDS,
            }

    def _measure(self, moved: int) -> None:
        """Exponential smoothing with a half-life of two seconds."""
        now = time.monotonic()
        elapsed = now - self._measured_at
        if elapsed < 0.1:
            return
        kept = 0.5 ** (elapsed / _HALF_LIFE_SECONDS)
        self._speed = kept * self._speed + (1 - kept) * (moved - self._measured_bytes) / elapsed
        self._measured_at, self._measured_bytes = now, moved
