"""From a transaction and the history known at that moment to one row of numbers.

`declaration` reads the TOML list, `layout` turns it into a program of plain arrays, `state` holds the
decayed counters, `counters` moves them, `encoder` reads one row out of them.
"""
