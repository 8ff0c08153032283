"""One measurement as it is stored in the JSON file. Pure; must not know how it was made."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

#: More failed requests than this share make a sample worthless.
FAILED_SHARE = 0.001
#: More of a core taken by other programs than this, or by the hypervisor, and the figures are not ours.
FOREIGN_SHARE = 0.1
FILLED_SHARE = 0.85
STOLEN_SHARE = 0.05
#: Below this share of their cores' time neither side worked: requests hung.
WORKING_SHARE = 0.2


@dataclass(slots=True)
class Sample:
    """One peer, one part of a workload, one round.

    Times are CPU microseconds per request (`cpu_us`), wall seconds (`seconds`) and milliseconds
    (`latency_ms`, `neighbour_ms`: those of a small endpoint of the same process that was asked meanwhile);
    `cores` holds shares 0..1 of the core's time; `memory` is in KiB. `error` says why there is nothing.
    """

    round: int
    workload: str
    part: str
    peer: str
    order: int
    error: str | None = None
    requests: int = 0
    failed: int = 0
    seconds: float = 0.0
    rate: float = 0.0
    cpu_us: float | None = None
    latency_ms: dict[str, float] = field(default_factory=dict)
    open_loop: dict[str, float] = field(default_factory=dict)
    cores: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    neighbour_ms: dict[str, float] = field(default_factory=dict)

    @property
    def valid(self) -> bool:
        return self.error is None and self.failed <= self.requests * FAILED_SHARE

    @property
    def stalled(self) -> bool:
        """True when a closed loop, which sends all the time, left both sides idle."""
        busy = [self.cores[side] for side in ("proxy_busy", "load_busy") if side in self.cores]
        return bool(busy) and max(busy) < WORKING_SHARE

    @property
    def disturbed(self) -> bool:
        """True when something else used the cores: such a sample is measured again.

        What others took of the load's core does not count as long as the subject itself filled its own: then
        the load came fast enough.
        """
        foreign, load_foreign = self.cores.get("foreign", 0.0), self.cores.get("load_foreign", 0.0)
        filled = self.cores.get("proxy_busy", 0.0) - foreign > FILLED_SHARE
        return (
            foreign > FOREIGN_SHARE
            or (load_foreign > FOREIGN_SHARE and not filled)
            or self.cores.get("stolen", 0.0) > STOLEN_SHARE
        )

    def to_json(self) -> dict[str, Any]:
        stored = asdict(self)
        if not self.neighbour_ms:
            del stored["neighbour_ms"]
        return stored

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Sample:
        return cls(**stored)
