"""API keys and the tokens of sessions: made once, shown once, kept as a hash; and which names mean this machine."""

import hashlib
import secrets
from ipaddress import ip_address

KEY_PREFIX = "tk_"
DEFAULT_WORKSPACE = "default"
_LOCAL_NAMES = frozenset({"localhost"})


def new_key() -> str:
    """A key that opens a workspace."""
    return KEY_PREFIX + new_token()


def new_token() -> str:
    """256 random bits, as text: nobody finds one by trying."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """What is kept of a key or token. Its randomness makes a slow hash needless, and a look-up leaks no timing."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without port, means this machine."""
    name = host.strip("[]").lower().rstrip(".")
    if name in _LOCAL_NAMES:
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
