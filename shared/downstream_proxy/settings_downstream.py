"""The settings of one downstream: the table [downstreams.NAME] and the tables inside it.

What it is for: their names, types, units, defaults and the rules between them.
What it must not know: other downstreams, the listener, where values come from.
"""

from __future__ import annotations

import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from .settings_balancing import Balance, Breaker, Eject, Health
from .settings_rates import RateLimit
from .settings_table import MiB, Table, option
from .settings_types import (
    FieldListTable,
    FieldNames,
    FieldTable,
    OptionalSeconds,
    ReadableFile,
    Seconds,
    SecondsOrZero,
    Size,
    StringList,
    Url,
    Urls,
    check_path,
    resolve_secret,
)

_ORIGIN = re.compile(r"(?:https?://[^/?#\s@]+|null|\*)", re.ASCII)
_HOOK = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


class DownstreamTimeouts(Table):
    """How long the proxy waits for this downstream."""

    connect: Seconds = option(5.0, "name lookup, connection and TLS handshake; over it 504", "seconds")
    pool: Seconds = option(5.0, "waiting for a free connection; over it 503", "seconds")
    head: Seconds = option(
        60.0, "from the request's end to the end of the response head; over it 504", "seconds"
    )
    read_idle: Seconds = option(
        300.0, "between two pieces of a response body; over it the client sees an abort", "seconds"
    )
    total: OptionalSeconds = option(None, "the whole exchange", "seconds")


class Pool(Table):
    """Connections to this downstream."""

    max_connections: int = option(256, "most connections, each carrying one request", "connections", ge=1)
    max_queue: int = option(1024, "most requests waiting for a connection; over it 503", "requests", ge=0)
    # uvicorn closes idle connections at 5 s and many servers follow: below that the proxy lets go first.
    keep_alive: SecondsOrZero = option(4.0, "an idle connection is kept for reuse", "seconds")


class DownstreamLimits(Table):
    """What the proxy accepts from this downstream."""

    max_buffered_body: Size = option(
        8 * MiB, 'largest body held with delivery "buffer"; over it 502', "bytes"
    )
    max_response_head: Size = option(
        65536, "largest status line and header section; over it 502", "bytes", ge=1024
    )


class HeaderRules(Table):
    """Rules applied after the proxy's own: first `remove`, then `set` (replaces), then `add` (appends).

    A value "env:NAME" or "file:PATH" is a secret, read once at start; anything else is the value itself.
    """

    set: FieldTable = Field(
        default_factory=dict, description="name = value, replacing every field of that name (default empty)"
    )
    add: FieldListTable = Field(
        default_factory=dict,
        description="name = value or list of values, kept beside existing fields (default empty)",
    )
    remove: FieldNames = option((), "names to drop")

    def resolved_set(self) -> list[tuple[str, str]]:
        """`set` with secrets read. Raises ValueError when one is gone."""
        return [(name, resolve_secret(value)) for name, value in self.set.items()]

    def resolved_add(self) -> list[tuple[str, str]]:
        """`add`, one pair per value, with secrets read. Raises ValueError when one is gone."""
        return [(name, resolve_secret(value)) for name, values in self.add.items() for value in values]


class DownstreamTls(Table):
    """TLS towards this downstream; used when its URL is https."""

    ca: ReadableFile | None = option(None, "PEM file of the authorities to trust instead of the system's")
    cert: ReadableFile | None = option(None, "PEM file of the client certificate to present")
    key: ReadableFile | None = option(None, "PEM file of its private key, when not inside `cert`")
    verify: bool = option(True, "check the certificate and its host name")
    server_name: str | None = option(None, "name to send (SNI) and to check instead of the URL's host")

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if self.key and not self.cert:
            raise ValueError("key is set without cert")
        if self.ca and not self.verify:
            raise ValueError("ca has no effect while verify is off; drop one of them")
        return self


class Retry(Table):
    """When a request may be sent again; what may be repeated is the contract's business."""

    attempts: int = option(2, "tries in all; 1 turns retries off", "tries", ge=1, le=10)
    budget: float = option(0.2, "retries allowed as a share of requests", "fraction 0..1", ge=0, le=1)


class DownstreamSettings(Table):
    """One service behind the proxy. Read its addresses through `addresses`."""

    url: Url | None = option(None, "its address, http or https; a path in it is put before every target")
    urls: Urls = option((), "its addresses when there are several; instead of `url`")
    prefix: str = option("/", "raw path prefix it serves; the longest matching prefix wins")
    strip_prefix: bool = option(False, "drop the prefix from the target sent downstream")
    delivery: Literal["stream", "buffer", "transform"] = option("stream", "how response bodies are passed on")
    transform: str | None = option(None, 'hook "module:function" for delivery "transform"')
    host_header: Literal["downstream", "client"] = option("downstream", "whose Host the downstream sees")
    allow_private: bool = option(
        True, "off refuses loopback, private and link-local addresses after name lookup"
    )
    trust_env: bool = option(
        False, "honour HTTP_PROXY, HTTPS_PROXY, NO_PROXY and .netrc; slower, and WebSocket is answered 502"
    )
    websocket_origins: StringList | None = option(
        None, "Origin values that may open a WebSocket; none = no check"
    )
    timeouts: DownstreamTimeouts = DownstreamTimeouts()
    pool: Pool = Pool()
    limits: DownstreamLimits = DownstreamLimits()
    rate_limits: tuple[RateLimit, ...] = option(
        (), "rules, each a table [[downstreams.NAME.rate_limits]]; a request has to keep them all"
    )
    request_headers: HeaderRules = HeaderRules()
    response_headers: HeaderRules = HeaderRules()
    tls: DownstreamTls = DownstreamTls()
    retry: Retry = Retry()
    balance: Balance = Balance()
    health: Health = Health()
    eject: Eject = Eject()
    breaker: Breaker = Breaker()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every URL of this downstream, at least one, without a final slash."""
        return self.urls or ((self.url,) if self.url else ())

    @field_validator("prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        return check_path(value, "the prefix")

    @field_validator("transform")
    @classmethod
    def _transform(cls, value: str | None) -> str | None:
        if value is not None and not _HOOK.fullmatch(value):
            raise ValueError('expected "module:function"')
        return value

    @field_validator("websocket_origins")
    @classmethod
    def _origins(cls, values: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for value in values or ():
            if not _ORIGIN.fullmatch(value):
                raise ValueError(f"{value!r} is not an origin; write scheme://host[:port], null or *")
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.url and self.urls:
            raise ValueError("url and urls are both set; keep one")
        if not self.addresses:
            raise ValueError("a url (or urls) is needed")
        if len(set(self.urls)) != len(self.urls):
            raise ValueError("urls names the same address twice")
        if len({urlsplit(url).path for url in self.urls}) > 1:
            raise ValueError("urls must all have the same path")
        if (self.delivery == "transform") != (self.transform is not None):
            raise ValueError('delivery = "transform" and transform = "module:function" go together')
        return self
