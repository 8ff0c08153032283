"""The addresses of one downstream: which is asked next, and which are out of service.

Holds the decisions that need all of them: how many may be out at once, and panic, in which all are asked
because asking the few that are left would only bring those down too. Pure: told the time by a clock. It must
not know what a request is, nor how an address is reached.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from ..settings_balancing import Balance, Eject
from .choice import Draw, RoundRobin, power_of_two, thinned
from .standing import Standing
from .status import AddressStatus


class Member(Protocol):
    """One address as the roster sees it. index: its place among all, from 0."""

    @property
    def index(self) -> int: ...
    @property
    def url(self) -> str: ...
    @property
    def inflight(self) -> int: ...
    @property
    def standing(self) -> Standing: ...


M = TypeVar("M", bound=Member)


class Roster(Generic[M]):
    """on_change: told an address and what became of it, in words for the log."""

    def __init__(
        self,
        members: Sequence[M],
        balance: Balance,
        eject: Eject,
        clock: Callable[[], float],
        on_change: Callable[[M, str], None],
        draw: Draw = random.random,
    ) -> None:
        self.members = members
        self._eject = eject
        self._panic = balance.panic
        self._clock = clock
        self._on_change = on_change
        self._draw = draw
        self._in_turn = RoundRobin(draw) if balance.policy == "round_robin" else None
        self._usable: Sequence[M] = members
        self._settled = True
        self.panicking = False

    @property
    def all_out(self) -> bool:
        return all(member.standing.out for member in self.members)

    # --- choosing

    def usable(self, tried: Sequence[int] = ()) -> Sequence[M]:
        """Who may be asked now: those in service, or in a panic all; never one in `tried` while there is
        another at all."""
        if not self._settled:
            self._settle()
        if not tried:
            return self._usable
        others = [member for member in self._usable if member.index not in tried]
        return others or [member for member in self.members if member.index not in tried] or self._usable

    def choose(self, tried: Sequence[int] = ()) -> M:
        usable = self.usable(tried)
        if not self._settled:
            now = self._clock()
            usable = thinned(usable, [member.standing.share(now) for member in usable], self._draw)
        if self._in_turn is not None:
            return self._in_turn(usable)
        return power_of_two(usable, self._draw)

    def elsewhere(self, tried: Sequence[int]) -> bool:
        """Whether one that may be asked now is not in `tried`."""
        if not self._settled:
            self._settle()
        return any(member.index not in tried for member in self._usable)

    def _settle(self) -> None:
        """Let the time that has passed do its work."""
        now = self._clock()
        back = [member for member in self.members if member.standing.settle(now)]
        self._changed()
        for member in back:
            self._on_change(member, "is back: its time out is over")

    def _changed(self) -> None:
        members = self.members
        usable = [member for member in members if not member.standing.out]
        self.panicking = len(usable) < self._panic * len(members) or not usable
        self._usable = members if self.panicking else usable
        self._settled = all(member.standing.settled for member in members)

    # --- what becomes of requests and checks

    def succeeded(self, member: M, epoch: int) -> None:
        standing = member.standing
        if epoch != standing.epoch or not (standing.failures or standing.ejected):
            return
        if standing.succeeded(self._clock()):
            self._changed()
            self._on_change(member, "is back: it answered a request")

    def failed(self, member: M, epoch: int, kind: str) -> None:
        standing = member.standing
        if epoch != standing.epoch or not standing.failed(kind) or not self._may_eject():
            return
        failures = standing.failures
        seconds = standing.eject(self._clock())
        self._changed()
        self._on_change(member, f"is out for {seconds:.1f} s: {failures} failures in a row, the last {kind}")

    def _may_eject(self) -> bool:
        out = sum(member.standing.out for member in self.members)
        return len(self.members) > 1 and out + 1 <= max(
            1, int(self._eject.max_share * len(self.members) + 1e-9)
        )

    def checked(self, member: M, why: str | None) -> None:
        """A check has ended: `why` it failed, or None."""
        if why is None:
            changed = member.standing.check_passed(self._clock())
            words = "is back: it passed its checks"
        else:
            changed = member.standing.check_failed(why)
            words = f"is out: its check failed: {why}"
        self._changed()
        if changed:
            self._on_change(member, words)

    # --- what is read

    def status(self) -> tuple[AddressStatus, ...]:
        if not self._settled:
            self._settle()
        now = self._clock()
        return tuple(_status(member, now) for member in self.members)


def _status(member: Member, now: float) -> AddressStatus:
    standing = member.standing
    state, seconds = standing.state(now)
    return AddressStatus(
        member.url,
        member.inflight,
        state,
        seconds,
        standing.failures,
        standing.ejections,
        standing.last_error,
    )
