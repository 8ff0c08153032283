"""`python -m downstream_proxy.contract`: prints the contract, writes it, or checks that a file is current.

It must not know how a rule is written down.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .render import markdown


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m downstream_proxy.contract", description="Print the contract."
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--write", metavar="FILE", type=Path, help="write it to FILE")
    group.add_argument("--check", metavar="FILE", type=Path, help="exit with 1 when FILE is not current")
    options = parser.parse_args(argv)
    text = markdown()
    if options.write:
        options.write.write_text(text, encoding="utf-8")
    elif options.check:
        if not options.check.is_file() or options.check.read_text(encoding="utf-8") != text:
            print(
                f"{options.check} is not current: run this module with --write {options.check}",
                file=sys.stderr,
            )
            return 1
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
