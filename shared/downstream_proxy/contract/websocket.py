"""Chapter 7: WebSocket (RFC 6455). Rules only."""

from __future__ import annotations

from .model import MAY, MUST, OWN, Chapter, Rule

_WS = "websocket"

CHAPTER = Chapter(
    "websocket",
    "WebSocket",
    "A checked handshake opens a tunnel. Behind the downstream's 101 frames pass byte for byte; the proxy "
    "reads their headers for its limits and for the close it owes when it drains.",
    (
        Rule(
            "websocket.bad-handshake",
            MUST,
            "An upgrade to `websocket` with a missing or wrong key, or by another method than GET, is "
            "refused with 400; on HTTP/1.0 Upgrade is ignored.",
            "RFC 6455 4.2.1, RFC 9110 7.8",
            capability=_WS,
            basis=OWN,
        ),
        Rule(
            "websocket.bad-version",
            MUST,
            "A version other than 13 is refused with 426 and `Sec-WebSocket-Version: 13`.",
            "RFC 6455 4.2.2, 4.4",
            capability=_WS,
            basis=OWN,
        ),
        Rule(
            "websocket.handshake-passed-on",
            MUST,
            "Key, version, subprotocols, extensions, Origin and cookies reach the downstream as sent, and "
            "its answer the client.",
            "RFC 6455 4.1, 4.2.2",
            capability=_WS,
        ),
        Rule(
            "websocket.refusal-relayed",
            MUST,
            "An answer other than 101 reaches the client as it is, status, fields and body.",
            "RFC 6455 4.1",
            capability=_WS,
        ),
        Rule(
            "websocket.accept-checked",
            MUST,
            "A 101 whose Sec-WebSocket-Accept does not belong to the key, or that upgrades to something "
            "else, gives 502.",
            "RFC 6455 4.1",
            decision=(
                "The client would see it too, but a tunnel opened by a 101 that no WebSocket server sent is "
                "a way to smuggle requests."
            ),
            capability=_WS,
            basis=OWN,
        ),
        Rule(
            "websocket.subprotocol",
            MUST,
            "The subprotocol is the downstream's choice and passes unchanged.",
            "RFC 6455 4.2.2",
            decision="Whether it was offered is judged by the client, as it would be without a proxy.",
            capability=_WS,
        ),
        Rule(
            "websocket.extensions",
            MUST,
            "Extensions are negotiated between the ends: offers and answers pass unchanged, and so do their "
            "frames.",
            "RFC 6455 9.1, RFC 7692",
            capability=_WS,
        ),
        Rule(
            "websocket.frames-exact",
            MUST,
            "Messages, fragments and interleaved pings and pongs pass byte for byte in both directions.",
            "RFC 6455 5.4, 5.5",
            capability=_WS,
            decision="UTF-8, masking and close codes are judged by the ends, which see what they would see "
            "without a proxy.",
        ),
        Rule(
            "websocket.close-crosses",
            MUST,
            "A close frame crosses with its code and reason, in both directions; 1005 and 1006 are never "
            "sent.",
            "RFC 6455 5.5.1, 7.4.1",
            capability=_WS,
        ),
        Rule(
            "websocket.invalid-utf8",
            MUST,
            "A text message that is not UTF-8 ends with 1007, from the end that reads it.",
            "RFC 6455 8.1",
            capability=_WS,
            basis=OWN,
        ),
        Rule(
            "websocket.message-limit",
            MUST,
            "A message above `limits.max_websocket_message`, in one frame or many, closes both sides with "
            "1009.",
            "RFC 6455 10.4, 7.4.1",
            capability=_WS,
            basis=OWN,
        ),
        Rule(
            "websocket.backpressure",
            MUST,
            "A side that stops reading stops the other; the proxy holds a bounded amount.",
            "no standard; robustness",
            capability=_WS,
        ),
        Rule(
            "websocket.vanishing-closes",
            MUST,
            "When one side vanishes, the other side's connection is closed.",
            "RFC 6455 7.1.1",
            capability=_WS,
            basis=OWN,
        ),
        Rule(
            "websocket.origin-policy",
            MAY,
            "With `websocket_origins` set, a handshake from another Origin is refused with 403.",
            "RFC 6455 10.2",
            capability=_WS,
        ),
        Rule(
            "websocket.drain",
            MUST,
            "When the proxy drains, open WebSockets get a close frame with 1001.",
            "RFC 6455 7.4.1",
            capability=_WS,
            basis=OWN,
        ),
    ),
)
