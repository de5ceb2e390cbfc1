"""`make drill`: failures on purpose, over the running system. What happens, who answers, what it costs?

Read in this order: `faults` (what is broken, and what should happen), `payments` (a stream that can be
broken), `plant` (engine, learner and overseer, wired as the service wires them), `account` (what is counted),
`outcome` (what came of it), `__main__` (all of them, and the table).
"""
