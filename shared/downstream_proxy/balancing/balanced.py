"""Several addresses that look like one: a Downstream made of one Downstream for each address.

Puts the pure parts together and tells them how exchanges end. Knows the seam on both of its sides, and
nothing of the forwarder or of any client library.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ..connecting import Address
from ..downstream import Downstream, DownstreamResponse
from ..errors import ErrorKind, ProxyError
from ..message import OutgoingRequest
from ..settings import DownstreamSettings
from ..settings_balancing import statuses
from .affinity import Affinity
from .blame import BLAMED
from .breaker import Breaker
from .checks import HealthChecks
from .guarded import admission
from .roster import Roster
from .standing import Standing
from .status import AddressStatus, BreakerState, BreakerStatus

logger = logging.getLogger("downstream_proxy")

Factory = Callable[[DownstreamSettings, Address], Downstream]

_NEARLY_ALL = 0.95


class BalancedAddress:
    """One address: a roster Member with the way there. host: its Host field."""

    __slots__ = ("downstream", "host", "index", "inflight", "standing", "url")

    def __init__(self, index: int, url: str, settings: DownstreamSettings, factory: Factory) -> None:
        address = Address.parse(url)
        self.index = index
        self.url = url
        self.host = (b"Host", address.authority)
        self.downstream = factory(settings, address)
        self.standing = Standing(settings.eject, settings.health, settings.balance.slow_start)
        self.inflight = 0


class BalancedDownstream:
    """Behind the Downstream seam. clock: seconds, monotonic."""

    def __init__(
        self,
        name: str,
        settings: DownstreamSettings,
        factory: Factory,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label = name
        self._clock = clock
        self._total = settings.timeouts.total
        self._addresses = [
            BalancedAddress(index, url, settings, factory) for index, url in enumerate(settings.addresses)
        ]
        self.name = self._addresses[0].downstream.name
        self._writes_host = settings.host_header == "downstream"
        self.failing = statuses(settings.eject.status)
        self.roster = Roster(self._addresses, settings.balance, settings.eject, clock, self._address_changed)
        balance = settings.balance
        by_key = balance.affinity_cookie or balance.affinity_header
        self._affinity = Affinity(balance, settings.addresses) if by_key else None
        on = settings.breaker.failures > 0
        self.breaker = Breaker(settings.breaker, clock, self._breaker_changed) if on else None
        self.admission = admission(settings, self.breaker)
        self._panicking = False
        self._checks = self._make_checks(settings) if settings.health.path else None

    def _make_checks(self, settings: DownstreamSettings) -> HealthChecks:
        def teller(address: BalancedAddress) -> Callable[[str | None], None]:
            return lambda why: self.roster.checked(address, why)

        base = Address.parse(settings.addresses[0]).base_path
        targets = [(one.downstream, one.host[1], teller(one)) for one in self._addresses]
        return HealthChecks(settings.health, base, targets)

    # --- the seam

    async def open(self) -> None:
        for address in self._addresses:
            await address.downstream.open()
        if self._checks is not None:
            self._checks.start()

    async def rest(self) -> None:
        """No new request will come: nobody needs to know who could take it."""
        if self._checks is not None:
            await self._checks.stop()

    async def close(self) -> None:
        await self.rest()
        for address in self._addresses:
            await address.downstream.close()

    async def send(self, request: OutgoingRequest, finished: Callable[[], None]) -> DownstreamResponse:
        ticket = 0
        if self.breaker is not None:
            entered = self.breaker.enter()
            if entered is None:
                finished()
                raise ProxyError(ErrorKind.CIRCUIT_OPEN)
            ticket = entered
        affinity = self._affinity
        key = affinity.key(request.headers) if affinity is not None else None
        if affinity is not None and key is not None:
            usable = self.roster.usable(request.tried)
            address = self._addresses[affinity.owner(key, [one.index for one in usable])]
        else:
            address = self.roster.choose(request.tried)
        cookie = affinity.set_cookie(key, address.index) if affinity is not None else None
        if cookie is not None:
            # The head is not to leave before the cookie is in it.
            request.on_head = None
        request.address = address.url
        if self._writes_host:
            request.headers[0] = address.host
        exchange = _Exchange(self, address, ticket, finished)
        began = self._clock() if self._total is not None else 0.0
        try:
            response = await address.downstream.send(request, exchange.finished)
        except ProxyError as error:
            exchange.broke(error)
            if key is None or error.kind is not ErrorKind.STALE_CONNECTION:
                # A connection that was closed as idle is no reason to part a client from its address.
                request.tried = (*request.tried, address.index)
            request.elsewhere = self.roster.elsewhere(request.tried)
            raise
        except BaseException:
            # Given up from outside: the client has left, or the total time-out has passed. An address that
            # had nearly all of that time and did not answer is to blame for it.
            if self._total is not None and self._clock() - began >= self._total * _NEARLY_ALL:
                exchange.failed(ErrorKind.TOTAL_TIMEOUT.value)
            else:
                exchange.told_nothing()
            raise
        exchange.answered(response)
        if cookie is not None:
            response.headers.append(cookie)
        return response

    # --- what others look at

    def addresses(self) -> tuple[AddressStatus, ...]:
        return self.roster.status()

    def breaker_status(self) -> BreakerStatus:
        return self.breaker.status() if self.breaker is not None else BreakerStatus()

    # --- what happens

    def _address_changed(self, address: BalancedAddress, what: str) -> None:
        logger.warning("downstreams.%s: %s %s", self._label, address.url, what)
        if self._panicking != self.roster.panicking:
            self._panicking = self.roster.panicking
            who = (
                "all addresses are asked: too few are" if self._panicking else "only those are asked that are"
            )
            logger.warning("downstreams.%s: %s in service", self._label, who)
        if self.breaker is None:
            return
        if self.roster.all_out:
            self.breaker.trip("no address is in service")
        elif not address.standing.out:
            self.breaker.try_now()

    def _breaker_changed(self, state: BreakerState, why: str) -> None:
        logger.warning("downstreams.%s: the circuit breaker is %s: %s", self._label, state, why)
        if state == "open":
            self.admission.refuse_waiting(ErrorKind.CIRCUIT_OPEN)


class _Exchange:
    """One exchange at one address, until it is known what its end tells."""

    __slots__ = ("_address", "_epoch", "_finished", "_of", "_over", "_response", "_ticket")

    def __init__(
        self, of: BalancedDownstream, address: BalancedAddress, ticket: int, finished: Callable[[], None]
    ) -> None:
        self._of = of
        self._address = address
        self._epoch = address.standing.epoch
        self._ticket = ticket
        self._finished = finished
        self._over = False
        self._response: DownstreamResponse | None = None
        address.inflight += 1

    def finished(self) -> None:
        """It no longer occupies a connection."""
        self._address.inflight -= 1
        self._over = True
        if self._response is not None:
            self._judge(self._response)
        self._finished()

    def answered(self, response: DownstreamResponse) -> None:
        """Its head is there; the rest may be too."""
        self._response = response
        breaker = self._of.breaker
        if self._over:
            self._judge(response)
        elif (
            breaker is not None and breaker.is_probe(self._ticket) and response.status not in self._of.failing
        ):
            # A probe must not hold everybody up for as long as its content takes.
            breaker.succeeded(self._ticket)
            self._ticket = -1

    def _judge(self, response: DownstreamResponse) -> None:
        error = response.body.error
        if error is not None:
            self.broke(error)
        elif response.status in self._of.failing:
            self.failed(f"status {response.status}")
        else:
            self._of.roster.succeeded(self._address, self._epoch)
            if self._of.breaker is not None:
                self._of.breaker.succeeded(self._ticket)

    def broke(self, error: ProxyError) -> None:
        if error.kind in BLAMED:
            self.failed(error.kind.value)
        else:
            self.told_nothing()

    def failed(self, what: str) -> None:
        # The breaker first: an address that goes out may trip it, and that must be its last word.
        if self._of.breaker is not None:
            self._of.breaker.failed(self._ticket)
        self._of.roster.failed(self._address, self._epoch, what)

    def told_nothing(self) -> None:
        if self._of.breaker is not None:
            self._of.breaker.dropped(self._ticket)
