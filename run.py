#!/usr/bin/env python3
"""Start anything here on a machine that has only Python and pip: `python3 run.py COMMAND [ARGUMENTS]`.

What it is for: making .venv beside this file, installing the project into it once, and handing over to the
command. Nothing is installed again while pyproject.toml and constraints.txt stay the same.
What it must not know: what the commands do. Standard library only. Any Python 3 can read this file, so an old
one says what is missing instead of showing a syntax error.
"""

import os
import shutil
import sys

MINIMUM = (3, 11)


def old_python() -> None:
    """Continue in a newer Python of this machine, or say that there is none. Written for any Python 3."""
    for minor in range(30, MINIMUM[1] - 1, -1):
        newer = shutil.which("python3.%d" % minor)
        if newer:
            os.execv(newer, [newer] + sys.argv)
    sys.stderr.write(
        "run.py: Python %d.%d or newer is needed, this is %d.%d; install one (Debian: apt install python3)\n"
        % (MINIMUM + sys.version_info[:2])
    )
    sys.exit(2)


if sys.version_info < MINIMUM:
    old_python()
if os.name != "posix":
    sys.stderr.write("run.py: Linux or macOS is needed; on Windows run this inside WSL\n")
    sys.exit(2)

import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
# As a script, not with -m: that would put the user's folder, and a package `tests` in it, first on the path.
PROGRAM = str(VENV / "bin" / "downstream-proxy")
LOG = VENV / "install.log"
# Written last, so that an interrupted installation leaves none and is done again.
STAMP = VENV / "install.json"
INPUTS = ("pyproject.toml", "constraints.txt")
# The first pip that installs into another environment (--python).
PIP = (22, 3)

# Command -> extras it needs, what .venv's Python is given, what the command does.
COMMANDS = {
    "demo": (["fastapi"], [PROGRAM, "demo"], "an embedded service behind both backends"),
    "test": (["test"], ["-m", "pytest"], "run the tests; arguments go to pytest"),
    "serve": (["fastapi"], [PROGRAM, "serve"], "serve in front of --downstream URL"),
    "check": (["test"], [PROGRAM, "check"], "run the contract against a running proxy"),
    "compare": (["compare"], [PROGRAM, "compare"], "measure client libraries and proxies"),
    "recommend": ([], [PROGRAM, "recommend"], "name the client that fits stated needs"),
    "check-config": ([], [PROGRAM, "check-config"], "list every mistake in a configuration"),
    "print-config": ([], [PROGRAM, "print-config"], "print the effective configuration"),
    "python": (["all"], [], "run .venv's Python, with everything installed"),
}
# What `test` does when it is told nothing, every day: all cores, the tests of a file in one process, as they
# share servers.
EVERYDAY = ["-n", "logical", "--dist", "loadfile"]
# Variables that would send the installation elsewhere than .venv, or start its Python from elsewhere.
MISLEADING = ("PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "PIP_TARGET", "PIP_USER", "PYTHONHOME")


class SetupError(Exception):
    """.venv cannot be made; the message is one line and says what to do."""


def main(argv: list[str]) -> NoReturn:
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage(), file=sys.stdout if argv else sys.stderr)
        sys.exit(0 if argv else 2)
    command, arguments = argv[0], argv[1:]
    if command not in COMMANDS:
        fail(f"unknown command {command!r}; one of: {', '.join(COMMANDS)}")
    extras, target, _ = COMMANDS[command]
    if command == "compare" and "--all" in arguments:
        extras = [*extras, "test"]  # each client is asked the contract's tests too
    for name in MISLEADING:
        os.environ.pop(name, None)
    try:
        install(set(extras))
    except (SetupError, OSError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    if command == "test":
        arguments = arguments or EVERYDAY
        os.chdir(ROOT)  # pytest's configuration is here; the other commands take paths as the user typed them
    os.execv(PYTHON, [str(PYTHON), *target, *arguments])


def usage() -> str:
    lines = ["usage: python3 run.py COMMAND [ARGUMENTS]", "", "Makes .venv at the first run. Commands:"]
    return "\n".join([*lines, *(f"  {name:<13} {summary}" for name, (_, _, summary) in COMMANDS.items())])


def fail(message: str) -> NoReturn:
    print(f"run.py: {message}", file=sys.stderr)
    sys.exit(2)


def install(extras: set[str]) -> None:
    """Bring .venv to the state that `extras` need; return at once when it is there already."""
    if covers(extras):
        return
    with only_one_at_a_time():
        if covers(extras):  # another run has just done it
            return
        if VENV.exists() and not works(PYTHON):
            with step("removing a .venv that no longer works"):
                shutil.rmtree(VENV)
        if not VENV.exists():
            with step("making .venv"):
                # Without pip: Debian's Python lacks the ensurepip that would put one there.
                call([sys.executable, "-m", "venv", "--without-pip", str(VENV)])
        wanted = sorted(extras.union(read_stamp().get("extras", [])))
        STAMP.unlink(missing_ok=True)
        project = f".[{','.join(wanted)}]" if wanted else "."
        with step(f"installing downstream-proxy{project[1:]}"):
            call(
                [
                    *pip(),
                    "install",
                    "--no-input",
                    "--progress-bar=off",
                    "-c",
                    "constraints.txt",
                    "-e",
                    project,
                ]
            )
        STAMP.write_text(json.dumps({"inputs": fingerprint(), "extras": wanted}), encoding="utf-8")


def covers(extras: set[str]) -> bool:
    stamp = read_stamp()
    if not stamp or not PYTHON.exists() or stamp["inputs"] != fingerprint():
        return False
    return "all" in stamp["extras"] or extras.issubset(stamp["extras"])


def read_stamp() -> dict[str, Any]:
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        return {"inputs": str(stamp["inputs"]), "extras": [str(extra) for extra in stamp["extras"]]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def fingerprint() -> str:
    """Differs whenever the same installation would come out differently."""
    digest = hashlib.sha256(f"{ROOT} {PYTHON.resolve()}".encode())
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def works(python: Path) -> bool:
    check = f"import sys; sys.exit(sys.version_info < {MINIMUM})"
    try:
        return subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def pip() -> list[str]:
    """The words that run a pip which installs into .venv."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        version = importlib.metadata.version("pip")
        if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) >= PIP:
            return [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(PYTHON)]
    if importlib.util.find_spec("ensurepip"):
        call([str(PYTHON), "-m", "ensurepip"])
        return [str(PYTHON), "-m", "pip", "--disable-pip-version-check"]
    raise SetupError(
        f"{sys.executable} has no pip of version {PIP[0]}.{PIP[1]} or newer; "
        "install it (Debian: apt-get install python3-pip) and run this again"
    )


def call(command: list[str]) -> None:
    """Run `command` with its output in LOG; SetupError with its last complaint when it fails."""
    VENV.mkdir(exist_ok=True)
    with LOG.open("w", encoding="utf-8") as log:
        code = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
        ).returncode
    if code:
        said = [
            line.strip()
            for line in LOG.read_text(encoding="utf-8", errors="replace").splitlines()
            if line.strip()
        ]
        complaints = (
            [line for line in said if line.lower().startswith("error")] or said or [f"exit code {code}"]
        )
        raise SetupError(f"{complaints[-1]} (all of its output is in {LOG})")


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """One line on standard error: what is being done and, while and after it, for how many seconds."""
    started, done = time.monotonic(), threading.Event()

    def line() -> str:
        return f"run.py: {what} ... {time.monotonic() - started:.1f} s"

    def tick() -> None:
        while not done.wait(0.2):
            print(f"\r{line()}", end="", file=sys.stderr, flush=True)

    live = sys.stderr.isatty()
    ticking = threading.Thread(target=tick, daemon=True)
    if live:
        ticking.start()
    else:
        print(f"run.py: {what} ...", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        done.set()
        if live:
            ticking.join()
        print(
            f"\r{line()}" if live else line().removeprefix(f"run.py: {what} ..."), file=sys.stderr, flush=True
        )


@contextlib.contextmanager
def only_one_at_a_time() -> Iterator[None]:
    """Hold the project's folder locked: two terminals may start the first run at once."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step("waiting for another run.py that is installing"):
                fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
