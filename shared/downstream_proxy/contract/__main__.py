"""`python -m downstream_proxy.contract`: prints the contract, writes it, or checks that a file is current.

It must not know how a rule is written down.
"""

from __future__ import annotations

from ..generated import document_command
from .render import markdown

if __name__ == "__main__":
    raise SystemExit(document_command("downstream_proxy.contract", markdown))
