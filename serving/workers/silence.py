"""How long a learner or a monitor may be silent, seconds; apart, as the configuration loads nothing heavy.

Both speak after each round of work, which takes `ROUND_S` and what a single frame takes.
"""

ROUND_S = 5.0
STALE_AFTER_S = 60.0  # then it is shown as stale
SILENT_AFTER_S = 300.0  # then it is ended and started again
