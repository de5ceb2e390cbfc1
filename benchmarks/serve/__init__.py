"""`make bench-serve`: what durable scoring over HTTP costs, beside routes that do nothing.

Reading order: `contenders` (the routes that do nothing), `processes` (servers on a core of their own, and
what they use), `traffic` (requests), `clients`, `measures`, `soak` and `parity`, `__main__` (the comparison).
"""
