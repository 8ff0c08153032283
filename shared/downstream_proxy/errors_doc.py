"""`python -m downstream_proxy.errors_doc`: prints docs/errors.md from the table, writes it, or checks a file.

It must not know single kinds: every word about one comes from the table.
"""

from __future__ import annotations

from .errors import ERRORS, ErrorEntry, ErrorKind, Retry, Stage
from .generated import document_command
from .problem import problem_type

_INTRODUCTION = f"""\
<!-- Printed by `python -m downstream_proxy.errors_doc`; edit the table in errors.py, not this file. -->

# Errors

Everything that can go wrong has one name. It is the tail of the problem document's `type` (RFC 9457; such as
`{problem_type(ErrorKind.DNS_ERROR)}`), the `error=` of the access log's line and the label `kind` of the
counter `downstream_proxy_errors_total`. Status and `Proxy-Status` (RFC 9209) come from the same row.

- **Answer**: the status, while the head is still ours to send. Once it is sent, an error breaks the
  connection off instead, so that the client cannot take a part for the whole; log and counter say the same
  name. 499 is never sent: nobody is left to read it.
- **Party**: who has to change something.
- **Sent again**: `always` when the request cannot have reached anybody, with any method; `idempotent` when no
  byte of an answer came, with GET, HEAD, OPTIONS, PUT and DELETE without a body; `elsewhere` with
  any method when no connection came about and another of the downstream's addresses is in service; otherwise
  never. At most `retry.attempts` tries, and within `retry.budget`.
"""

_STAGES = {
    Stage.REQUEST_HEAD: "The request's head",
    Stage.REQUEST_BODY: "The request's body",
    Stage.QUEUE: "Waiting for a place",
    Stage.DNS: "Finding the downstream",
    Stage.CONNECT: "Connecting to it",
    Stage.TLS: "TLS with it",
    Stage.RESPONSE_HEAD: "The head of its answer",
    Stage.RESPONSE_BODY: "The body of its answer",
}


def markdown() -> str:
    """The whole document."""
    parts = [_INTRODUCTION]
    for stage, title in _STAGES.items():
        rows = [_row(kind, entry) for kind, entry in ERRORS.items() if entry.stage is stage]
        parts.append(
            f"## {title}\n\n"
            "| Name | Answer | Proxy-Status | Party | Sent again | Title |\n"
            "| --- | --- | --- | --- | --- | --- |\n" + "\n".join(rows) + "\n"
        )
    return "\n".join(parts)


def _row(kind: ErrorKind, entry: ErrorEntry) -> str:
    again = "" if entry.retry is Retry.NEVER else entry.retry.value
    told = f"`{entry.proxy_status}`" if entry.proxy_status else ""
    return f"| `{kind.value}` | {entry.status} | {told} | {entry.party.value} | {again} | {entry.title} |"


if __name__ == "__main__":
    raise SystemExit(document_command("downstream_proxy.errors_doc", markdown))
