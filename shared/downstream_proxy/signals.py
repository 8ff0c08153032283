"""What a process can be told by signals, as events.

What it is for: SIGTERM and SIGINT to stop, a second one to stop at once, SIGHUP to reload, SIGUSR2 to
restart.
What it must not know: what is done about any of them.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
ORDER_SIGNALS = tuple(getattr(signal, name) for name in ("SIGHUP", "SIGUSR2") if hasattr(signal, name))


def hold_orders() -> None:
    """Let SIGHUP and SIGUSR2 wait until somebody takes them: unexpected, they would kill the process."""
    if ORDER_SIGNALS:
        signal.pthread_sigmask(signal.SIG_BLOCK, ORDER_SIGNALS)


class Signals:
    """What the process was asked to do. `first` and `second` stop signal, `reload`, `restart`."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self.reload = asyncio.Event()
        self.restart = asyncio.Event()

    def stop(self) -> None:
        (self.second if self.first.is_set() else self.first).set()

    @contextmanager
    def installed(self) -> Iterator[Signals]:
        """Receive them, in the running loop. Enter before listening begins."""
        loop = asyncio.get_running_loop()
        handlers = dict.fromkeys(STOP_SIGNALS, self.stop)
        handlers |= zip(ORDER_SIGNALS, (self.reload.set, self.restart.set), strict=False)
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        before = signal.pthread_sigmask(signal.SIG_UNBLOCK, ORDER_SIGNALS)
        try:
            yield self
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            for number in handlers:
                loop.remove_signal_handler(number)
