"""Real input: servers and clients that nobody here wrote, with each backend between them.

A test whose program is absent is skipped and names the package to install. Everything listens on
127.0.0.1, on a port that the system chose, and is ended by its process id.
"""
