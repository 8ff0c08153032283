"""`downstream-proxy init`: the files that put the proxy into service, made from its settings.

What it is for: one function per kind that fills its templates (package data in `templates/`).
What it must not know: where the files go, the command line.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from textwrap import indent
from typing import Any

from . import __version__
from . import init_values as values
from .settings import Settings
from .settings_portable import Portable, portable

FOLDER = "/etc/downstream-proxy/files"
"""Where certificates and secrets lie inside a container."""

_PLACE = re.compile(r"@\{(\w+)\}")


def render(kind: str, name: str, found: Mapping[str, object]) -> str:
    """A template with `@{name}` replaced. A line that is nothing but an empty value goes."""
    text = files(__package__).joinpath("templates", kind, name).read_text(encoding="utf-8")
    lines = []
    for line in text.split("\n"):
        alone = _PLACE.fullmatch(line)
        filled = _PLACE.sub(lambda match: str(found[match[1]]), line)
        if filled or not alone:
            lines.append(filled)
    return "\n".join(lines)


def systemd(settings: Settings, program: str, image: str) -> dict[str, str]:
    del image
    found = portable(settings, {})
    stop = values.Stop.of(settings)
    limit, words = values.descriptors(settings)
    addresses = [settings.uds] if settings.uds is not None else values.listen_addresses(settings)
    variables = "".join(f"\n#   {name}=..." for name in found.variables)
    common: dict[str, object] = {
        "made": values.made("systemd"),
        "program": program,
        "shutdown_sum": stop.words,
        "stop_seconds": stop.seconds,
        "descriptors": limit,
        "descriptors_sum": words,
        "environment": f"# Secrets, a line each, readable for root alone:{variables}\n"
        "EnvironmentFile=/etc/downstream-proxy/environment"
        if variables
        else "",
        "files": "\n".join(
            f"#   chgrp downstream-proxy {path} && chmod g+r {path}" for path in _paths(found)
        ),
        "protect_home": "read-only" if _in_homes(found) else "yes",
        "listen": "\n".join(f"ListenStream={address}" for address in addresses),
        "backlog": settings.backlog,
        "socket_mode": "SocketMode=0666" if settings.uds is not None else "",
    }
    names = ("downstream-proxy.service", "downstream-proxy.socket", "downstream-proxy.sysusers")
    return {"proxy.toml": _toml("systemd", found)} | {name: render("systemd", name, common) for name in names}


def container(settings: Settings, program: str, image: str) -> dict[str, str]:
    del program
    found = _inside(settings, 0.0)
    stop = values.Stop.of(settings)
    port, admin = values.fixed_port(settings), values.admin_port(settings)
    taken = {
        "made": values.made("container"),
        "version": __version__,
        "image": image,
        "extras": _extras(settings),
        "prefix": settings.admin.prefix,
        "port": port,
        "publish": 443 if settings.ssl_certfile else 80,
        "admin_port": admin,
        "shutdown_sum": stop.words,
        "stop_seconds": stop.seconds,
        "run_flags": "".join(
            [f" \\\n#     --env {name}" for name in found.variables]
            + [f" \\\n#     --volume {path}:{FOLDER}/{name}:ro" for name, path in found.files.items()]
        ),
    }
    names = ("Containerfile", "Containerfile.dockerignore")
    return {"proxy.toml": _toml("container", found)} | {
        name: render("container", name, taken) for name in names
    }


def kubernetes(settings: Settings, program: str, image: str) -> dict[str, str]:
    del program
    found = _inside(settings, values.ENDPOINT_SECONDS)
    stop = values.Stop.of(settings, values.ENDPOINT_SECONDS)
    target, words = values.inflight(settings)
    tls = settings.ssl_certfile is not None
    taken = {
        "made": values.made("kubernetes"),
        "image": image,
        "prefix": settings.admin.prefix,
        "port": values.fixed_port(settings),
        "port_name": "https" if tls else "http",
        "service_port": 443 if tls else 80,
        "admin_port": values.admin_port(settings),
        "shutdown_sum": stop.words,
        "stop_seconds": stop.seconds,
        "inflight": target,
        "inflight_sum": words,
        "cpu": settings.workers,
        "memory_request": f"{128 * settings.workers}Mi",
        "memory_limit": f"{512 * settings.workers}Mi",
        "config": indent(found.toml.rstrip("\n"), "    "),
        "config_hash": hashlib.sha256(found.toml.encode()).hexdigest(),
        **_secrets(found),
    }
    names = ("configmap.yaml", "deployment.yaml", "service.yaml", "autoscaler.yaml", "disruption.yaml")
    return {name: render("kubernetes", name, taken) for name in names}


def nginx(settings: Settings, program: str, image: str) -> dict[str, str]:
    del program, image
    return {"downstream-proxy.conf": render("nginx", "downstream-proxy.conf", _front("nginx", settings))}


def haproxy(settings: Settings, program: str, image: str) -> dict[str, str]:
    del program, image
    return {"haproxy.cfg": render("haproxy", "haproxy.cfg", _front("haproxy", settings))}


Kind = Callable[[Settings, str, str], dict[str, str]]
KINDS: dict[str, Kind] = {
    "systemd": systemd,
    "container": container,
    "kubernetes": kubernetes,
    "nginx": nginx,
    "haproxy": haproxy,
}


_NGINX_TLS = """\
        # Between two machines: on, with proxy_ssl_trusted_certificate and proxy_ssl_name.
        proxy_ssl_verify off;"""


def _front(kind: str, settings: Settings) -> dict[str, object]:
    """What a web server before the proxy has to know."""
    server = values.reach(settings)
    tls = settings.ssl_certfile is not None
    limits, keep_alive = settings.limits, settings.timeouts.keep_alive
    return {
        "made": values.made(kind),
        "server": server if kind == "nginx" else server.replace("unix:", "unix@", 1),
        "scheme": "https" if tls else "http",
        "trust": values.trust(settings),
        "prefix": settings.admin.prefix,
        "keep_alive": f"{keep_alive:g}",
        "front_keep_alive": max(1, int(keep_alive * 0.8)),
        "max_body": limits.max_request_body or 0,
        "max_head": limits.max_request_head,
        "read_timeout": values.patience(settings),
        "send_timeout": int(settings.timeouts.request_body_idle) + 5,
        "nginx_tls": _NGINX_TLS if tls else "",
        "haproxy_tls": " ssl verify none" if tls else "",
    }


def _inside(settings: Settings, shutdown_delay: float) -> Portable:
    """The settings as they are in a container: every address, no Unix socket, files in one folder."""
    changes: dict[str, Any] = {
        "host": "0.0.0.0",
        "port": values.fixed_port(settings),
        "uds": None,
        "fd": None,
        "admin": {"listen": f":{values.admin_port(settings)}"},
    }
    if settings.timeouts.shutdown_delay < shutdown_delay:
        changes["timeouts"] = {"shutdown_delay": shutdown_delay}
    return portable(settings, changes, FOLDER)


def _toml(kind: str, found: Portable) -> str:
    return f"# {values.made(kind)}\n{found.toml}"


def _paths(found: Portable) -> list[str]:
    return [str(path) for path in found.files.values()]


def _in_homes(found: Portable) -> bool:
    return any(path.startswith(("/home/", "/root/", "/run/user/")) for path in _paths(found))


def _extras(settings: Settings) -> str:
    """The optional parts the settings need, as pip writes them."""
    extras = ["fastapi"] if settings.backend == "fastapi" else []
    extras += ["otel"] if settings.tracing else []
    extras += ["redis"] if any(one.rate_limits for one in settings.downstreams.values()) else []
    return f"[{','.join(extras)}]" if extras else ""


def _secrets(found: Portable) -> dict[str, str]:
    """Variables and files as references to Secrets that somebody makes beside these files."""
    note, environment, mounts, volumes = [], [], [], []
    if found.variables:
        pairs = "".join(f" --from-literal={name}=..." for name in found.variables)
        note.append(f"#   kubectl create secret generic downstream-proxy{pairs}")
        environment.append("          env:")
        environment += [
            f"            - name: {name}\n"
            f"              valueFrom: {{secretKeyRef: {{name: downstream-proxy, key: {name}}}}}"
            for name in found.variables
        ]
    if found.files:
        pairs = "".join(f" --from-file={name}={path}" for name, path in found.files.items())
        note.append(f"#   kubectl create secret generic downstream-proxy-files{pairs}")
        mounts.append(f"            - {{name: files, mountPath: {FOLDER}, readOnly: true}}")
        volumes.append(
            "        - name: files\n          secret: {secretName: downstream-proxy-files, defaultMode: 0440}"
        )
    return {
        "secrets_note": "\n".join(note),
        "environment": "\n".join(environment),
        "mounts": "\n".join(mounts),
        "volumes": "\n".join(volumes),
    }
