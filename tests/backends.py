"""Starts what is under test: our two backends in the settings that ship, or anything behind a URL.

A started server is kept for the session, one per backend and settings. Each server's standard error goes to a
file: a traceback in it fails the test that ran meanwhile, an exit code but 0 after SIGTERM the session.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .origin import Origin
from .parse import MalformedError, TruncatedError
from .wire import Client

START_SECONDS = 15.0
STOP_SECONDS = 15.0

# A server must not take its route from here (rule isolation.environment-ignored).
POISON = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
}

# What `transform = "suite_hook:upper"` runs.
HOOK = """
async def upper(body):
    async for piece in body:
        if b"!!fail!!" in piece:
            raise ValueError("the hook failed")
        yield piece.upper()
"""


class Server:
    """One running server: an address to talk to, and for our own a process to look at."""

    def __init__(
        self,
        address: tuple[str, int],
        process: subprocess.Popen[bytes] | None = None,
        log: Path | None = None,
        configure: Callable[[str], None] | None = None,
        tls: ssl.SSLContext | None = None,
        patience: float | None = None,
    ) -> None:
        self.address = address
        self.process = process
        self._log = log
        self._read = 0
        self._configure = configure
        self.tls = tls
        # Somebody else's: judged by what the standards leave to it, and waited for no longer than this.
        self.foreign = patience is not None
        self._options: dict[str, object] = {} if patience is None else {"timeout": patience}

    def connect(self, **options: object) -> Client:
        return Client(self.address, **{"tls": self.tls, **self._options, **options})  # type: ignore[arg-type]

    def configure(self, settings: str) -> None:
        """Changes the file that it was started with; see `Backend.start` for what `settings` may hold."""
        assert self._configure is not None
        self._configure(settings)

    def log(self) -> str:
        """All of standard error so far."""
        return self._log.read_text(errors="replace") if self._log else ""

    def said(self, pattern: str) -> int:
        """How often standard error has what the pattern describes."""
        return len(re.findall(pattern, self.log()))

    def new_log(self) -> str:
        """What standard error got since the last call."""
        if self._log is None or self._log.stat().st_size == self._read:
            return ""
        with self._log.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        self._read += len(data)
        return data.decode(errors="replace")

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, timeout: float = STOP_SECONDS) -> int:
        """The exit code; the process is killed and TimeoutError raised when it does not end."""
        assert self.process is not None
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise TimeoutError(f"the server did not end within {timeout} s") from None

    def stop(self) -> None:
        """SIGTERM; AssertionError unless it ends with code 0 and without a traceback."""
        if self.process is None:
            return
        if self.process.poll() is not None:
            assert "Traceback" not in self.new_log(), self.log()[-4000:]
            return
        self.signal(signal.SIGTERM)
        code = self.wait()
        assert code == 0, f"exit code {code}\n{self.log()[-2000:]}"
        assert "Traceback" not in self.new_log(), self.log()[-4000:]


@dataclass
class Backend:
    """What is under test.

    `url`, `patience`: where somebody else's listens, and how many seconds it may take for an answer.
    `features` are the capabilities it declares, `known_gaps` the ids of rules it is known to break. `command`
    starts it instead of `module`; it takes the same flags.
    """

    name: str
    module: str | None = None
    url: str | None = None
    patience: float | None = None
    command: tuple[str, ...] = ()
    features: frozenset[str] = frozenset()
    known_gaps: frozenset[str] = frozenset()
    servers: dict[str, Server] = field(default_factory=dict)
    unstartable: dict[str, RuntimeError] = field(default_factory=dict)

    def server(self, settings: str, origin: Origin, directory: Path) -> Server:
        """The running server with these settings; starts it at the first call. Skips when that cannot be."""
        if settings in self.unstartable:
            raise self.unstartable[settings]
        if settings not in self.servers:
            if self.url is not None:
                if settings:
                    pytest.skip("needs settings that a server behind --proxy-url was not started with")
                parts = urllib.parse.urlsplit(self.url)
                address = (parts.hostname or "127.0.0.1", parts.port or 80)
                self.servers[settings] = Server(address, patience=self.patience)
            else:
                try:
                    self.servers[settings] = self.start(settings, origin, directory)
                except RuntimeError as error:
                    self.unstartable[settings] = error
                    raise
        return self.servers[settings]

    def start(
        self, settings: str, origin: Origin, directory: Path, tls: ssl.SSLContext | None = None
    ) -> Server:
        """A new server of our own, once it answers; RuntimeError when it does not.

        tls: how to speak to it, when its settings have a certificate.

        In `settings`, which is TOML, $ORIGIN is the origin's authority, $PORT its port, $DIRECTORY a fresh
        directory that holds `secret.txt` and is on the module path.
        """
        server = self._spawn(settings, origin, directory)
        server.tls = tls
        self._await_start(server)
        return server

    def failing_start(self, settings: str, origin: Origin, directory: Path) -> tuple[int, str]:
        """Exit code and standard error of a start that should not come about."""
        server = self._spawn(settings, origin, directory)
        return server.wait(), server.log()

    def _spawn(self, settings: str, origin: Origin, directory: Path) -> Server:
        command = self.command or ((sys.executable, "-m", self.module) if self.module else ())
        if not command:
            pytest.skip("needs a server that the suite can start")
        directory = directory / f"{self.name}-{time.monotonic_ns()}"
        directory.mkdir()
        config = directory / "proxy.toml"

        def configure(text: str) -> None:
            if "[downstreams" not in text:
                text += '\n[downstreams.default]\nurl = "http://$ORIGIN"\n'
            text = text.replace("$ORIGIN", origin.authority.decode()).replace("$PORT", str(origin.address[1]))
            config.write_text(text.replace("$DIRECTORY", str(directory)))

        configure(settings)
        (directory / "suite_hook.py").write_text(HOOK)
        (directory / "secret.txt").write_text("secret from a file\n")
        netrc = directory / "netrc"
        netrc.write_text(f"machine {origin.address[0]} login netrc-user password netrc-secret\n")
        netrc.chmod(0o600)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DOWNSTREAM_PROXY_")}
        for name in ("PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "NO_PROXY", "no_proxy"):
            environment.pop(name, None)
        environment |= POISON | {"NETRC": str(netrc), "SUITE_SECRET": "secret from the environment"}
        log = directory / "stderr.txt"
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener, log.open("wb") as errors:
            address = listener.getsockname()[:2]
            flags = ["--fd", str(listener.fileno()), "--config", str(config)]
            process = subprocess.Popen(
                [*command, *flags],
                pass_fds=[listener.fileno()],
                env=environment,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        return Server(address, process, log, configure)

    @staticmethod
    def _await_start(server: Server) -> None:
        """Waits for the first answer: the socket listens already, so a connection waits in its backlog."""
        assert server.process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                with server.connect(timeout=1.0) as client:
                    client.send(b"GET /-/healthy HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n")
                    client.read_head()
                    server.new_log()
                    return
            except (OSError, MalformedError, TruncatedError):
                # Not yet, or never: the deadline and the log tell.
                if server.process.poll() is not None:
                    break
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        raise RuntimeError(
            f"the server did not start (exit code {server.process.returncode})\n{server.log()[-4000:]}"
        )

    def stop(self) -> None:
        """Stops all servers; one error that names all that went wrong."""
        problems = []
        for server in self.servers.values():
            try:
                server.stop()
            except (AssertionError, OSError) as error:  # its log may be gone; the next one has to end as well
                problems.append(str(error))
        self.servers.clear()
        assert not problems, "\n".join(problems)


ALL_FEATURES = frozenset({"websocket", "transform", "forwarded", "settings", "admin"})

OURS = {
    "aiohttp": lambda: Backend("aiohttp", module="aiohttp_impl", features=ALL_FEATURES),
    "fastapi": lambda: Backend("fastapi", module="fastapi_impl", features=ALL_FEATURES),
}


def started_by(command: list[str], without: list[str]) -> Backend:
    """One of ours with a part replaced, started by its own command; `without` are capabilities it lacks."""
    return Backend("command", command=tuple(command), features=ALL_FEATURES - set(without))


def external(url: str, without: list[str], patience: float) -> Backend:
    """A server somebody else started in front of the origin; `without` are capabilities it lacks."""
    return Backend(
        "external", url=url, patience=patience, features=ALL_FEATURES - {"settings", "admin", *without}
    )


def not_forwarding(url: str, origin: Origin) -> str | None:
    """One line that says what is wrong when the server at `url` does not forward to this origin."""
    parts = urllib.parse.urlsplit(url)
    where = f"{url} does not forward to the origin at {origin.authority.decode()}"
    try:
        with Client((parts.hostname or "127.0.0.1", parts.port or 80), timeout=5.0) as client:
            client.send(b"GET /forwarded HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n")
            status = client.read_response().status
    except (OSError, MalformedError, TruncatedError) as error:
        return f"{where}: no answer to GET /forwarded ({type(error).__name__}: {error})"
    if origin.seen("/forwarded"):
        return None
    return f"{where}: GET /forwarded with Host: proxy is answered with {status}, and the origin saw nothing"
