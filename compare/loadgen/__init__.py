"""Load generators: thin wrappers around wrk (closed loop) and h2load (open loop).

Must not know what is behind the URL.
"""
