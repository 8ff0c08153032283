"""The demo command without the proxy: what it refuses, what it says, and how it treats its children.

The backends' module names are swapped for a small stand-in. The real ones run in tests/real.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from downstream_proxy_demo import runner
from downstream_proxy_demo.children import Child
from downstream_proxy_demo.hints import opening

pytestmark = pytest.mark.timeout(30)

STAND_IN = """
import http.server, os, signal, sys, threading

flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
if flags["--downstream"] == "nonsense":
    sys.exit(print("error: not a URL: nonsense", file=sys.stderr) or 2)
print("a banner", file=sys.stderr, flush=True)

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/end":
            os._exit(3)
        print("asked for", self.path, file=sys.stderr, flush=True)
        self.send_response(503 if self.path == "/-/ready" and "absent" in flags["--downstream"] else 200)
        self.end_headers()
        self.wfile.write(f"{os.getpid()} {flags['--downstream']}".encode())
    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer((flags["--host"], int(flags["--port"])), Answer)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""


STUBBORN = """
import signal

signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
signal.pause()
"""


@pytest.fixture
def port() -> int:
    """The first of two free ports in a row."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            number: int = first.getsockname()[1]
            try:
                socket.create_server(("127.0.0.1", number + 1)).close()
            except (OSError, OverflowError):
                continue
        return number


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both backends are the stand-in, and FastAPI is there."""
    (tmp_path / "stand_in_backend.py").write_text(STAND_IN)
    paths = [str(tmp_path), str(Path(runner.__file__).parents[1])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]))
    for name in runner.BACKENDS:
        monkeypatch.setitem(runner.BACKENDS, name, "stand_in_backend")


def get(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def while_running(act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the next demo call `act` once everything runs, just before it waits for its end."""
    wait = runner.wait_for_the_end

    def act_then_wait(*arguments: Any) -> None:
        act()
        wait(*arguments)

    monkeypatch.setattr(runner, "wait_for_the_end", act_then_wait)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.usefixtures("stand_in")
def test_demo_starts_both_backends_says_what_to_try_and_stops_after_the_seconds(
    port: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    while_running(lambda: seen.extend(get(p, "/") for p in (port, port + 1)), monkeypatch)
    assert runner.main(["--port", str(port), "--seconds", "0.2"]) == 0
    output = capsys.readouterr()
    assert f"aiohttp    http://127.0.0.1:{port}/" in output.out
    assert f"fastapi    http://127.0.0.1:{port + 1}/" in output.out
    assert "curl -s" in output.out
    assert "a banner" not in output.err
    assert "[fastapi] asked for /" in output.err
    pids, downstreams = zip(*(line.split() for line in seen), strict=True)
    assert downstreams[0] == downstreams[1]
    assert all(gone(int(pid)) for pid in pids)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(downstreams[0].rpartition(":")[2])), timeout=5)


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_demo_with_exit_code_0(
    port: int, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(number)
    while_running(lambda: os.kill(os.getpid(), number), monkeypatch)
    assert runner.main(["--only", "aiohttp", "--port", str(port), "--seconds", "20"]) == 0
    assert signal.getsignal(number) == before


@pytest.mark.usefixtures("stand_in")
def test_another_downstream_is_used_as_given_and_its_absence_is_said(
    port: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    while_running(lambda: seen.append(get(port, "/")), monkeypatch)
    flags = ["--only", "fastapi", "--port", str(port), "--downstream", "http://absent:1", "--seconds", "0.1"]
    assert runner.main(flags) == 0
    assert seen[0].endswith(" http://absent:1")
    output = capsys.readouterr().out
    assert "http://absent:1 does not answer yet" in output
    assert "/echo" not in output


@pytest.mark.usefixtures("stand_in")
def test_a_backend_that_refuses_its_flags_gives_one_line_and_its_exit_code(
    port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runner.main(["--only", "aiohttp", "--port", str(port), "--downstream", "nonsense"]) == 2
    assert capsys.readouterr().err == "demo: aiohttp: error: not a URL: nonsense\n"


@pytest.mark.usefixtures("stand_in")
def test_a_backend_that_ends_by_itself_ends_the_demo_with_exit_code_1(
    port: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def end() -> None:
        with pytest.raises((OSError, http.client.HTTPException)):
            get(port, "/end")

    while_running(end, monkeypatch)
    assert runner.main(["--port", str(port), "--seconds", "20"]) == 1
    assert "demo: aiohttp ended by itself with exit code 3\n" in capsys.readouterr().err
    assert runner.status_of(port + 1, "/") is None


def test_a_taken_port_gives_one_line_and_exit_code_2(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", port + 1)):
        assert runner.main(["--port", str(port)]) == 2
    output = capsys.readouterr()
    assert output.err.startswith(f"demo: port {port + 1} is taken")
    assert output.err.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--port", "0"], "--port"),
        (["--port", "x"], "--port"),
        (["--seconds", "0"], "--seconds"),
        (["--only", "flask"], "--only"),
        (["--nonsense"], "--nonsense"),
        (["extra"], "extra"),
    ],
)
def test_bad_flags_give_one_line_and_exit_code_2(
    flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runner.main(flags) == 2
    output = capsys.readouterr()
    assert output.err.startswith("demo: ")
    assert words in output.err
    assert output.err.count("\n") == 1


def test_help_is_an_answer_and_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["--help"]) == 0
    assert "--downstream URL" in capsys.readouterr().out


@pytest.mark.usefixtures("stand_in")
def test_without_fastapi_the_demo_says_so_and_goes_on_with_aiohttp(
    port: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("downstream_proxy_demo.runner.find_spec", lambda _: None)
    assert runner.main(["--port", str(port), "--seconds", "0.1"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("FastAPI is not installed (pip install 'downstream-proxy[fastapi]')")
    assert str(port + 1) not in output
    assert runner.main(["--port", str(port), "--only", "fastapi"]) == 2
    assert capsys.readouterr().err.startswith("demo: FastAPI is not installed")


def test_the_last_port_leaves_no_room_for_a_second_backend(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["--port", "65535"]) == 2
    assert "65536 does not exist" in capsys.readouterr().err


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    monkeypatch.chdir(tmp_path)
    ended: list[str] = []
    child = Child("stubborn", ["stubborn"], ended.append, announces=True)
    assert child.first_line() == "up"
    child.terminate()
    child.wait(timeout=0.2)
    assert (child.exit_code, ended) == (-signal.SIGKILL, ["stubborn"])


def test_the_downstream_says_in_one_line_when_it_cannot_listen(port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        command = [sys.executable, "-m", "downstream_proxy_demo.serve", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"cannot listen on 127.0.0.1:{port}")


def test_the_opening_lists_what_fits_the_downstream() -> None:
    one = opening({"aiohttp": "http://127.0.0.1:1"}, "http://127.0.0.1:9", embedded=True)
    two = opening(
        {"aiohttp": "http://127.0.0.1:1", "fastapi": "http://127.0.0.1:2"}, "http://d", embedded=False
    )
    assert not any("cmp" in line for line in one)
    assert any("cmp <(curl -s http://127.0.0.1:1/) <(curl -s http://127.0.0.1:2/)" in line for line in two)
    assert not any("/echo" in line for line in two)
