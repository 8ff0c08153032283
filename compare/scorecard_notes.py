"""What a reader of the scorecards should know beside the figures. Words only."""

from __future__ import annotations

READING = """\
The contract's tests against other servers, in front of the same scripted origin. Made by one command,
which also prints these pages:

```console
$ python3 run.py python -m compare.scorecards --write docs/scorecards
```

It needs nginx, HAProxy and Caddy as Debian has them (`apt install nginx-light haproxy caddy`) and the
extra `compare`; what is not installed is left out. Each runs with the configuration printed on its page:
that of the proxy benchmark, with WebSockets relayed where it can.

**How to read it.** A rule is judged in parts. What an RFC demands (MUST) or advises (SHOULD) is *kept*
or *broken*. What this contract decided beyond the standards, or where they are silent, is *kept* or *not
offered*: whoever does otherwise breaks nothing. `3 of 11` means that three of eleven tests failed.
Requirements that RFC 9110 puts on a *proxy* are counted for these reverse proxies too, as each is told
to pass everything on. What takes settings that only our backends have is skipped.

A server that is not ours is judged by what the standards leave it: another status for a refusal, or
closing without one, field names in lower case, bad bytes replaced where an RFC offers that, HTTP/1.0
passed on.

**Where ours falls short.** The contract has no rule for one thing that RFC 9110 asks of whoever forwards, as
it decided otherwise: a missing Date is not added (6.6.1). Servers that add it are ahead of ours there, and no
figure below shows it. Interim responses have been passed on since (15.2); the cards below are from before."""

NOTES: dict[str, tuple[str, ...]] = {
    "aiohttp": (
        "The contract was written with this server, so its decisions are kept by design; what "
        "compares are the figures for the RFCs.",
    ),
    "fastapi": ("As for the aiohttp backend: one engine reads and writes both.",),
    "nginx": (
        "Via can be had with `proxy_set_header Via`, streaming uploads with `proxy_request_buffering off`, "
        "unbuffered answers with `proxy_buffering off`; Server and Date pass with `proxy_pass_header`.",
    ),
    "haproxy": (
        "Via can be had with `http-request add-header`; `option abortonclose` ends requests whose client has "
        "left.",
    ),
}
