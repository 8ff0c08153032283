"""Keeping requests of one kind at one address, without a table: rendezvous hashing.

Each pair of key and address has a score, and the key belongs to the address with the highest. So every
worker and every restart finds the same one, and when an address goes only its own keys move. A cookie holds
nothing but a random key, drawn until it belongs to the address that answered: it tells nobody what or where
the addresses are. Pure: pairs of bytes in and out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from secrets import token_hex

from ..message import HeaderPairs
from ..settings_balancing import Balance

_KEY = re.compile(rb"[0-9a-f]{16}")
_DRAWS = 1000
"""Draws for a key of a given address at most; among n addresses n are to be expected."""


def score(key: bytes, url: bytes) -> int:
    """How strongly a key is drawn to an address."""
    return int.from_bytes(blake2b(key, digest_size=8, key=url[:64], person=b"affinity").digest())


def owner(key: bytes, urls: Iterable[tuple[int, bytes]]) -> int:
    """The number of the address that a key belongs to. `urls`: number and URL of each; at least one."""
    return max(urls, key=lambda item: score(key, item[1]))[0]


class Affinity:
    """The rule of one downstream. Makes no difference to requests that carry no key, but for the cookie that
    their answer sets."""

    def __init__(self, settings: Balance, urls: Sequence[str]) -> None:
        # A key of blake2b has 64 bytes at most: longer URLs are told apart by their digest.
        self._urls = [
            (number, blake2b(url.encode(), digest_size=32).digest()) for number, url in enumerate(urls)
        ]
        cookie, header = settings.affinity_cookie, settings.affinity_header
        self._cookie = cookie.encode() if cookie else None
        self._header = header.lower().encode() if header else b"cookie"
        self._attributes = f"; {settings.cookie_attributes}".encode() if settings.cookie_attributes else b""

    def key(self, headers: HeaderPairs) -> bytes | None:
        """What a request is to be kept by; None when it may go anywhere."""
        for name, value in headers:
            if name.lower() == self._header:
                if self._cookie is None:
                    return value
                found = _cookie(value, self._cookie)
                if found is not None:
                    return found
        return None

    def owner(self, key: bytes, among: Iterable[int] | None = None) -> int:
        """The number of the address that the key belongs to: of all, or of those in `among`."""
        return owner(key, self._urls if among is None else [self._urls[number] for number in among])

    def set_cookie(self, key: bytes | None, number: int) -> tuple[bytes, bytes] | None:
        """The field that keeps a client at the address which answered; None when it is kept there already."""
        if self._cookie is None or (key is not None and self.owner(key) == number):
            return None
        value = self._key_of(number)
        return b"Set-Cookie", b"%b=%b%b" % (self._cookie, value, self._attributes)

    def _key_of(self, number: int, draw: Callable[[], str] = lambda: token_hex(8)) -> bytes:
        value = b""
        for _ in range(_DRAWS):
            value = draw().encode()
            if self.owner(value) == number:
                break
        return value


def _cookie(value: bytes, name: bytes) -> bytes | None:
    """The key in a Cookie field (RFC 6265, section 4.2.1); None when there is none that we would have set."""
    for pair in value.split(b";"):
        found, _, content = pair.strip(b" \t").partition(b"=")
        if found == name and _KEY.fullmatch(content):
            return content
    return None
