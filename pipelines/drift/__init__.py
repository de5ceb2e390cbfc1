"""What has changed between two windows of a ledger, as Evidently sees it; asked for by a person.

`windows` says which, `rows` reads them, `compare` has Evidently judge, `job` writes the files. The monitors
(`monitoring/`) watch all the time and may switch; this looks once and shows distributions.
"""
