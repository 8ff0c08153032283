"""Processes of the comparison: CPU and memory of a tree, and that nothing outlives the runner."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from compare import procfs
from compare.holding import HoldError, held
from compare.process import Launch, StartError, free_port, started, wait_ready

pytestmark = [
    pytest.mark.timeout(30),
    pytest.mark.skipif(sys.platform != "linux", reason="the comparison runs on Linux only"),
]

# A parent that ignores SIGTERM, with a child that does so as well.
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    open("pids", "w").write(f"{os.getpid()} {child}\\n")
while True:
    time.sleep(60)
"""
SERVER = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"abc")
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
RUNNER = """
import sys, time
from pathlib import Path
from compare.process import Launch, started
folder = Path(sys.argv[1])
with started(Launch([sys.executable, "-c", sys.argv[2]]), cores=None, folder=folder, name="stubborn"):
    while True:
        time.sleep(60)
"""


def until(condition: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def written_pids(folder: Path) -> list[int]:
    file = folder / "pids"
    text = file.read_text() if file.exists() else ""
    return [int(pid) for pid in text.split()] if text.endswith("\n") else []


def gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_stat_line_with_brackets_and_spaces_in_the_name() -> None:
    fields = "S 7 " + " ".join(str(number) for number in range(5, 53))
    stat = procfs.parse_stat(f"42 (a (b) c) {fields}")
    assert (stat.pid, stat.name, stat.parent) == (42, "a (b) c", 7)
    assert (stat.own, stat.reaped_children) == (14 + 15, 16 + 17)


def test_core_times_count_interrupts_as_busy_and_waiting_as_idle() -> None:
    text = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 10 1 20 60 5 1 2 1 0 0\ncpu1 0 0 0 100 0 0 0 0 0 0\nintr 1\n"
    cores = procfs.parse_core_times(text)
    assert set(cores) == {0, 1}
    assert (cores[0].busy, cores[0].interrupts, cores[0].stolen, cores[0].total) == (34, 3, 1, 100)
    assert (cores[0] - cores[0]).total == 0


def test_tree_holds_children_and_their_cpu_time() -> None:
    before = procfs.cpu_seconds(os.getpid())
    # A little more than is asked for: /proc counts user and system time in whole ticks of 10 ms.
    burn = "import time\nend = time.process_time() + 0.35\nwhile time.process_time() < end: pass\ninput()"
    with subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE) as child:
        until(lambda: procfs.cpu_seconds(child.pid) >= 0.3)
        assert child.pid in {stat.pid for stat in procfs.tree(os.getpid())}
        assert procfs.memory(child.pid).rss >= procfs.memory(child.pid).pss > 1000
        child.communicate(b"\n")
    # The child has been waited for; its time counts still.
    assert procfs.cpu_seconds(os.getpid()) >= before + 0.3


def test_tree_of_a_process_that_is_gone_is_empty() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert procfs.tree(child.pid) == []
    assert procfs.cpu_seconds(child.pid) == 0


def test_program_that_ignores_sigterm_ends_with_its_children(tmp_path: Path) -> None:
    launch = Launch([sys.executable, "-c", STUBBORN])
    with started(launch, cores=None, folder=tmp_path, name="stubborn") as running:
        until(lambda: written_pids(tmp_path))
        pids = written_pids(tmp_path)
        assert running.pid == pids[0]
        assert running.alive()
    assert gone(pids)
    assert not running.alive()


def test_nothing_outlives_a_killed_runner(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    runner = subprocess.Popen([sys.executable, "-c", RUNNER, str(tmp_path), STUBBORN], cwd=root)
    try:
        until(lambda: written_pids(tmp_path))
        pids = written_pids(tmp_path)
    finally:
        runner.send_signal(signal.SIGKILL)
        runner.wait()
    until(lambda: gone(pids))


def test_program_is_pinned_and_gets_its_environment(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    code = "import os; print(os.sched_getaffinity(0), os.environ['WORD'], flush=True); input()"
    launch = Launch([sys.executable, "-c", code], {"WORD": "hello"})
    with started(launch, cores=[core], folder=tmp_path, name="pinned") as running:
        until(lambda: "hello" in running.log.read_text())
        assert f"{{{core}}} hello" in running.log.read_text()


def test_ready_gives_the_size_of_the_answer(tmp_path: Path) -> None:
    port = free_port()
    launch = Launch([sys.executable, "-c", SERVER, str(port)])
    with started(launch, cores=None, folder=tmp_path, name="server") as running:
        assert wait_ready(running, port, "/") == 3


def test_program_that_ends_at_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    launch = Launch([sys.executable, "-c", "raise SystemExit('no such setting')"])
    with (
        started(launch, cores=None, folder=tmp_path, name="broken") as running,
        pytest.raises(StartError, match="no such setting"),
    ):
        wait_ready(running, free_port(), "/")


def test_program_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with (
        started(Launch(["/no/such/program"]), cores=None, folder=tmp_path, name="absent") as running,
        pytest.raises(StartError, match="cannot start /no/such/program"),
    ):
        wait_ready(running, free_port(), "/")


def test_ports_differ_from_call_to_call() -> None:
    assert len({free_port() for _ in range(5)}) == 5


class Chunked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        if self.path == "/length":
            self.send_header("Content-Length", "5")
        else:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"hello" if self.path == "/length" else b"5\r\nhello\r\n0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.mark.parametrize("path", ["/length", "/chunked"])
def test_holder_keeps_a_connection_after_a_whole_answer(path: str) -> None:
    with HTTPServer(("127.0.0.1", 0), Chunked) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with held(server.server_port, 1, "idle", path, cores=os.sched_getaffinity(0)):
            assert thread.is_alive()  # the server waits for the next request on the open connection
        thread.join()


def test_holder_that_cannot_connect_says_why() -> None:
    with (
        pytest.raises(HoldError, match="refused"),
        held(free_port(), 1, "idle", "/", cores=os.sched_getaffinity(0)),
    ):
        pass


def test_pinned_command_ends_with_the_process_that_started_it() -> None:
    code = (
        "import os, subprocess\nfrom compare.pin import pinned\n"
        "child = subprocess.Popen(pinned(['sleep', '60'], os.sched_getaffinity(0)))\n"
        "print(child.pid, flush=True)\ninput()"
    )
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        until(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n")
        ended = os.pidfd_open(pid)
        parent.kill()
        try:
            assert select.select([ended], [], [], 10)[0]
        finally:
            os.close(ended)
