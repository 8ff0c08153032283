"""The JSON Schema accepts what the settings accept and refuses what an editor should underline."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from downstream_proxy import cli
from downstream_proxy.settings import Settings
from downstream_proxy.settings_schema import schema
from downstream_proxy.settings_show import show

from tests.contract import settings as suite

ROOT = Path(__file__).resolve().parents[2]
README_EXAMPLES = re.findall(
    r"^```toml\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
)
SUITE = {name: text for name, text in vars(suite).items() if name.isupper() and isinstance(text, str)}


@pytest.fixture(scope="module")
def validator() -> Any:
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


@pytest.mark.parametrize("text", README_EXAMPLES)
def test_the_examples_of_the_readme_pass(text: str, validator: Any) -> None:
    validator.validate(tomllib.loads(text))


@pytest.mark.parametrize("name", SUITE)
def test_what_the_suite_serves_with_passes(name: str, validator: Any) -> None:
    validator.validate(tomllib.loads(SUITE[name].replace("$ORIGIN", "127.0.0.1:9").replace("$PORT", "9")))


def test_what_print_config_shows_passes(validator: Any) -> None:
    validator.validate(tomllib.loads(show(Settings(downstream="http://h:1", uds="p.sock"))))


@pytest.mark.parametrize(
    "text",
    [
        'max_request_body = "64MiB"',
        'max_request_body = "1.5 mb"',
        'max_request_body = "none"',
        "max_request_body = 1000",
    ],
)
def test_sizes_may_be_written_as_the_settings_read_them(text: str, validator: Any) -> None:
    table = tomllib.loads(f"[limits]\n{text}")
    validator.validate(table)
    Settings(**table)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("hots = 'x'", "hots"),
        ("port = 70000", "port"),
        ("port = '8080'", "port"),
        ("backend = 'flask'", "backend"),
        ("[limits]\nmax_target = '64XB'", "max_target"),
        ("[limits]\nmax_request_head = 10", "max_request_head"),
        ("[timeouts]\nrequest_head = 0", "request_head"),
        ("[downstreams.a]\nurl = 'ftp://h'", "url"),
        ("[downstreams.a]\nurl = 'http://h'\nprefx = '/a'", "prefx"),
        ("[downstreams.a]\nurl = 'http://h'\nretry = { attempts = 11 }", "attempts"),
        ("[downstreams.a]\nurl = 'http://h'\nrequest_headers.set = { X-A = 1 }", "X-A"),
        ("[admin]\nlisten = '9100'", "listen"),
    ],
)
def test_a_bad_file_is_refused_where_it_is_wrong(text: str, named: str, validator: Any) -> None:
    errors = list(validator.iter_errors(tomllib.loads(text)))
    assert len(errors) == 1
    assert named in errors[0].message or named in errors[0].absolute_path


def test_the_command_prints_what_docs_hold(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()


def test_every_setting_says_what_it_means_and_what_it_is_by_default() -> None:
    tables = [schema(), *schema()["$defs"].values()]
    for table in tables:
        for name, field in table["properties"].items():
            if "$ref" not in field:
                told = "default" in field.get("description", "") or name in table.get("required", ())
                assert told, name
