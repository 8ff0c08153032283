"""FrameScanner by itself: the same frames whatever the pieces, and nothing passed that must not."""

from __future__ import annotations

import random
import time

from downstream_proxy.websocket_frames import FrameScanner, close_frame

from ..frames import BINARY, CLOSE, CONTINUATION, PING, TEXT, frame, read_frame


def passed(scanner: FrameScanner, data: bytes, dice: random.Random) -> bytes:
    out, at = b"", 0
    while at < len(data):
        step = dice.choice((1, 1, 2, 3, 5, 9, 100, 5000))
        out += scanner.feed(data[at : at + step])
        at += step
    return out


def test_any_pieces_pass_whole() -> None:
    dice = random.Random(5)
    for _ in range(200):
        sizes = dice.choices((0, 1, 125, 126, 300, 65536), k=5)
        stream = b"".join(frame(BINARY, bytes(n), masked=dice.random() < 0.5) for n in sizes)
        scanner = FrameScanner(65536)
        assert passed(scanner, stream, dice) == stream
        assert (scanner.left, scanner.held, scanner.closed, scanner.too_big) == (0, b"", False, False)


def test_header_waits_until_it_is_whole() -> None:
    scanner = FrameScanner(None)
    whole = frame(BINARY, bytes(70_000), masked=True)
    for n in range(13):
        assert scanner.feed(whole[n : n + 1]) == b""
        assert scanner.held == whole[: n + 1]
    assert scanner.feed(whole[13:14]) == whole[:14]
    assert scanner.left == 70_000


def test_message_too_big_is_cut_before_its_frame() -> None:
    dice = random.Random(6)
    good = frame(TEXT, bytes(60), final=False) + frame(PING, b"p" * 100)
    for _ in range(100):
        scanner = FrameScanner(100)
        assert passed(scanner, good + frame(CONTINUATION, bytes(41))[:2], dice) == good
        assert scanner.too_big
    scanner = FrameScanner(100)
    assert scanner.feed(good + frame(CONTINUATION, bytes(40))) == good + frame(CONTINUATION, bytes(40))
    assert not scanner.too_big
    assert not scanner.feed(frame(BINARY, bytes(100)) + frame(CLOSE))[102 + 2 :]
    assert scanner.closed


def test_own_close_frame_is_masked_only_towards_the_downstream() -> None:
    for masked in (False, True):
        rest = bytearray(close_frame(1001, masked))
        assert bool(rest[1] & 0x80) is masked

        def take(n: int, rest: bytearray = rest) -> bytes:
            piece = bytes(rest[:n])
            del rest[:n]
            return piece

        assert read_frame(take) == (CLOSE, (1001).to_bytes(2, "big"))


def test_many_tiny_frames_are_cheap() -> None:
    """A bound that only a scan in quadratic time, or byte by byte, would pass: it takes about 0.05 s."""
    stream = frame(TEXT, b"x", masked=True) * 100_000
    scanner = FrameScanner(None)
    began = time.process_time()
    for at in range(0, len(stream), 65536):
        scanner.feed(stream[at : at + 65536])
    assert time.process_time() - began < 1.0
