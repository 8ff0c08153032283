"""Child processes of the demo: started in a session of their own, listened to, and ended by process id.

A session of their own, because Ctrl-C in a terminal goes to the whole group: the backends would hear it
twice, and their second signal means "at once". So the demo alone hears it and passes it on, once, in order.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence

ENDS_WITHIN = 8.0
_KEPT_LINES = 40


class Child:
    """One `python -m MODULE ...`. What it writes to standard error is kept until `speak()`, then passed on.

    `on_end` is called with the name, from another thread, when the process has ended. With `announces` the
    first line of its standard output is wanted (`first_line`); otherwise that goes where standard error goes.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], on_end: Callable[[str], None], announces: bool = False
    ) -> None:
        self.name = name
        self._silent = True
        self._kept: deque[str] = deque(maxlen=_KEPT_LINES)
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if announces else subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="backslashreplace",
            start_new_session=True,
        )
        self._said = self._process.stderr or self._process.stdout
        self._listener = threading.Thread(target=self._listen, args=(on_end,), daemon=True)
        self._listener.start()

    def _listen(self, on_end: Callable[[str], None]) -> None:
        assert self._said is not None
        for line in self._said:
            with self._lock:
                if self._silent:
                    self._kept.append(line.rstrip())
                    continue
            print(f"[{self.name}] {line}", end="", file=sys.stderr, flush=True)
        self._process.wait()
        on_end(self.name)

    def first_line(self) -> str:
        """The first line of its standard output; empty when it ended without one."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def last_words(self) -> list[str]:
        """The last lines it wrote to standard error; call it after its end was reported."""
        with self._lock:
            return [line for line in self._kept if line]

    def speak(self) -> None:
        """From now on its standard error goes to ours, each line with its name in front."""
        with self._lock:
            self._silent = False

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    @property
    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal, None while it runs."""
        return self._process.poll()

    def terminate(self) -> None:
        """Asks it to end (SIGTERM)."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """Ends it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def wait(self, timeout: float = ENDS_WITHIN) -> None:
        """Waits for its end; kills it after `timeout` seconds."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._listener.join(1)
        if not self._listener.is_alive():
            self._close()

    def _close(self) -> None:
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
