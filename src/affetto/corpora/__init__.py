"""Which clips exist: sources, the clip table, the audit, splits and the demo corpora."""
