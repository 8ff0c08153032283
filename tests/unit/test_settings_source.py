"""Sources and their order, and errors that name the place and the likely key."""

from __future__ import annotations

from pathlib import Path

import pytest
from downstream_proxy.settings import Settings
from downstream_proxy.settings_env import read_environment
from downstream_proxy.settings_source import (
    ConfigurationError,
    description,
    load,
    read_toml,
    require_downstream,
)

MINIMAL = '[downstreams.api]\nurl = "http://127.0.0.1:9000"\n'


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "DOWNSTREAM_PROXY_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def write(text: str) -> str:
    Path("proxy.toml").write_text(text, encoding="utf-8")
    return "proxy.toml"


def problems(config: str | None = None, **flags: tuple[object, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(flags, config)
    return caught.value.problems


def test_flags_win_over_environment_over_file_over_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    config = write("host = '10.0.0.1'\nport = 1\nbacklog = 11\nlog_level = 'error'\n" + MINIMAL)
    monkeypatch.setenv("DOWNSTREAM_PROXY_PORT", "2")
    monkeypatch.setenv("DOWNSTREAM_PROXY_HOST", "10.0.0.2")
    monkeypatch.setenv("DOWNSTREAM_PROXY_BACKLOG", "22")
    loaded = load({"host": ("10.0.0.3", "--host"), "port": ("3", "--port")}, config)
    settings = loaded.settings
    assert (settings.host, settings.port) == ("10.0.0.3", 3)
    assert settings.backlog == 22
    assert settings.log_level == "error"
    assert settings.workers == 1
    assert loaded.origin(("host",)) == "--host"
    assert loaded.origin(("backlog",)) == "environment DOWNSTREAM_PROXY_BACKLOG"
    assert loaded.origin(("log_level",)) == "proxy.toml:4"
    assert loaded.origin(("workers",)) == "default"


def test_tables_merge_key_by_key_and_lists_replace(monkeypatch: pytest.MonkeyPatch) -> None:
    config = write(
        "trusted_proxies = ['10.0.0.0/8', '192.0.2.0/24']\n"
        "[limits]\nmax_target = 100\nmax_header_fields = 7\n" + MINIMAL
    )
    monkeypatch.setenv("DOWNSTREAM_PROXY_LIMITS__MAX_TARGET", "200")
    monkeypatch.setenv("DOWNSTREAM_PROXY_TRUSTED_PROXIES", "198.51.100.1")
    monkeypatch.setenv("DOWNSTREAM_PROXY_DOWNSTREAMS__API__TIMEOUTS__HEAD", "7")
    settings = load({}, config).settings
    assert (settings.limits.max_target, settings.limits.max_header_fields) == (200, 7)
    assert settings.trusted_proxies == ("198.51.100.1/32",)
    assert settings.downstreams["api"].timeouts.head == 7
    assert settings.downstreams["api"].url == "http://127.0.0.1:9000"


def test_an_empty_table_above_takes_nothing_away(monkeypatch: pytest.MonkeyPatch) -> None:
    config = write("[limits]\nmax_target = 100\n" + MINIMAL)
    monkeypatch.setenv("DOWNSTREAM_PROXY_LIMITS", "{}")
    assert load({}, config).settings.limits.max_target == 100


def test_settings_alone_reads_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOWNSTREAM_PROXY_DOWNSTREAM", "http://127.0.0.1:1")
    monkeypatch.setenv("DOWNSTREAM_PROXY_LIMITS__MAX_TARGET", "9")
    settings = Settings(port=5)
    assert (settings.port, settings.limits.max_target) == (5, 9)
    assert settings.downstreams["default"].url == "http://127.0.0.1:1"


def test_the_file_may_be_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOWNSTREAM_PROXY_CONFIG", write("port = 4\n" + MINIMAL))
    assert load().settings.port == 4


def test_names_of_other_platforms_are_honoured_below_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("WEB_CONCURRENCY", "2")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    settings = load().settings
    assert (settings.port, settings.workers, settings.trusted_proxies) == (1, 2, ("*",))
    monkeypatch.setenv("DOWNSTREAM_PROXY_PORT", "3")
    loaded = load()
    assert loaded.settings.port == 3
    assert loaded.origin(("port",)) == "environment DOWNSTREAM_PROXY_PORT"
    assert loaded.origin(("workers",)) == "environment WEB_CONCURRENCY"


def test_an_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "")
    monkeypatch.setenv("DOWNSTREAM_PROXY_WORKERS", "")
    assert load().settings.workers == 1


def test_variables_of_a_kubernetes_service_of_our_name_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DOWNSTREAM_PROXY_PORT": "tcp://10.0.0.1:80",
        "DOWNSTREAM_PROXY_PORT_80_TCP": "tcp://10.0.0.1:80",
        "DOWNSTREAM_PROXY_PORT_80_TCP_ADDR": "10.0.0.1",
        "DOWNSTREAM_PROXY_PORT_80_TCP_PROTO": "tcp",
        "DOWNSTREAM_PROXY_SERVICE_HOST": "10.0.0.1",
        "DOWNSTREAM_PROXY_SERVICE_PORT": "80",
        "DOWNSTREAM_PROXY_SERVICE_PORT_HTTP": "80",
    }.items():
        monkeypatch.setenv(name, value)
    assert load().settings.port == 8080


def test_a_whole_table_may_be_one_variable_and_the_precise_one_wins() -> None:
    layer = read_environment(
        {
            "DOWNSTREAM_PROXY_LIMITS__MAX_TARGET": "5",
            "DOWNSTREAM_PROXY_LIMITS": '{"max_target": 4, "max_header_fields": 6}',
        }
    )
    assert layer.values == {"limits": {"max_target": "5", "max_header_fields": 6}}


def test_a_header_value_keeps_its_braces() -> None:
    layer = read_environment({"DOWNSTREAM_PROXY_DOWNSTREAMS__A__REQUEST_HEADERS__SET__X": '{"a": 1}'})
    assert layer.values["downstreams"]["a"]["request_headers"]["set"] == {"x": '{"a": 1}'}


def test_header_rules_may_be_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOWNSTREAM_PROXY_DOWNSTREAMS__A__REQUEST_HEADERS__SET", '{"X-One": "1"}')
    monkeypatch.setenv("DOWNSTREAM_PROXY_DOWNSTREAMS__A__URL", "http://h")
    assert load().settings.downstreams["a"].request_headers.set == {"X-One": "1"}


def test_an_unknown_key_names_line_and_likely_key() -> None:
    config = write("# a comment\n\n[limits]\nmax_hed = 3\n" + MINIMAL)
    assert problems(config) == [
        "proxy.toml:4: unknown key 'limits.max_hed'; did you mean 'max_request_head'?"
    ]


def test_an_unknown_key_of_another_table_is_found_there() -> None:
    config = write("max_target = 3\n" + MINIMAL + "max_inflight = 4\n")
    assert sorted(problems(config)) == [
        "proxy.toml:1: unknown key 'max_target'; did you mean 'limits.max_target'?",
        "proxy.toml:4: unknown key 'downstreams.api.max_inflight'; did you mean 'limits.max_inflight'?",
    ]


def test_an_unknown_key_like_no_other_lists_a_short_table() -> None:
    config = write("[admin]\nzzz = 1\n" + MINIMAL)
    assert problems(config) == ["proxy.toml:2: unknown key 'admin.zzz'; known here: allow, listen, prefix"]


def test_an_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOWNSTREAM_PROXY_LIMITS__MAX_TARGT", "1")
    assert problems() == [
        "environment DOWNSTREAM_PROXY_LIMITS__MAX_TARGT: unknown key 'limits.max_targt'; "
        "did you mean 'max_target'?"
    ]


def test_all_mistakes_are_listed_each_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    config = write(
        'port = 99999\nbackend = "aoihttp"\n\n[downstreams.api]\nurl = "ftp://h"\n'
        'prefix = "api"\ntimeouts = { head = "soon" }\n'
    )
    monkeypatch.setenv("WEB_CONCURRENCY", "many")
    found = problems(config, backlog=("-1", "--backlog"))
    assert len(found) == 7
    starts = [
        "proxy.toml:1: port: input should be less than or equal to 65535, got 99999",
        "proxy.toml:2: backend: input should be 'aiohttp' or 'fastapi', got 'aoihttp'",
        "proxy.toml:5: downstreams.api.url: not an http or https URL",
        "proxy.toml:6: downstreams.api.prefix: the prefix must start with '/'",
        "proxy.toml:7: downstreams.api.timeouts.head: expected a number of seconds",
        "environment WEB_CONCURRENCY: workers: input should be a valid integer",
        "--backlog: input should be greater than or equal to 1, got '-1'",
    ]
    for start in starts:
        assert any(line.startswith(start) for line in found), (start, found)


def test_a_rule_between_keys_names_the_line_of_the_key_to_change() -> None:
    config = write(
        '[downstreams.a]\nurl = "http://a"\nprefix = "/x"\n[downstreams.b]\nurl = "http://b"\nprefix = "/x"\n'
    )
    assert problems(config) == [
        "proxy.toml:6: downstreams.b.prefix: '/x' is already the prefix of downstreams.a"
    ]


def test_the_value_of_a_header_rule_is_never_shown() -> None:
    rules = "[downstreams.api.request_headers]\nset = { Authorization = 271828 }\nadd = { X-Key = 271828 }\n"
    lines = problems(write(MINIMAL + rules + 'remove = "Host"\n'))
    assert [line.rpartition(": ")[0] for line in lines] == [
        "proxy.toml:4: downstreams.api.request_headers.set.Authorization",
        "proxy.toml:5: downstreams.api.request_headers.add.X-Key",
        "proxy.toml:6: downstreams.api.request_headers.remove.0",
    ]
    assert not any("271828" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("port = \n", "proxy.toml:1: not valid TOML: "),
        ("a = 1\nb = [1,\n", "proxy.toml:3: not valid TOML: "),
        ("[limits]\n[limits]\n", "proxy.toml:2: not valid TOML: "),
    ],
)
def test_a_syntax_error_names_its_line(text: str, line: str) -> None:
    (found,) = problems(write(text))
    assert found.startswith(line)
    assert "column" not in found


def test_an_unreadable_file_is_one_line() -> None:
    assert problems("none.toml") == ["none.toml: cannot read the configuration: no such file or directory"]
    Path("latin.toml").write_bytes(b"# caf\xe9\n")
    assert problems("latin.toml") == ["latin.toml: not UTF-8 text (byte 5); TOML files are UTF-8"]
    assert problems(".") == [".: cannot read the configuration: is a directory"]


def test_an_array_of_tables_is_no_table() -> None:
    (line,) = problems(write("[[limits]]\nmax_target = 1\n" + MINIMAL))
    assert line.startswith("proxy.toml:1: limits: input should be a valid dictionary")


def test_nothing_to_forward_to_is_said_before_serving() -> None:
    with pytest.raises(ConfigurationError, match="give --downstream"):
        require_downstream(load().settings)


def test_the_short_form_carries_its_origin_to_the_table_it_makes() -> None:
    loaded = load({"downstream": ("http://h", "--downstream")})
    assert loaded.origin(("downstreams", "default", "url")) == "--downstream"


def test_read_toml_knows_the_place_of_every_key() -> None:
    layer = read_toml(write("port = 1\n[limits]\nmax_target = 2\n"))
    assert layer.values == {"port": 1, "limits": {"max_target": 2}}
    assert layer.origins == {
        ("port",): "proxy.toml:1",
        ("limits",): "proxy.toml:2",
        ("limits", "max_target"): "proxy.toml:3",
    }


def test_description_finds_a_key_at_any_depth() -> None:
    assert description(("timeouts", "keep_alive")).endswith("(seconds; default 75)")
    assert description(("downstreams", "any", "pool", "max_queue")).startswith("most requests waiting")
    with pytest.raises(KeyError):
        description(("prot",))
