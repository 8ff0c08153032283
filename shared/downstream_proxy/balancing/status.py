"""What can be read of a downstream's addresses and of its breaker, as plain data.

For the status page and the metrics. Made when it is asked for; nothing is kept up to date for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AddressState = Literal["healthy", "slow-start", "ejected", "unhealthy"]
ADDRESS_STATES: tuple[AddressState, ...] = ("healthy", "slow-start", "ejected", "unhealthy")
"""In service; in service with a share that still grows; out because requests failed; out because checks
did."""

BreakerState = Literal["off", "closed", "open", "half-open"]
BREAKER_STATES: tuple[BreakerState, ...] = ("off", "closed", "open", "half-open")


@dataclass(frozen=True, slots=True)
class AddressStatus:
    """One address.

    seconds: until an ejected one comes back, or one in slow start has its full share; else None. failures:
    in a row. ejections: times it was taken out since the start. last_error: name of an ErrorKind, or why the
    last check failed.
    """

    url: str
    inflight: int
    state: AddressState = "healthy"
    seconds: float | None = None
    failures: int = 0
    ejections: int = 0
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """opened: times since the start. seconds: until an open one lets a request through; else None."""

    state: BreakerState = "off"
    opened: int = 0
    seconds: float | None = None
