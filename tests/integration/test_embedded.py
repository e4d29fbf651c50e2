"""Embedded mode with its real servers, each test in a data folder of its own."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import boto3
import psutil
import pymongo
import pytest
import redis
from botocore.config import Config
from botocore.exceptions import ClientError

from app.embedded.data_folder import AlreadyRunningError, DataFolderLock, Running, read_running
from app.embedded.ports import FIRST, LAST, free_port, remembered_ports
from app.embedded.servers import plan
from tests.servers import eventually, is_alive

SERVICE = """
import asyncio, os, sys
from pathlib import Path
from app.embedded.data_folder import DataFolderLock, Running
from app.embedded.servers import plan
from app.embedded.supervisor import Supervisor

data_dir = Path(sys.argv[1])

async def main(lock):
    planned = plan({}, data_dir)
    async def bring_up(supervisor):
        await supervisor.start(planned.servers)
        lock.announce(Running("http://127.0.0.1:8000", os.getpid(), planned.environment))
    return await Supervisor(data_dir).run(bring_up)

with DataFolderLock(data_dir) as lock:
    sys.exit(asyncio.run(main(lock)))
"""
BYTES = os.urandom(9 * 1024 * 1024)


class Service:
    """A supervisor with its three servers, in a process of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        with (data_dir.parent / "supervisor.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVICE, str(data_dir)], stdout=log, stderr=subprocess.STDOUT
            )
        eventually(self._is_ready_or_dead, seconds=20, what="the service is ready")
        assert self.process.poll() is None, (data_dir.parent / "supervisor.log").read_text()
        self.processes = psutil.Process(self.process.pid).children(recursive=True)

    def _is_ready_or_dead(self) -> bool:
        running = read_running(self.data_dir)
        return self.process.poll() is not None or (running is not None and running.pid == self.process.pid)

    @property
    def environment(self) -> dict[str, str]:
        running = read_running(self.data_dir)
        assert running is not None
        return running.environment

    def is_gone(self) -> bool:
        return not any(is_alive(process) for process in self.processes)

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()


@contextmanager
def service_in(data_dir: Path) -> Iterator[Service]:
    service = Service(data_dir)
    try:
        yield service
    finally:
        service.end()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def service(data_dir: Path) -> Iterator[Service]:
    with service_in(data_dir) as running:
        yield running


def s3_client(environment: dict[str, str]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=environment["S3_ENDPOINT_URL"],
        aws_access_key_id=environment["S3_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["S3_SECRET_ACCESS_KEY"],
        region_name="auto",
        config=Config(retries={"max_attempts": 0}, connect_timeout=2, read_timeout=10),
    )


def write_everywhere(environment: dict[str, str]) -> None:
    with closing(redis.Redis.from_url(environment["REDIS_URL"])) as client:
        client.set("reel", "wound")
    with closing(s3_client(environment)) as s3:
        s3.put_object(Bucket=environment["S3_BUCKET"], Key="projects/a/original.bin", Body=BYTES)
    with pymongo.MongoClient[dict[str, Any]](environment["MONGODB_URI"]) as mongo:
        mongo.takeup.scenes.insert_one({"_id": "a", "text": "wound"})


def is_everywhere(environment: dict[str, str]) -> bool:
    """Whether all three servers answer with what `write_everywhere` wrote; any error but that is no."""
    try:
        with closing(redis.Redis.from_url(environment["REDIS_URL"], socket_timeout=2)) as client:
            in_redis = client.get("reel") == b"wound"
        with closing(s3_client(environment)) as s3:
            stored = s3.get_object(Bucket=environment["S3_BUCKET"], Key="projects/a/original.bin")
            in_s3 = stored["Body"].read() == BYTES
        with pymongo.MongoClient[dict[str, Any]](environment["MONGODB_URI"], serverSelectionTimeoutMS=2000) as mongo:
            in_mongodb = mongo.takeup.scenes.find_one({"_id": "a"}) == {"_id": "a", "text": "wound"}
    except Exception:  # noqa: BLE001 - three vendors' errors, all of which mean "not yet"
        return False
    return in_redis and in_s3 and in_mongodb


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_servers_answer_and_keep_their_secrets(service: Service) -> None:
    environment = service.environment
    write_everywhere(environment)
    assert is_everywhere(environment)

    for name in ("credentials.json", "run.json", "redis/redis.conf"):
        assert mode_of(service.data_dir / name) == 0o600
    assert mode_of(service.data_dir) == 0o700
    secrets = json.loads((service.data_dir / "credentials.json").read_text()).values()
    commands = " ".join(" ".join(process.cmdline()) for process in service.processes)
    assert not any(secret in commands for secret in secrets)
    assert all((service.data_dir / f"logs/{name}.log").stat().st_size for name in ("redis", "s3", "mongodb"))

    with closing(s3_client(environment)) as s3, pytest.raises(ClientError, match="NoSuchBucket"):
        s3.put_object(Bucket="another", Key="a", Body=b"")
    listening = [
        connection.laddr.ip
        for process in service.processes
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}


def test_data_survive_a_killed_supervisor(service: Service) -> None:
    environment = service.environment
    write_everywhere(environment)
    service.process.kill()
    service.process.wait()
    eventually(service.is_gone, seconds=5, what="no process is left")
    assert read_running(service.data_dir) is None

    with service_in(service.data_dir) as again:
        assert is_everywhere(again.environment)
        assert again.environment == environment
    ports = json.loads((service.data_dir / "ports.json").read_text()).values()
    assert not [path for port in ports for path in Path("/tmp").glob(f"seaweedfs-*-{port + 10_000}.sock")]


def test_killed_server_is_started_again_with_its_data(service: Service) -> None:
    environment = service.environment
    write_everywhere(environment)
    for process in service.processes:
        process.kill()
    eventually(service.is_gone, seconds=5, what="the servers are dead")
    eventually(lambda: is_everywhere(environment), seconds=15, what="the data are back")
    assert "redis was ended by SIGKILL; starting it again in 0.5 s" in (
        service.data_dir.parent / "supervisor.log"
    ).read_text().replace("\n", " ")


def test_interrupt_stops_everything(service: Service) -> None:
    assert len(service.processes) == 3
    service.process.send_signal(signal.SIGINT)
    assert service.process.wait(15) == 0
    assert service.is_gone()
    assert not (service.data_dir / "run.json").exists()


def test_second_start_is_refused_with_the_address(data_dir: Path) -> None:
    running = Running("http://127.0.0.1:8123", os.getpid(), {"REDIS_URL": "redis://127.0.0.1:1/0"})
    with DataFolderLock(data_dir) as lock:
        assert read_running(data_dir) is None
        with pytest.raises(AlreadyRunningError, match="still starting"), DataFolderLock(data_dir):
            pass
        lock.announce(running)
        assert read_running(data_dir) == running
        with pytest.raises(AlreadyRunningError, match=r"http://127\.0\.0\.1:8123"), DataFolderLock(data_dir):
            pass
        assert read_running(data_dir) == running
    assert read_running(data_dir) is None
    with DataFolderLock(data_dir):
        pass


def test_only_unconfigured_servers_are_planned(data_dir: Path) -> None:
    planned = plan({"MONGODB_URI": "mongodb://db.example/", "REDIS_URL": ""}, data_dir)
    assert [spec.name for spec in planned.servers] == ["redis", "s3"]
    assert "MONGODB_URI" not in planned.environment
    assert planned.environment["REDIS_URL"].startswith("redis://:")
    assert plan({}, data_dir).environment["S3_SECRET_ACCESS_KEY"] == planned.environment["S3_SECRET_ACCESS_KEY"]


def test_ports_stay_the_same_unless_taken(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = remembered_ports(file, {"a": 0, "b": 10_000})
    assert remembered_ports(file, {"a": 0, "b": 10_000}) == first
    assert FIRST <= free_port(twin=10_000) < LAST
    with listening_on(first["b"] + 10_000):
        moved = remembered_ports(file, {"a": 0, "b": 10_000})
    assert moved["a"] == first["a"]
    assert moved["b"] != first["b"]


@contextmanager
def listening_on(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield
