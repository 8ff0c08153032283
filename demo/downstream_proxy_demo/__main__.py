"""`python -m downstream_proxy_demo`: the same as `downstream-proxy demo`."""

import sys

from .runner import main

if __name__ == "__main__":
    sys.exit(main())
