"""Statuses, redirects and cookies: answers a browser acts on, and a proxy only relays."""

from __future__ import annotations

import re
from http import HTTPStatus

from aiohttp import web

from .bounds import BadInputError, path_integer, query_integer
from .echo import json_answer
from .endpoint import ANY, Endpoint

_COOKIE_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}\Z")
_COOKIE_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]{0,256}\Z")
_LOCATION = re.compile(r"(https?://|/)[!-~]{0,2000}\Z")
_MAX_COOKIES = 20
_REDIRECTS = (301, 302, 303, 307, 308)


async def status(request: web.Request) -> web.Response:
    """Any final status from 200 to 599, with the header field that the status calls for."""
    code = path_integer(request, "code", 200, 599)
    headers = {}
    if code in _REDIRECTS:
        headers["Location"] = "/echo"
    elif code == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="demo"'
    elif code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = "GET"
    if code in (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED):
        return web.Response(status=code, headers=headers)
    known = code in HTTPStatus._value2member_map_
    phrase = HTTPStatus(code).phrase if known else "Unregistered"
    return web.Response(status=code, reason=phrase, text=f"{code} {phrase}\n", headers=headers)


async def redirect(request: web.Request) -> web.Response:
    """`n` redirects, one after the other, the last to /echo."""
    n = path_integer(request, "n", 1, 20)
    return web.Response(status=302, headers={"Location": f"/redirect/{n - 1}" if n > 1 else "/echo"})


async def redirect_to(request: web.Request) -> web.Response:
    """A redirect to the query's `url` (a path or http URL) with `status` (301, 302, 303, 307 or 308)."""
    url = request.query.get("url", "")
    if not _LOCATION.match(url):
        raise BadInputError("url must be a path or an http URL of printable ASCII")
    code = query_integer(request, "status", 302, 301, 308)
    if code not in _REDIRECTS:
        raise BadInputError("status must be 301, 302, 303, 307 or 308")
    return web.Response(status=code, headers={"Location": url})


async def set_cookies(request: web.Request) -> web.Response:
    """One Set-Cookie field for each query parameter, in their order, and a redirect to /cookies."""
    pairs = list(request.query.items())
    if not 1 <= len(pairs) <= _MAX_COOKIES:
        raise BadInputError(f"give 1 to {_MAX_COOKIES} cookies as query parameters: /cookies/set?a=1&b=2")
    response = web.Response(status=302, headers={"Location": "/cookies"})
    for name, value in pairs:
        if not (_COOKIE_NAME.match(name) and _COOKIE_VALUE.match(value)):
            raise BadInputError(
                "a cookie is a token, then a value without space, quote, comma, semicolon, backslash"
            )
        response.headers.add("Set-Cookie", f"{name}={value}; Path=/; Max-Age=300; SameSite=Lax")
    return response


async def cookies(request: web.Request) -> web.Response:
    """The cookies that came. JSON: cookies as [name, value] in order, fields as the raw Cookie fields."""
    fields = request.headers.getall("Cookie", [])
    pairs = [part.strip().partition("=") for field in fields for part in field.split(";") if part.strip()]
    answer = json_answer({"cookies": [[name, value] for name, _, value in pairs], "fields": fields})
    answer.headers["Cache-Control"] = "no-store"
    return answer


ENDPOINTS = (
    Endpoint(ANY, "/status/{code}", status, "/status/418", "any final status from 200 to 599"),
    Endpoint(("GET",), "/redirect/{n}", redirect, "/redirect/3", "n redirects in a row, the last to /echo"),
    Endpoint(("GET",), "/redirect-to", redirect_to, "/redirect-to?url=/echo&status=307", "one redirect"),
    Endpoint(
        ("GET",), "/cookies/set", set_cookies, "/cookies/set?a=1&b=2&c=3", "a Set-Cookie for each parameter"
    ),
    Endpoint(("GET",), "/cookies", cookies, "/cookies", "the cookies as they arrived"),
)
