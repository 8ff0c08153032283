"""`python -m compare.clients.serve --client NAME --backend aiohttp|fastapi ...`: one of our backends with
that client.

Takes the settings flags that the backends' own command takes and the suite uses (--fd, --config, --host,
--port, --downstream, TLS), so that tests and load generators can start it in a backend's place.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import sys
from collections.abc import Sequence
from typing import Any

from downstream_proxy.banner import event_loop
from downstream_proxy.listener import bind, close
from downstream_proxy.route import DownstreamFactory
from downstream_proxy.settings import Settings
from downstream_proxy.settings_source import load

from .registry import CLIENTS

_FLAGS = {
    "fd": "fd",
    "host": "host",
    "port": "port",
    "downstream": "downstream",
    "ssl_certfile": "ssl_certfile",
    "ssl_keyfile": "ssl_keyfile",
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m compare.clients.serve")
    parser.add_argument("--client", required=True, choices=sorted(CLIENTS))
    parser.add_argument("--backend", default="fastapi", choices=("aiohttp", "fastapi"))
    parser.add_argument("--config", help="TOML file as for `downstream-proxy serve`")
    for name in _FLAGS:
        parser.add_argument(f"--{name.replace('_', '-')}")
    given = parser.parse_args(arguments)
    flags: dict[str, tuple[object, str]] = {
        key: (value, f"--{name}") for name, key in _FLAGS.items() if (value := getattr(given, name))
    }
    settings = load(flags, given.config).settings
    logging.basicConfig(level=settings.log_level.upper(), stream=sys.stderr)
    make: DownstreamFactory = importlib.import_module(CLIENTS[given.client].module).make_downstream
    return _run(importlib.import_module(f"{given.backend}_impl").serve, settings, make)


def _run(serve: Any, settings: Settings, make: DownstreamFactory) -> int:
    sockets = bind(settings)
    try:
        with asyncio.Runner(loop_factory=event_loop()[1]) as runner:
            runner.run(serve(settings, sockets, make_downstream=make))
    finally:
        close(sockets, settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
