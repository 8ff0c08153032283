"""`init`: what the files say follows from the settings, and nothing of anybody's is overwritten."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from downstream_proxy import cli
from downstream_proxy.cli_init import init, joined
from downstream_proxy.init_files import KINDS
from downstream_proxy.settings import Settings
from downstream_proxy.settings_source import ConfigurationError, load

ROOT = Path(__file__).resolve().parents[2]
FULL = """
port = 8443
workers = 3
ssl_certfile = "cert.pem"
trusted_proxies = ["10.0.0.0/8"]
[timeouts]
shutdown = 20
shutdown_delay = 1.5
[admin]
prefix = "/.proxy/"
listen = "127.0.0.1:9200"
[rate_limits]
storage = "env:REDIS_URL"
[downstreams.api]
url = "http://api:1"
prefix = "/api"
pool = { max_connections = 10 }
request_headers.set = { X-Api-Key = "env:API_KEY", Authorization = "file:secrets/token" }
rate_limits = [{ limits = ["100/minute", "5/second"] }, { limits = "9/day", key = "header:X-Api-Key" }]
[downstreams.site]
url = "https://site"
pool = { max_connections = 30 }
tls = { ca = "certs/cert.pem" }
"""


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "DOWNSTREAM_PROXY_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("API_KEY", "hunter2")
    monkeypatch.setenv("REDIS_URL", "redis://:hunter4@redis:6379/0")
    monkeypatch.chdir(tmp_path)
    for name in ("cert.pem", "certs/cert.pem", "secrets/token"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("hunter3\n")
    Path("proxy.toml").write_text(FULL)


def made(kind: str, settings: Settings | None = None) -> dict[str, str]:
    return init(kind, settings or load({}, "proxy.toml").settings, "/opt/p", "registry/proxy:1")


def documents(texts: dict[str, str]) -> dict[str, Any]:
    return {document["kind"]: document for text in texts.values() for document in yaml.safe_load_all(text)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("small", [True, False])
def test_every_place_is_filled_and_no_secret_is_in_it(kind: str, small: bool) -> None:
    texts = made(kind, Settings(downstream="http://h:1") if small else None)
    for name, text in texts.items():
        assert "@{" not in text, name
        assert "hunter" not in text, name
        assert text.endswith("\n"), name
        assert not re.search(r"[ \t]$", text, re.MULTILINE), name


def test_the_configuration_taken_along_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = made("systemd")
    Path("again.toml").write_text(texts["proxy.toml"])
    assert load({}, "again.toml").settings == load({}, "proxy.toml").settings


def test_inside_a_container_paths_and_addresses_are_the_containers() -> None:
    table = tomllib.loads(made("container")["proxy.toml"])
    assert (table["host"], table["port"], table["admin"]["listen"]) == ("0.0.0.0", 8443, ":9200")
    assert table["ssl_certfile"] == "/etc/downstream-proxy/files/cert.pem"
    assert table["downstreams"]["site"]["tls"]["ca"] == "/etc/downstream-proxy/files/2-cert.pem"
    assert table["downstreams"]["api"]["request_headers"]["set"] == {
        "X-Api-Key": "env:API_KEY",
        "Authorization": "file:/etc/downstream-proxy/files/token",
    }
    assert "timeouts" in table
    assert "workers = 3" in made("container")["proxy.toml"]


def test_the_container_has_the_optional_parts_that_the_settings_need() -> None:
    assert 'whl[redis]"' in made("container")["Containerfile"]
    assert 'whl"' in made("container", Settings(downstream="http://h:1"))["Containerfile"]
    settings = Settings(downstream="http://h:1", backend="fastapi", tracing=True)
    assert 'whl[fastapi,otel]"' in made("container", settings)["Containerfile"]


def test_kubernetes_gives_the_process_the_time_it_asks_for() -> None:
    found = documents(made("kubernetes"))
    pod = found["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    table = tomllib.loads(found["ConfigMap"]["data"]["proxy.toml"])
    timeouts = table["timeouts"]
    assert timeouts["shutdown_delay"] == 5.0, "endpoints have to be told while the listener is open"
    assert pod["terminationGracePeriodSeconds"] == 35 > timeouts["shutdown_delay"] + timeouts["shutdown"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/.proxy/ready", "port": "admin"}
    assert {"name": "admin", "containerPort": 9200} in container["ports"]
    assert "preStop" not in str(pod)


def test_kubernetes_takes_secrets_from_secrets() -> None:
    found = documents(made("kubernetes"))
    pod = found["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["env"] == [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": "downstream-proxy", "key": name}}}
        for name in ("API_KEY", "REDIS_URL")
    ]
    assert {volume["name"] for volume in pod["volumes"]} == {"config", "files"}
    assert {mount["name"] for mount in container["volumeMounts"]} == {"config", "files"}


def test_kubernetes_scales_by_what_the_pools_can_hold() -> None:
    metrics = documents(made("kubernetes"))["HorizontalPodAutoscaler"]["spec"]["metrics"]
    (pods,) = [metric["pods"] for metric in metrics if metric["type"] == "Pods"]
    assert pods["metric"]["name"] == "downstream_proxy_inflight"
    assert pods["target"]["averageValue"] == str((10 + 30) * 3 * 7 // 10)


def test_a_front_learns_address_and_time_outs() -> None:
    text = made("nginx")["downstream-proxy.conf"]
    assert "server 127.0.0.1:8443;" in text
    assert "proxy_pass https://downstream_proxy;" in text
    assert "location ^~ /.proxy/ {" in text
    assert 'Set trusted_proxies = ["127.0.0.1"] in the proxy\'s file' in text
    trusting = Settings(downstream="http://h:1", uds="/run/p.sock", trusted_proxies=("*",))
    text = made("nginx", trusting)["downstream-proxy.conf"]
    assert "server unix:/run/p.sock;" in text
    assert "is believed" in text
    assert "unix@/run/p.sock" in made("haproxy", trusting)["haproxy.cfg"]


def test_the_socket_unit_listens_where_the_settings_say() -> None:
    def listens(**values: Any) -> list[str]:
        text = made("systemd", Settings(downstream="http://h:1", **values))["downstream-proxy.socket"]
        return re.findall(r"^ListenStream=(.*)$", text, re.MULTILINE)

    assert listens() == ["127.0.0.1:8080"]
    assert listens(host="::", port=80) == ["[::]:80"]
    assert "127.0.0.1:8080" in listens(host="localhost")
    assert listens(uds="/run/p.sock") == ["/run/p.sock"]


@pytest.mark.parametrize("kind", ["systemd", "container", "kubernetes"])
def test_a_secret_that_stands_in_the_file_is_not_copied(kind: str) -> None:
    rules = {"set": {"Authorization": "Bearer hunter2"}}
    table = {"a": {"url": "http://h:1", "request_headers": rules}}
    with pytest.raises(
        ConfigurationError, match=r"downstreams.a.request_headers.set.Authorization .* \"env:NAME"
    ):
        made(kind, Settings.model_validate({"downstreams": table}))


def test_a_port_of_the_systems_choice_is_refused() -> None:
    for kind in KINDS:
        with pytest.raises(ConfigurationError, match="port = 0"):
            made(kind, Settings(downstream="http://h:1", port=0))


def test_nothing_is_overwritten_unless_forced(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["init", "kubernetes", "--downstream", "http://h:1", "--into", "out"]
    assert cli.main(command) == 0
    assert capsys.readouterr().out.splitlines()[0] == "out/configmap.yaml"
    Path("out/service.yaml").write_text("mine")
    Path("out/deployment.yaml").unlink()
    assert cli.main(command) == 2
    assert "give --force" in capsys.readouterr().err
    assert Path("out/service.yaml").read_text() == "mine"
    assert not Path("out/deployment.yaml").exists(), "all or nothing"
    assert cli.main([*command, "--force"]) == 0
    assert Path("out/service.yaml").read_text() != "mine"


def test_stdout_is_a_stream_that_kubectl_reads(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", "kubernetes", "--downstream", "http://h:1", "--stdout"]) == 0
    kinds = [document["kind"] for document in yaml.safe_load_all(capsys.readouterr().out)]
    assert kinds == ["ConfigMap", "Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"]
    assert not Path("kubernetes").exists()


def test_init_needs_a_downstream(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", "nginx"]) == 2
    assert "no downstream" in capsys.readouterr().err


def test_texts_are_joined_with_their_names() -> None:
    assert joined({"a.conf": "x\n", "b.yaml": "y\n"}) == "# --- a.conf\nx\n---\ny\n"


@pytest.mark.parametrize("kind", KINDS)
def test_the_examples_in_deploy_are_what_init_makes(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "deploy")
    monkeypatch.setenv("RATE_LIMIT_STORAGE", "memory://")
    texts = init(kind, load({}, "proxy.toml").settings, "/opt/downstream-proxy/bin/downstream-proxy", None)
    for name, text in texts.items():
        assert (ROOT / "deploy" / kind / name).read_text() == text, f"run deploy/make: {kind}/{name}"
