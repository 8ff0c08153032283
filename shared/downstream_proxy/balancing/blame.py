"""Which failures speak against the address where they happened. Pure."""

from __future__ import annotations

from ..errors import ERRORS, ErrorKind, Party

_TELLS_NOTHING = frozenset(
    {
        # It closed a connection that was idle: servers do, and a restart does to all at once.
        ErrorKind.STALE_CONNECTION,
        # It did not want this upload, or this tunnel, or its answer is too large for this route.
        ErrorKind.REQUEST_NOT_TAKEN,
        ErrorKind.UPGRADE_FAILED,
        ErrorKind.RESPONSE_TOO_LARGE_TO_BUFFER,
        # An event stream may be silent; a total time-out may be the client's slow reading.
        ErrorKind.READ_IDLE_TIMEOUT,
        ErrorKind.TOTAL_TIMEOUT,
        # Nobody was asked.
        ErrorKind.CIRCUIT_OPEN,
    }
)

BLAMED = frozenset(
    kind for kind, entry in ERRORS.items() if entry.party is Party.DOWNSTREAM and kind not in _TELLS_NOTHING
)
"""What a client can bring about at will is not among them, so that nobody can talk an address out of
service."""
