"""The demo: an embedded downstream to look at, and a runner that puts both backends in front of it.

`app.create_app()` is the downstream, `runner.main()` the command. Nothing in here is part of the proxy, and
nothing in here may import it: the backends are started as the programs a user would start.
"""
