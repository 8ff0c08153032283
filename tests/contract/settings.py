"""The settings that single tests ask for, as TOML. One text is one server, so tests share them."""

from __future__ import annotations

# Several downstreams behind one server; the last catches the rest.
TRUSTING = """
[downstreams.plain]
url = "http://$ORIGIN"

[downstreams.trusting]
url = "http://$ORIGIN"
prefix = "/trusting"
trust_env = true
"""

ROUTES = """
[downstreams.api]
prefix = "/api"
url = "http://$ORIGIN"
[downstreams.api-inner]
prefix = "/api/inner"
url = "http://$ORIGIN/base"
strip_prefix = true
[downstreams.stripped]
prefix = "/stripped"
url = "http://$ORIGIN"
strip_prefix = true
[downstreams.client-host]
prefix = "/client-host"
url = "http://$ORIGIN"
host_header = "client"
[downstreams.localhost]
prefix = "/localhost"
url = "http://localhost:$PORT"
[downstreams.rules]
prefix = "/rules"
url = "http://$ORIGIN"
[downstreams.rules.request_headers]
remove = ["X-Drop"]
set = { X-Set = "set", X-Secret = "env:SUITE_SECRET", X-File = "file:$DIRECTORY/secret.txt" }
add = { X-Add = ["one", "two"] }
[downstreams.rules.response_headers]
remove = ["Server"]
set = { X-Frame-Options = "DENY" }
add = { X-Add = "three" }
[downstreams.buffer]
prefix = "/buffer"
url = "http://$ORIGIN"
delivery = "buffer"
[downstreams.buffer.limits]
max_buffered_body = 100000
[downstreams.transform]
prefix = "/transform"
url = "http://$ORIGIN"
delivery = "transform"
transform = "suite_hook:upper"
[downstreams.rest]
url = "http://$ORIGIN"
"""

# The same server without a route for everything.
NO_DEFAULT = """
[downstreams.api]
prefix = "/api"
url = "http://$ORIGIN"
"""

TRUSTED = """
trusted_proxies = ["127.0.0.1", "10.0.0.0/8"]
"""

FORWARDED = """
forwarded_headers = "forwarded"
"""

FORWARDED_BOTH = """
trusted_proxies = ["127.0.0.1"]
forwarded_headers = "both"
via = "outer"
"""

FORWARDED_OFF = """
forwarded_headers = "off"
via = "off"
request_id = false
underscores_in_headers = true
"""

# Everything small, to reach its bounds cheaply.
TIGHT = """
[limits]
max_request_head = 2048
max_header_fields = 20
max_target = 200
max_request_body = 10000
max_websocket_message = 10000
"""


# Downstreams that fail, each in its way, with short deadlines.
FAULTS = """
[downstreams.refused]
prefix = "/refused"
url = "http://127.0.0.1:1"
[downstreams.dns]
prefix = "/dns"
url = "http://no-such-host.invalid"
[downstreams.private]
prefix = "/private"
url = "http://localhost:$PORT"
allow_private = false
[downstreams.quick]
prefix = "/quick"
url = "http://$ORIGIN"
timeouts = { head = 0.4, read_idle = 0.4 }
[downstreams.total]
prefix = "/total"
url = "http://$ORIGIN"
timeouts = { total = 0.5 }
[downstreams.once]
prefix = "/once"
url = "http://$ORIGIN"
retry = { attempts = 1 }
[downstreams.rest]
url = "http://$ORIGIN"
"""

# Little room towards the downstream.
POOLS = """
[downstreams.queue]
prefix = "/queue"
url = "http://$ORIGIN"
pool = { max_connections = 1, max_queue = 2 }
[downstreams.impatient]
prefix = "/impatient"
url = "http://$ORIGIN"
pool = { max_connections = 1, max_queue = 5 }
timeouts = { pool = 0.4 }
[downstreams.rest]
url = "http://$ORIGIN"
"""

INFLIGHT = """
[limits]
max_inflight = 2
"""

# Little patience with clients.
HASTY = """
[limits]
min_request_body_rate = 6
[timeouts]
request_head = 0.5
request_body_idle = 0.5
keep_alive = 0.5
"""

ADMIN_ELSEWHERE = """
[admin]
prefix = "/.internal/"
allow = ["10.0.0.0/8"]
"""

ADMIN_LISTEN = """
[admin]
listen = "127.0.0.1:0"
[downstreams.rest]
url = "http://$ORIGIN"
[downstreams.rest.request_headers]
set = { Authorization = "Bearer hunter2", X-Api-Key = "env:SUITE_SECRET" }
"""

WEBSOCKETS = """
[limits]
max_websocket_message = 1000
[downstreams.guarded]
prefix = "/guarded"
url = "http://$ORIGIN"
websocket_origins = ["https://good.example"]
[downstreams.rest]
url = "http://$ORIGIN"
"""

# Rates per hour, so that no count ends within a test; clients are told apart by X-Forwarded-For.
RATES = """
trusted_proxies = ["127.0.0.1"]
server_timing = true
[downstreams.limited]
prefix = "/limited"
url = "http://$ORIGIN"
[[downstreams.limited.rate_limits]]
limits = ["2/hour", "5/day"]
[downstreams.keyed]
prefix = "/keyed"
url = "http://$ORIGIN"
[[downstreams.keyed.rate_limits]]
limits = "2 per hour"
key = "header:X-API-Key"
window = "fixed"
[downstreams.free]
url = "http://$ORIGIN"
"""
