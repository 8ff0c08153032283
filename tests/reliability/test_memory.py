"""Cases 49 and 76: memory has bounds that do not depend on sizes and times."""

from __future__ import annotations

import pytest

from .bench import Factory, run
from .memory import MOST_KIB, idle_clients, slow_readers, transfers

READER_KIB = 2048
IDLE_KIB = 32


@pytest.mark.timeout(300)
def test_large_bodies_pass_in_bounded_memory(factory: Factory) -> None:
    for transfer in run(transfers(factory)):
        assert transfer.above < MOST_KIB, transfer


def test_slow_readers_cost_a_bounded_amount_each(factory: Factory) -> None:
    assert run(slow_readers(factory)).kib_each < READER_KIB


def test_idle_clients_cost_little(factory: Factory) -> None:
    assert run(idle_clients(factory)).kib_each < IDLE_KIB
