"""The grammar of RFC 9110 and RFC 9112 as compiled patterns over bytes.

Strict on purpose: what two parsers could read in two ways is refused, since that is how requests are
smuggled. Knows nothing of limits, connections or what an error becomes.
"""

from __future__ import annotations

import re

# RFC 9110, section 5.6.2.
TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"

# RFC 9112, section 3. The target is visible ASCII without "#": RFC 3986 has no place for anything else, a
# fragment is never sent, and a space would split the line. Characters that browsers leave as they are (| " <
# > ^ ` { } \) pass.
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([\x21\x22\x24-\x7e]+) HTTP/([0-9])\.([0-9])\r\n")

# RFC 9112, section 4. The reason may be missing, with or without its space, as common servers do.
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n")

# RFC 9112, section 5: no space before the colon, no line folding; RFC 9110, section 5.5: no control but HTAB.
# Possessive quantifiers: a line that does not fit fails at once instead of being tried in every way.
_FIELD = re.compile(rb"(?m)^(" + TOKEN + rb"):[ \t]*+([\t\x20-\x7e\x80-\xff]*+)\r\n")

# A line end that is not CRLF, or a NUL, in a head that has not arrived whole: no later byte can mend it.
# A CR that is the last byte so far may still get its LF.
NEVER_A_HEAD = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|\x00")

EMPTY_LINES = re.compile(rb"(?:\r\n)++")

# RFC 9110, section 8.6. Nineteen digits hold 2^63 - 1; leading zeros are decimal, never octal.
CONTENT_LENGTH = re.compile(rb"[0-9]{1,19}")
MAX_LENGTH = 2**63 - 1

# RFC 9110, section 7.2 and RFC 3986, section 3.2.2. No userinfo.
HOST = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+(?:%25[A-Za-z0-9._~\-]+)?\]|(?:[A-Za-z0-9._~!$&'()*+,;=\-]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?"
)
ABSOLUTE_FORM = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?#@\\]*)([/?].*)?")

# RFC 9112, section 7.1. No space around the size; an extension may hold anything but controls.
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(;[\t\x20-\x7e\x80-\xff]*+)?\r\n")

TOKEN_ONLY = re.compile(TOKEN)
FIELD_VALUE_ONLY = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")


def field_lines(block: bytes, start: int, end: int) -> list[tuple[bytes, bytes]] | None:
    """The fields of block[start:end], which begins behind a line end; None when there is anything else.

    A match begins at the start of a line and takes one line end, its last two bytes. So as many matches as
    line feeds, and a line feed as the last byte, leave no byte between them: one pass both reads and checks.
    """
    fields: list[tuple[bytes, bytes]] = _FIELD.findall(block, start, end)
    if len(fields) != block.count(b"\n", start, end) or (start < end and block[end - 1] != 0x0A):
        return None
    if b" \r\n" in block or b"\t\r\n" in block:
        return [(name, value.rstrip(b" \t")) for name, value in fields]
    return fields


def split_list(value: bytes) -> list[bytes]:
    """The non-empty members of a comma-separated list, in lower case (RFC 9110, section 5.6.1)."""
    if value in _SINGLE:
        return [value]
    return [member for part in value.lower().split(b",") if (member := part.strip(b" \t"))]


_SINGLE = frozenset({b"keep-alive", b"close"})
"""What Connection mostly says."""
