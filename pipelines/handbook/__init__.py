"""`make handbook`: this system on the Fraud Detection Handbook's stream, by the Handbook's own protocol.

`protocol` scores predictions as the book does, `published` holds the book's figures, `yardstick` retrains
batch models weekly on the same features and labels, `job` runs it all and prints one table.
"""
