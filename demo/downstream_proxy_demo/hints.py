"""The text the demo prints: what runs where, and a short list of things to try. Pure; no processes here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_EMBEDDED = (
    ("curl -s '{u}/echo/a%2Fb?q=%7E'", "what the downstream saw: target and header fields"),
    ("curl -sN '{u}/sse?n=5'", "server-sent events, one a second, never held back"),
    ("curl -si '{u}/cookies/set?a=1&b=2'", "two Set-Cookie fields stay two"),
    ("head -c 50M /dev/zero | curl -sT - {u}/upload", "an upload, streamed and hashed"),
    ("curl -sS {u}/cut/1000 >/dev/null", "a broken answer never looks complete: curl says (18)"),
)
_ANY_DOWNSTREAM = (
    ("curl -si {u}/", "the downstream's own answer"),
    ("curl -s {u}/-/ready", "whether the downstream can be reached"),
)
_ALWAYS = (("curl -s {u}/-/metrics", "what the proxy counted"),)


def opening(addresses: Mapping[str, str], downstream: str, embedded: bool) -> list[str]:
    """The lines shown once everything is ready; `addresses` is backend name -> URL without a final slash."""
    first = next(iter(addresses.values()))
    tries = [*(_EMBEDDED if embedded else _ANY_DOWNSTREAM), *_ALWAYS]
    commands = [(command.format(u=first), says) for command, says in tries]
    if len(addresses) > 1:
        commands.append((_same_bytes(list(addresses.values()), embedded), "both backends, the same bytes"))
    lines = [f"  {name:<10} {url}/" for name, url in addresses.items()]
    lines += [f"  downstream {downstream}/" if embedded else f"  downstream {downstream}"]
    if embedded:
        lines += ["", f"Open {first}/ in a browser: the page tries every kind of answer. Or try:"]
    else:
        lines += ["", "Try:"]
    # The remark stands above its command, so that a line fits a narrow terminal and can be copied whole.
    return lines + [line for command, says in commands for line in (f"  # {says}", f"  {command}")]


def _same_bytes(urls: Sequence[str], embedded: bool) -> str:
    path = "/bytes/1000000" if embedded else "/"
    return f"cmp <(curl -s {urls[0]}{path}) <(curl -s {urls[1]}{path}) && echo same"
