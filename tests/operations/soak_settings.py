"""The settings of the soak: every option there is, in one file, or a reason why it cannot be there.

It must not know what runs before or behind the proxy; a `Site` says where things are.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from downstream_proxy.settings import Settings
from pydantic import BaseModel

NOT_HERE = {
    "uds": "one listener a process: host and port have it, as TLS clients of other programs need them",
    "fd": "as uds; every start by `tests.backends` has it",
    "downstream": "the short form of [downstreams], refused beside it",
}
"""Options that cannot be in the same file, and why."""

AS_DEFAULT = {
    "backend": "each of the two soaks, and one of them is the default",
    "access_log": "off would leave access_log_format and access_log_sample without use",
    "request_id": "off would leave nothing by which a failure is found in the log",
    "rate_limits.fields": "off is the way with less work",
}
"""Options that may be in the file with their default, and why."""

BREAKER_LONGEST = 4.0
LIMIT = "3/second"  # of both rules, which are to count apart; low, as clients are slow where much else runs


@dataclass(frozen=True)
class Site:
    """Where things are. pems: a folder with `proxy.pem`, `client.pem`, `origin.pem`, `ca.pem`."""

    backend: str
    host: str
    port: int
    admin: str
    origins: tuple[str, ...]
    tls_origins: tuple[str, ...]
    redis: Path
    pems: Path

    @property
    def https(self) -> str:
        return f"https://{self.host}:{self.port}"


def settings(site: Site, *, memory: bool = False, generation: int = 0) -> str:
    """The TOML. memory: count rate limits there instead of in Redis; `generation` makes texts differ."""
    storage = "memory://" if memory else f"redis+unix://{site.redis}"
    return _PROCESS.format(site=site, pems=site.pems, storage=storage) + _ROUTES.format(
        urls=_list(site.origins),
        tls_urls=_list(site.tls_origins),
        tls_url=site.tls_origins[-1],
        url=site.origins[0],
        pems=site.pems,
        https=site.https,
        generation=generation,
        limit=LIMIT,
        longest=BREAKER_LONGEST,
    )


def _list(urls: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{url}"' for url in urls) + "]"


_PROCESS = """
host = "{site.host}"
port = {site.port}
backlog = 1024
backend = "{site.backend}"
workers = 2
log_level = "debug"
access_log = true
access_log_format = "json"
access_log_sample = 0.05
tracing = true
server_timing = true
ssl_certfile = "{pems}/proxy.pem"
ssl_keyfile = "{pems}/proxy.key"
ssl_min_version = "1.3"
ssl_client_ca = "{pems}/ca.pem"
ssl_client_auth = "optional"
trusted_proxies = ["127.0.0.0/8"]
via = "soak"
forwarded_headers = "both"
request_id = true
underscores_in_headers = true

[limits]
max_request_head = "16KiB"
max_header_fields = 64
max_target = 4096
max_request_body = "32MiB"
min_request_body_rate = 64
max_inflight = 2000
max_websocket_message = "1MiB"

[timeouts]
request_head = 8
request_body_idle = 12
response_idle = 25
keep_alive = 30
shutdown = 25
shutdown_idle = 4
reload = 30
shutdown_delay = 0.1

[admin]
prefix = "/-/own/"
listen = "{site.admin}"
allow = ["127.0.0.1"]

[rate_limits]
storage = "{storage}"
outage = "closed"
timeout = 5
max_keys = 1000
fields = true
"""

_SEVERAL = """
health = {{ path = "/healthy", interval = 1, timeout = 10, healthy = 1, unhealthy = 3, status = ["204"] }}
eject = {{ failures = 2, status = ["502-504"], first = 2, longest = 8, max_share = 0.5 }}
"""

_ROUTES = f"""
[downstreams.site]
urls = {{urls}}
timeouts = {{{{ connect = 10, pool = 20, head = 20, read_idle = 20, total = 60 }}}}
pool = {{{{ max_connections = 128, max_queue = 512, keep_alive = 0.5 }}}}
limits = {{{{ max_response_head = "16KiB" }}}}
retry = {{{{ attempts = 3, budget = 0.5 }}}}
balance = {{{{ slow_start = 2, panic = 0.2 }}}}
breaker = {{{{ failures = 0.9, window = 5, min_requests = 50, first = 1, longest = 2, probes = 2 }}}}
{_SEVERAL}
[downstreams.site.request_headers]
set = {{{{ X-Env = "env:SOAK_SECRET", X-File = "file:{{pems}}/secret.txt" }}}}
add = {{{{ X-Added = ["one", "two"] }}}}
remove = ["X-Unwanted"]
[downstreams.site.response_headers]
set = {{{{ X-Generation = "{{generation}}" }}}}
add = {{{{ Vary = "X-Soak" }}}}
remove = ["Server"]

[downstreams.sticky]
urls = {{urls}}
prefix = "/sticky"
strip_prefix = true
host_header = "client"
balance = {{{{ policy = "round_robin", affinity_cookie = "at", cookie_attributes = "Path=/sticky; Secure" }}}}
retry = {{{{ attempts = 3, budget = 0.5 }}}}
pool = {{{{ keep_alive = 0.5 }}}}
{_SEVERAL}
[downstreams.keyed]
urls = {{urls}}
prefix = "/keyed"
strip_prefix = true
balance = {{{{ affinity_header = "X-User" }}}}
retry = {{{{ attempts = 3, budget = 0.5 }}}}
pool = {{{{ keep_alive = 0.5 }}}}
{_SEVERAL}
[downstreams.buffered]
urls = {{urls}}
prefix = "/buffered"
strip_prefix = true
delivery = "buffer"
limits = {{{{ max_buffered_body = "2MiB" }}}}
retry = {{{{ attempts = 3, budget = 0.5 }}}}
pool = {{{{ keep_alive = 0.5 }}}}
{_SEVERAL}
[downstreams.upper]
urls = {{urls}}
prefix = "/upper"
strip_prefix = true
delivery = "transform"
transform = "suite_hook:upper"
retry = {{{{ attempts = 3, budget = 0.5 }}}}
pool = {{{{ keep_alive = 0.5 }}}}
{_SEVERAL}
[downstreams.limited]
urls = {{urls}}
prefix = "/limited"
strip_prefix = true
retry = {{{{ attempts = 3, budget = 0.5 }}}}
pool = {{{{ keep_alive = 0.5 }}}}
{_SEVERAL}
[[downstreams.limited.rate_limits]]
limits = ["{{limit}}", "100000/hour"]
[[downstreams.limited.rate_limits]]
limits = "{{limit}}"
key = "header:X-API-Key"
window = "fixed"

[downstreams.live]
urls = {{urls}}
prefix = "/live"
strip_prefix = true
websocket_origins = ["{{https}}"]
retry = {{{{ attempts = 3, budget = 0.5 }}}}
pool = {{{{ keep_alive = 0.5 }}}}
{_SEVERAL}
[downstreams.mutual]
url = "{{tls_url}}"
prefix = "/mutual"
tls = {{{{ ca = "{{pems}}/ca.pem", cert = "{{pems}}/client.pem", key = "{{pems}}/client.key", \
server_name = "origin.soak" }}}}
pool = {{{{ keep_alive = 0.5 }}}}
breaker = {{{{ failures = 0.5, window = 4, min_requests = 3, first = 0.5, longest = {{longest}} }}}}

[downstreams.unverified]
urls = {{tls_urls}}
prefix = "/unverified"
strip_prefix = true
tls = {{{{ verify = false }}}}
retry = {{{{ attempts = 3, budget = 0.5 }}}}
pool = {{{{ keep_alive = 0.5 }}}}
{_SEVERAL}
[downstreams.private]
url = "{{url}}"
prefix = "/private"
allow_private = false

[downstreams.environment]
urls = {{urls}}
prefix = "/environment"
strip_prefix = true
trust_env = true
retry = {{{{ attempts = 3, budget = 0.5 }}}}
pool = {{{{ keep_alive = 0.5 }}}}
{_SEVERAL}"""


def missing(settings: Settings) -> list[str]:
    """What is wrong with the claim that every option is in use: one line each."""
    found: dict[str, set[str]] = {}
    for path, use in _options(Settings, [settings]):
        found.setdefault(path, set()).add(use)
    problems = []
    for path, how in found.items():
        if "set" in how:
            if path in NOT_HERE:
                problems.append(f"{path} is in use: it needs no reason any more")
        elif "default" in how:
            if path not in AS_DEFAULT:
                problems.append(f"{path} is set to its default only")
        elif path not in NOT_HERE:
            problems.append(f"{path} is not set, and no reason is given")
    unknown = (NOT_HERE.keys() | AS_DEFAULT.keys()) - found.keys()
    return problems + [f"{path} is no option" for path in sorted(unknown)]


def _options(model: type[BaseModel], tables: list[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each option below a model, and how the tables of that kind use it: "set", "default", "absent"."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        values = [getattr(table, name) for table in tables if name in table.model_fields_set]
        kind, label = _table_of(field.annotation)
        if kind is not None:
            yield from _options(kind, [one for value in values for one in _each(value)], f"{path}{label}.")
            continue
        default = field.get_default(call_default_factory=True)
        for value in values:
            yield path, "default" if value == default else "set"
        yield path, "absent"


def _table_of(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The model that a field holds, alone, in a list or by name."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin in (dict, tuple) and inside:
        kind = inside[1] if origin is dict else inside[0]
        return _table_of(kind)[0], ".NAME" if origin is dict else ""
    if origin in (Union, types.UnionType):
        return next((found for found in map(_table_of, inside) if found[0]), (None, ""))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    return None, ""


def _each(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, tuple) else [value]
