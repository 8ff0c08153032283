"""`python -m tests.websocket`: prints the comparison in docs/websocket.md."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

from ..backends import ALL_FEATURES, Backend
from ..origin import Origin
from .cases import CASES
from .echo import echo_server
from .verdict import judge_all


def main() -> None:
    with echo_server() as port, tempfile.TemporaryDirectory() as directory:
        direct = asyncio.run(judge_all(port, CASES))
        codes = Counter(str(v.code) if v.code in (1000, 1002, 1007) else "other" for v in direct)
        print(f"{len(CASES)} cases; close codes without a proxy: {dict(sorted(codes.items()))}\n")
        print("| Backend | Same verdict | Different |\n| --- | --- | --- |")
        origin = Origin()
        for name in ("aiohttp", "fastapi"):
            backend = Backend(name, module=f"{name}_impl", features=ALL_FEATURES)
            try:
                settings = f'[downstreams.default]\nurl = "http://127.0.0.1:{port}"\n'
                address = backend.server(settings, origin, Path(directory)).address
                through = asyncio.run(judge_all(address[1], CASES))
            finally:
                backend.stop()
            different = [c.name for c, a, b in zip(CASES, direct, through, strict=True) if not a.same(b)]
            same = f"{len(CASES) - len(different)} of {len(CASES)}"
            print(f"| {name} | {same} | {'; '.join(different) or 'none'} |")
        origin.stop()


if __name__ == "__main__":
    main()
