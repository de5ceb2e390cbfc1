"""The domain: one ledger, and the folds over it.

Reading order: `events` (what is recorded), `features`, `models`, `labels`, `policy`, `engine` and
`learner` (the two folds), `replay` (the folds wired together), `ledger` (where it is kept).

Nothing in this package reads a clock, the network, global randomness or a data file.
"""
