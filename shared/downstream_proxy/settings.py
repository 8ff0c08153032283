"""The settings: one typed, frozen model; every field says its meaning, unit and default.

What it is for: the names and rules of the configuration, checked across fields. `Settings(...)` takes
arguments over the environment over defaults; `settings_source.load` adds flags and a TOML file and tells
where each value came from.
What it must not know: the frameworks, the command line, the file format.

Durations are seconds (float), sizes bytes (int; strings such as "64MiB" are accepted), None is "no limit".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import Field, PrivateAttr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from .settings_downstream import (
    DownstreamLimits,
    DownstreamSettings,
    DownstreamTimeouts,
    DownstreamTls,
    HeaderRules,
    Pool,
    Retry,
)
from .settings_env import EnvironmentSource
from .settings_rates import RateStorage
from .settings_table import MiB, Table, option
from .settings_types import (
    Address,
    NetworkList,
    NetworksOrAll,
    OptionalSeconds,
    OptionalSize,
    ReadableFile,
    Seconds,
    SecondsOrZero,
    Size,
    Url,
    check_path,
)

__all__ = [
    "Admin",
    "DownstreamLimits",
    "DownstreamSettings",
    "DownstreamTimeouts",
    "DownstreamTls",
    "HeaderRules",
    "Limits",
    "Pool",
    "Retry",
    "Settings",
    "Timeouts",
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
# RFC 9110 7.6.3: received-by is a pseudonym (token) or host[:port].
_VIA = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(:[0-9]{1,5})?", re.ASCII)


class Limits(Table):
    """What one client may ask of the process."""

    max_request_head: Size = option(32768, "largest request line and header section", "bytes", ge=1024)
    max_header_fields: int = option(128, "most header fields in one message", "fields", ge=1)
    max_target: Size = option(8192, "longest request target; over it 414", "bytes", ge=1)
    max_request_body: OptionalSize = option(None, "largest request body; over it 413", "bytes")
    min_request_body_rate: int = option(
        32,
        "least pace of a request body, over each `timeouts.request_body_idle`; under it 408; 0 = any pace",
        "bytes per second",
        ge=0,
    )
    max_inflight: int = option(10000, "most requests in the process at once; over it 503", "requests", ge=1)
    max_websocket_message: OptionalSize = option(
        16 * MiB, "largest WebSocket message; over it close 1009", "bytes"
    )


class Timeouts(Table):
    """How long the process waits for a client, and for itself when it stops."""

    request_head: Seconds = option(
        10.0, "from a request's first byte to the end of its head; over it 408", "seconds"
    )
    request_body_idle: Seconds = option(30.0, "between two pieces of a request body; over it 408", "seconds")
    response_idle: Seconds = option(
        60.0, "a client takes nothing of what waits for it; over it the connection is reset", "seconds"
    )
    keep_alive: SecondsOrZero = option(75.0, "an idle client connection is kept open", "seconds")
    shutdown: SecondsOrZero = option(30.0, "given to requests in flight after SIGTERM", "seconds")
    shutdown_idle: SecondsOrZero = option(
        2.0, "an idle client connection is kept for a last request after the listener closed", "seconds"
    )
    reload: OptionalSeconds = option(
        None, "given to requests and WebSockets that began before a reload; over it they are ended", "seconds"
    )
    shutdown_delay: SecondsOrZero = option(
        0.0, "between failing readiness and closing the listener", "seconds"
    )


class Admin(Table):
    """The proxy's own endpoints: healthy and ready for all, the rest for `allow`."""

    prefix: str = option("/-/", "path below which the proxy answers itself; starts and ends with '/'")
    listen: Address | None = option(
        None,
        "HOST:PORT, plain HTTP, where all of it is answered to everybody; the main listener keeps only "
        "healthy and ready then",
    )
    allow: NetworkList = option(
        ("127.0.0.0/8", "::1/128"),
        "peers that may read metrics, status and config on the main listener",
    )

    @field_validator("prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        check_path(value, "the admin prefix")
        if value == "/" or not value.endswith("/"):
            raise ValueError("the admin prefix must end with '/' and be more than '/'")
        return value


class Origins(dict[tuple[str, ...], str]):
    """Key path -> where its value came from: "--port", "proxy.toml:12". All are equal: settings are compared
    by what they say."""

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origins)

    def __ne__(self, other: object) -> bool:
        return not self == other


class Settings(BaseSettings):
    """Everything the proxy can be told. Equal inputs give equal, immutable settings."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)
    _origins: Origins = PrivateAttr(default_factory=Origins)

    host: str = option("127.0.0.1", "address or host name to listen on", min_length=1)
    port: int = option(8080, "TCP port to listen on; 0 lets the system choose; also PORT", ge=0, le=65535)
    uds: str | None = option(
        None, "path of a Unix domain socket to listen on instead of host and port", min_length=1
    )
    fd: int | None = option(
        None, "number of an inherited listening socket to serve instead of host and port", ge=0
    )
    backlog: int = option(2048, "connections the kernel holds until they are accepted", "connections", ge=1)
    backend: Literal["aiohttp", "fastapi"] = option("aiohttp", "which implementation serves")
    workers: int = option(
        1, "processes that share the listener; also WEB_CONCURRENCY", "processes", ge=1, le=1024
    )
    log_level: Literal["critical", "error", "warning", "info", "debug", "trace"] = option(
        "info", "least level logged"
    )
    access_log: bool = option(True, "one line per request")
    access_log_format: Literal["line", "combined", "json"] = option(
        "line",
        '"line" goes among the log lines to standard error, "combined" (Apache) and "json" to stdout',
    )
    access_log_sample: float = option(
        1.0,
        "how many requests get a line; those that fail always do",
        "fraction 0..1",
        ge=0,
        le=1,
    )
    tracing: bool = option(
        False, "make OpenTelemetry spans, with the extra otel; the environment's OTEL_* say where they go"
    )
    server_timing: bool = option(False, "tell clients in Server-Timing where the time went")
    ssl_certfile: ReadableFile | None = option(None, "PEM certificate chain; serving TLS starts here")
    ssl_keyfile: ReadableFile | None = option(None, "PEM private key, when not inside `ssl_certfile`")
    ssl_min_version: Literal["1.2", "1.3"] = option("1.2", "oldest TLS version spoken to clients")
    ssl_client_ca: ReadableFile | None = option(
        None, "PEM certificates of the authorities that client certificates must come from"
    )
    ssl_client_auth: Literal["required", "optional"] = option(
        "required", "with `ssl_client_ca`: whether a client without a certificate is turned away"
    )
    trusted_proxies: NetworksOrAll = option(
        (), 'peers whose forwarding headers are believed; "*" = all; also FORWARDED_ALLOW_IPS', "IPs or CIDRs"
    )
    via: str = option(
        "auto", 'our name in Via; "auto" derives one from host name and address, "off" sends none'
    )
    forwarded_headers: Literal["x-forwarded", "forwarded", "both", "off"] = option(
        "x-forwarded", "how the client is named to the downstream"
    )
    request_id: bool = option(True, "pass on or create X-Request-ID")
    underscores_in_headers: bool = option(
        False, "keep header names with underscores instead of dropping them"
    )
    downstream: Url | None = option(
        None, 'short form: the URL of one downstream, named "default", for every path'
    )
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    admin: Admin = Admin()
    rate_limits: RateStorage = RateStorage()
    downstreams: dict[str, DownstreamSettings] = Field(
        default_factory=dict, description="tables [downstreams.NAME] (default empty; see `downstream`)"
    )

    @property
    def origins(self) -> Mapping[tuple[str, ...], str]:
        """Where values came from, by key path; without those that are defaults or the program's own."""
        return self._origins

    def with_origins(self, origins: Mapping[tuple[str, ...], str]) -> Self:
        """Remember where the values came from; for the one who read them."""
        self._origins = Origins(origins)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # Our own reading of the environment: it reports unknown names and remembers which variable gave which
        # value.
        return init_settings, EnvironmentSource(settings_cls)

    @field_validator("via")
    @classmethod
    def _via(cls, value: str) -> str:
        if not _VIA.fullmatch(value):
            raise ValueError('expected "auto", "off", a token or host:port')
        return value

    @field_validator("downstreams")
    @classmethod
    def _names(cls, value: dict[str, DownstreamSettings]) -> dict[str, DownstreamSettings]:
        for name in value:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a downstream name; use letters, digits, '-', '_' and '.'")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = list(self._problems())
        if problems:
            raise ValueError("\n".join(problems))
        if self.downstream and not self.downstreams:
            # The model is frozen for its readers; this fills in the short form before anyone reads it.
            self.__dict__["downstreams"] = {"default": DownstreamSettings(url=self.downstream)}
        return self

    def _problems(self) -> Iterator[str]:
        if self.ssl_keyfile and not self.ssl_certfile:
            yield "ssl_keyfile is set without ssl_certfile"
        if self.ssl_client_ca and not self.ssl_certfile:
            yield "ssl_client_ca is set without ssl_certfile"
        if self.uds is not None and self.fd is not None:
            yield "uds and fd are both set; keep one"
        short = {"default": DownstreamSettings(url=self.downstream)} if self.downstream else None
        if short and self.downstreams and self.downstreams != short:
            yield "downstream and [downstreams] are both set; keep one"
        owner: dict[str, str] = {}
        for name, downstream in self.downstreams.items():
            if downstream.prefix in owner:
                yield (
                    f"downstreams.{name}.prefix: {downstream.prefix!r} is already the prefix of "
                    f"downstreams.{owner[downstream.prefix]}"
                )
            owner.setdefault(downstream.prefix, name)
            if f"{downstream.prefix}/".startswith(self.admin.prefix):
                yield (
                    f"downstreams.{name}.prefix: {downstream.prefix!r} lies inside "
                    f"admin.prefix {self.admin.prefix!r}"
                )
