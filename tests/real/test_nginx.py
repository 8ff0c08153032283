"""nginx serves files through each backend: curl gets the same answer as from nginx itself."""

from __future__ import annotations

import re

import pytest

from .conftest import Through
from .curl import curl

pytestmark = pytest.mark.timeout(60)

BOUNDARY = re.compile(rb"[0-9]{20}")

CASES: dict[str, tuple[int, list[str]]] = {
    "small file": (200, ["/small.txt"]),
    "large file": (200, ["/binary.bin"]),
    "empty file": (200, ["/empty"]),
    "escaped name": (200, ["/a%20name.txt"]),
    "head": (200, ["/binary.bin", "--head"]),
    "query": (200, ["/small.txt?a=1&a=2&b=%2F"]),
    "page of a folder": (200, ["/sub/"]),
    "redirect to a folder": (301, ["/sub"]),
    "absent": (404, ["/absent"]),
    "dot segments": (200, ["/sub/../small.txt"]),
    "escaped slash": (200, ["/sub%2Findex.html"]),
    "gzip": (200, ["/text.txt", "-H", "Accept-Encoding: gzip"]),
    "gzip head": (200, ["/text.txt", "-H", "Accept-Encoding: gzip", "--head"]),
    "range": (206, ["/binary.bin", "-r", "1000-1999"]),
    "open range": (206, ["/binary.bin", "-r", "8388000-"]),
    "suffix range": (206, ["/binary.bin", "-r", "-500"]),
    "range not there": (416, ["/small.txt", "-r", "1000-"]),
    "if-range of another version": (200, ["/small.txt", "-r", "0-3", "-H", 'If-Range: "other"']),
    "not modified since": (304, ["/small.txt", "-H", "If-Modified-Since: Wed, 01 Jan 2020 00:00:00 GMT"]),
    "precondition failed": (412, ["/small.txt", "-H", 'If-Match: "other"']),
    "method not allowed": (405, ["/small.txt", "-X", "POST", "-d", "body"]),
    "method not allowed, no body": (405, ["/small.txt", "-X", "DELETE"]),
    "http/1.0": (200, ["/small.txt", "--http1.0"]),
}


@pytest.mark.parametrize("case", CASES)
def test_curl_gets_the_answer_that_nginx_gave(case: str, nginx_url: str, through: Through) -> None:
    status, (target, *flags) = CASES[case]
    direct = curl(nginx_url + target, *flags)
    relayed = curl(through(nginx_url) + target, *flags)
    assert (direct.status, relayed.end_to_end()) == (status, direct.end_to_end())


def test_several_ranges_arrive_as_nginx_sent_them(nginx_url: str, through: Through) -> None:
    answers = [curl(url + "/binary.bin", "-r", "0-9,100-199") for url in (nginx_url, through(nginx_url))]
    assert [answer.status for answer in answers] == [206, 206]
    # nginx counts its boundaries up, so two answers differ in that number.
    direct, relayed = (BOUNDARY.sub(b"", answer.body) for answer in answers)
    assert relayed == direct
    assert len(answers[1].body) == int(answers[1].get(b"content-length") or 0)


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_a_known_entity_tag_is_answered_with_304(coding: str, nginx_url: str, through: Through) -> None:
    accept = ("-H", f"Accept-Encoding: {coding}")
    first = curl(through(nginx_url) + "/text.txt", *accept)
    tag = first.get(b"etag")
    assert tag is not None
    assert tag.startswith(b"W/") == (coding == "gzip")
    condition = (*accept, "-H", f"If-None-Match: {tag.decode()}")
    relayed = curl(through(nginx_url) + "/text.txt", *condition)
    assert (relayed.status, relayed.body, relayed.get(b"etag")) == (
        304,
        b"",
        curl(nginx_url + "/text.txt", *condition).get(b"etag"),
    )


def test_many_files_come_over_one_connection_of_curl(nginx_url: str, through: Through) -> None:
    url = through(nginx_url)
    count = 50
    more = [part for n in range(count) for part in ("-o", "/dev/null", f"{url}/small.txt?{n}")]
    last = curl(f"{url}/binary.bin", "-w", "%{stderr}%{num_connects} ", *more)
    assert last.status == 200


def test_an_interrupted_download_is_continued(nginx_url: str, through: Through) -> None:
    url = through(nginx_url) + "/binary.bin"
    whole = curl(url).body
    start = curl(url, "-r", "0-3999999").body
    rest = curl(url, "-C", str(len(start)))
    assert rest.status == 206
    assert start + rest.body == whole
