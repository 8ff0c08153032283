"""Runs the embedded downstream in a process of its own: `python -m downstream_proxy_demo.serve [--port N]`.

The first line on standard output is its URL, so that a caller may ask for port 0. SIGTERM or SIGINT ends it
with exit code 0. A process of its own keeps its work off the event loops of the backends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence

from aiohttp import web

from .app import create_app
from .bounds import KIB


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def make_runner() -> web.AppRunner:
    """The application with the server options it needs; whoever calls this sets it up and cleans it up."""
    return web.AppRunner(
        create_app(),
        access_log=None,
        # The limits of whoever is in front shall be the ones that are met.
        max_line_size=128 * KIB,
        max_field_size=128 * KIB,
        auto_decompress=False,
        handler_cancellation=True,
        shutdown_timeout=0.5,
    )


async def serve(host: str, port: int) -> None:
    """Serves until a signal comes; prints the URL once it listens; raises OSError for a taken port."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = make_runner()
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
        print(f"http://{host}:{runner.addresses[0][1]}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and serves; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m downstream_proxy_demo.serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    flags = parser.parse_args(argv)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner, contextlib.suppress(KeyboardInterrupt):
        try:
            runner.run(serve(flags.host, flags.port))
        except OSError as error:
            parser.exit(2, f"cannot listen on {flags.host}:{flags.port}: {error.strerror or error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
