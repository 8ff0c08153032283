"""The internals of aiohttp that the wire downstream leans on: a release that changes one has to be
noticed."""

from __future__ import annotations

import aiohttp
import pytest
from downstream_proxy import wire_downstream
from downstream_proxy.connecting import Address
from downstream_proxy.settings import DownstreamSettings

URL = "http://127.0.0.1:9"


def test_installed_aiohttp_has_all_that_the_wire_leans_on() -> None:
    assert wire_downstream.missing_internals() == []


def test_aiohttp_without_an_internal_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(aiohttp.client_proto.ResponseHandler, "is_connected")
    error = wire_downstream.UnsupportedAiohttpError
    with pytest.raises(error, match=r"ResponseHandler.*constraints\.txt") as raised:
        wire_downstream.WireDownstream(DownstreamSettings(url=URL), Address.parse(URL))
    assert "\n" not in str(raised.value)
