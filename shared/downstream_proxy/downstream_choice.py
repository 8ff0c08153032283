"""Which of our two ways to a downstream is used, by what the installed aiohttp has and by `trust_env`.

Asked once per start. Knows the ways by name only: neither is imported before it is chosen, as the fast one
cannot be where an internal of aiohttp's is gone. There is no setting for the choice itself: where the fast
way works, the portable one is better at nothing but the proxies and passwords of the environment, which
ClientSession finds; and a bug in the fast one is one to mend.
"""

from __future__ import annotations

import logging

import aiohttp

from .connecting import Address
from .downstream import Downstream
from .route import DownstreamFactory
from .settings import DownstreamSettings

logger = logging.getLogger("downstream_proxy")


def missing_internals() -> list[str]:
    """What this aiohttp lacks of what the fast way leans on; empty for a usable one."""
    try:
        from . import aiohttp_internals
    except ImportError as error:  # a name or a module that is gone; the path behind it is nobody's business
        return [str(error).partition(" (")[0]]
    return aiohttp_internals.missing()


def portable_because() -> str | None:
    """One line: why the portable way is in use and what it costs; None when the fast one is."""
    missing = missing_internals()
    if not missing:
        return None
    return (
        f"aiohttp {aiohttp.__version__} is not as the fast way needs it ({', '.join(missing)}): requests go "
        "through its ClientSession, slower and read by its parser; WebSocket is answered 502, interim "
        "responses and trailers are not passed on. The aiohttp that constraints.txt names has all"
    )


def choose_downstream() -> DownstreamFactory:
    """The fast way when it can be used; else the portable one, with a warning in the log."""
    if reason := portable_because():
        from .session_downstream import SessionDownstream

        logger.warning("%s", reason)
        return SessionDownstream
    return _fast_unless_told


def _fast_unless_told(settings: DownstreamSettings, address: Address) -> Downstream:
    if settings.trust_env:
        from .session_downstream import SessionDownstream

        return SessionDownstream(settings, address)
    from .wire_downstream import WireDownstream

    return WireDownstream(settings, address)
