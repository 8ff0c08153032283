"""Python's http.server speaks HTTP/1.0 and ends each connection: curl must not notice through a backend."""

from __future__ import annotations

import pytest

from .conftest import Through
from .curl import curl

pytestmark = pytest.mark.timeout(60)

CASES: dict[str, tuple[int, list[str]]] = {
    "small file": (200, ["/small.txt"]),
    "large file": (200, ["/binary.bin"]),
    "empty file": (200, ["/empty"]),
    "escaped name": (200, ["/a%20name.txt"]),
    "head": (200, ["/binary.bin", "--head"]),
    "listing": (200, ["/"]),
    "redirect to a folder": (301, ["/sub"]),
    "page of a folder": (200, ["/sub/"]),
    "absent": (404, ["/absent"]),
    "method not allowed": (501, ["/small.txt", "-X", "PUT", "-d", "body"]),
    "not modified since": (304, ["/small.txt", "-H", "If-Modified-Since: Wed, 01 Jan 2020 00:00:00 GMT"]),
}


@pytest.mark.parametrize("case", CASES)
def test_curl_gets_the_answer_that_http_server_gave(
    case: str, http_server_url: str, through: Through
) -> None:
    status, (target, *flags) = CASES[case]
    direct = curl(http_server_url + target, *flags)
    relayed = curl(through(http_server_url) + target, *flags)
    assert (direct.status, relayed.end_to_end()) == (status, direct.end_to_end())


def test_an_answer_without_a_length_is_framed_anew_and_complete(
    http_server_url: str, through: Through
) -> None:
    relayed = curl(through(http_server_url) + "/small.txt", "--next", "-sS", "-o", "/dev/null")
    assert (relayed.status, relayed.body) == (200, b"a small text\n")
