"""The `demo` command: an embedded downstream, both backends in front of it, what to try, and a clean end.

The backends are started as `python -m aiohttp_impl` and `python -m fastapi_impl`, the programs that ship;
nothing of the proxy is imported here. The exit code is 0 after Ctrl-C, SIGTERM or --seconds, 2 for what the
caller can mend, 1 when a child ends by itself.
"""

from __future__ import annotations

import http.client
import queue
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from types import FrameType

import click

from .children import ENDS_WITHIN, Child
from .hints import opening

HOST = "127.0.0.1"
READY_WITHIN = 30.0
PROBE_EVERY = 0.05
BACKENDS = {"aiohttp": "aiohttp_impl", "fastapi": "fastapi_impl"}
QUIET = ["--no-access-log", "--log-level", "warning"]
NEEDS_EXTRA = "FastAPI is not installed (pip install 'downstream-proxy[fastapi]')"


class _Mendable(click.ClickException):
    """One line for the caller, exit code 2."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        click.echo(f"demo: {self.format_message()}", err=True)


class _Failed(_Mendable):
    """One line for the caller, exit code 1."""

    exit_code = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; `argv` is without the program's name, None means sys.argv. Returns the exit code."""
    try:
        code = demo.main(args=None if argv is None else list(argv), prog_name="demo", standalone_mode=False)
    except click.ClickException as error:
        if isinstance(error, _Mendable):
            error.show()
        else:
            click.echo(f"demo: {error.format_message()}", err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 0
    return code if isinstance(code, int) else 0


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", type=click.Choice(list(BACKENDS)), help="Start only this backend.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="The first port."
)
@click.option("--downstream", metavar="URL", help="Stand in front of this, not of the embedded one.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop by itself after so long.")
@click.option("--access-log", is_flag=True, help="Show each request.")
def demo(only: str | None, port: int, downstream: str | None, seconds: float | None, access_log: bool) -> int:
    """Start the embedded downstream and both backends on 127.0.0.1 and say what to try."""
    names = _available(only)
    ports = {name: port + offset for offset, name in enumerate(names)}
    for number in ports.values():
        _require_free(number)
    happened: queue.SimpleQueue[str] = queue.SimpleQueue()
    with _signals(happened), ExitStack() as stack:
        running: list[Child] = []
        stack.callback(_stop, running, happened)
        embedded = downstream is None
        if downstream is None:
            running.append(Child("downstream", ["downstream_proxy_demo.serve"], happened.put, announces=True))
            if not (downstream := running[0].first_line()):
                raise _Failed("the embedded downstream did not start")
        for name in names:
            flags = ["--host", HOST, "--port", str(ports[name]), "--downstream", downstream]
            flags += ["--timeout-graceful-shutdown", "3", *([] if access_log else QUIET)]
            running.append(Child(name, [BACKENDS[name], *flags], happened.put))
        for name in names:
            if not _wait_until_up(ports[name], running, happened):
                return 0
        click.echo("The demo is running; Ctrl-C ends it.")
        addresses = {name: f"http://{HOST}:{ports[name]}" for name in names}
        click.echo("\n".join(opening(addresses, downstream, embedded)))
        if status_of(ports[names[0]], "/-/ready") != http.client.OK:
            click.echo(f"Note: {downstream} does not answer yet; until it does, requests get an error.")
        for child in running:
            child.speak()
        wait_for_the_end(running, happened, seconds)
    return 0


def _available(only: str | None) -> list[str]:
    """The backends to start, in order; says so when FastAPI is absent."""
    names = [only] if only else list(BACKENDS)
    if "fastapi" in names and not all(find_spec(module) for module in ("fastapi", "uvicorn")):
        if only:
            raise _Mendable(NEEDS_EXTRA)
        click.echo(f"{NEEDS_EXTRA}: only the aiohttp backend starts.")
        names.remove("fastapi")
    return names


def _require_free(port: int) -> None:
    """Raises _Mendable when nobody can listen on the port; a child would say it too, but later and twice."""
    if port > 65535:
        raise _Mendable(f"port {port} does not exist; choose a smaller --port")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError as error:
            raise _Mendable(f"port {port} is taken or not allowed ({error.strerror}); try --port") from None


def _wait_until_up(port: int, running: Sequence[Child], happened: queue.SimpleQueue[str]) -> bool:
    """Waits until the backend says it is alive; False when a signal came first. Raises when a child ends."""
    deadline = time.monotonic() + READY_WITHIN
    while status_of(port, "/-/healthy") != http.client.OK:
        if time.monotonic() > deadline:
            raise _Failed(f"nothing answers on port {port} after {READY_WITHIN:g} s")
        try:
            what = happened.get(timeout=PROBE_EVERY)
        except queue.Empty:
            continue
        if what == "signal":
            return False
        raise _ended_early(next(child for child in running if child.name == what))
    return True


def status_of(port: int, path: str) -> int | None:
    """The status of one GET to a backend, None while nobody answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _ended_early(child: Child) -> click.ClickException:
    """What to tell about a child that ended before it was ready: its own last line, its own exit code 2."""
    last = (child.last_words() or [f"ended with exit code {child.exit_code}"])[-1]
    kind = _Mendable if child.exit_code == _Mendable.exit_code else _Failed
    return kind(f"{child.name}: {last}")


def wait_for_the_end(
    running: Sequence[Child], happened: queue.SimpleQueue[str], seconds: float | None
) -> None:
    """Returns after a signal or `seconds`; raises _Failed when a child ends by itself."""
    try:
        what = happened.get(timeout=seconds)
    except queue.Empty:
        return
    if what != "signal":
        code = next(child.exit_code for child in running if child.name == what)
        raise _Failed(f"{what} ended by itself with exit code {code}")


def _stop(running: Sequence[Child], happened: queue.SimpleQueue[str]) -> None:
    """Ends the backends first, so that they can finish what they hold, then the downstream."""
    backends = [child for child in running if child.name in BACKENDS]
    for group in (backends, [child for child in running if child not in backends]):
        for child in group:
            child.terminate()
        for child in group:
            _await_end(child, happened)


def _await_end(child: Child, happened: queue.SimpleQueue[str]) -> None:
    """Waits for one child; a second signal in the meantime kills it."""
    deadline = time.monotonic() + ENDS_WITHIN
    while not child.ended and time.monotonic() < deadline:
        try:
            if happened.get(timeout=0.1) == "signal":
                child.kill()
        except queue.Empty:
            pass
    child.wait(timeout=0.1)


@contextmanager
def _signals(happened: queue.SimpleQueue[str]) -> Iterator[None]:
    """Puts "signal" into the queue for SIGINT, SIGTERM and SIGHUP; restores the handlers afterwards."""

    def note(_number: int, _frame: FrameType | None) -> None:
        happened.put("signal")  # SimpleQueue.put is reentrant, so it may be called from a signal handler.

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = [(number, signal.signal(number, note)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
