"""Asks a client library for a page of an nginx that offers HTTP/2, in a process of its own; the page says
what it took.

`python -m compare.http2 NAME URL` is that process. Each call is the library's shortest way to one GET with
HTTP/2 allowed; certificates are not checked, as the server's is made for the occasion.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from . import certificate, programs
from .clients.apart import child_environment
from .clients.registry import Library
from .process import LOOPBACK, Launch, free_port, started, wait_ready
from .proxies.peer import user_line

CONFIG = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
{user}
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen {host}:{port} ssl http2;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        location / {{ return 200 "$server_protocol"; }}
    }}
}}
"""


def negotiated(library: Library) -> tuple[str, str]:
    """The version the server saw, or "" and why there is none."""
    if reason := programs.missing("nginx", "nginx-light") or certificate.missing():
        return "", reason
    with tempfile.TemporaryDirectory(prefix="downstream-proxy-") as name:
        folder, port = Path(name), free_port()
        made = certificate.make(folder)
        config = folder / "nginx.conf"
        config.write_text(
            CONFIG.format(
                folder=folder, user=user_line(), host=LOOPBACK, port=port, cert=made.cert, key=made.key
            )
        )
        launch = Launch([programs.path("nginx"), "-c", str(config), "-p", name, "-e", f"{name}/error.log"])
        with started(launch, cores=None, folder=folder, name="nginx") as running:
            wait_ready(running, port, "/", tls=True)
            shown = subprocess.run(
                [sys.executable, "-m", __name__, library.name, f"https://{LOOPBACK}:{port}/"],
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
                env=child_environment(library.environment()),
            )
    words = shown.stdout.split()
    # Some break down as the interpreter ends, after the answer.
    return (words[-1], "") if words else ("", shown.stderr.strip()[-200:])


async def _aiohttp(url: str) -> str:
    import aiohttp

    async with aiohttp.ClientSession() as session, session.get(url, ssl=False) as response:
        return await response.text()


async def _httpx(url: str) -> str:
    import httpx

    async with httpx.AsyncClient(http2=True, verify=False) as client:
        return (await client.get(url)).text


async def _httpx2(url: str) -> str:
    import httpx2

    async with httpx2.AsyncClient(http2=True, verify=False) as client:
        return (await client.get(url)).text


async def _httpx_aiohttp(url: str) -> str:
    import httpx
    import httpx_aiohttp

    transport = httpx_aiohttp.AiohttpTransport(verify=False, http2=True)
    async with httpx.AsyncClient(transport=transport) as client:
        return (await client.get(url)).text


async def _requests(url: str) -> str:
    import requests

    return str(requests.get(url, verify=False, timeout=10).text)  # noqa: ASYNC210  # nothing else runs here


async def _urllib3(url: str) -> str:
    import urllib3

    pool = urllib3.PoolManager(cert_reqs="CERT_NONE")
    return pool.request("GET", url).data.decode()


async def _niquests(url: str) -> str:
    import niquests

    async with niquests.AsyncSession() as session:
        return str((await session.get(url, verify=False)).text)


async def _pyreqwest(url: str) -> str:
    from pyreqwest.client import ClientBuilder

    async with ClientBuilder().http2(True).danger_accept_invalid_certs(True).build() as client:
        return await (await client.get(url).build().send()).text()


async def _wreq(url: str) -> str:
    import wreq

    response = await wreq.Client(tls_verify=False).get(url)
    text: str = await response.text()
    return text


async def _primp(url: str) -> str:
    import primp

    return (await primp.AsyncClient(verify=False).get(url)).text


async def _curl_cffi(url: str) -> str:
    from curl_cffi.requests import AsyncSession

    async with AsyncSession[Any]() as session:
        return str((await session.get(url, verify=False)).text)


async def _pycurl(url: str) -> str:
    import pycurl

    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.SSL_VERIFYPEER, 0)
    curl.setopt(pycurl.SSL_VERIFYHOST, 0)
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
    return str(curl.perform_rs())


if __name__ == "__main__":
    print(asyncio.run(globals()["_" + sys.argv[1].replace("-", "_")](sys.argv[2])))
