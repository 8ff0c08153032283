"""Ten times the capacity, a stuck neighbour, and no descriptors left: what must still work meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from dataclasses import dataclass, field

from .bench import PLAIN, Bench, Factory, percentile, until
from .caller import Caller, CutError, get, once
from .lab import Visit, ok, stall

SERVICE = 0.05
PLACES = 8
QUEUE = 16
CAPACITY = PLACES / SERVICE
LOAD = 10 * CAPACITY
LONGEST = SERVICE * (1 + QUEUE / PLACES)
"""What a request waits that finds the last place in the queue."""

SETTINGS = f"""
access_log = false
[downstreams.busy]
prefix = "/busy"
url = "http://$ORIGIN"
pool = {{ max_connections = {PLACES}, max_queue = {QUEUE}, keep_alive = 0.5 }}
timeouts = {{ pool = 0.5 }}
[downstreams.stuck]
prefix = "/stuck"
url = "http://$ORIGIN"
pool = {{ max_connections = {PLACES}, max_queue = {QUEUE}, keep_alive = 0.5 }}
timeouts = {{ pool = 0.5 }}
[downstreams.neighbour]
url = "http://$ORIGIN"
pool = {{ keep_alive = 0.5 }}
"""


async def _service(visit: Visit) -> None:
    await asyncio.sleep(SERVICE)
    visit.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@dataclass
class Overload:
    """Seconds from sending to the whole answer, by what became of the request."""

    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    neighbour: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def rows(self) -> list[tuple[str, ...]]:
        return [
            (name, str(len(times)), *(f"{percentile(times, share) * 1000:.1f} ms" for share in (0.5, 0.99)))
            for name, times in (
                ("accepted", self.accepted),
                ("refused", self.refused),
                ("neighbour, meanwhile", self.neighbour),
                ("/-/healthy, meanwhile", self.health),
                ("accepted, from 1 s after the load", self.after),
            )
        ]


async def _timed(bench: Bench, target: str) -> tuple[int, float]:
    began = time.monotonic()
    answer = await once(bench.address, get(target))
    if answer.status == 503:
        assert answer.one(b"retry-after").isdigit(), answer
        assert answer.one(b"content-type") == b"application/problem+json", answer
    return answer.status, time.monotonic() - began


async def _every(seconds: float, bench: Bench, target: str, times: list[float]) -> None:
    """Asks again and again; every answer must be 200."""
    while True:
        status, took = await _timed(bench, target)
        assert status == 200, f"{target}: {status}"
        times.append(took)
        await asyncio.sleep(seconds)


async def overload(factory: Factory) -> Overload:
    """An open-loop load of ten times the capacity on one downstream, while others are asked as well."""
    result = Overload()
    async with factory(SETTINGS) as bench:
        bench.lab.on("/busy", _service)
        bench.lab.on("/neighbour", ok)
        start = bench.descriptors()

        async def request() -> None:
            status, took = await _timed(bench, "/busy")
            assert status in (200, 503), status
            (result.accepted if status == 200 else result.refused).append(took)

        probes = [
            asyncio.create_task(_every(0.02, bench, "/neighbour", result.neighbour)),
            asyncio.create_task(_every(0.02, bench, "/-/healthy", result.health)),
        ]
        began = time.monotonic()
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            sent = 0
            while (now := time.monotonic() - began) < bench.scale.load_seconds:
                # Held up itself, it does not make up for it in a burst: that would be another load.
                sent = max(sent, int(now * LOAD) - PLACES - QUEUE)
                while sent < now * LOAD:
                    group.create_task(request())
                    sent += 1
                await asyncio.sleep(0.002)
        result.seconds = bench.scale.load_seconds
        ended = time.monotonic()
        await bench.at_rest()
        await asyncio.sleep(max(0.0, ended + 1.0 - time.monotonic()))
        for _ in range(20):
            status, took = await _timed(bench, "/busy")
            assert status == 200
            result.after.append(took)
        for probe in probes:
            assert not probe.done() or probe.result()
            probe.cancel()
        await asyncio.gather(*probes, return_exceptions=True)
        await bench.at_rest(start, within=8.0)
        bench.no_traceback()
    return result


def judge(result: Overload) -> None:
    assert result.refused, "the load was no overload"
    served = len(result.accepted) / result.seconds
    assert served > CAPACITY * 0.7, f"only {served:.0f} a second were served"
    # Room for a machine that does other things as well: twice the time that the queue explains.
    assert percentile(result.accepted, 0.99) < 2 * LONGEST + 0.1, max(result.accepted)
    assert percentile(result.refused, 0.5) < 0.02, percentile(result.refused, 0.5)
    assert percentile(result.refused, 0.99) < 0.15, percentile(result.refused, 0.99)
    assert percentile(result.after, 0.9) < 2 * SERVICE, result.after
    for times in (result.neighbour, result.health):
        assert len(times) > 10
        assert percentile(times, 0.99) < 0.25, max(times)


async def stuck_neighbour(factory: Factory) -> list[float]:
    """A downstream that never answers has its places and its queue full; how long another one takes."""
    times: list[float] = []
    async with factory(SETTINGS) as bench:
        bench.lab.on("/stuck", stall)
        callers = [await Caller.open(bench.address) for _ in range(PLACES)]
        for caller in callers:
            caller.send(get("/stuck"))
        await until(lambda: bench.lab.visits["/stuck"] == PLACES)
        waiting = [asyncio.create_task(_timed(bench, "/stuck")) for _ in range(QUEUE + 5)]
        for _ in range(50):
            status, took = await _timed(bench, "/neighbour")
            assert status == 200
            times.append(took)
        await bench.healthy()
        answers = await asyncio.gather(*waiting)
        assert [status for status, _ in answers] == [503] * len(waiting)
        refused = sorted(took for _, took in answers)
        assert refused[4] < 0.2, "the excess is not refused at once"
        assert 0.4 < refused[-1] < 0.8, f"the pool time-out of 0.5 s came after {refused[-1]:.3f} s"
        for caller in callers:
            caller.leave()
        await bench.at_rest()
        bench.no_traceback()
    return times


async def no_descriptors(factory: Factory) -> tuple[int, float]:
    """The process runs out of descriptors; how many clients it took, and the seconds until it was well."""
    async with factory(PLAIN) as bench:
        await bench.healthy()
        start = bench.descriptors()
        room = 24
        highest = start.total() + room
        resource.prlimit(bench.pid, resource.RLIMIT_NOFILE, (highest, highest))
        clients = []
        for _ in range(3 * room):
            client = await Caller.open(bench.address)
            client.send(get("/-/healthy"))
            clients.append(client)
        served = 0
        for client in clients:
            with contextlib.suppress(CutError, TimeoutError):
                async with asyncio.timeout(0.5 if not served else 0.05):
                    served += (await client.answer()).status == 200
        # One more than the room: the descriptor that an event loop keeps to refuse with.
        assert 0 < served <= room + 2, f"{served} clients were served, with {room} descriptors left"
        assert bench.server.process is not None
        assert bench.server.process.poll() is None, "the server died"
        for client in clients:
            client.leave()
        freed = time.monotonic()
        while True:
            with contextlib.suppress(OSError, CutError, TimeoutError):
                await bench.healthy()
                break
            assert time.monotonic() - freed < 5.0, "no answer after descriptors were free again"
        well = time.monotonic() - freed
        assert (await once(bench.address, get("/well"))).status == 200
        await bench.at_rest(start, within=8.0)
        bench.server.new_log()
    return served, well
