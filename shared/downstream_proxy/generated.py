"""A document that is made from data: printed, written, or compared with the file in docs/. Knows no
document."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path


def document_command(module: str, render: Callable[[], str], argv: list[str] | None = None) -> int:
    """Print what `render` makes, or with --write FILE write it, or with --check FILE return 1 when FILE
    differs."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description="Print the document.")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--write", metavar="FILE", type=Path, help="write it to FILE")
    group.add_argument("--check", metavar="FILE", type=Path, help="exit with 1 when FILE is not current")
    options = parser.parse_args(argv)
    text = render()
    if options.write:
        options.write.write_text(text, encoding="utf-8")
    elif options.check:
        if not options.check.is_file() or options.check.read_text(encoding="utf-8") != text:
            line = f"{options.check} is not current: run python -m {module} --write {options.check}"
            print(line, file=sys.stderr)
            return 1
    else:
        sys.stdout.write(text)
    return 0
