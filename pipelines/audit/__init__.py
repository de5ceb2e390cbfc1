"""`make audit-labels`: which labels of a run look wrong, ranked, with reasons; nothing is changed.

run directory -> evidence -> hindsight (out-of-sample probabilities) -> ranking (cleanlab) -> reasons
"""

from pipelines.audit.job import audit, audit_run, table_text

__all__ = ["audit", "audit_run", "table_text"]
