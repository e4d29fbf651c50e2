"""Reads tests/data/addresses.toml."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PUBLIC = "93.184.215.14"
"""Where the tests' own origin is: an address that nothing forbids."""

ORIGIN_PORT = 8000
ORIGIN = f"http://{PUBLIC}:{ORIGIN_PORT}"
LIST = Path(__file__).parents[1] / "data/addresses.toml"
NOWHERE = "-"
"""Where a page leads that names no target."""
_BLOCKED = ["link.blocked_address"]


@dataclass(frozen=True)
class Entry:
    """One link to try. With a page of the origin's, `to` is where that leads, and the first answer is no refusal."""

    name: str
    link: str
    codes: tuple[str, ...]
    to: str
    has_page: bool = False


@dataclass(frozen=True)
class Page:
    """One answer of the origin."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class AddressList:
    """The list, and what the origin and the name server of the tests must answer."""

    entries: tuple[Entry, ...]
    pages: dict[str, Page]
    names: dict[str, list[str]]
    rebinding: dict[str, list[str]]


def read_addresses() -> AddressList:
    data = tomllib.loads(LIST.read_text(encoding="utf-8").replace("PUBLIC", PUBLIC))
    entries = [Entry(group["name"], link, _codes(group), link) for group in data["group"] for link in group["links"]]
    pages: dict[str, Page] = {}
    for kind in ("redirect", "document"):
        for template in data[kind]:
            leads = "{to}" in str(template) or "{bare}" in str(template)
            for number, target in enumerate(data["targets"]["links"] if leads else [NOWHERE]):
                path = f"{template['name'].replace(' ', '-')}/{number}"
                pages[path] = _page(template, target)
                has_page = pages[path].status == 200
                entries.append(
                    Entry(f"{kind}: {template['name']}", f"{ORIGIN}/{path}", _codes(template), target, has_page)
                )
    return AddressList(tuple(entries), pages, data["names"], data["rebinding"])


def _codes(template: dict[str, Any]) -> tuple[str, ...]:
    return tuple(template.get("codes") or [template.get("code", _BLOCKED[0])])


def _page(template: dict[str, Any], target: str) -> Page:
    def fill(text: str) -> str:
        return text.replace("{to}", target).replace("{bare}", target.partition(":")[2])

    headers = {name: fill(value) for name, value in template.get("headers", {}).items()}
    if "type" in template:
        headers["Content-Type"] = template["type"]
    return Page(template.get("status", 200), headers, fill(template.get("body", "")).lstrip().encode())
