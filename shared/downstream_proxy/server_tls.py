"""TLS on the listener: one context for both backends, replaceable while it is in use.

What it is for: loading the certificate before serving, so that a bad file is one clear line, and giving both
backends the same protocol versions, ALPN and rules on client certificates.
What it must not know: sockets, HTTP, the downstream's side of TLS.
"""

from __future__ import annotations

import ssl
from typing import Any

from .settings import Settings
from .settings_source import ConfigurationError

_MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_CLIENT_AUTH = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL}


class ListenerTls(ssl.SSLContext):
    """What an event loop is given as its listener's context. Each handshake begins with `current`.

    An event loop keeps the context that a listener was made with. Changing that one in place would only ever
    add: a CA once trusted, a chain once loaded for another key type could not be taken out again.
    """

    current: ssl.SSLContext

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return self.current.wrap_bio(*args, **kwargs)


def listener_tls(settings: Settings) -> ListenerTls | None:
    """The listener's context, None without a certificate. Raises ConfigurationError for unusable files."""
    current = server_context(settings)
    if current is None:
        return None
    listener = ListenerTls(ssl.PROTOCOL_TLS_SERVER)
    listener.current = current
    return listener


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """A context for `settings`, None without a certificate. Raises ConfigurationError for unusable files."""
    if settings.ssl_certfile is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _MINIMUM[settings.ssl_min_version]
    context.set_alpn_protocols(["http/1.1"])
    try:
        # An empty password instead of none: OpenSSL would otherwise ask on the terminal and block the start.
        context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile, password="")
    except (OSError, ssl.SSLError) as error:
        key = settings.ssl_keyfile or settings.ssl_certfile
        raise ConfigurationError(
            [
                f"--ssl-certfile {settings.ssl_certfile} and --ssl-keyfile {key} cannot be used: "
                f"{_reason(error)}; both must be PEM, belong together, and have no password"
            ]
        ) from None
    if settings.ssl_client_ca is not None:
        try:
            context.load_verify_locations(settings.ssl_client_ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                [
                    f"ssl_client_ca {settings.ssl_client_ca} cannot be used: {_reason(error)}; "
                    "it must be a PEM file with the certificates of those who sign client certificates"
                ]
            ) from None
        context.verify_mode = _CLIENT_AUTH[settings.ssl_client_auth]
    return context


def _reason(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error.strerror or "not PEM").lower().replace("_", " ")
