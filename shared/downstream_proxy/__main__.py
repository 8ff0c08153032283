"""`python -m downstream_proxy` is the command `downstream-proxy`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
