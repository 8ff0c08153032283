"""Several addresses of one downstream, behind the seam that one address stands behind too.

A request meets, in this order: `breaker` (is the downstream worth asking at all), `roster` (which of its
addresses; `choice` and `affinity` are the rules, `standing` is what is known of each), then the address' own
Downstream. `balanced` puts them together, `checks` asks after the addresses' health meanwhile. All but these
last two are pure: they know no loop and are told the time.

A downstream with one address, no checks and no breaker is made without any of it.
"""
