"""httpbin under gunicorn: curl gets the same answers through each backend, and httpbin the same requests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Through
from .curl import curl

pytestmark = pytest.mark.timeout(60)

# Answers that say nothing about the connection, so that they can be compared byte for byte.
CASES: dict[str, tuple[int, list[str]]] = {
    "brotli": (200, ["/image/webp", "-H", "Accept-Encoding: br"]),
    "utf-8 page": (200, ["/encoding/utf8"]),
    "denied by robots": (200, ["/deny"]),
    "png": (200, ["/image/png"]),
    "svg": (200, ["/image/svg"]),
    "seeded bytes": (200, ["/bytes/20000?seed=3"]),
    "seeded stream of bytes": (200, ["/stream-bytes/50000?seed=3&chunk_size=777"]),
    "range": (206, ["/range/1024?chunk_size=100", "-r", "100-299"]),
    "drip": (200, ["/drip?duration=0.3&numbytes=6&code=200&delay=0"]),
    "redirect": (307, ["/redirect-to?url=/deny&status_code=307"]),
    "relative redirect": (302, ["/relative-redirect/3"]),
    "cookies set": (302, ["/cookies/set?first=1&second=2&third=3"]),
    "cookies": (200, ["/cookies", "-b", "a=1; b=2"]),
    "response headers": (200, ["/response-headers?X-One=1&X-One=2&X-Two=3"]),
    "cache": (304, ["/cache", "-H", "If-None-Match: anything"]),
    "etag known": (304, ["/etag/v1", "-H", 'If-None-Match: "v1"']),
    "etag unmatched": (412, ["/etag/v1", "-H", 'If-Match: "v2"']),
    "no credentials": (401, ["/basic-auth/user/secret"]),
    "credentials": (200, ["/basic-auth/user/secret", "-u", "user:secret"]),
    "bearer": (200, ["/bearer", "-H", "Authorization: Bearer abc"]),
    "teapot": (418, ["/status/418"]),
    "no content": (204, ["/status/204", "-X", "DELETE"]),
    "server error": (503, ["/status/503"]),
    "options": (200, ["/get", "-X", "OPTIONS"]),
    "head": (200, ["/image/jpeg", "--head"]),
    "html": (200, ["/html"]),
    "base64": (200, ["/base64/SFRUUA=="]),
}


@pytest.mark.parametrize("case", CASES)
def test_curl_gets_the_answer_that_httpbin_gave(case: str, httpbin_url: str, through: Through) -> None:
    status, (target, *flags) = CASES[case]
    direct = curl(httpbin_url + target, *flags)
    relayed = curl(through(httpbin_url) + target, *flags)
    assert (direct.status, relayed.end_to_end()) == (status, direct.end_to_end())


def asked(url: str, *flags: str) -> dict[str, object]:
    """What httpbin says about the request it got, without what names the connection."""
    answer = curl(url, *flags)
    assert answer.status == 200
    said: dict[str, object] = json.loads(answer.body)
    for name in ("headers", "origin", "url"):
        said.pop(name)
    return said


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_httpbin_gets_the_body_and_fields_that_curl_sent(
    method: str, httpbin_url: str, through: Through
) -> None:
    target, flags = f"/{method.lower()}?q=1&q=%2F", ("-X", method, "-d", "name=value&name=more")
    direct, relayed = asked(httpbin_url + target, *flags), asked(through(httpbin_url) + target, *flags)
    assert relayed == direct
    assert relayed["form"] == {"name": ["value", "more"]}


def test_a_multipart_upload_arrives_whole(httpbin_url: str, through: Through, tmp_path: Path) -> None:
    file = tmp_path / "upload.txt"
    file.write_text("a line of an upload\n" * 20_000)
    said = asked(through(httpbin_url) + "/post", "-F", f"file=@{file}", "-F", "field=value")
    assert said["files"] == {"file": file.read_text()}
    assert said["form"] == {"field": "value"}


def test_a_chunked_upload_arrives_whole(httpbin_url: str, through: Through, tmp_path: Path) -> None:
    file = tmp_path / "upload.txt"
    file.write_text("0123456789" * 30_000)
    flags = (
        "-X",
        "PUT",
        "-H",
        "Transfer-Encoding: chunked",
        "-H",
        "Content-Type: text/plain",
        "-T",
        str(file),
    )
    assert asked(through(httpbin_url) + "/put", *flags)["data"] == file.read_text()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "brotli"])
def test_a_coded_answer_decodes_at_the_client(coding: str, httpbin_url: str, through: Through) -> None:
    answer = curl(f"{through(httpbin_url)}/{coding}", "--compressed")
    said = json.loads(answer.body)
    assert said["brotli" if coding == "brotli" else "gzipped" if coding == "gzip" else "deflated"] is True


def test_httpbin_sees_its_own_host_and_the_client_forwarded(httpbin_url: str, through: Through) -> None:
    answer = curl(
        through(httpbin_url) + "/headers", "-H", "X-Mine: kept", "-H", "Connection: X-Gone", "-H", "X-Gone: 1"
    )
    headers = json.loads(answer.body)["headers"]
    assert headers["Host"] == httpbin_url.removeprefix("http://")
    assert headers["X-Mine"] == "kept"
    assert "X-Gone" not in headers
