"""The subjects of the comparison as the runner starts them.

Must not know what is measured.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable

from ..clients import apart
from ..process import Launch
from ..proxies import Peer, Site
from ..proxies.peer import ORIGIN_TLS
from ..subjects import SUBJECTS, Start, Subject
from .plan import CONTROL, REFERENCE

#: Where the libraries look for an authority to trust besides the system's, when they are given none.
AUTHORITY_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def peer_of(subject: Subject) -> Peer:
    """A subject as something that the runner starts; clients run behind our FastAPI backend."""
    return Peer(
        name=subject.name,
        title=subject.title,
        settings=subject.kind,
        missing=subject.available,
        version=_version(subject.distribution),
        launch=lambda site: _launch(subject, site),
        features=frozenset() if subject.kind == "peer" else frozenset({ORIGIN_TLS}),
    )


def all_peers(*, control: bool) -> dict[str, Peer]:
    """By name, in the order of the tables; `control` adds the reference once more, under a second name."""
    found = {name: peer_of(subject) for name, subject in SUBJECTS.items()}
    if control:
        again = peer_of(SUBJECTS[REFERENCE])
        found[CONTROL] = Peer(
            CONTROL,
            "aiohttp, measured twice",
            "control",
            again.missing,
            again.version,
            again.launch,
            again.features,
        )
    return found


def _launch(subject: Subject, site: Site) -> Launch:
    launch = subject.command(
        Start(port=site.port, downstream=site.downstream_url, folder=site.folder, authority=site.authority)
    )
    if not site.authority:
        return launch
    return Launch(launch.argv, {**dict.fromkeys(AUTHORITY_VARIABLES, str(site.authority)), **launch.env})


def _version(distribution: str) -> Callable[[], str]:
    def read() -> str:
        if not distribution:
            return ""
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            return apart.version(distribution) or "not installed"

    return read
