"""Header sections on their way: what is dropped, what is written, and that nothing else moves."""

from __future__ import annotations

import string

import pytest
from downstream_proxy.errors import ErrorKind, ProxyError
from downstream_proxy.headers import HOP_BY_HOP, FieldEdits, RequestFields, ResponseFields
from downstream_proxy.identity import ForwardedFields, RequestIds, TrustedPeers
from downstream_proxy.message import HeaderPairs, IncomingRequest
from hypothesis import given
from hypothesis import strategies as st


def incoming(*headers: tuple[bytes, bytes], peer: str = "192.0.2.7") -> IncomingRequest:
    return IncomingRequest(
        method=b"GET",
        target=b"/x",
        headers=list(headers),
        host=b"client.example",
        minor=1,
        body=None,
        content_length=None,
        peer=peer,
        scheme=b"http",
    )


def fields(
    *,
    host: bytes | None = b"inner:8000",
    via: bytes | None = b"us",
    style: str = "x-forwarded",
    trusted: tuple[str, ...] = (),
    ids: bool = True,
    underscores: bool = False,
    edits: FieldEdits | None = None,
) -> RequestFields:
    return RequestFields(
        host=host,
        via=via,
        forwarded=ForwardedFields(style),
        trusted=TrustedPeers(trusted),
        request_ids=RequestIds() if ids else None,
        keep_underscores=underscores,
        edits=edits or FieldEdits(),
    )


PLAIN = fields(via=None, style="off", ids=False)


def of(pairs: HeaderPairs, name: bytes) -> list[bytes]:
    return [value for other, value in pairs if other.lower() == name.lower()]


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
@pytest.mark.parametrize("spelling", [bytes.lower, bytes.upper, bytes.title])
def test_connection_fields_end_here(name: bytes, spelling: object) -> None:
    assert callable(spelling)
    out, _ = PLAIN(incoming((spelling(name), b"x"), (b"X-A", b"b")))
    assert out == [(b"Host", b"inner:8000"), (b"X-A", b"b")]


@pytest.mark.parametrize(
    "connection", [[b"X-Drop"], [b"close, x-drop"], [b",, X-DROP ,,"], [b"close", b"x-drop"], [b"\tx-drop\t"]]
)
def test_named_fields_end_here(connection: list[bytes]) -> None:
    out, _ = PLAIN(
        incoming((b"X-Drop", b"a"), *((b"Connection", value) for value in connection), (b"x-drop", b"b"))
    )
    assert out == [(b"Host", b"inner:8000")]


@pytest.mark.parametrize("name", [b"Host", b"Via", b"X-Forwarded-For", b"X-Request-ID"])
def test_what_the_proxy_writes_cannot_be_named_away(name: bytes) -> None:
    out, _ = fields()(incoming((b"Connection", name), (b"Via", b"1.1 other")))
    assert of(out, name)


def test_host_is_the_downstreams_or_the_clients_once() -> None:
    assert of(PLAIN(incoming((b"Host", b"evil")))[0], b"host") == [b"inner:8000"]
    assert of(fields(host=None)(incoming((b"Host", b"client.example")))[0], b"host") == [b"client.example"]


@pytest.mark.parametrize("name", [b"X-Forwarded-For", b"X-Forwarded-Anything", b"Forwarded", b"X-Real-IP"])
def test_strangers_claims_are_replaced(name: bytes) -> None:
    out, _ = fields(style="both")(incoming((name, b"6.6.6.6")))
    assert all(b"6.6.6.6" not in value for _, value in out)
    assert of(out, b"x-forwarded-for") == [b"192.0.2.7"]


def test_trusted_peers_are_added_to() -> None:
    request = incoming((b"X-Forwarded-For", b"203.0.113.9"), (b"X-Request-ID", b"theirs"), peer="10.0.0.1")
    out, request_id = fields(trusted=("10.0.0.0/8",))(request)
    assert of(out, b"x-forwarded-for") == [b"203.0.113.9, 10.0.0.1"]
    assert request_id == b"theirs"


@pytest.mark.parametrize("value", [b"a b", b"a\nb", b'"', b"", b"x" * 129, b"\xff"])
def test_request_id_that_could_forge_a_line_is_replaced(value: bytes) -> None:
    _, request_id = fields(trusted=("*",))(incoming((b"X-Request-ID", value)))
    assert request_id != value
    assert request_id.isascii()


def test_request_ids_are_unique() -> None:
    make = fields()
    assert len({make(incoming())[1] for _ in range(1000)}) == 1000


@pytest.mark.parametrize("via", [b"1.1 us", b"1.0 a, 1.1 us (comment)", b"1.1 a,1.1  us"])
def test_our_own_via_is_a_loop(via: bytes) -> None:
    with pytest.raises(ProxyError) as caught:
        fields()(incoming((b"Via", via)))
    assert caught.value.kind is ErrorKind.LOOP_DETECTED


@pytest.mark.parametrize("via", [b"1.1 other", b"1.1 us2", b"us 1.1", b"1.1 a (us)"])
def test_others_via_is_no_loop(via: bytes) -> None:
    assert of(fields()(incoming((b"Via", via)))[0], b"via") == [via, b"1.1 us"]


def test_underscores_are_dropped_unless_wanted() -> None:
    request = incoming((b"X_Forwarded_For", b"6.6.6.6"))
    assert not of(PLAIN(request)[0], b"x_forwarded_for")
    assert of(fields(underscores=True)(request)[0], b"x_forwarded_for") == [b"6.6.6.6"]


def test_edits_remove_then_set_then_add() -> None:
    edits = FieldEdits.compile(["X-Gone"], [("X-Set", "new")], [("X-Add", "one"), ("X-Add", "two")])
    request = incoming((b"x-gone", b"a"), (b"x-set", b"old"), (b"X-Add", b"zero"))
    out, _ = fields(via=None, style="off", ids=False, edits=edits)(request)
    assert out[1:] == [(b"X-Add", b"zero"), (b"X-Set", b"new"), (b"X-Add", b"one"), (b"X-Add", b"two")]


# Names that no rule speaks of.
NAMES = st.text(string.ascii_letters + string.digits + "-", min_size=1).map(lambda text: b"Z" + text.encode())
VALUES = st.binary().map(lambda data: bytes(byte for byte in data if byte >= 0x21 and byte != 0x7F))
PAIRS = st.lists(st.tuples(NAMES, VALUES))


@given(PAIRS)
def test_all_else_keeps_order_case_repetition_and_bytes(pairs: list[tuple[bytes, bytes]]) -> None:
    assert PLAIN(incoming(*pairs))[0][1:] == pairs
    assert ResponseFields(FieldEdits())(list(pairs), (), None, b"") == pairs


@given(PAIRS, st.lists(st.sampled_from([b"connection", b"Keep-Alive", b"TE", b"Upgrade"])))
def test_mixed_with_connection_fields_the_rest_is_untouched(
    pairs: list[tuple[bytes, bytes]], dropped: list[bytes]
) -> None:
    mixed = [
        pair
        for n, pair in enumerate(pairs)
        for pair in ([(dropped[n], b"close"), pair] if n < len(dropped) else [pair])
    ]
    assert PLAIN(incoming(*mixed))[0][1:] == pairs
