"""An authority and a certificate of it for 127.0.0.1, made by the openssl program. P-256, as most sites have.

Two of them, as some libraries refuse a server's certificate that is its own authority. Must not know who
uses them.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import programs

CONFIG = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = localhost
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
"""


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files: the certificate, its key, both in one file (as HAProxy wants them), and who vouches for
    it.
    """

    cert: Path
    key: Path
    both: Path
    authority: Path


def missing() -> str | None:
    """Why no certificate can be made, or None."""
    return programs.missing("openssl", "openssl")


def make(folder: Path) -> Certificate:
    """Write the files into `folder`. Raises CalledProcessError when openssl fails."""
    made = Certificate(folder / "cert.pem", folder / "key.pem", folder / "both.pem", folder / "authority.pem")
    config, authority_key = folder / "openssl.cnf", folder / "authority.key"
    config.write_text(CONFIG)
    _sign(config, "authority", made.authority, authority_key)
    _sign(config, "server", made.cert, made.key, "-CA", str(made.authority), "-CAkey", str(authority_key))
    made.both.write_bytes(made.cert.read_bytes() + made.key.read_bytes())
    return made


def _sign(config: Path, extensions: str, cert: Path, key: Path, *by: str) -> None:
    command = [programs.path("openssl"), "req", "-x509", "-config", str(config), "-extensions", extensions]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
    command += ["-subj", f"/CN=downstream-proxy {extensions}", "-keyout", str(key), "-out", str(cert), *by]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
