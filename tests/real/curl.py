"""Runs curl and reads what it got: the bytes as they came, not what a Python library made of them."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .programs import find

# What belongs to one connection or names one proxy differs between a direct answer and a relayed one.
OF_THE_CONNECTION = frozenset(
    {b"connection", b"date", b"keep-alive", b"transfer-encoding", b"via", b"x-request-id"}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The last answer of a curl run: status, reason, header pairs in order, body bytes, curl's exit code."""

    status: int
    reason: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    exit_code: int

    def get(self, name: bytes) -> bytes | None:
        """The first field of that name, None when absent."""
        return next((value for field, value in self.headers if field.lower() == name.lower()), None)

    def end_to_end(self, ignored: Iterable[bytes] = ()) -> EndToEnd:
        """What a proxy must leave as it is; names in lower case, as they are compared without case."""
        dropped = OF_THE_CONNECTION | set(ignored)
        kept = tuple((name.lower(), value) for name, value in self.headers if name.lower() not in dropped)
        return EndToEnd(self.status, self.reason, kept, self.body, self.exit_code)


@dataclass(frozen=True, slots=True)
class EndToEnd:
    """The part of an answer that is compared."""

    status: int
    reason: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    exit_code: int


def curl(url: str, *flags: str, seconds: int = 20) -> Answer:
    """One run of curl; `flags` as on its command line. Without --compressed bodies stay coded."""
    program = find("curl", "curl")
    with tempfile.TemporaryDirectory() as folder:
        head, body = Path(folder, "head"), Path(folder, "body")
        base = [
            program,
            "-q",
            "-sS",
            "--noproxy",
            "*",
            "--path-as-is",
            "--globoff",
            "--max-time",
            str(seconds),
        ]
        command = [*base, "-D", str(head), "-o", str(body), *flags, url]
        done = subprocess.run(command, capture_output=True, check=False, timeout=seconds + 5)
        heads = head.read_bytes() if head.exists() else b""
        # With --head curl writes the head where the body would go.
        got = body.read_bytes() if body.exists() and "--head" not in flags else b""
    blocks = [block for block in heads.split(b"\r\n\r\n") if block.startswith(b"HTTP/")]
    assert blocks, f"curl got no answer: {done.stderr.decode()}"
    status_line, *lines = blocks[-1].split(b"\r\n")
    _, status, *reason = status_line.split(b" ", 2)
    fields = tuple((name, value.strip()) for name, _, value in (line.partition(b":") for line in lines))
    return Answer(int(status), b"".join(reason), fields, got, done.returncode)
