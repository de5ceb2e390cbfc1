"""`make handbook`: this system on the Fraud Detection Handbook's stream, by the Handbook's own protocol.

`protocol` says what is scored, `figures` measures a model with intervals, `published` holds the book's
figures, `yardstick` retrains batch models weekly on the same features and labels, `job` runs it all, and
`table` puts it into one table. docs/handbook.md says how the model was tuned.
"""
