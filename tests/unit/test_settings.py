"""The settings model: defaults, rules between fields, and that every field explains itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

import pytest
from downstream_proxy.settings import DownstreamSettings, HeaderRules, Settings
from pydantic import BaseModel, ValidationError

URL = "http://127.0.0.1:9000"


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS"):
        monkeypatch.delenv(name, raising=False)


def problem(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Settings(**values)
    return "\n".join(str(error["msg"]) for error in caught.value.errors())


def downstream_problem(**values: Any) -> str:
    return problem(downstreams={"api": {"url": URL} | values})


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        inner: Any = field.annotation
        if get_origin(inner) is dict and isinstance(get_args(inner)[1], type):
            inner = get_args(inner)[1]
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from leaves(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def test_every_field_says_meaning_and_default() -> None:
    found = dict(leaves(Settings))
    assert len(found) > 60
    for name, field in found.items():
        assert field.description, name
        assert "default " in field.description, name


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("limits.max_request_head", "(bytes; default 32768)"),
        ("limits.max_websocket_message", "(bytes; default 16 MiB)"),
        ("timeouts.keep_alive", "(seconds; default 75)"),
        ("downstreams.timeouts.total", "(seconds; default none)"),
        ("access_log", "(default on)"),
    ],
)
def test_a_description_ends_with_unit_and_default(name: str, unit: str) -> None:
    assert dict(leaves(Settings))[name].description.endswith(unit)


def test_settings_are_frozen() -> None:
    settings = Settings(downstream=URL)
    with pytest.raises(ValidationError):
        settings.port = 1
    with pytest.raises(ValidationError):
        settings.limits.max_target = 1


def test_the_short_form_becomes_one_downstream_for_every_path() -> None:
    settings = Settings(downstream=URL + "/")
    assert list(settings.downstreams) == ["default"]
    assert settings.downstreams["default"].prefix == "/"
    assert settings.downstreams["default"].addresses == (URL,)


def test_settings_survive_a_round_trip_through_their_own_dump() -> None:
    settings = Settings(downstream=URL, port=0, trusted_proxies=("10.0.0.0/8",))
    assert Settings(**settings.model_dump()) == settings


def test_short_form_beside_downstreams_is_refused() -> None:
    message = problem(downstream=URL, downstreams={"api": {"url": URL}})
    assert "downstream and [downstreams] are both set" in message


def test_two_downstreams_with_one_prefix_are_refused() -> None:
    message = problem(downstreams={"a": {"url": URL, "prefix": "/x"}, "b": {"url": URL, "prefix": "/x"}})
    assert "downstreams.b.prefix: '/x' is already the prefix of downstreams.a" in message


def test_a_prefix_inside_the_admin_prefix_is_refused() -> None:
    assert "lies inside admin.prefix" in downstream_problem(prefix="/-/x")
    assert "lies inside admin.prefix" in downstream_problem(prefix="/-")


@pytest.mark.parametrize(
    "prefix", ["api", "", "/a/../b", "/a/%2e%2e/b", "/a//b", "/a b", "/a?b", "/a%2", "/a#b"]
)
def test_a_bad_prefix_is_refused(prefix: str) -> None:
    assert "prefix" in downstream_problem(prefix=prefix)


@pytest.mark.parametrize("prefix", ["/", "/api", "/api/", "/a.b/c%2Fd", "/~user;v=1"])
def test_a_good_prefix_is_kept_byte_for_byte(prefix: str) -> None:
    assert DownstreamSettings(url=URL, prefix=prefix).prefix == prefix


@pytest.mark.parametrize("prefix", ["/", "/-", "-/", "/a/../b/"])
def test_a_bad_admin_prefix_is_refused(prefix: str) -> None:
    assert "admin prefix" in problem(admin={"prefix": prefix})


def test_one_of_url_and_urls_is_needed() -> None:
    assert "a url (or urls) is needed" in problem(downstreams={"api": {}})
    assert "both set" in downstream_problem(urls=[URL])
    assert "the same address twice" in problem(downstreams={"api": {"urls": [URL, URL + "/"]}})


def test_several_addresses_are_read_through_one_property() -> None:
    urls = ("http://a:1", "http://b:2")
    assert DownstreamSettings(urls=urls).addresses == urls


def test_transform_needs_its_hook_and_nothing_else_does() -> None:
    assert "go together" in downstream_problem(delivery="transform")
    assert "go together" in downstream_problem(transform="m:f")
    assert 'expected "module:function"' in downstream_problem(delivery="transform", transform="m.f")
    assert DownstreamSettings(url=URL, delivery="transform", transform="a.b:c").transform == "a.b:c"


def test_rules_cannot_touch_what_frames_a_message() -> None:
    for name in ("Content-Length", "transfer-encoding", "Connection", "TE", "Upgrade"):
        assert "written by the proxy alone" in downstream_problem(request_headers={"set": {name: "x"}})
        assert "written by the proxy alone" in downstream_problem(response_headers={"remove": [name]})
    assert "use host_header" in downstream_problem(request_headers={"set": {"Host": "x"}})


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\0b", "a\x1b[1m", "a\x7f"])
def test_a_rule_cannot_break_a_line(value: str) -> None:
    assert "must not contain a line break" in downstream_problem(request_headers={"add": {"X": [value]}})


@pytest.mark.parametrize("name", ["", "a b", "a:b", "ä", "a\r"])
def test_a_rule_needs_a_header_name(name: str) -> None:
    assert "is not a header name" in downstream_problem(request_headers={"set": {name: "x"}})


def test_secrets_are_read_from_environment_and_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("A_TOKEN", "from the environment")
    (tmp_path / "token").write_bytes(b"from a file\r\n")
    rules = HeaderRules.model_validate(
        {
            "set": {"Authorization": "env:A_TOKEN"},
            "add": {"X-Key": [f"file:{tmp_path}/token", "itself"], "X-One": "1"},
        }
    )
    assert rules.resolved_set() == [("Authorization", "from the environment")]
    assert rules.resolved_add() == [("X-Key", "from a file"), ("X-Key", "itself"), ("X-One", "1")]
    assert rules.set == {"Authorization": "env:A_TOKEN"}, "the model itself never holds the secret"


def test_an_absent_secret_is_an_error_without_its_value(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.delenv("A_TOKEN", raising=False)
    message = downstream_problem(request_headers={"set": {"A": "env:A_TOKEN", "B": f"file:{tmp_path}/none"}})
    assert "the environment variable A_TOKEN is not set" in message
    assert f"cannot read {tmp_path}/none" in message


def test_tls_files_must_exist_and_fit_together(tmp_path: Any) -> None:
    absent = str(tmp_path / "none.pem")
    assert f"cannot read '{absent}': no such file or directory" in problem(ssl_certfile=absent)
    assert "cannot read" in downstream_problem(tls={"ca": absent})
    key = tmp_path / "key.pem"
    key.write_text("")
    assert "ssl_keyfile is set without ssl_certfile" in problem(ssl_keyfile=str(key))
    assert "key is set without cert" in downstream_problem(tls={"key": str(key)})
    assert "while verify is off" in downstream_problem(tls={"ca": str(key), "verify": False})


@pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", "é", "a" * 64])
def test_a_downstream_name_can_stand_in_a_metric_and_a_log(name: str) -> None:
    assert "is not a downstream name" in problem(downstreams={name: {"url": URL}})


@pytest.mark.parametrize("via", ["", "a b", "a\r\nb", "a:b", "a,b"])
def test_via_must_be_a_received_by(via: str) -> None:
    assert "expected" in problem(via=via)


def test_uds_and_fd_exclude_each_other() -> None:
    assert "uds and fd are both set" in problem(uds="/tmp/x", fd=3)


@pytest.mark.parametrize("origin", ["example.com", "ftp://x", "https://x/path", "https://u@x", ""])
def test_a_websocket_origin_is_an_origin(origin: str) -> None:
    assert "is not an origin" in downstream_problem(websocket_origins=[origin])


def test_unknown_keys_are_refused_everywhere() -> None:
    for values in (
        {"prot": 1},
        {"limits": {"x": 1}},
        {"downstreams": {"a": {"url": URL, "x": 1}}},
        {"downstreams": {"a": {"url": URL, "pool": {"x": 1}}}},
    ):
        assert "Extra inputs are not permitted" in problem(**values)
