"""Measurements: our two backends beside other proxies, each on the reader's own machine.

The package is also shipped in the wheel as `downstream_proxy_compare`, so every import
inside it is relative. It may start the engine as a separate process; it never runs it
in its own process, and nothing in the engine knows of it.
"""
