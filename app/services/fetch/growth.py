"""How many connections a download is worth: one more, as long as each brought more bytes a second than before."""

_FIRST_SECONDS = 0.1
_LONGEST_SECONDS = 2.0
_ENOUGH_BYTES = 512 * 1024
_GAIN = 1.1
_REST_SECONDS = 5.0


class Growth:
    """Looks at the bytes of all connections together, over a time in which enough of them came.

    A number that brings nothing stays as it is, and is tried again later: a site's first seconds are not its best.
    """

    def __init__(self, now: float) -> None:
        """`now` in seconds by any clock that does not go back."""
        self._since = now
        self._bytes = 0
        self._rate = 0.0
        self._rest_until = now

    def wants_more(self, now: float, total: int) -> bool:
        """Whether to add a connection now, when so many bytes have come in all."""
        seconds, came = now - self._since, total - self._bytes
        if now < self._rest_until or seconds < _FIRST_SECONDS:
            return False
        if came < _ENOUGH_BYTES and seconds < _LONGEST_SECONDS:
            return False
        rate = came / seconds
        grown = rate > self._rate * _GAIN
        self._since, self._bytes, self._rate = now, total, rate
        if not grown:
            self._rest_until = now + _REST_SECONDS
        return grown
