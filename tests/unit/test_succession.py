"""What a reload leaves behind."""

from __future__ import annotations

import asyncio
import gc
import weakref

from downstream_proxy.forwarder import Forwarder
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
