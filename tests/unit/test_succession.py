"""What a reload leaves behind."""

from __future__ import annotations

import asyncio
import gc
import weakref

from downstream_proxy.errors import ErrorKind, ProxyError
from downstream_proxy.forwarder import Forwarder
from downstream_proxy.message import IncomingRequest
from downstream_proxy.settings import Settings


def settings(prefix: str) -> Settings:
    return Settings.model_validate({"downstreams": {"one": {"url": "https://127.0.0.1:9", "prefix": prefix}}})


async def test_replaced_configuration_is_freed_though_the_collector_rests() -> None:
    forwarder = Forwarder(settings("/before"))
    await forwarder.open()
    freed = asyncio.Event()
    watch = weakref.ref(forwarder.state, lambda _: freed.set())
    gc.disable()
    try:
        await forwarder.reload(settings("/now"))
        async with asyncio.timeout(5):
            await freed.wait()
        assert watch() is None
    finally:
        gc.enable()
        await forwarder.close()


async def test_open_connection_keeps_its_rules_but_not_the_replaced_configuration() -> None:
    forwarder = Forwarder(settings("/before"))
    await forwarder.open()
    rules, freed = forwarder.state.rules, asyncio.Event()
    watch = weakref.ref(forwarder.state, lambda _: freed.set())
    try:
        await forwarder.reload(settings("/now"))
        async with asyncio.timeout(5):
            await freed.wait()
        assert watch() is None
        rules.on_refusal(ProxyError(ErrorKind.MALFORMED_REQUEST), "192.0.2.1")
        assert [error.kind for error in forwarder.process.recent_errors.all()] == ["malformed-request"]
    finally:
        await forwarder.close()


async def test_recent_errors_keep_neither_their_requests_nor_the_replaced_configuration() -> None:
    forwarder = Forwarder(settings("/before"))
    await forwarder.open()
    freed = asyncio.Event()
    watch = weakref.ref(forwarder.state, lambda _: freed.set())
    try:
        async with forwarder.forward(IncomingRequest(b"GET", b"/unknown", [(b"Host", b"a")])):
            pass
        await forwarder.reload(settings("/now"))
        async with asyncio.timeout(5):
            await freed.wait()
        assert watch() is None
        assert [error.status for error in forwarder.process.recent_errors.all()] == [404]
    finally:
        await forwarder.close()
