"""The first layer in an extraction child: every request of yt-dlp's is sent by requests, and requests goes our way.

Each address is checked before it is asked for, redirects are counted and checked, and each connection is made by the
guard: the same one that the direct path has, with the same proxy. This rests on requests and urllib3 alone, so that
another yt-dlp cannot undo it; `extractor_session` sees to it that yt-dlp uses nothing else.
"""

import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

from requests import Response, Session, sessions
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as RequestsConnectionError
from urllib3.connection import HTTPConnection

from app.core.media_errors import BlockedAddressError, InvalidLinkError, MediaError
from app.services.fetch.guard import Guard, check_redirect, check_target

_CONNECT_SECONDS = 10.0


def route_through(guard: Guard, on_refusal: Callable[[MediaError], object]) -> None:
    """For the rest of the process's life. `on_refusal` hears of what yt-dlp may make something else of."""
    plain_send, plain_target = HTTPAdapter.send, Session.get_redirect_target

    def connect(connection: HTTPConnection) -> socket.socket:
        return guard.connect(connection.host, connection.port or connection.default_port, _CONNECT_SECONDS)

    def send(adapter: HTTPAdapter, request: Any, *args: Any, **kwargs: Any) -> Response:
        try:
            check_target(request.url)
            return plain_send(adapter, request, *args, **kwargs)
        except (BlockedAddressError, InvalidLinkError) as refusal:
            on_refusal(refusal)
            raise
        except MediaError as error:
            raise RequestsConnectionError(error, request=request) from error

    def redirect_target(session: Session, response: Response) -> str | None:
        target = plain_target(session, response)
        if target is not None:
            absolute = urljoin(response.url, target)
            try:
                check_target(absolute)
                check_redirect(response.url, absolute)
            except MediaError as refusal:
                on_refusal(refusal)
                raise
        return target

    HTTPConnection._new_conn = connect  # type: ignore[method-assign,assignment]  # noqa: SLF001 - as the guard's own pools do
    HTTPAdapter.send = send  # type: ignore[method-assign,assignment]
    Session.get_redirect_target = redirect_target  # type: ignore[method-assign,assignment]
    sessions.DEFAULT_REDIRECT_LIMIT = guard.max_redirects  # type: ignore[attr-defined]
