"""One input of the differential test. It must not know who makes or sends it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from .meaning import Asked


@dataclass(frozen=True)
class Input:
    """What a client sends, in `pieces`: the next is sent when the one before it was dealt with.

    `asked` is what the client means, when that is beyond doubt: every reader has to read just these requests,
    and the downstream has to see them. None leaves it to the oracle.
    """

    pieces: tuple[bytes, ...]
    asked: tuple[Asked, ...] | None = None

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)

    def line(self, address: tuple[str, int]) -> str:
        """A shell line that sends it again."""
        prints = "; sleep 0.2; ".join(f"printf {_quoted(piece)}" for piece in self.pieces)
        if len(self.pieces) > 1:
            prints = "{ " + prints + "; }"
        return f"{prints} | nc {address[0]} {address[1]}"


def _quoted(data: bytes) -> str:
    return shlex.quote(
        "".join(f"\\{byte:03o}" if byte < 32 or byte > 126 or byte in b"\\%'" else chr(byte) for byte in data)
    )
