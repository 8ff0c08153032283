"""The Containerfile that `init container` writes, built and run: the image's own command, its user, its
health check and its stop signal, with nothing in the file system that it may write to."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from downstream_proxy.cli_init import init, write
from downstream_proxy.settings import Settings

from ..backends import Backend
from ..origin import Origin
from ..parse import MalformedError, TruncatedError
from ..real.programs import find
from ..wire import Client, Response
from .images import Images

CHECKOUT = Path(__file__).resolve().parents[2]
WITHIN = 30.0
# Below the range that the kernel takes ports for connections from: building comes between choice and use.
PORTS = range(20_000, 32_000)

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(not (CHECKOUT / "constraints.txt").is_file(), reason="the source tree only"),
    pytest.mark.skipif(
        not sys.platform.startswith("linux") or os.geteuid() != 0, reason="needs root on Linux"
    ),
    pytest.mark.skipif(importlib.util.find_spec("ensurepip") is None, reason="Python has no pip to install"),
]


@dataclass
class Built:
    """An image of one backend, in front of the origin. main, admin: ports. config: how to run it."""

    images: Images
    name: str
    config: dict[str, Any]
    main: int
    admin: int


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, timeout=50)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    made = Images(find("buildah", "buildah"), tmp_path_factory.mktemp("images"))
    yield made
    made("rm", "--all")
    made("rmi", "--all", "--force")


@pytest.fixture(scope="module")
def built(
    backend: Backend,
    images: Images,
    the_origin: Origin,
    wheel: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Built:
    if backend.module is None:
        pytest.skip("builds our own")
    main, admin = free_port(), free_port()
    settings = Settings.model_validate(
        {
            "downstream": f"http://{the_origin.authority.decode()}",
            "backend": backend.name,
            "port": main,
            "workers": 2,
            "admin": {"listen": f":{admin}"},
        }
    )
    context = tmp_path_factory.mktemp(backend.name)
    write(init("container", settings, None, None), context, force=False)
    for file in (wheel, CHECKOUT / "constraints.txt"):
        shutil.copy(file, context)
    return Built(images, backend.name, images.build(context / "Containerfile", backend.name), main, admin)


def free_port() -> int:
    for port in random.sample(PORTS, len(PORTS)):
        with contextlib.suppress(OSError), socket.create_server(("", port)):
            return port
    raise AssertionError("no free port")


def ask(port: int, path: str) -> Response | None:
    """None when nobody answers."""
    try:
        with Client(("127.0.0.1", port), timeout=5.0) as client:
            client.send(f"GET {path} HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n".encode())
            return client.read_response()
    except (OSError, MalformedError, TruncatedError):
        return None


def healthy(port: int) -> bool:
    answer = ask(port, "/-/healthy")
    return answer is not None and answer.status == 200


def until(condition: Callable[[], bool], log: Path, running: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert running.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def writable(root: Path, user: int) -> list[Path]:
    """What this user, and no group of his, may write to."""
    found = []
    for folder, folders, files in os.walk(root):
        for path in (Path(folder, name) for name in (*folders, *files)):
            status = path.lstat()
            own = status.st_uid == user and status.st_mode & stat.S_IWUSR
            if not stat.S_ISLNK(status.st_mode) and (own or status.st_mode & stat.S_IWOTH):
                found.append(path)
    return found


def inside(running: subprocess.Popen[bytes]) -> int:
    """The process in the container, which is number 1 under another engine."""
    pid = running.pid
    while b"buildah" in Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0]:
        # Any of its threads may have started it.
        pid = int("".join(file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/children")))
    return pid


def test_the_image_serves_without_a_place_to_write_to_and_ends_in_order(
    built: Built, origin: Origin, tmp_path: Path
) -> None:
    images, config, log = built.images, built.config, tmp_path / "log"
    user = int(config["User"].partition(":")[0])
    assert user
    assert set(config["ExposedPorts"]) == {f"{built.main}/tcp", f"{built.admin}/tcp"}
    container = images("from", "--pull-never", built.name)
    root = Path(images("mount", container))
    assert not any(root.joinpath("opt").rglob("*.whl")), "the wheel belongs to the first stage"
    places = writable(root, user)
    assert {str(place.relative_to(root)) for place in places} <= {"tmp", "var/tmp"}
    for place in places:  # then, for this user, it is what --read-only makes of it
        place.chmod(0o755)

    health = config["Healthcheck"]["Test"]
    assert health[0] == "CMD"

    def check() -> int:
        return images.run(container, health[1:], {}, tmp_path / "health").wait(WITHIN)

    assert check() != 0, "nobody serves yet"
    running = images.run(container, [*config["Entrypoint"], *config["Cmd"]], {}, log)
    try:
        until(lambda: healthy(built.main) and healthy(built.admin), log, running)
        assert check() == 0, (tmp_path / "health").read_text()
        answer = ask(built.main, "/through")
        assert answer is not None
        assert answer.status == 200, answer.head
        assert len(origin.seen("/through")) == 1
        lines = Path(f"/proc/{inside(running)}/status").read_text().splitlines()
        status = dict(line.split(":", 1) for line in lines)
        assert {int(number) for number in status["Uid"].split()} == {user}
        assert int(status["CapEff"], 16) == 0
        os.kill(inside(running), getattr(signal, config["StopSignal"]))
        assert running.wait(WITHIN) == 0, log.read_text()
    finally:
        if running.poll() is None:
            os.kill(inside(running), signal.SIGKILL)
            running.wait()
    said = log.read_text()
    assert "draining" in said
    assert "Traceback" not in said, said
    assert check() != 0, "a container that does not serve is not healthy"
