"""Looking after a ledger: backup and restore, retention, erasure of a card, and the proof of the whole.

Reading order: `ledger_files` (what lies where), `manifest`, `backup`, `restore`; then
`archive_tables` (frames as Parquet and back), `archive` (a folder of them), `retention` (what may go),
`dropping`, `whole_ledger` (archive and ledger read as one); then
`erasure` (what is erased of a card), `journal` and `erase`. The commands are in `commands`.

A backup and the writing of an archive only read, and run beside the server. What changes the ledger takes the
writer's lock, so it is refused while a server runs.
"""
