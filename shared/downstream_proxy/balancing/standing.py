"""What is known of one address: in service, out because requests or checks failed, or growing back into its
share.

Pure: times are seconds on whatever clock the caller has. It must not know how many other addresses there
are, so it never decides alone that it is out because requests failed.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from ..settings_balancing import Eject, Health
from .status import AddressState

LEAST_SHARE = 0.1
"""Of its full share, what an address in slow start begins with: with none it could not show that it works."""


class Standing:
    """The standing of one address.

    epoch: changes when it goes out, so that the end of an exchange begun before tells nothing about what
    came after. failures: in a row. ejections: times it went out.
    """

    __slots__ = (
        "_agreed",
        "_back_at",
        "_checked",
        "_eject",
        "_failed_checks",
        "_health",
        "_jitter",
        "_length",
        "_passed_checks",
        "_row",
        "_slow_from",
        "_slow_start",
        "_until",
        "ejections",
        "epoch",
        "failures",
        "last_error",
        "unhealthy",
    )

    def __init__(
        self, eject: Eject, health: Health, slow_start: float, jitter: Callable[[], float] = random.random
    ) -> None:
        self._eject = eject
        self._health = health
        self._slow_start = slow_start
        self._jitter = jitter
        self._until: float | None = None
        self._length = 0.0
        self._row = 0
        self._back_at: float | None = None
        self._slow_from: float | None = None
        self._checked = False
        self._agreed = False
        self._passed_checks = 0
        self._failed_checks = 0
        self.epoch = 0
        self.failures = 0
        self.ejections = 0
        self.last_error: str | None = None
        self.unhealthy = False

    @property
    def ejected(self) -> bool:
        return self._until is not None

    @property
    def out(self) -> bool:
        return self._until is not None or self.unhealthy

    @property
    def settled(self) -> bool:
        """Whether time alone changes nothing."""
        return self._until is None and self._slow_from is None

    def settle(self, now: float) -> bool:
        """Let time pass; True when that brought the address back."""
        if self._slow_from is not None and now >= self._slow_from + self._slow_start:
            self._slow_from = None
        if self._until is None or now < self._until:
            return False
        self._until = None
        self._returned(now)
        return not self.unhealthy

    def _returned(self, now: float) -> None:
        self.failures = 0
        if self.unhealthy:
            return
        self._back_at = now
        self._slow_from = now if self._slow_start > 0 else None

    # --- what requests tell

    def failed(self, kind: str) -> bool:
        """A request failed here; True when the address should be out for it."""
        self.last_error = kind
        if self.out:
            return False
        self.failures += 1
        return 0 < self._eject.failures <= self.failures

    def eject(self, now: float) -> float:
        """Take the address out; for how long, in seconds. Each time in a row is twice as long as the last; a
        row ends when the address has served for as long as it had been out."""
        if self._back_at is not None and now - self._back_at >= self._length:
            self._row = 0
        self._length = min(self._eject.longest, self._eject.first * 2.0 ** min(self._row, 32))
        self._length *= 0.75 + self._jitter() / 2
        self._row += 1
        self._until = now + self._length
        self._agreed = False
        self._went_out()
        return self._length

    def _went_out(self) -> None:
        self.epoch += 1
        self.ejections += 1
        self._slow_from = None
        self._passed_checks = 0

    def succeeded(self, now: float) -> bool:
        """A request begun in this epoch was answered; True when that brought the address back: it was asked
        though it was out, since most were."""
        self.failures = 0
        if self._until is None:
            return False
        self._until = None
        self._returned(now)
        return not self.unhealthy

    # --- what checks tell

    def check_passed(self, now: float) -> bool:
        """True when that brought the address back.

        Checks cut an ejection short when it is the first of a row, or when they failed in it too and so saw
        the same trouble. What fails its requests again and again while it passes its checks waits its growing
        time out.
        """
        self._checked = True
        self._failed_checks = 0
        self._passed_checks += 1
        if not self.out or self._passed_checks < self._health.healthy:
            return False
        if self._until is not None and self._row > 1 and not self._agreed:
            return False
        self._until = None
        self.unhealthy = False
        self._returned(now)
        return True

    def check_failed(self, why: str) -> bool:
        """True when that took the address out. The very first check decides alone: until then nothing is
        known."""
        self.last_error = why
        self._agreed = True
        self._passed_checks = 0
        self._failed_checks += 1
        first, self._checked = not self._checked, True
        if self.unhealthy or not (first or self._failed_checks >= self._health.unhealthy):
            return False
        was_out = self.out
        self.unhealthy = True
        if not was_out:
            self._went_out()
        return not was_out

    # --- what is read

    def share(self, now: float) -> float:
        """The part of its full share it is to get, up to 1."""
        if self._slow_from is None:
            return 1.0
        return min(1.0, max(LEAST_SHARE, (now - self._slow_from) / self._slow_start))

    def state(self, now: float) -> tuple[AddressState, float | None]:
        """Its name, and the seconds until time alone changes it."""
        if self.unhealthy:
            return "unhealthy", None
        if self._until is not None:
            return "ejected", max(0.0, self._until - now)
        if self._slow_from is not None:
            return "slow-start", max(0.0, self._slow_from + self._slow_start - now)
        return "healthy", None
