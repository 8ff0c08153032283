"""What a process hands on to the next, and to its workers."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator

import pytest
from downstream_proxy.agreed import AgreedSettings
from downstream_proxy.handover import VARIABLE, Predecessor, address_key
from downstream_proxy.reloads import Reloads
from downstream_proxy.runtime import keep_fixed
from downstream_proxy.runtime_command import ServeRuntime
from downstream_proxy.settings import Settings

URL = "http://127.0.0.1:9"


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """A pipe's reading end, and a listener's descriptor, as a predecessor at port 8080 leaves them."""
    heard, ready = os.pipe()
    listener = socket.create_server(("127.0.0.1", 0)).detach()
    monkeypatch.setenv(VARIABLE, f"{ready}:{listener}::{address_key(Settings(downstream=URL))}")
    yield heard, listener
    os.close(heard)


def test_sockets_go_on_between_settings_with_the_same_address(handed: tuple[int, int]) -> None:
    heard, listener = handed
    predecessor = Predecessor.from_environment()
    assert predecessor is not None
    assert VARIABLE not in os.environ, "a worker or a hook must not take them again"
    (sock,), admin = predecessor.sockets(Settings(downstream="http://elsewhere:1"))
    with sock:
        assert (sock.fileno(), admin) == (listener, [])
        assert not sock.get_inheritable()
    predecessor.ready()
    assert os.read(heard, 10) == b"R"
    assert os.read(heard, 10) == b"", "the end stays open"


def test_a_worker_keeps_nothing_of_what_its_predecessor_waits_for(handed: tuple[int, int]) -> None:
    heard, _ = handed
    predecessor = Predecessor.from_environment()
    assert predecessor is not None
    for sock in predecessor.sockets(Settings(downstream=URL))[0]:
        sock.close()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        theirs.send(b"alive")
        theirs.recv(1)
        os._exit(0)
    ours.recv(5)
    predecessor.ready()
    assert os.read(heard, 10) == b"R"
    os.set_blocking(heard, False)
    try:
        assert os.read(heard, 10) == b"", "nobody else has the pipe's end"
    finally:
        ours.send(b"!")
        os.waitpid(pid, 0)
        ours.close()
        theirs.close()


def test_a_new_address_is_not_served_on_old_sockets(handed: tuple[int, int]) -> None:
    predecessor = Predecessor.from_environment()
    assert predecessor is not None
    assert predecessor.sockets(Settings(downstream=URL, port=8081)) == ([], [])
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(handed[1])
    predecessor.ready()


def test_a_restart_that_systemd_would_undo_is_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SYSTEMD_EXEC_PID", str(os.getpid()))
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    settings = Settings(downstream=URL)
    runtime = ServeRuntime(settings, lambda: settings, lambda _: None, ([], []), None)
    with caplog.at_level(logging.ERROR):
        assert runtime.restart() is None
    assert "set Type=notify" in caplog.text


def test_what_a_process_cannot_change_stays_and_is_named() -> None:
    running = Settings(downstream=URL, port=1, workers=2)
    loaded = Settings(downstream="http://other:1", port=3, admin={"listen": "127.0.0.1:4"})  # type: ignore[arg-type]
    settings, kept = keep_fixed(running, loaded)
    assert kept == ["port", "workers", "admin.listen"]
    assert (settings.port, settings.workers, settings.admin.listen) == (1, 2, None)
    assert settings.downstreams["default"].url == "http://other:1"
    assert keep_fixed(running, running) == (running, [])


def test_workers_take_the_newest_settings_that_were_agreed_to() -> None:
    first, second = Settings(downstream=URL), Settings(downstream="http://other:1")
    agreed = AgreedSettings(first)
    assert agreed.get() == first
    agreed.put(second)
    assert agreed.get() == second


def test_the_counts_of_reloads_are_shared_with_forked_processes() -> None:
    reloads = Reloads()
    pid = os.fork()
    if pid == 0:
        reloads.failure(["proxy.toml:3: unknown key 'x'"])
        os._exit(0)
    os.waitpid(pid, 0)
    assert counts(reloads) == (0, 1, ("proxy.toml:3: unknown key 'x'",))
    began = reloads.last_success
    reloads.success()
    assert counts(reloads) == (1, 1, ())
    assert reloads.last_success >= began


def counts(reloads: Reloads) -> tuple[int, int, tuple[str, ...]]:
    return reloads.succeeded, reloads.failed, reloads.problems
