"""`downstream-proxy init KIND`: writes the files, or prints them.

What it is for: never to overwrite what somebody may have changed.
What it must not know: what is in the files.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from . import __version__
from .init_files import KINDS
from .settings import Settings
from .settings_source import require_downstream


class InitError(Exception):
    """The files cannot be written; the message is one line that says what to do."""


def init(kind: str, settings: Settings, program: str | None, image: str | None) -> dict[str, str]:
    """Name -> text. program: path of the command, None for the running one. image: None for our version's.

    Raises ConfigurationError.
    """
    require_downstream(settings)
    return KINDS[kind](settings, program or _program(), image or f"downstream-proxy:{__version__}")


def write(texts: dict[str, str], folder: Path, force: bool) -> list[Path]:
    """Write them; the paths. Raises InitError before anything is written when one exists, unless `force`."""
    paths = {folder / name: text for name, text in texts.items()}
    present = [str(path) for path in paths if path.exists()]
    if present and not force:
        raise InitError(f"{', '.join(present)}: already there; give --force to overwrite, or another --into")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in paths.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InitError(f"cannot write into {folder}: {(error.strerror or str(error)).lower()}") from None
    return list(paths)


def joined(texts: dict[str, str]) -> str:
    """All of them as one text: YAML stays a stream of documents, the rest is parted by comments."""
    return "".join(
        f"---\n{text}" if name.endswith(".yaml") else f"# --- {name}\n{text}" for name, text in texts.items()
    )


def _program() -> str:
    beside = Path(sys.executable).with_name("downstream-proxy")
    return str(beside) if beside.exists() else shutil.which("downstream-proxy") or str(beside)
