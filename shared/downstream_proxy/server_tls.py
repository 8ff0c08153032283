"""TLS on the listener: one context for both backends.

What it is for: loading the certificate before serving, so that a bad file is one clear line, and giving both
backends the same protocol versions and ALPN.
What it must not know: sockets, HTTP, the downstream's side of TLS.
"""

from __future__ import annotations

import ssl

from .settings import Settings
from .settings_source import ConfigurationError


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """The listener's context, None without a certificate. Raises ConfigurationError for unusable files."""
    if settings.ssl_certfile is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9325 3.1.1: no SSL, no TLS 1.0 and 1.1
    context.set_alpn_protocols(["http/1.1"])
    try:
        # An empty password instead of none: OpenSSL would otherwise ask on the terminal and block the start.
        context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile, password="")
    except (OSError, ssl.SSLError) as error:
        key = settings.ssl_keyfile or settings.ssl_certfile
        reason = getattr(error, "reason", None) or error.strerror or "not PEM"
        raise ConfigurationError(
            [
                f"--ssl-certfile {settings.ssl_certfile} and --ssl-keyfile {key} cannot be used: "
                f"{str(reason).lower().replace('_', ' ')}; "
                "both must be PEM, belong together, and have no password"
            ]
        ) from None
    return context
