"""The value types of the settings: sizes, durations, addresses, URLs, prefixes, header names and values.

What it is for: one parser per kind of value, each with an error message that says what to write instead.
What it must not know: which setting uses which type, or where a value came from.
"""

from __future__ import annotations

import ipaddress
import json
import math
import os
import re
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

_UNITS: Final = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", re.ASCII)
# RFC 9110 5.6.2: a field name is a token.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
# RFC 3986 3.3: pchar and "/". Percent signs are checked apart, because a half escape has no one meaning.
_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*", re.ASCII)
_HOST_LABELS = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?"
)
# Fields that frame a message or belong to one connection (RFC 9110 7.6.1): the proxy alone writes them.
_RESERVED_FIELDS: Final = frozenset(
    {
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def parse_size(value: object) -> object:
    """Bytes from `65536`, `"64KiB"` or `"1.5 MB"`: KiB, MiB, GiB are powers of 1024; kB, MB, GB of 1000."""
    if isinstance(value, bool):
        raise ValueError('expected a number of bytes or a string such as "64MiB"')
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    factor = _UNITS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise ValueError(
            'expected a number of bytes or a string such as "64MiB" (units: B kB MB GB KiB MiB GiB)'
        )
    size = float(match[1]) * factor if "." in match[1] else int(match[1]) * factor
    if size != int(size):
        raise ValueError("expected a whole number of bytes")
    return int(size)


def _number(value: object) -> object:
    # bool is an int in Python; `keep_alive = true` would otherwise mean one second.
    if isinstance(value, bool):
        raise ValueError("expected a number of seconds")
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            raise ValueError(
                'expected a number of seconds, for instance 30 or 0.5 (no unit such as "s")'
            ) from None
        return number if math.isfinite(number) else math.nan
    return value


def _none_word(value: object) -> object:
    # TOML and the environment have no null, yet a later source must be able to lift a limit an earlier one
    # set.
    return None if isinstance(value, str) and value.strip().lower() == "none" else value


def _split_list(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError('expected a comma-separated list or a JSON array such as ["a", "b"]') from None
    return [item.strip() for item in value.split(",") if item.strip()]


def _parse_network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        pass
    try:
        wider = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"{value!r} is not an IP address or a network such as 10.0.0.0/8") from None
    raise ValueError(f"{value!r} has host bits set; write {wider} for the network")


def _parse_networks(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("*" if value == "*" else _parse_network(value) for value in values)


def _parse_only_networks(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_parse_network(value) for value in values)


def check_path(value: str, what: str) -> str:
    """A path that can open a request target: absolute, without dot segments and empty segments."""
    if not value.startswith("/"):
        raise ValueError(f"{what} must start with '/'")
    if not _PATH.fullmatch(value):
        raise ValueError(f"{what} may hold only characters allowed in a URL path; write others as %XX")
    segments = value.split("/")[1:]
    if any(segment.lower().replace("%2e", ".") in (".", "..") for segment in segments):
        raise ValueError(f"{what} must not contain the segments '.' or '..'")
    if "" in segments[:-1]:
        raise ValueError(f"{what} must not contain '//'")
    return value


def _check_host(host: str) -> None:
    if ":" in host:
        try:
            ipaddress.IPv6Address(host.partition("%")[0])
        except ValueError:
            raise ValueError(f"{host!r} is not an IPv6 address") from None
    elif not _HOST_LABELS.fullmatch(host) or len(host) > 253:
        raise ValueError(f"{host!r} is not a host name or an IP address")


def parse_url(value: str) -> str:
    """A downstream's address: http or https, host, optional port, optional path put before every target."""
    example = "write it as http://HOST:PORT or https://HOST:PORT/prefix"
    if any(character <= " " or character == "\x7f" for character in value):
        raise ValueError(f"the URL holds a space or a control character; {example}")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not a URL ({error}); {example}") from None
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https") or not value[len(scheme) :].startswith("://"):
        raise ValueError(f"not an http or https URL; {example}")
    if "@" in parts.netloc:
        # Not echoed: the value holds a password.
        raise ValueError("credentials do not belong in the URL; set Authorization in request_headers instead")
    if not parts.hostname:
        raise ValueError(f"the URL has no host; {example}")
    _check_host(parts.hostname)
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError(f"the URL's port must be between 1 and 65535; {example}")
    if "?" in value or "#" in value:
        raise ValueError(f"the URL must have no query and no fragment; {example}")
    if parts.path:
        check_path(parts.path, "the URL's path")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme}://{host}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


def parse_address(value: str) -> str:
    """`HOST:PORT`, `[IPv6]:PORT` or `:PORT` (all addresses), written back in one form."""
    host, colon, port = value.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError("expected HOST:PORT, for instance 127.0.0.1:9100 or [::1]:9100")
    if host:
        if ":" in host and not (host.startswith("[") and host.endswith("]")):
            raise ValueError("an IPv6 address goes in brackets: [::1]:9100")
        _check_host(host.removeprefix("[").removesuffix("]"))
    return f"{host}:{int(port)}"


def check_field_name(value: str) -> str:
    """A header name that a rule may touch."""
    if not _TOKEN.fullmatch(value):
        raise ValueError(f"{value!r} is not a header name")
    if value.lower() in _RESERVED_FIELDS:
        hint = "; use host_header" if value.lower() == "host" else ""
        raise ValueError(f"{value!r} belongs to the connection and is written by the proxy alone{hint}")
    return value


def resolve_secret(reference: str) -> str:
    """The header value behind `reference`: `env:NAME`, `file:PATH` (less a final newline) or the text itself.

    Raises ValueError, without the value, when it is absent or cannot stand in a header.
    """
    kind, _, name = reference.partition(":")
    value = reference
    if kind == "env":
        found = os.environ.get(name)
        if found is None:
            raise ValueError(f"the environment variable {name} is not set")
        value = found
    elif kind == "file":
        try:
            value = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from None
        value = value.removesuffix("\n").removesuffix("\r")
    # RFC 9110 5.5: a field value holds no control character but the tab; CR and LF would start a new field.
    if any((character < " " and character != "\t") or character == "\x7f" for character in value):
        raise ValueError("a header value must not contain a line break or another control character")
    return value


def _check_value(reference: str) -> str:
    resolve_secret(reference)
    return reference


def _check_file(value: str) -> str:
    try:
        with open(value, "rb"):
            return value
    except OSError as error:
        raise ValueError(f"cannot read {value!r}: {(error.strerror or str(error)).lower()}") from None


def _as_table(value: object) -> object:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError('expected a JSON object such as {"Name": "value"}') from None
    return value


def _as_list(value: object) -> Any:
    return (value,) if isinstance(value, str) else value


class Spelling:
    """What JSON Schema says of a type beyond pydantic's own words: `more` are further ways to write it,
    `detail` narrows the one it has."""

    def __init__(self, *more: JsonSchemaValue, **detail: Any) -> None:
        self._more = more
        self._detail = detail

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema) | self._detail
        return {"anyOf": [schema, *self._more]} if self._more else schema


_SIZE_TEXT: Final = Spelling({"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*([kKmMgG]i?)?[bB]?\s*$"})
_NONE_TEXT: Final = Spelling({"const": "none"})
_LIST_TEXT: Final = Spelling({"type": "string", "description": "the same, parted by commas"})

Size = Annotated[int, BeforeValidator(parse_size), Field(ge=0), _SIZE_TEXT]
OptionalSize = Annotated[
    Annotated[int, Field(ge=0)] | None,
    BeforeValidator(parse_size),
    BeforeValidator(_none_word),
    _SIZE_TEXT,
    _NONE_TEXT,
]
Seconds = Annotated[float, BeforeValidator(_number), Field(gt=0, allow_inf_nan=False)]
SecondsOrZero = Annotated[float, BeforeValidator(_number), Field(ge=0, allow_inf_nan=False)]
OptionalSeconds = Annotated[
    Annotated[float, Field(gt=0, allow_inf_nan=False)] | None,
    BeforeValidator(_number),
    BeforeValidator(_none_word),
    _NONE_TEXT,
]
StringList = Annotated[tuple[str, ...], BeforeValidator(_split_list), _LIST_TEXT]
NetworkList = Annotated[StringList, AfterValidator(_parse_only_networks)]
NetworksOrAll = Annotated[StringList, AfterValidator(_parse_networks)]
Url = Annotated[str, AfterValidator(parse_url), Spelling(pattern="^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]")]
Urls = Annotated[tuple[Url, ...], BeforeValidator(_split_list), _LIST_TEXT]
Address = Annotated[str, AfterValidator(parse_address), Spelling(pattern=":[0-9]{1,5}$")]
ReadableFile = Annotated[str, AfterValidator(_check_file)]
FieldName = Annotated[str, AfterValidator(check_field_name)]
FieldNames = Annotated[tuple[FieldName, ...], BeforeValidator(_split_list), _LIST_TEXT]
FieldValue = Annotated[str, AfterValidator(_check_value)]
FieldValues = Annotated[tuple[FieldValue, ...], BeforeValidator(_as_list), Spelling({"type": "string"})]
FieldTable = Annotated[dict[FieldName, FieldValue], BeforeValidator(_as_table)]
FieldListTable = Annotated[dict[FieldName, FieldValues], BeforeValidator(_as_table)]
