"""What must hold under load, faults and cancellation, proved on running servers and measured from outside.

Each scenario is one coroutine that asserts and returns its figures: the tests run it small, and
`python -m tests.reliability` at full size, to print docs/reliability.md.
"""
