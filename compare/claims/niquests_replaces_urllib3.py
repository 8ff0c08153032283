"""What installing niquests does to urllib3, in an environment made for it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from ..clients.apart import pips

CLAIM = "Installing niquests replaces urllib3 under every other library of the environment."
SHOW = "import urllib3; print(urllib3.__version__)"


def check() -> tuple[bool, str]:
    with tempfile.TemporaryDirectory(prefix="downstream-proxy-") as folder:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
        python = Path(folder) / "bin" / "python"
        seen = []
        for distribution in ("urllib3", "niquests"):
            install = [*pips()[-1][:-1], str(python), "install", "-q", distribution]
            subprocess.run(install, check=True, timeout=180, capture_output=True)
            shown = subprocess.run(
                [python, "-c", SHOW], check=True, timeout=60, capture_output=True, text=True
            )
            seen.append(shown.stdout.strip())
    return seen[0] != seen[1], f"`import urllib3` gave {seen[0]}, and {seen[1]} once niquests was there"
