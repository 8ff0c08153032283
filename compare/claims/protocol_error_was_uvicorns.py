"""The question's h11 LocalProtocolError: `requests` under uvicorn's h11, with fast second requests on kept
connections.
"""

from __future__ import annotations

import importlib.metadata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from ..process import Launch
from ..running import scene
from ..subjects import SUBJECTS, Start
from ._crowd import visit

CLAIM = "`requests` does not cause the question's h11 LocalProtocolError: today's uvicorn shows none with it."
USERS = 20
# uvicorn is told to close idle connections after a second; users pause for nearly as long.
KEPT_SECONDS = "1"


def check() -> tuple[bool, str]:
    recipe = SUBJECTS["recipe-requests-def"]

    def with_h11(start: Start) -> Launch:
        launch = recipe.command(start)
        argv = ["h11" if part == "httptools" else part for part in launch.argv]
        argv[argv.index("--timeout-keep-alive") + 1] = KEPT_SECONDS
        return Launch(argv, launch.env)

    with scene(replace(recipe, command=with_h11)) as stage:
        with ThreadPoolExecutor(USERS) as pool:
            good = sum(pool.map(lambda _: visit(stage, "/one", 10, pause=0.95), range(USERS)))
        errors = stage.process.log.read_text(errors="replace").count("LocalProtocolError")
    version = importlib.metadata.version("uvicorn")
    return errors == 0, f"uvicorn {version}: {good} answers, {errors} times LocalProtocolError in its log"
