"""What `init` writes, read by the programs it is written for: systemd, kubectl's schemas, hadolint, nginx and
HAProxy, the last two with traffic through them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import aiohttp
import kubernetes_validate
import pytest
import yaml
from downstream_proxy.cli_init import init, write
from downstream_proxy.settings import Settings

from ..backends import Backend
from . import fronts
from .conftest import Through
from .curl import curl
from .programs import find

pytestmark = pytest.mark.timeout(60)

VARIANTS: dict[str, dict[str, Any]] = {
    "small": {"downstream": "http://127.0.0.1:9000"},
    "full": {
        "host": "::",
        "port": 8443,
        "workers": 4,
        "ssl_certfile": __file__,
        "admin": {"listen": "10.0.0.1:9200", "prefix": "/.proxy/"},
        "timeouts": {"shutdown_delay": 7, "shutdown": 60},
        "downstreams": {
            "a": {
                "urls": ["http://a:1", "http://b:1"],
                "request_headers": {"set": {"X-Key": "env:PATH", "X-File": f"file:{__file__}.secret"}},
            }
        },
    },
}


@pytest.fixture(params=VARIANTS)
def settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    text = json.dumps(VARIANTS[request.param]).replace(f"{__file__}.secret", str(secret))
    return Settings.model_validate(json.loads(text))


def written(kind: str, settings: Settings, folder: Path) -> list[Path]:
    program = str(Path(sys.executable).with_name("downstream-proxy"))
    return write(init(kind, settings, program, None), folder, force=False)


def output(*command: str) -> str:
    """Both outputs of a program that must succeed."""
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_systemd_finds_nothing_to_say_about_the_units(settings: Settings, tmp_path: Path) -> None:
    analyze = find("systemd-analyze", "systemd")
    written("systemd", settings, tmp_path / "units")
    units = [str(tmp_path / "units" / f"downstream-proxy.{kind}") for kind in ("service", "socket")]
    assert output(analyze, "verify", "--man=no", *units) == ""
    # 10 is a service without any protection.
    output(analyze, "security", "--offline=yes", "--threshold=20", "--no-pager", units[0])
    shutil.copy(tmp_path / "units" / "downstream-proxy.sysusers", tmp_path / "users.conf")
    assert "downstream-proxy" in output("systemd-sysusers", "--dry-run", str(tmp_path / "users.conf"))


def test_kubernetes_knows_every_field_of_the_manifests(settings: Settings, tmp_path: Path) -> None:
    kinds = []
    for path in written("kubernetes", settings, tmp_path / "k8s"):
        for document in yaml.safe_load_all(path.read_text()):
            kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
            kinds.append(document["kind"])
    assert kinds == ["ConfigMap", "Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"]


def test_a_manifest_with_a_misspelt_field_would_be_found(tmp_path: Path) -> None:
    (path,) = (
        p for p in written("kubernetes", Settings(downstream="http://h:1"), tmp_path) if "dep" in p.name
    )
    document = yaml.safe_load(path.read_text().replace("readinessProbe", "readynessProbe"))
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_hadolint_has_no_complaint_about_the_containerfile(settings: Settings, tmp_path: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    written("container", settings, tmp_path)
    assert output(str(hadolint), "--failure-threshold", "info", str(tmp_path / "Containerfile")) == ""


def test_nginx_and_haproxy_accept_the_files_as_they_are(settings: Settings, tmp_path: Path) -> None:
    written("nginx", settings, tmp_path)
    assert "test is successful" in output(*fronts.nginx_command(tmp_path), "-t")
    written("haproxy", settings, tmp_path)
    output(find("haproxy", "haproxy"), "-c", "-V", "-f", str(tmp_path / "haproxy.cfg"))


Front = Callable[[str, Path], AbstractContextManager[str]]
FRONTS: dict[str, tuple[str, Front]] = {
    "nginx": ("downstream-proxy.conf", fronts.nginx),
    "haproxy": ("haproxy.cfg", fronts.haproxy),
}


@pytest.mark.parametrize("kind", FRONTS)
async def test_a_front_tells_the_truth_of_the_client_and_hides_the_proxys_own_endpoints(
    kind: str, backend: Backend, demo_url: str, through: Through, tmp_path: Path
) -> None:
    del backend
    url = through(demo_url, "--no-access-log", "--forwarded-allow-ips", "127.0.0.1")
    port = int(url.rpartition(":")[2])
    made = Settings(downstream=demo_url, port=port, trusted_proxies=("127.0.0.1",))
    name, start = FRONTS[kind]
    with start(init(kind, made, None, None)[name], tmp_path) as front:
        claims = (
            "-H",
            "X-Forwarded-For: 6.6.6.6",
            "-H",
            "Forwarded: for=6.6.6.6",
            "-H",
            "X-Real-IP: 6.6.6.6",
        )
        lines = [part for claim in claims for part in ("-H", claim)]
        seen = json.loads(curl(front + "/echo/a%2Fb?q=%7E", "-H", "X-Mine: kept", *lines).body)
        assert seen["target"] == "/echo/a%2Fb?q=%7E"
        assert "6.6.6.6" not in str(seen["headers"])
        fields = {field.lower(): value for field, value in seen["headers"]}
        assert fields["x-forwarded-for"] == "127.0.0.1, 127.0.0.1", "the client, then the web server"
        assert (fields["x-forwarded-proto"], fields["x-mine"]) == ("http", "kept")
        assert fields["x-forwarded-host"] == front.removeprefix("http://")
        for path in ("/-/metrics", "/-/healthy", "/-/config"):
            assert curl(front + path, "--path-as-is").status == 404
        for path in ("//-/metrics", "/%2d/metrics", "/x/../-/metrics"):
            answer = curl(front + path, "--path-as-is")
            assert b"downstream_proxy_" not in answer.body
        broken = curl(front + "/cut/5000")
        assert broken.exit_code == 18, "a cut answer stays a cut answer"
        async with aiohttp.ClientSession(front) as session, session.ws_connect("/ws") as socket:
            await socket.send_str("through the front")
            assert await socket.receive_str() == "through the front"
