"""Which addresses and links may be reached, and that nothing leads around it."""

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from app.core.media_errors import BlockedAddressError, InvalidLinkError, LinkNotFoundError, MediaError
from app.demo.origin import Origin
from app.services.fetch.direct import open_direct
from app.services.fetch.exchange import Limits
from app.services.fetch.guard import MAX_LINK_LENGTH, Guard, check_link
from tests.servers import answering

LIMITS = Limits(1 << 20, 10, 3)

BLOCKED = [
    # private, loopback, link-local, shared, benchmarking, documentation, multicast, reserved
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.1",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.31.196.1",
    "192.52.193.1", "192.88.99.1", "192.168.0.1", "192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16",
    # the same by IPv6
    "::", "::1", "::127.0.0.1", "::10.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "::ffff:100.64.0.1", "::ffff:168.63.129.16", "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::", "64:ff9b:1::7f00:1",
    "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1",
    "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "2620:4f:8000::1", "3fff::1", "4000::1", "5f00::1",
    "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
    "128.0.0.1", "168.63.129.15", "168.63.129.17", "172.15.255.255", "172.32.0.0", "192.0.1.1", "198.17.255.255",
    "198.20.0.0", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]  # fmt: skip


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[Origin]:
    with Origin(tmp_path) as origin:
        yield origin


@pytest.mark.parametrize("address", BLOCKED)
def test_special_address_is_refused(address: str) -> None:
    assert not Guard().permits(ip_address(address), 443)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_permitted(address: str) -> None:
    assert Guard().permits(ip_address(address), 443)


@pytest.mark.parametrize(
    ("port", "permitted"),
    [(80, True), (443, True), (8080, True), (1024, True), (65535, True), (0, False), (1, False), (22, False),
     (25, False), (81, False), (1023, False), (2375, False), (3306, False), (5432, False), (6379, False),
     (9200, False), (10250, False), (11211, False), (27017, False)],
)  # fmt: skip
def test_port_decides_too(port: int, permitted: bool) -> None:
    assert Guard().permits(ip_address("1.1.1.1"), port) is permitted


def test_operator_opens_a_network_and_no_other() -> None:
    guard = Guard.of(["10.1.0.0/16", "fd00:1::/32"])
    assert guard.permits(ip_address("10.1.255.1"), 443)
    assert guard.permits(ip_address("fd00:1::9"), 443)
    for address in ("10.2.0.1", "127.0.0.1", "fd00:2::9", "::1"):
        assert not guard.permits(ip_address(address), 443)
    assert guard.permits(ip_address("1.1.1.1"), 443)


@pytest.mark.parametrize(
    "link",
    [
        "", "   ", "clip.mp4", "example.com/clip.mp4", "//example.com/a", "http://", "http:///a", "https://:443/a",
        "http:example.com", "file:///etc/passwd", "ftp://example.com/a", "gopher://example.com/", "ytsearch5:cats",
        "data:video/mp4;base64,AAAA", "javascript:alert(1)", "blob:https://example.com/1",
        "http://user@example.com/", "http://user:word@example.com/", "http://@example.com/",
        "http://example.com\\@127.0.0.1/", "http:\\\\example.com/", "http://example.com/a\\b",
        "http://exa mple.com/", "http://example.com/a b", "http://example.com/a\tb", "http://example.com/a\nb",
        "http://example.com/a\r\nHost: b", "http://example.com/\x00", "http://example.com/\x7f",
        "http://example.com/\x1b[0m", "http://example.com/\u2028b", "http://example.com/\u00a0b",
        "http://[::1/", "http://example.com:port/", "http://example.com:70000/", "http://example.com:-1/",
        "http://example.com/" + "a" * MAX_LINK_LENGTH,
    ],
)  # fmt: skip
def test_what_is_no_link_to_fetch_is_refused(link: str) -> None:
    with pytest.raises(InvalidLinkError):
        check_link(link)
    with pytest.raises(InvalidLinkError):
        open_direct(link, Guard(), LIMITS)


@pytest.mark.parametrize(
    "link",
    ["http://example.com", "https://example.com:8443/a?b=c#d", "HTTPS://EXAMPLE.com/", "http://b\u00fccher.example/\u00e9",
     "http://[2606:4700::1111]/", "https://example.com/a@b?c=d:e@f", "http://example.com/" + "a" * 4000],
)  # fmt: skip
def test_link_is_taken_as_it_is(link: str) -> None:
    assert check_link(link) == link
    assert check_link(f" {link}\n") == link


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "%31%32%37.0.0.1", "localhost",
     "LOCALHOST.", "0", "0.0.0.0", "10.0.0.1", "169.254.169.254"],
)  # fmt: skip
def test_every_way_to_write_an_inner_ipv4_address_is_refused(origin: Origin, host: str) -> None:
    with pytest.raises(BlockedAddressError):
        open_direct(f"http://{host}:{origin.port}/status/200", Guard(), LIMITS)
    assert origin.requests == {}


@pytest.mark.parametrize(
    "host", ["[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[fe80::1]", "[2002:7f00:1::]"]
)
@pytest.mark.parametrize("port", ["", ":80", ":8080"])
def test_inner_ipv6_address_is_refused_with_and_without_a_port(host: str, port: str) -> None:
    with pytest.raises(BlockedAddressError):
        open_direct(f"http://{host}{port}/", Guard(), LIMITS)


@pytest.mark.parametrize("host", ["\uff11\uff12\uff17.0.0.1", "[fe80::1%lo]", "a..b", "a" * 70 + ".example", "-"])
def test_host_that_cannot_be_one_has_a_link_code(host: str) -> None:
    with pytest.raises(MediaError) as caught:
        open_direct(f"http://{host}/", Guard(), LIMITS)
    assert caught.value.code in {"link.invalid", "link.not_found", "link.blocked_address"}


def test_name_that_resolves_to_loopback_is_refused_by_its_address(origin: Origin) -> None:
    with pytest.raises(BlockedAddressError):
        Guard().resolve("localhost", origin.port)
    assert Guard.of(["127.0.0.1/32", "::1/128"]).resolve("localhost", origin.port)


def test_name_with_one_inner_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolver(host: str, port: int, **_: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("1.1.1.1", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    with pytest.raises(BlockedAddressError):
        Guard().resolve("mixed.example", 443)


def test_name_that_does_not_exist_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolver(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    with pytest.raises(LinkNotFoundError):
        Guard().resolve("nowhere.invalid", 443)


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.2:{port}/status/200", "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/",
     "//[::ffff:10.0.0.1]:80/", "http://0.0.0.0:{port}/"],
)  # fmt: skip
def test_redirect_to_an_inner_address_is_refused(origin: Origin, target: str) -> None:
    link = origin.url("redirect", to=target.format(port=origin.port))
    with pytest.raises(BlockedAddressError):
        open_direct(link, Guard.of(["127.0.0.1/32"]), LIMITS)
    assert origin.requests == {"redirect": 1}


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://example.com/a", "data:video/mp4,x", "http://a@b/"])
def test_redirect_to_what_is_no_link_is_refused(origin: Origin, target: str) -> None:
    with pytest.raises(InvalidLinkError):
        open_direct(origin.url("redirect", to=target), Guard.of(["127.0.0.1/32"]), LIMITS)


def test_redirect_to_a_malformed_address_is_an_invalid_link() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n"
    with answering(answer) as link, pytest.raises(InvalidLinkError):
        open_direct(link, Guard.of(["127.0.0.1/32"]), LIMITS)
