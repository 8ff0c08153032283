"""The settings that single tests ask for, as TOML. One text is one server, so tests share them."""

from __future__ import annotations

# Several downstreams behind one server; the last catches the rest.
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
