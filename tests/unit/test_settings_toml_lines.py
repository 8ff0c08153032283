"""Line numbers of TOML keys, checked against tomllib's own reading of the same text."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from downstream_proxy.toml_lines import key_lines
from hypothesis import given, settings
from hypothesis import strategies as st


def paths(table: dict[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in table.items():
        yield (*prefix, key)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                yield from paths(item, (*prefix, key))


NASTY = r'''# [not.a.table]
title = "a = 1" # b = 2
"quoted key" = 'c = "3"'
'lit.eral' = 1
a.b . "c d" = true
text = """
[fake]
x = 1 \""" still text
"""
lines = """
ends with quotes: """""
raw = """
no = 'keys' \\"""
literal = \'\'\'
[also.fake] \
y = 2\'\'\'
when = 1979-05-27 07:32:00
time = 07:32:00
numbers = [ 1, 2, # inside = 3
  3 ]
nested = [["x = 1"], [ "]" , '}' ]]
mixed = [
  { p = 1, "q" = 2 },

  { r.s = "}" }
]
inline = { one = 1, two = { three = [ { deep = 3 } ] } }
empty = {}
none = []
"\u0061\U00000062\t" = 1
minus = -inf

[limits] # comment with ] and [
max = 1
[ "downstreams" . 'a b' ]
url="http://h"
[[array]]
k = 1
[[array]]
m = 1
[array.sub]
n=1'''.replace(r"\'", "'")


def test_every_key_of_a_nasty_document_is_found_where_it_stands() -> None:
    values = tomllib.loads(NASTY)
    found = key_lines(NASTY)
    assert set(found) == set(paths(values))
    for path, number in found.items():
        line = NASTY.split("\n")[number - 1]
        last = path[-1]
        assert last in line or last == "ab\t", (path, number, line)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a", "b", "c d"), 5),
        (("lines",), 10),
        (("when",), 17),
        (("mixed", "p"), 23),
        (("mixed", "r", "s"), 25),
        (("inline", "two", "three", "deep"), 27),
        (("limits",), 33),
        (("downstreams", "a b", "url"), 36),
        (("array",), 37),
        (("array", "sub", "n"), 42),
    ],
)
def test_a_key_has_its_line(path: tuple[str, ...], line: int) -> None:
    assert key_lines(NASTY)[path] == line


def test_a_document_with_crlf_counts_the_same_lines() -> None:
    assert key_lines("a = 1\r\n\r\n[b]\r\nc = '''\r\n'''\r\nd = 2\r\n")[("b", "d")] == 6


def test_text_that_is_no_toml_ends_the_walk_with_what_was_found() -> None:
    assert key_lines("a = 1\n= 2\n[")[("a",)] == 1


KEYS = st.text(min_size=1, max_size=8)
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def quoted(text: str) -> str:
    escaped = json.dumps(text)
    if any("\ud800" <= character <= "\udfff" for character in text) or "\x7f" in text or not text.isascii():
        escaped = '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'
    return escaped


def written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[ " + ",\n ".join(written(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {written(item)}" for key, item in value.items()) + "}"
    return quoted(value) if isinstance(value, str) else str(value)


@settings(deadline=None)
@given(
    st.lists(st.tuples(KEYS, st.dictionaries(KEYS, VALUES, max_size=4)), max_size=4, unique_by=lambda t: t[0])
)
def test_any_document_gives_the_keys_that_tomllib_reads(tables: list[tuple[str, dict[str, Any]]]) -> None:
    text = ""
    expected: dict[tuple[str, ...], int] = {}
    for name, table in tables:
        text += f"[{quoted(name)}]  # comment\n"
        expected[(name,)] = text.count("\n")
        for key, value in table.items():
            expected[(name, key)] = text.count("\n") + 1
            text += f"{quoted(key)} = {written(value)}\n\n"
    found = key_lines(text)
    assert {path: line for path, line in found.items() if len(path) < 3} == expected
    assert set(found) == set(_deep(tomllib.loads(text)))


def _deep(value: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, list):
        for item in value:
            yield from _deep(item, prefix)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield (*prefix, key)
            yield from _deep(item, (*prefix, key))
