"""The internals of aiohttp that the aiohttp backend's protocol leans on: a release that changes one has to be
noticed, and is refused in one line."""

from __future__ import annotations

import ast
import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from downstream_proxy.settings import Settings

import aiohttp_impl
from aiohttp_impl import protocol

WITHOUT = """
import sys
{change}
from downstream_proxy import cli
sys.exit(cli.main(["serve", "--backend", {backend!r}, "--downstream", "http://127.0.0.1:9", "--fd", "99"]))
"""


def test_installed_aiohttp_can_carry_the_backend() -> None:
    assert aiohttp_impl.unsupported() is None


def test_every_private_part_that_is_used_is_looked_for() -> None:
    """`self._x` in the source, but for what the class itself defines."""
    tree = ast.parse(Path(protocol.__file__).read_text())
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
        and node.attr.startswith("_")
    }
    own = vars(protocol.ProxyProtocol).keys() - vars(web.RequestHandler).keys()
    assert used - own <= {*protocol.PARTS, *protocol.METHODS}


async def test_aiohttp_without_a_part_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(web.RequestHandler, "_messages")
    with pytest.raises(RuntimeError, match=r"_messages.*constraints\.txt"):
        await aiohttp_impl.serve(Settings(downstream="http://127.0.0.1:9"), [])


@pytest.mark.parametrize(
    "change",
    [
        "from aiohttp import web; del web.RequestHandler._messages",
        "from aiohttp import web; web.RequestHandler.finish_response = lambda self: None",
        "import aiohttp.http_parser; del aiohttp.http_parser.RawRequestMessage",
    ],
    ids=["no attribute", "other parameters", "no name"],
)
async def test_command_refuses_in_one_line(change: str) -> None:
    started = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", WITHOUT.format(change=change, backend="aiohttp")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert started.returncode == 2, started.stderr
    assert "constraints.txt" in started.stderr
    assert len(started.stderr.splitlines()) == 1
