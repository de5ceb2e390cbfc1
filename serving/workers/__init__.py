"""The processes beside the scorer: they read its ledger and propose; only the scorer writes.

`supervisor` starts them and keeps them alive, `messages` is what they say, `learner` and `snapshotter`
are two of them.
"""
