"""`python -m compare.scorecards`: the contract against every peer, and the pages of docs/scorecards.

Each peer is started as the proxy comparison starts it, in front of the suite's origin, and `downstream-proxy
check` is run against it as anybody would run it. What was found is kept beside the pages printed from it.
Must not know what the rules are or how they are tested.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .bench import usable
from .process import LOOPBACK, StartError, free_port, started, wait_listening
from .proxies import PEERS, Peer, Site
from .scorecard_pages import pages

RESULTS = "results.json"
#: What a peer is not asked for, as it does not claim to have it.
WITHOUT = {"fastapi-httpx": ["websocket"], "fastapi-proxy-lib": ["websocket"]}
SECONDS = 900


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m compare.scorecards", description=__doc__)
    parser.add_argument("--write", metavar="FOLDER", type=Path, default=Path("docs/scorecards"))
    parser.add_argument("--peers", metavar="A,B", help=f"of {', '.join(PEERS)}; the others stay as they are")
    parser.add_argument(
        "--print", dest="only_print", action="store_true", help="write the pages anew from the kept results"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 when a page is not current")
    options = parser.parse_args(argv)
    kept = options.write / RESULTS
    found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    if options.check:
        stale = [name for name, text in pages(found).items() if _text(options.write / name) != text]
        for name in stale:
            print(f"{options.write / name} is not current: run python -m compare.scorecards --print")
        return bool(stale)
    if not options.only_print:
        chosen = [name.strip() for name in options.peers.split(",")] if options.peers else list(PEERS)
        if unknown := [name for name in chosen if name not in PEERS]:
            parser.error(f"unknown peer {', '.join(unknown)}; known: {', '.join(PEERS)}")
        peers, left_out = usable([PEERS[name] for name in chosen])
        for name, reason in left_out.items():
            print(f"{name} is left out: {reason}", file=sys.stderr)
        for peer in peers:
            began = time.monotonic()
            found[peer.name] = run(peer)
            print(f"{peer.name}: {found[peer.name]['summary']} ({time.monotonic() - began:.0f} s)")
    options.write.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for name, text in pages(found).items():
        (options.write / name).write_text(text, encoding="utf-8")
    return 0


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def run(peer: Peer) -> dict[str, Any]:
    """One peer's score, with its version and the configuration that it ran with. Raises StartError."""
    folder = Path(tempfile.mkdtemp(prefix="downstream-proxy-"))
    try:
        site = Site(free_port(), free_port(), folder, websocket=True)
        launch = peer.launch(site)
        configuration = {
            path.name: _neutral(path.read_text(encoding="utf-8"), site)
            for path in sorted(folder.iterdir())
            if path.is_file()
        }
        with started(launch, cores=None, folder=folder, name="peer") as running:
            wait_listening(running, site.port)
            score = check(site, WITHOUT.get(peer.name, []), folder)
        command = _neutral(" ".join(launch.argv), site)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "title": peer.title,
        "version": peer.version(),
        "date": datetime.now(UTC).date().isoformat(),
        "without": WITHOUT.get(peer.name, []),
        "configuration": configuration,
        "started": command.rpartition("/")[2] if configuration else command,
        **score,
    }


def _neutral(text: str, site: Site) -> str:
    """Without what is of this run and machine only."""
    for machine, word in (
        (str(site.folder), "FOLDER"),
        (str(Path(sys.executable)), "python"),
        (str(site.origin_port), "ORIGIN_PORT"),
        (str(site.port), "PORT"),
    ):
        text = text.replace(machine, word)
    return text


def check(site: Site, without: list[str], folder: Path) -> dict[str, Any]:
    """`downstream-proxy check` in a process of its own; its counts, and what it said of each part."""
    file = folder / "score.json"
    argv = [sys.executable, "-m", "downstream_proxy", "check", f"http://{LOOPBACK}:{site.port}"]
    argv += ["--origin-listen", site.origin, "--json", str(file)]
    argv += [part for capability in without for part in ("--without", capability)]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=False)
    if not file.is_file():
        raise StartError(f"check ended with {ended.returncode}: {ended.stderr[-500:]}")
    document = json.loads(file.read_text(encoding="utf-8"))
    parts = [
        {
            "rule": part["rule"],
            "basis": part["basis"],
            "verdict": part["verdict"],
            "passed": part["tests_passed"],
            "failed": len(part["failures"]),
            **({"skipped": part["skipped"]} if part["skipped"] else {}),
            "failures": [
                {key: _neutral(failure[key], site)[:300] for key in ("test", "expected", "got")}
                for failure in part["failures"][:2]
            ],
        }
        for part in document["rules"]
    ]
    return {"summary": document["summary"], "counts": document["counts"], "parts": parts}


if __name__ == "__main__":
    sys.exit(main())
