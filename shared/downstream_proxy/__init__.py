"""The framework-neutral core of a reverse proxy; `forwarder` walks through one request."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("downstream-proxy")
except PackageNotFoundError:  # a source tree on the path, not installed
    __version__ = "0.0.0+source"

__all__ = ["__version__"]
