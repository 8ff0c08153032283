"""wrk loads each backend for two seconds: every request is answered, and answered with 200."""

from __future__ import annotations

import re
import subprocess

import pytest

from .conftest import Through
from .programs import find

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("target", ["/small.txt", "/text.txt"])
def test_two_seconds_of_load_give_no_error(target: str, nginx_url: str, through: Through) -> None:
    wrk = find("wrk", "wrk")
    url = through(nginx_url, "--no-access-log") + target
    command = [wrk, "--threads", "1", "--connections", "16", "--duration", "2s", "--timeout", "5s", url]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    requests = re.search(r"([0-9]+) requests in", said)
    assert requests is not None, said
    assert int(requests[1]) > 200, said
    # wrk prints these lines only when there is something to report.
    assert "Socket errors" not in said, said
    assert "Non-2xx" not in said, said
