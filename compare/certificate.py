"""A self-signed certificate for 127.0.0.1, made by the openssl program. P-256, as most sites have.

Must not know who uses it.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import programs


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files: the certificate, its key, and both in one file (as HAProxy wants them)."""

    cert: Path
    key: Path
    both: Path


def missing() -> str | None:
    """Why no certificate can be made, or None."""
    return programs.missing("openssl", "openssl")


def make(folder: Path) -> Certificate:
    """Write the files into `folder`. Raises CalledProcessError when openssl fails."""
    made = Certificate(folder / "cert.pem", folder / "key.pem", folder / "both.pem")
    command = [
        programs.path("openssl"),
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-keyout", str(made.key), "-out", str(made.cert), "-days", "30", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    made.both.write_bytes(made.cert.read_bytes() + made.key.read_bytes())
    return made
