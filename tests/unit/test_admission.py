"""Places are never more than there are, never lost, and given out in order."""

from __future__ import annotations

import asyncio
import random

import pytest
from downstream_proxy.admission import Admission
from downstream_proxy.errors import ErrorKind, ProxyError


async def waiting(admission: Admission) -> asyncio.Task[None]:
    """A task that stands in the queue."""
    task = asyncio.create_task(admission.enter())
    # One turn of the loop takes it to where it waits.
    await asyncio.sleep(0)
    return task


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_free_places_are_given_at_once() -> None:
    admission = Admission(2, 0, 1.0)
    assert admission.try_enter()
    await admission.enter()
    assert admission.in_use == 2
    assert not admission.try_enter()


async def test_full_queue_refuses_at_once() -> None:
    admission = Admission(1, 1, 60.0)
    await admission.enter()
    task = await waiting(admission)
    with pytest.raises(ProxyError) as caught:
        await admission.enter()
    assert caught.value.kind is ErrorKind.QUEUE_FULL
    admission.leave()
    await task
    assert (admission.in_use, admission.waiting) == (1, 0)


async def test_patience_ends_and_the_queue_forgets() -> None:
    admission = Admission(1, 5, 0.02)
    await admission.enter()
    with pytest.raises(ProxyError) as caught:
        await admission.enter()
    assert caught.value.kind is ErrorKind.QUEUE_TIMEOUT
    assert (admission.in_use, admission.waiting) == (1, 0)
    admission.leave()
    assert admission.in_use == 0


async def test_first_come_first_served_and_nobody_overtakes() -> None:
    admission = Admission(1, 10, 60.0)
    await admission.enter()
    tasks = [await waiting(admission) for _ in range(3)]
    for n, task in enumerate(tasks):
        assert not admission.try_enter()
        admission.leave()
        await settle()
        assert [t.done() for t in tasks] == [i <= n for i in range(3)]
        await task
    admission.leave()
    assert admission.in_use == 0


async def test_who_leaves_the_queue_takes_no_place() -> None:
    admission = Admission(1, 10, 60.0)
    await admission.enter()
    first, second = await waiting(admission), await waiting(admission)
    first.cancel()
    await settle()
    assert admission.waiting == 1
    admission.leave()
    await second
    assert admission.in_use == 1


async def test_place_given_in_the_moment_of_cancellation_is_handed_on() -> None:
    admission = Admission(1, 10, 60.0)
    await admission.enter()
    first, second = await waiting(admission), await waiting(admission)
    admission.leave()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert (admission.in_use, admission.waiting) == (1, 0)


@pytest.mark.parametrize("seed", range(5))
async def test_no_place_is_lost_or_made_up_in_a_random_crowd(seed: int) -> None:
    dice = random.Random(seed)
    admission = Admission(3, 4, 0.01)
    inside = 0
    most = 0

    async def visit() -> None:
        nonlocal inside, most
        try:
            await admission.enter()
        except ProxyError:
            return
        inside += 1
        most = max(most, inside)
        try:
            await asyncio.sleep(dice.random() * 0.004)
        finally:
            inside -= 1
            admission.leave()

    tasks = []
    for _ in range(400):
        tasks.append(asyncio.create_task(visit()))
        if dice.random() < 0.3:
            dice.choice(tasks).cancel()
        if dice.random() < 0.5:
            await asyncio.sleep(dice.random() * 0.002)
        assert admission.in_use <= 3
        assert admission.waiting <= 4
    await asyncio.gather(*tasks, return_exceptions=True)
    assert most == 3
    assert (admission.in_use, admission.waiting) == (0, 0)
