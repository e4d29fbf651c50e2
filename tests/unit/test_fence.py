"""What confines an extraction child, shown in processes of its own."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "act",
    [
        "socket.socket().connect(('127.0.0.2', 9))",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('10.0.0.1', 53))",
        "socket.getaddrinfo('localhost', 9)",
        "socket.create_connection(('169.254.169.254', 80), 1)",
        "subprocess.run([sys.executable, '-c', 'pass', 'http://example.com/a'])",
        "os.system('true')",
    ],
)
def test_fence_stops_whatever_would_lead_around_the_guard(act: str) -> None:
    program = (
        "import os, socket, subprocess, sys\n"
        "from app.services.fetch.fence import NetworkFence\n"
        "from app.services.fetch.guard import Guard\n"
        f"NetworkFence(Guard(), '').raise_up()\ntry:\n    {act}\n"
        "except Exception as error:\n    sys.exit(type(error).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)
    assert done.stderr.strip() in {"BlockedAddressError", "PermissionError"}
    assert done.returncode == 1


def test_way_to_the_network_counts_redirects_and_refuses_what_the_direct_path_does() -> None:
    program = """
import requests
from app.core.media_errors import MediaError
from app.services.fetch.extractor_network import route_through
from app.services.fetch.guard import Guard

route_through(Guard(max_redirects=3), lambda refusal: None)
session = requests.Session()
print(session.max_redirects)
for target in ("https://b.example/", "//b.example/", "http://b.example/", "ftp://b.example/", "https://u@b.example/"):
    answer = requests.Response()
    answer.status_code, answer.url, answer.headers["location"] = 302, "https://a.example/", target
    try:
        print(session.get_redirect_target(answer))
    except MediaError as error:
        print(error.code)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.split() == [
        "3", "https://b.example/", "//b.example/", "link.blocked_address", "link.invalid", "link.invalid",
    ]  # fmt: skip
