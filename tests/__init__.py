"""The shared suite: the contract's rules, proved over real sockets against every backend.

Only relative imports here: an installed copy of this package has another name (`downstream_proxy_suite`).
"""
