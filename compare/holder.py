"""Holds many connections to 127.0.0.1 open from a process of its own, to weigh them.

Run as a file: `python holder.py PORT COUNT idle|stream PATH`. `idle`: each connection makes one GET, reads
the answer and stays open. `stream`: each sends a GET with a small receive window and reads no more than the
first piece, so that the response stays under way. It writes one line to stdout when all are
there, and ends when its stdin closes. Only the standard library; knows nothing of the package.
"""

from __future__ import annotations

import socket
import sys


def _read_answer(connection: socket.socket) -> None:
    """Read one whole response with a Content-Length or in chunks."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _piece(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        None,
    )
    while (len(body) < length) if length is not None else not body.endswith(b"0\r\n\r\n"):
        body += _piece(connection)


def _piece(connection: socket.socket) -> bytes:
    piece = connection.recv(65536)
    if not piece:
        raise ConnectionError("closed before the answer was complete")
    return piece


def main(argv: list[str]) -> int:
    port, count, mode, path = int(argv[0]), int(argv[1]), argv[2], argv[3]
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    held = []
    for _ in range(count):
        connection = socket.socket()
        connection.settimeout(30)
        if mode == "stream":
            # Before connect, so that the window is small from the first segment on.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.sendall(request)
        if mode == "stream":
            connection.recv(1024)
        else:
            _read_answer(connection)
        held.append(connection)
    print(f"holding {len(held)}", flush=True)
    sys.stdin.buffer.read()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
