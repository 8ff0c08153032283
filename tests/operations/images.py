"""Builds a Containerfile and runs what came of it, with buildah: no daemon, no registry, no name spaces.

The base image is made here, under the name that FROM has: a root file system with the Python that runs the
tests, the C library, a shell and the certificates. So a file that needs more than Python shows it.
It must not know what the image is for.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_SHELL = Path("/bin/sh")
_CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")
# Loaded by name while a program runs, or needed by wheels and by no part of Python.
_C_LIBRARY = re.compile(r"lib(anl|c|dl|gcc_s|m|nss_\w+|pthread|resolv|rt|stdc\+\+|util)\.so\.\d+")
_LEFT_OUT = ("test", "tests", "idlelib", "tkinter", "_tkinter*", "__pycache__", "config-*", "*-packages")


def root_file_system(root: Path) -> None:
    """Fills `root` with this Python under /usr/local, where the official images have it."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    library = Path(os.__file__).parent
    program = Path(sys.executable).resolve()
    for folder in ("dev", "etc", "proc", "run", "sys", "tmp", "usr/local/bin", "var/tmp"):
        (root / folder).mkdir(parents=True)
    for folder in ("tmp", "var/tmp"):
        (root / folder).chmod(0o1777)
    ignored = shutil.ignore_patterns(*_LEFT_OUT)
    shutil.copytree(library, root / "usr/local/lib" / name, symlinks=True, ignore=ignored)
    wheels = Path("/usr/share/python-wheels")  # where Debian's ensurepip has pip
    if wheels.is_dir():
        shutil.copytree(wheels, root / wheels.relative_to("/"))
    shutil.copy2(program, root / "usr/local/bin" / name)
    for link in ("python", "python3"):
        (root / "usr/local/bin" / link).symlink_to(name)
    _copy(_SHELL, root)
    for file in _libraries([program, _SHELL.resolve(), *sorted((library / "lib-dynload").glob("*.so"))]):
        _copy(file, root)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    _for_pip(root)


def _for_pip(root: Path) -> None:
    """What pip needs to reach the index as this machine does: whom it trusts, and which index."""
    trusted = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    found = Path(trusted or ssl.get_default_verify_paths().openssl_cafile)
    if not found.is_file():
        found = Path("/") / _CERTIFICATES
    (root / _CERTIFICATES).parent.mkdir(parents=True)
    shutil.copy(found, root / _CERTIFICATES)
    lines = ["[global]", f"cert = /{_CERTIFICATES}"]
    if index := os.environ.get("PIP_INDEX_URL"):
        lines.append(f"index-url = {index}")
    (root / "etc/pip.conf").write_text("\n".join(lines) + "\n")


def _libraries(programs: Sequence[Path]) -> set[Path]:
    """What the loader would load for these, and the whole C library."""
    said = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    found = {Path(path) for path in re.findall(r"(/\S+) \(0x", said)}
    (folder,) = {path.parent for path in found if path.name.startswith("libc.so.")}
    return found | {path for path in folder.iterdir() if _C_LIBRARY.fullmatch(path.name)}


def _copy(file: Path, root: Path) -> None:
    target = root / file.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file, target)  # the file behind a link, under the link's name


class Images:
    """Images in a store of their own under `directory`, which goes with it."""

    def __init__(self, program: str, directory: Path) -> None:
        self._directory = directory
        self._command = [program, "--root", str(directory / "images"), "--runroot", str(directory / "run")]
        self._command += ["--storage-driver", "vfs"]
        self._environment = {**os.environ, "TMPDIR": str(directory)}
        self._bases: set[str] = set()

    def __call__(self, *arguments: str) -> str:
        """What buildah prints; AssertionError with all it said when it fails."""
        ended = subprocess.run(
            [*self._command, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=self._environment,
            stdin=subprocess.DEVNULL,
        )
        assert ended.returncode == 0, f"{arguments}: {ended.stdout[-4000:]}{ended.stderr[-4000:]}"
        return ended.stdout.strip()

    def base(self, name: str) -> None:
        """An image of that name with Python in it."""
        if name in self._bases:
            return
        self._bases.add(name)
        root = self._directory / "root"
        root_file_system(root)
        container = self("from", "scratch")
        self("add", "--quiet", container, str(root), "/")
        self("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", container)
        self("commit", "--quiet", "--rm", container, name)
        shutil.rmtree(root)

    def build(self, file: Path, name: str) -> dict[str, Any]:
        """Builds the file in its folder, on bases made here; what the image says of how to run it."""
        for base in re.findall(r"^FROM (\S+)", file.read_text(), re.MULTILINE):
            self.base(base)
        # Docker's format, as the other one has no HEALTHCHECK.
        flags = ("--isolation", "chroot", "--format", "docker", "--pull-never")
        self("bud", *flags, "--tag", name, "--file", str(file), str(file.parent))
        found: dict[str, Any] = json.loads(self("inspect", "--type", "image", name))["Docker"]["config"]
        return found

    def run(
        self, container: str, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> subprocess.Popen[bytes]:
        """Starts a command in a container, as the image's user; both of its outputs go to `log`."""
        flags = [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
        with log.open("wb") as output:
            return subprocess.Popen(
                [*self._command, "run", "--isolation", "chroot", *flags, container, "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
            )
