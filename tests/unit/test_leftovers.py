"""What a test run starts ends with it, however the run ends; what ran before is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.leftovers import birth, guarded

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

CHECKOUT = Path(__file__).resolve().parents[2]
# `born` starts a program that would outlast the test; `orphan` one whose parent ends at once.
RUN = """
import os, signal, subprocess, sys, time
from tests.leftovers import LOOK_SECONDS, guarded
def born(**options):
    code = "import time; time.sleep(50)"
    return subprocess.Popen([sys.executable, "-S", "-c", code], stdout=-3, **options).pid
def orphan(**options):
    code = "import subprocess; print(subprocess.Popen(['sleep', '50'], stdout=-3).pid)"
    return int(subprocess.check_output([sys.executable, "-S", "-c", code], **options))
with guarded():
    {body}
"""


def run(body: str) -> tuple[int, list[int]]:
    """Exit code of a run that does this, and the process ids that it printed."""
    ended = subprocess.run(
        [sys.executable, "-c", RUN.format(body=body)],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )
    return ended.returncode, [int(word) for word in ended.stdout.split()]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


KILL = "sys.stdout.flush(); os.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.parametrize(
    "body",
    [
        f"print(born()); {KILL}",
        f"print(born(start_new_session=True)); {KILL}",
        f"print(orphan()); {KILL}",
        f"print(born(env={{}})); time.sleep(3 * LOOK_SECONDS); {KILL}",
        "print(born()); sys.stdout.flush(); os._exit(3)",
        "print(born()); sys.stdout.flush(); os.kill(os.getpid(), signal.SIGTERM)",
        "print(born())",
        "print(born()); raise KeyboardInterrupt",
    ],
    ids=["killed", "own session", "orphan", "unmarked", "gone", "terminated", "in order", "interrupted"],
)
def test_nothing_outlives_a_run(body: str) -> None:
    _, (pid,) = run(body)
    until(lambda: not birth(pid))


def test_a_program_that_ignores_the_order_to_end_is_killed() -> None:
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); print(flush=True); signal.pause()"
    code, (pid,) = run(
        f"child = subprocess.Popen([sys.executable, '-S', '-c', {stubborn!r}], stdout=subprocess.PIPE)\n"
        f"    child.stdout.readline(); print(child.pid); {KILL}"
    )
    assert code == -signal.SIGKILL
    until(lambda: not birth(pid))


def test_what_ran_before_goes_on() -> None:
    before = subprocess.Popen(["sleep", "50"])
    try:
        with guarded():
            inside = subprocess.Popen(["sleep", "50"])
        assert inside.wait(10) == -signal.SIGTERM
        assert before.poll() is None
        os.kill(before.pid, 0)
    finally:
        before.kill()
        before.wait()
