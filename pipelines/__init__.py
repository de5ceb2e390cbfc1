"""One module per job (train, evaluate, ...), and everything that reads or writes files for them."""
