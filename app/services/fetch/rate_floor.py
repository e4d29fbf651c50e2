"""The least that a source must send: one that sends a byte now and then holds no worker until the job's deadline."""

from app.core.media_errors import StalledError


class TooSlowError(StalledError):
    """It sends, but less than the operator asks for; asking again would bring no more."""


class RateFloor:
    """Counts the bytes of one connection and the seconds that were spent waiting for them, a window at a time.

    Seconds in which nobody reads (the bucket is slow, say) do not count against the source.
    """

    def __init__(self, bytes_per_second: float, window_seconds: float) -> None:
        self._least = bytes_per_second * window_seconds
        self._window_seconds = window_seconds
        self._bytes = 0
        self._seconds = 0.0

    def waited(self, seconds: float, count: int) -> None:
        """One read took so long, and brought so many bytes. Raises `TooSlowError` where a window brought too few."""
        self._seconds += seconds
        self._bytes += count
        if self._seconds < self._window_seconds:
            return
        if self._bytes < self._least:
            raise TooSlowError(f"({self._bytes} bytes came in {self._seconds:.0f} s.)")
        self._bytes, self._seconds = 0, 0.0
