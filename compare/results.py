"""A whole run as it is written to and read from a JSON file. Must not know how it is shown."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .samples import Sample

FORMAT = 1
PROXIES = "proxies"
COST = "cost"


@dataclass(slots=True)
class Results:
    """`environment` and `settings` describe the run, `peers` holds title, settings and version by name."""

    environment: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    peers: dict[str, dict[str, str]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    kind: str = PROXIES

    def write(self, path: Path) -> None:
        stored = {
            "format": FORMAT,
            "kind": self.kind,
            "environment": self.environment,
            "settings": self.settings,
            "peers": self.peers,
            "left_out": self.left_out,
        }
        # One line per sample: a file that can be read, and compared by line.
        samples = ",\n".join(f"  {json.dumps(sample.to_json())}" for sample in self.samples)
        head = json.dumps({**stored, "samples": []}, indent=1).removesuffix("[]\n}")
        path.write_text(f"{head}[\n{samples}\n ]\n}}\n" if samples else f"{head}[]\n}}\n")

    @classmethod
    def read(cls, path: Path, kind: str = PROXIES) -> Results:
        """Raises ValueError when the file is not such a result."""
        stored = json.loads(path.read_text())
        if not isinstance(stored, dict) or (stored.get("format"), stored.get("kind")) != (FORMAT, kind):
            raise ValueError(f"{path} is not a result of `compare{' proxies' if kind == PROXIES else ''}`")
        samples = [Sample.from_json(sample) for sample in stored["samples"]]
        return cls(
            stored["environment"], stored["settings"], stored["peers"], stored["left_out"], samples, kind
        )
