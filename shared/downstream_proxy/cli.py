"""The command line: `downstream-proxy COMMAND`.

What it is for: the commands and their flags, and the one place where an error becomes a line on standard
error.
What it must not know: frameworks, the suite, the demo and the comparison; those are imported when their
command runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from . import __version__
from .cli_delegate import MissingPartError, delegate
from .cli_init import InitError
from .listener import ListenError
from .settings_source import ConfigurationError, Loaded, description, load
from .signals import hold_orders

Source = Callable[[], Loaded]
"""Reads the settings, each time anew."""

PROGRAM = "downstream-proxy"

# Flag -> settings key. The names are uvicorn's where uvicorn has them.
FLAGS = {
    "--backend": "backend",
    "--downstream": "downstream",
    "--host": "host",
    "--port": "port",
    "--uds": "uds",
    "--fd": "fd",
    "--workers": "workers",
    "--backlog": "backlog",
    "--log-level": "log_level",
    "--access-log/--no-access-log": "access_log",
    "--ssl-certfile": "ssl_certfile",
    "--ssl-keyfile": "ssl_keyfile",
    "--forwarded-allow-ips": "trusted_proxies",
    "--timeout-keep-alive": "timeouts.keep_alive",
    "--timeout-graceful-shutdown": "timeouts.shutdown",
}
_METAVARS = {
    "--backend": "aiohttp|fastapi",
    "--downstream": "URL",
    "--host": "ADDRESS",
    "--port": "PORT",
    "--uds": "PATH",
    "--fd": "NUMBER",
    "--workers": "COUNT",
    "--backlog": "COUNT",
    "--log-level": "LEVEL",
    "--ssl-certfile": "FILE",
    "--ssl-keyfile": "FILE",
    "--forwarded-allow-ips": "ADDRESSES",
    "--timeout-keep-alive": "SECONDS",
    "--timeout-graceful-shutdown": "SECONDS",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Every mistake of the user is one line on standard error and code 2."""
    try:
        code = _commands.main(args=argv, prog_name=PROGRAM, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return 2
    except ConfigurationError as error:
        return _fail(*error.problems)
    except (InitError, ListenError, MissingPartError) as error:
        return _fail(str(error))
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else PROGRAM
        return _fail(f"{_one_line(error.format_message()).rstrip('.')} (see {where} --help)")
    except click.ClickException as error:
        return _fail(_one_line(error.format_message()))
    except (click.Abort, KeyboardInterrupt):
        return 130
    return code if isinstance(code, int) else 0


def _fail(*problems: str) -> int:
    for problem in problems:
        click.echo(f"{PROGRAM}: {_one_line(problem)}", err=True)
    return 2


def _one_line(text: str) -> str:
    # Arguments and files may hold line breaks and escape codes; neither may forge a second line on the
    # terminal.
    flat = " ".join(text.split())
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in flat)


def _settings_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give `command` every settings flag, and call it with what loads the settings in their place."""

    def run(config: str | None, **given: Any) -> Any:
        flags = {}
        for declared, key in FLAGS.items():
            value = given.pop(_parameter(key))
            if value is not None:
                on, _, off = declared.partition("/")
                flags[key] = (value, off if off and value is False else on)
        return command(partial(load, flags, config), **given)

    run.__doc__ = command.__doc__
    decorated = click.option(
        "--config",
        metavar="FILE",
        help="TOML file; flags and environment win over it (also DOWNSTREAM_PROXY_CONFIG)",
    )(run)
    for declared, key in reversed(FLAGS.items()):
        # Values stay text here: the settings model checks them all and reports all mistakes at once.
        kind: dict[str, Any] = {"default": None} if "/" in declared else {"metavar": _METAVARS[declared]}
        decorated = click.option(declared, _parameter(key), help=description(tuple(key.split("."))), **kind)(
            decorated
        )
    return decorated


def _parameter(key: str) -> str:
    return key.replace(".", "_")


@click.group(
    name=PROGRAM,
    help="A reverse proxy with two backends, aiohttp and FastAPI, and one contract.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.version_option(__version__, message=f"{PROGRAM} %(version)s")
def _commands() -> None:
    pass


@_commands.command("serve")
@_settings_flags
def _serve(source: Source) -> int:
    """Serve until SIGTERM or Ctrl-C: everything under / goes to --downstream, or by --config."""
    # Before the settings are read: a reload asked for from here on finds those that were changed meanwhile.
    hold_orders()
    settings = source().settings
    from .cli_serve import serve

    return serve(settings, lambda: source().settings)


@_commands.command("check-config")
@_settings_flags
def _check_config(source: Source) -> int:
    """Check the configuration and list every mistake; exit code 0 or 2."""
    from .cli_show import check_config

    click.echo(check_config(source()))
    return 0


@_commands.command("print-config")
@_settings_flags
def _print_config(source: Source) -> int:
    """Print the effective configuration as TOML: secrets masked, with the origin of each value."""
    from .cli_show import print_config

    click.echo(print_config(source()))
    return 0


@_commands.command("schema")
def _schema() -> int:
    """Print the JSON Schema of the TOML file, for editors and checks."""
    from .settings_schema import schema_text

    click.echo(schema_text(), nl=False)
    return 0


@_commands.command("init")
@click.argument("kind", type=click.Choice(["systemd", "container", "kubernetes", "nginx", "haproxy"]))
@click.option("--into", metavar="FOLDER", help="where to write (default ./KIND)")
@click.option("--force", is_flag=True, help="overwrite files that are there")
@click.option("--stdout", is_flag=True, help="print the files instead")
@click.option("--image", metavar="NAME", help="container image (default downstream-proxy:VERSION)")
@click.option("--program", metavar="PATH", help="this command's path over there (default: as running now)")
@_settings_flags
def _init(source: Source, kind: str, into: str | None, force: bool, stdout: bool, **names: str | None) -> int:
    """Write the files that put the proxy into service, or a web server before it, made from the settings."""
    from .cli_init import init, joined, write

    texts = init(kind, source().settings, names["program"], names["image"])
    if stdout:
        click.echo(joined(texts), nl=False)
        return 0
    for path in write(texts, Path(into or kind), force):
        click.echo(path)
    return 0


class _Delegate(click.Command):
    """A command of another package: every argument, `--help` and `--` included, is passed on as it is."""

    def __init__(self, name: str, *, module: str, checkout: str, extra: str, summary: str) -> None:
        super().__init__(name, help=summary, add_help_option=False)
        self._run = partial(delegate, name, module, checkout, extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = list(args)
        return ctx.args

    def invoke(self, ctx: click.Context) -> int:
        return self._run(ctx.args)


_commands.add_command(
    _Delegate(
        "demo",
        module="downstream_proxy_demo.runner",
        checkout="downstream_proxy_demo.runner",
        extra="fastapi",
        summary="Start an embedded downstream and both backends in front of it, and print what to try.",
    )
)
_commands.add_command(
    _Delegate(
        "check",
        module="downstream_proxy_suite.check",
        checkout="tests.check",
        extra="test",
        summary="Run the contract's rules against a proxy that is already running.",
    )
)
_commands.add_command(
    _Delegate(
        "compare",
        module="downstream_proxy_compare.cli",
        checkout="compare.cli",
        extra="compare",
        summary="Measure client libraries and proxies on this machine.",
    )
)
_commands.add_command(
    _Delegate(
        "recommend",
        module="downstream_proxy_compare.recommend",
        checkout="compare.recommend",
        extra="compare",
        summary="Name the client library or proxy that fits stated needs, with the rows that say so.",
    )
)

if __name__ == "__main__":
    sys.exit(main())
