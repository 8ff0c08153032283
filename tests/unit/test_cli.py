"""The command line in this process: flags, one-line errors, exit codes, and the steps of a start."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from downstream_proxy import cli
from downstream_proxy.settings import Settings

URL = "http://127.0.0.1:9000"
Run = Callable[..., tuple[int, list[str], list[str]]]


class StandIn:
    """Takes the place of aiohttp_impl and keeps what `serve` was given."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.addresses: list[Any] = []
        self.loop = ""

    async def serve(self, settings: Settings, sockets: list[socket.socket], *_: object, **__: object) -> None:
        self.settings = settings
        self.addresses = [sock.getsockname() for sock in sockets]
        self.loop = type(asyncio.get_running_loop()).__module__


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "DOWNSTREAM_PROXY_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    backend = StandIn()
    module = types.ModuleType("aiohttp_impl")
    module.serve = backend.serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "aiohttp_impl", module)
    return backend


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line: exit code, lines on standard output, lines on standard error."""

    def call(*arguments: str) -> tuple[int, list[str], list[str]]:
        code = cli.main(list(arguments))
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return call


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve", "--prot", "80"], "No such option"),
        (["srve"], "No such command 'srve'"),
        (["serve", "--port"], "Option '--port' requires an argument"),
        (["serve", "extra"], "unexpected extra argument"),
        (["serve"], "no downstream: give --downstream"),
        (["serve", "--downstream", "localhost:9000"], "--downstream: not an http or https URL"),
        (["serve", "--downstream", URL, "--port", "abc"], "--port: input should be a valid integer"),
        (
            ["serve", "--downstream", URL, "--port", "70000"],
            "--port: input should be less than or equal to 65535",
        ),
        (
            ["serve", "--downstream", URL, "--backend", "flask"],
            "--backend: input should be 'aiohttp' or 'fastapi'",
        ),
        (["serve", "--downstream", URL, "--workers", "0"], "--workers: input should be greater than"),
        (
            ["serve", "--downstream", URL, "--timeout-keep-alive", "5s"],
            "--timeout-keep-alive: expected a number",
        ),
        (
            ["serve", "--downstream", URL, "--forwarded-allow-ips", "me"],
            "--forwarded-allow-ips: 'me' is not an IP",
        ),
        (
            ["serve", "--downstream", URL, "--ssl-certfile", "none.pem"],
            "--ssl-certfile: cannot read 'none.pem'",
        ),
        (
            ["serve", "--downstream", URL, "--host", "192.0.2.1"],
            "cannot listen on 192.0.2.1:8080: no interface",
        ),
        (
            ["serve", "--downstream", URL, "--host", "no.such.host.invalid"],
            "cannot listen on no.such.host.invalid",
        ),
        (
            ["serve", "--downstream", URL, "--fd", "999"],
            "cannot use file descriptor 999: bad file descriptor",
        ),
        (["serve", "--downstream", URL, "--uds", "no/such/p.sock"], "its folder does not exist"),
        (["serve", "--config", "none.toml"], "none.toml: cannot read the configuration: no such file"),
        (["check-config"], "no downstream"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(
    run: Run, stand_in: StandIn, arguments: list[str], message: str
) -> None:
    code, out, err = run(*arguments)
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith("downstream-proxy: ")
    assert message in err[0]
    assert stand_in.settings is None


def test_a_taken_port_says_so(run: Run, stand_in: StandIn, taken: int) -> None:
    code, _, err = run("serve", "--downstream", URL, "--port", str(taken))
    assert code == 2
    assert err == [
        f"downstream-proxy: cannot listen on 127.0.0.1:{taken}: the address is in use; "
        f"choose another --port, or stop what listens there (ss -ltnp sport = :{taken})"
    ]


def test_every_mistake_of_flags_and_file_is_its_own_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "proxy.toml").write_text("workers = 0\n[limits]\nmax_hed = 3\n")
    code, _, err = run("serve", "--config", "proxy.toml", "--port", "x", "--downstream", URL)
    assert code == 2
    assert sorted(line.split(",")[0] for line in err) == [
        "downstream-proxy: --port: input should be a valid integer",
        "downstream-proxy: proxy.toml:1: workers: input should be greater than or equal to 1",
        "downstream-proxy: proxy.toml:3: unknown key 'limits.max_hed'; did you mean 'max_request_head'?",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["x\ndownstream-proxy: all is well"],
        ["\x1b[31mred"],
        ["serve", "--\x1b[31mred\r\nx"],
        ["serve", "--config", "x\n\x1b[31mred"],
        ["serve", "--downstream", URL, "--backend", "x\n\x1b[31mred"],
    ],
)
def test_what_a_user_typed_cannot_forge_a_line_or_colour_it(run: Run, arguments: list[str]) -> None:
    code, _, err = run(*arguments)
    assert (code, len(err)) == (2, 1)
    assert all(character.isprintable() for character in err[0])


def test_serve_gives_the_backend_settings_and_listening_sockets(run: Run, stand_in: StandIn) -> None:
    code, out, err = run(
        "serve", "--downstream", URL, "--port", "0", "--no-access-log", "--log-level", "debug"
    )
    assert (code, out) == (0, [])
    assert stand_in.settings is not None
    assert stand_in.settings.access_log is False
    assert stand_in.settings.log_level == "debug"
    ((host, port),) = stand_in.addresses
    assert host == "127.0.0.1"
    assert port > 0
    banner = "\n".join(err)
    assert f"listening on  http://127.0.0.1:{port}" in banner
    assert f"/ -> {URL}  [default, stream]" in banner
    for label in (
        "backend       aiohttp",
        "parser        downstream-proxy http1",
        "limits        head 32 KiB, 128",
    ):
        assert label in banner


def test_serve_runs_on_uvloop_where_it_is_installed(run: Run, stand_in: StandIn) -> None:
    pytest.importorskip("uvloop")
    _, _, err = run("serve", "--downstream", URL, "--port", "0")
    assert stand_in.loop.startswith("uvloop")
    assert any("loop          uvloop " in line for line in err)


def test_serve_runs_on_asyncio_without_uvloop(
    run: Run, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    _, _, err = run("serve", "--downstream", URL, "--port", "0")
    assert stand_in.loop.startswith("asyncio")
    assert any("loop          asyncio, Python " in line for line in err)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_during_the_start_still_ends_in_order(
    run: Run, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    closed: list[bool] = []

    async def starting(*_: object, **__: object) -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.get_running_loop().create_future()
        finally:
            closed.append(True)

    monkeypatch.setattr(sys.modules["aiohttp_impl"], "serve", starting)
    code, _, _ = run("serve", "--downstream", URL, "--port", "0")
    assert (code, closed) == (0, [True])


def test_every_flag_reaches_its_setting(run: Run, stand_in: StandIn, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path("cert.pem")
    certificate.private_key_pem.write_to_path("key.pem")
    code, _, err = run(
        *("serve", "--backend", "aiohttp", "--downstream", URL, "--uds", "p.sock", "--workers", "1"),
        *("--backlog", "7", "--log-level", "error", "--access-log", "--ssl-certfile", "cert.pem"),
        *("--ssl-keyfile", "key.pem", "--forwarded-allow-ips", "10.0.0.0/8,::1", "--timeout-keep-alive", "3"),
        *("--timeout-graceful-shutdown", "0"),
    )
    assert code == 0, err
    settings = stand_in.settings
    assert settings is not None
    assert (settings.uds, settings.backlog, settings.log_level) == ("p.sock", 7, "error")
    assert (settings.ssl_certfile, settings.ssl_keyfile) == ("cert.pem", "key.pem")
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1/128")
    assert (settings.timeouts.keep_alive, settings.timeouts.shutdown) == (3, 0)
    assert any("listening on  https+unix:p.sock" in line for line in err)
    assert not (tmp_path / "p.sock").exists(), "the socket's path is removed at the end"


def test_a_key_of_another_certificate_is_refused(run: Run, stand_in: StandIn) -> None:
    authority = trustme.CA()
    authority.issue_cert("localhost").cert_chain_pems[0].write_to_path("cert.pem")
    authority.issue_cert("localhost").private_key_pem.write_to_path("key.pem")
    code, _, err = run("serve", "--downstream", URL, "--ssl-certfile", "cert.pem", "--ssl-keyfile", "key.pem")
    assert (code, len(err)) == (2, 1)
    assert "cert.pem and --ssl-keyfile key.pem cannot be used: key values mismatch" in err[0]
    assert stand_in.settings is None


def test_a_file_that_is_no_certificate_is_refused(run: Run, stand_in: StandIn, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("hello")
    code, _, err = run("serve", "--downstream", URL, "--ssl-certfile", "cert.pem")
    assert (code, len(err)) == (2, 1)
    assert "both must be PEM" in err[0]


def test_a_backend_whose_extra_is_absent_says_what_to_install() -> None:
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('fastapi', 'starlette', 'uvicorn')))\n"
        "from downstream_proxy.cli import main\n"
        f"sys.exit(main(['serve', '--backend', 'fastapi', '--downstream', '{URL}', '--port', '0']))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(
        "downstream-proxy: the fastapi backend needs the extra: pip install 'downstream-proxy[fastapi]'"
    )


def test_a_broken_backend_shows_its_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp_impl", None)
    with pytest.raises(ModuleNotFoundError):
        run("serve", "--downstream", URL, "--port", "0")


def test_importing_the_command_line_imports_no_framework() -> None:
    code = (
        "import sys, downstream_proxy.cli, downstream_proxy.cli_serve\n"
        "found = {'fastapi', 'starlette', 'uvicorn', 'aiohttp.web'} & set(sys.modules)\n"
        "sys.exit(str(found) if found else 0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    "arguments", [["--help"], ["serve", "--help"], ["print-config", "-h"], ["--version"]]
)
def test_help_and_version_go_to_standard_output(run: Run, arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (code, err) == (0, [])
    assert out


def test_help_explains_each_flag_with_its_default(run: Run) -> None:
    _, out, _ = run("serve", "--help")
    text = " ".join(" ".join(out).split())
    for words in ("--port PORT TCP port", "(default 8080)", "(seconds; default 75)", "--no-access-log"):
        assert words in text


def test_no_command_shows_the_commands(run: Run) -> None:
    code, out, err = run()
    assert (code, out) == (2, [])
    assert any(line.strip().startswith("check-config") for line in err)


def test_the_name_of_a_bad_flag_value_is_its_negative_form(run: Run, stand_in: StandIn) -> None:
    code, out, _ = run("print-config", "--downstream", URL, "--no-access-log")
    assert code == 0
    assert any(line.startswith("access_log = false") and line.endswith("# --no-access-log") for line in out)
