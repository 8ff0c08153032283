"""`python -m tests.portable aiohttp --fd N`: a backend whose aiohttp has lost an internal, so that it
takes the portable way to its downstreams.

What it is for: no released aiohttp has lost one yet, and the way must work on the day one does.
What it must not know: the tests.
"""

from __future__ import annotations

import sys

from aiohttp import client_proto
from downstream_proxy import cli


def main() -> int:
    name, *flags = sys.argv[1:]
    # aiohttp's own modules have their reference by now; a release that renames it looks just so to us.
    del client_proto.ResponseHandler
    return cli.main(["serve", "--backend", name, *flags])


if __name__ == "__main__":
    sys.exit(main())
