"""`python -m aiohttp_impl` is `downstream-proxy serve --backend aiohttp` with the same flags."""

import sys

from downstream_proxy.cli import main

if __name__ == "__main__":
    sys.exit(main(["serve", "--backend", "aiohttp", *sys.argv[1:]]))
