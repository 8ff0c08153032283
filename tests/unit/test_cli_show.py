"""check-config and print-config: what is shown can be read again, names its origin and hides secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from downstream_proxy import cli
from downstream_proxy.cli_show import print_config
from downstream_proxy.settings import DownstreamSettings, HeaderRules, Limits, Settings
from downstream_proxy.settings_show import show
from downstream_proxy.settings_source import load

FULL = r"""
host = "::1"
port = 9443
via = "proxy.example:80"
uds = "a \u007F \u00E9 \" \\"
trusted_proxies = ["10.0.0.0/8", "*"]

[limits]
max_request_body = "1GiB"

[timeouts]
shutdown_delay = 0.5

[downstreams."a.b-c"]
urls = ["http://h:1"]
prefix = "/a%2F\u007e"
websocket_origins = ["https://example.com"]

[downstreams.b]
url = "https://b"
prefix = "/b"
[downstreams.b.request_headers]
set = { Authorization = "Bearer hunter2", "X!Odd" = "quote \" backslash \\ tab \t \U0001F600", Plain = "so" }
add = { X-Api-Key = ["hunter3", "env:A_TOKEN"], Via-More = "a" }
remove = ["Cookie"]
"""


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "DOWNSTREAM_PROXY_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("A_TOKEN", "hunter4")
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "proxy.toml") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def test_print_config_can_be_read_again() -> None:
    # FULL's literal secrets would come back masked, so they are taken out.
    config = write(FULL.replace("Bearer hunter2", "env:A_TOKEN").replace("hunter3", "file:token"))
    write("x", "token")
    loaded = load({"backlog": ("9", "--backlog")}, config)
    again = load({}, write(print_config(loaded), "again.toml"))
    assert again.settings == loaded.settings


def test_print_config_of_the_short_form_can_be_read_again() -> None:
    loaded = load({"downstream": ("http://h:1", "--downstream")})
    assert load({}, write(print_config(loaded))).settings == loaded.settings


def test_print_config_names_the_origin_of_each_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOWNSTREAM_PROXY_LIMITS__MAX_TARGET", "77")
    shown = print_config(load({"port": ("9444", "--port")}, write(FULL))).splitlines()
    found = {line.split("  #")[0].strip(): line.rpartition("# ")[2] for line in shown if "  # " in line}
    assert found["port = 9444"] == "--port"
    assert found['host = "::1"'] == "proxy.toml:2"
    assert found["max_target = 77"] == "environment DOWNSTREAM_PROXY_LIMITS__MAX_TARGET"
    assert found["max_request_body = 1073741824"] == "proxy.toml:9"
    assert found["backlog = 2048"] == "default"
    assert found["# fd is not set"] == "default"
    assert found['Plain = "so"'] == "proxy.toml:23"


def test_print_config_masks_secrets_and_shows_references() -> None:
    shown = print_config(load({}, write(FULL)))
    for secret in ("hunter2", "hunter3", "hunter4"):
        assert secret not in shown
    assert 'Authorization = "***"' in shown
    assert 'X-Api-Key = ["***", "env:A_TOKEN"]' in shown
    assert 'Plain = "so"' in shown


def test_values_that_a_program_gave_are_told_from_defaults() -> None:
    shown = show(Settings(downstream="http://h:1", limits=Limits(max_target=77))).splitlines()
    found = {line.split("  #")[0].strip(): line.rpartition("# ")[2] for line in shown if "  # " in line}
    assert found["max_target = 77"] == "the program"
    assert found["max_header_fields = 128"] == "default"
    assert found['downstream = "http://h:1"'] == "the program"


def test_a_password_in_an_address_is_masked() -> None:
    origin = "redis://user:hunter5@h:6379/0"
    rules = HeaderRules(set={"X-Plain": origin})
    settings = Settings(downstreams={"a": DownstreamSettings(url="http://h", request_headers=rules)})
    assert 'X-Plain = "redis://***@h:6379/0"' in show(settings)


def test_check_config_praises_a_good_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check-config", "--config", write(FULL)]) == 0
    assert capsys.readouterr().out == "configuration is good: 2 downstreams, backend aiohttp\n"


def test_check_config_lists_what_only_a_try_can_find(capsys: pytest.CaptureFixture[str]) -> None:
    write("not PEM", "bad.pem")
    trustme.CA().issue_cert("localhost").cert_chain_pems[0].write_to_path("cert.pem")
    config = write(
        'ssl_certfile = "bad.pem"\n'
        '[downstreams.a]\nurl = "https://h"\ntls = { ca = "bad.pem" }\n'
        '[downstreams.b]\nurl = "https://h"\nprefix = "/b"\ntls = { cert = "cert.pem" }\n'
        '[downstreams.c]\nurl = "http://h"\nprefix = "/c"\n'
        'delivery = "transform"\ntransform = "no_such:hook"\n'
    )
    assert cli.main(["check-config", "--config", config]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1].split(" ")[1] for line in lines] == [
        "--ssl-certfile",
        "downstreams.a.tls",
        "downstreams.b.tls",
        "downstreams.c.transform",
    ]


def test_a_hook_beside_the_configuration_is_found(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "hook_beside_the_config.py").write_text("async def upper(chunks):\n    yield b''\n")
    config = write(
        '[downstreams.a]\nurl = "http://h"\ndelivery = "transform"\n'
        'transform = "hook_beside_the_config:upper"\n'
    )
    assert cli.main(["check-config", "--config", config]) == 0
