"""The scorer over HTTP.

Reading order: `wire` (the types), `columns` and `answers` (types to columns and back), `waiting` and
`engine_task` (the heart: micro-batches and durable commits), `service` (what is started and stopped),
`endpoints` and `app` (the routes).

The process imports neither mlflow nor evidently. One process owns a ledger and its engine; the learner and
the others that read the ledger are children of their own (`workers`).
"""
