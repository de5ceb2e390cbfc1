"""Which features, interactions and settings earn their place: leave each out, or add it, and learn anew.

`logged_stream` folds a stream once for its features, `refit` learns them anew under other settings,
`variants` says which settings, `figures` compares what they would have answered. `make ablate` prints it.
"""
