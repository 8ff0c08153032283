"""On which line each key of a TOML document stands.

What it is for: error messages such as `proxy.toml:12`. The standard library's tomllib gives values without
positions, so this walks the text once more and notes keys only.
What it must not know: the settings. It trusts that tomllib has accepted the text and raises nothing of its
own.
"""

from __future__ import annotations

import re

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# Longest first: """ before ". A literal string knows no escapes; in a basic one a backslash hides the next
# character.
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.DOTALL,
)
_BLANK = re.compile(r"(?:[ \t\r\n,]|#[^\n]*)+")
_SPACE = re.compile(r"[ \t]*")
_SCALAR = re.compile(r"[^\s,\]}#]+(?: [0-9][0-9:.+Z-]*)?")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)

Path = tuple[str, ...]


def key_lines(text: str) -> dict[Path, int]:
    """Path of every table and key -> line (from 1) of its first mention."""
    return _Walk(text).document()


class _Walk:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}

    def document(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip(_BLANK):
            if self._peek() == "[":
                double = self.text.startswith("[[", self.at)
                self.at += 2 if double else 1
                table = self._key(())
                self.at += 2 if double else 1
            else:
                self._pair(table)
        return self.lines

    def _pair(self, table: Path) -> None:
        path = self._key(table)
        self.at += 1  # "="
        self._skip(_SPACE)
        self._value(path)

    def _key(self, table: Path) -> Path:
        """One dotted key, spaces around it included; every prefix of it is noted."""
        path = table
        while True:
            self._skip(_SPACE)
            path = (*path, self._part())
            self.lines.setdefault(path, self.text.count("\n", 0, self.at) + 1)
            self._skip(_SPACE)
            if self._peek() != ".":
                return path
            self.at += 1

    def _part(self) -> str:
        match = _STRING.match(self.text, self.at)
        if match:
            self.at = match.end()
            quoted = match[0]
            return quoted[1:-1] if quoted[0] == "'" else _ESCAPE.sub(_unescape, quoted[1:-1])
        match = _BARE_KEY.match(self.text, self.at)
        if not match:
            self.at = len(self.text)  # not TOML after all: stop, positions known so far stay good
            return ""
        self.at = match.end()
        return match[0]

    def _value(self, path: Path) -> None:
        opener = self._peek()
        if opener in ("{", "["):
            closer = "}" if opener == "{" else "]"
            self.at += 1
            while self._skip(_BLANK) and self._peek() != closer:
                if opener == "{":
                    self._pair(path)
                else:
                    self._value(path)
            self.at += 1
            return
        match = _STRING.match(self.text, self.at) or _SCALAR.match(self.text, self.at)
        self.at = match.end() if match else len(self.text)

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        """Move past `pattern`; False at the end of the text."""
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
        return self.at < len(self.text)


def _unescape(match: re.Match[str]) -> str:
    if code := match[1] or match[2]:
        return chr(int(code, 16))
    return {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}.get(match[3], match[3])
