"""`python -m fastapi_impl` is `downstream-proxy serve --backend fastapi` with the same flags."""

import sys

from downstream_proxy.cli import main

if __name__ == "__main__":
    sys.exit(main(["serve", "--backend", "fastapi", *sys.argv[1:]]))
