"""downstream-proxy: the framework-neutral core of a reverse proxy; see `forwarder` for the walk of one request."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("downstream-proxy")
except PackageNotFoundError:  # a source tree on the path, not installed
    __version__ = "0.0.0+source"

__all__ = ["__version__"]
