"""The streaming recipe and the buffering one with an answer of 128 MiB."""

from __future__ import annotations

from ..behaviour_probes import memory
from ..subjects import SUBJECTS

CLAIM = "Streaming with `aiter_raw` is right: it holds a large answer in bounded memory, buffering does not."


def check() -> tuple[bool, str]:
    streaming, buffering = (
        memory(SUBJECTS[name], True) for name in ("recipe-httpx-state", "recipe-httpx-buffered")
    )
    holds = streaming["outcome"] == "kept" and buffering["outcome"] == "broken"
    return holds, f"streaming: {streaming['detail']}; buffering: {buffering['detail']}"
