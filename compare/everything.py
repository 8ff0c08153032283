"""`compare --all`: every measurement of compare.md anew, one after the other.

Must not know how anything is measured. Each part keeps its result before the next begins, so an interrupted
run has what it finished.
"""

from __future__ import annotations

import importlib
from typing import Any

import click

from . import paths, sides
from .cost.command import run
from .process import StartError

#: Modules with `main(argv)` that write behaviour, faults and the demonstrations of the claims.
EVIDENCE = ("behaviour", "faults", "claims")


def rebuild(**chosen: Any) -> None:
    """Write every file in compare/results. Raises ClickException when a part cannot be measured."""
    if paths.checkout() is None:
        raise click.ClickException("--all rewrites the results of a checkout; here run `compare --json FILE`")
    paths.RESULTS.mkdir(exist_ok=True)
    for name in EVIDENCE:
        _evidence(name)
    try:
        sides.write(paths.SIDES, sides.measure(lambda text: click.echo(text, err=True)))
    except StartError as error:
        raise click.ClickException(str(error)) from None
    run(default=paths.COST, **chosen)
    _proxies()


def _evidence(name: str) -> None:
    module = f"{__package__}.{name}"
    click.echo(f"measuring {name}", err=True)
    importlib.import_module(module).main([])


def _proxies() -> None:
    from .cli_proxies import proxies

    proxies.main(args=["--json", str(paths.PROXIES)], standalone_mode=False)
